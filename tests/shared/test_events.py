"""shared/events.py: one encoding, a tolerant reader, and a fold that does not care how the log was cut or merged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import events
from shared.events import (
    EVENTS,
    Data,
    Event,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    MessageUser,
    NodeChanged,
    RunFailed,
    RunFinished,
    RunRestarted,
    RunResult,
    RunStarted,
    decode,
    encode,
    join,
    parse,
)
from shared.fold import State, fold, merge_deltas, surviving

TS = "2026-01-02T03:04:05.678Z"
ODD = 'line\nfeed \\ "quote" é 😀 \u2028 \x7f'
SAMPLES: list[Data] = [
    MessageUser(messageId="u1", text=ODD, images=(events.Image(url="/b/1", mediaType="image/png"),), requestId="q1"),
    MessageUser(messageId="u1", text=""),
    RunStarted(requestId="q1", agentVersion="both", mode="planning", model="offline", attempt=2),
    RunStarted(kind="execution"),
    RunFinished(outcome="completed", result=RunResult(message="b", results={"v1": RunResult(message="a")})),
    RunRestarted(attempt=2, keepThrough=4),
    events.ModeSelected(mode="repair", reason=ODD),
    events.Thinking(text=ODD),
    MessageStarted(messageId="m1"),
    MessageDelta(messageId="m1", text=ODD),
    MessageCompleted(messageId="m1", text=ODD),
    events.ToolStarted(toolCallId="t1", name="add_node", args={"a": [1, None, {"b": ODD}], "c": None}),
    events.ToolFinished(toolCallId="t1", name="add_node", ok=True, result={"x": None}, durationMs=3),
    events.ToolFinished(toolCallId="t1", name="add_node", ok=False, error="no"),
    NodeChanged(action="add", nodeId="n1", node={"type": "x", "value": None}),
    NodeChanged(action="remove", nodeId="n1"),
    events.InputRequested(inputId="i1", body={"text": "?", "options": []}, expiresAt=TS),
    events.InputResolved(inputId="i1", by="1", value={"x": [1]}),
    events.InputResolved(inputId="i1", by="1", value=None),
    events.InputExpired(inputId="i1"),
    events.ProposalCreated(proposal={"id": "p1", "nothing": None}),
    events.ProposalApplied(proposalId="p1", by="1", version=3),
    events.ProposalRejected(proposalId="p1", by="1"),
    events.ExecutionNode(nodeId="n1", status="failed", error="x", durationMs=1, label="L"),
    RunFinished(
        outcome="completed",
        result=RunResult(
            type="workflow",
            workflow={"nodes": {"n": {"p": None}}},
            incompleteFields=(events.IncompleteField(nodeId="n", field="f", message="m"),),
            validationErrors=(events.ValidationFault(message="m"),),
        ),
        usage=events.Usage(inputTokens=1, steps=2),
    ),
    RunFailed(code="MODEL_FAILED", message="x", retryable=True),
    events.ConversationCleared(by="1"),
]


def build(items: list[tuple[str | None, Data]], start: int = 1) -> list[Event]:
    return [decode(index, encode(data, run, TS)) for index, (run, data) in enumerate(items, start)]


def run(*items: Data, run_id: str = "r1") -> list[tuple[str | None, Data]]:
    return [(run_id, item) for item in items]


def test_every_type_has_a_sample() -> None:
    assert {sample.TYPE for sample in SAMPLES} == set(EVENTS)
    assert all(model.TYPE == name for name, model in EVENTS.items())


@pytest.mark.parametrize("data", SAMPLES, ids=lambda data: data.TYPE)
@pytest.mark.parametrize("run_id", [None, "r1"])
def test_an_event_comes_back_as_it_was_sent(data: Data, run_id: str | None) -> None:
    body = encode(data, run_id, TS)
    assert b"\n" not in body, "bodies are joined by line feeds when they are published"
    event = parse(join(12, body))
    assert (event.index, event.type, event.ts, event.runId, event.data) == (12, data.TYPE, TS, run_id, data)
    assert type(event.data) is type(data)
    assert decode(12, body) == parse(orjson.loads(join(12, body))) == event


def test_the_wire_form_is_the_documented_one() -> None:
    assert join(7, encode(MessageDelta(messageId="m", text="a"), "r1", TS)) == (
        b'{"index":7,"type":"message.delta","ts":"' + TS.encode() + b'","runId":"r1",'
        b'"data":{"messageId":"m","text":"a"}}'
    )


def test_a_side_stands_in_the_envelope_before_the_data() -> None:
    body = encode(MessageDelta(messageId="m1", text="x"), "r1", TS, "v1")
    assert join(3, body) == (
        b'{"index":3,"type":"message.delta","ts":"%b","runId":"r1","agentVersion":"v1",'
        b'"data":{"messageId":"m1","text":"x"}}' % TS.encode()
    )
    assert decode(3, body).agentVersion == "v1" and body.startswith(events.DELTA_PREFIX)
    assert decode(3, encode(MessageDelta(messageId="m1", text="x"), "r1", TS)).agentVersion is None
    later = {"index": 1, "type": "thinking", "ts": TS, "agentVersion": "v9", "data": {"text": "x"}}
    assert parse(later).agentVersion is None


def test_what_v1_says_beside_v2_is_shown_and_not_kept() -> None:
    def said(side: events.Side, number: int) -> list[Event]:
        told: list[Data] = [
            MessageStarted(messageId=side), MessageDelta(messageId=side, text=side),
            MessageCompleted(messageId=side, text=side),
            NodeChanged(action="add", nodeId=side, node={"type": "manual"}),
            events.ModeSelected(mode="repair", reason=""),
        ]  # fmt: skip
        return [decode(number + offset, encode(data, "r1", TS, side)) for offset, data in enumerate(told)]

    state = fold([*said("v1", 1), *said("v2", 6)])
    assert [message.id for message in state.messages] == ["v2"] and list(state.definition or {}) == ["nodes"]
    assert list((state.definition or {})["nodes"]) == ["v2"]
    assert fold(said("v1", 1)) == State()


def test_unknown_types_and_members_are_tolerated() -> None:
    event = parse(b'{"index":1,"type":"future.thing","ts":"t","data":{"x":1},"more":2}')
    assert (event.type, event.data) == ("future.thing", {"x": 1})
    assert fold([event]) == State()
    known = parse(b'{"index":1,"type":"thinking","ts":"t","data":{"text":"a","mood":"good"},"from":1}')
    assert known.data == events.Thinking(text="a")


def test_events_can_not_be_changed() -> None:
    with pytest.raises(ValidationError):
        SAMPLES[8].text = "other"  # type: ignore[attr-defined]


def test_arguments_json_readers_disagree_on_are_made_portable() -> None:
    args: Any = {"big": 10**30, "low": -(2**70), "edge": 2**64 - 1, "yes": True, "a": ["\udfff", "😀"], "n": None}
    event = decode(1, encode(events.ToolStarted(toolCallId="t", name="n", args=args)))
    assert isinstance(event.data, events.ToolStarted)
    assert event.data.args == {
        "big": str(10**30), "low": str(-(2**70)), "edge": 2**64 - 1, "yes": True, "a": ["\ufffd", "😀"], "n": None,
    }  # fmt: skip


def test_times_are_utc_with_milliseconds() -> None:
    moment = datetime(2026, 1, 2, 5, 4, 5, 678_999, tzinfo=timezone(timedelta(hours=2)))
    assert events.timestamp(moment) == "2026-01-02T03:04:05.678Z"
    assert abs(datetime.fromisoformat(events.timestamp()) - datetime.now(UTC)) < timedelta(seconds=5)


def test_text_from_deltas_equals_the_completed_text() -> None:
    preview = run(
        MessageStarted(messageId="m"), *(MessageDelta(messageId="m", text=text) for text in ("Hel", "lo ", "😀"))
    )
    before = fold(build(preview)).messages[0]
    after = fold(build(preview + run(MessageCompleted(messageId="m", text="Hello 😀")))).messages[0]
    assert (before.text, before.status) == ("Hello 😀", "streaming")
    assert (after.text, after.status) == ("Hello 😀", "completed")


def test_the_completed_text_is_the_truth() -> None:
    items = run(
        MessageStarted(messageId="m"),
        MessageDelta(messageId="m", text="draft"),
        MessageCompleted(messageId="m", text="final"),
    )
    assert fold(build(items)).messages[0].text == "final"


def test_nodes_are_added_updated_and_removed() -> None:
    items = run(
        RunStarted(),
        NodeChanged(action="add", nodeId="a", node={"v": 1}),
        NodeChanged(action="add", nodeId="b", node={"v": 1}),
        NodeChanged(action="update", nodeId="a", node={"v": 2}),
        NodeChanged(action="remove", nodeId="b"),
        NodeChanged(action="remove", nodeId="never"),
    )
    state = fold(build(items), State(definition={"nodes": {"z": {}}, "variables": {"x": 1}}))
    assert state.definition == {"nodes": {"z": {}, "a": {"v": 2}}, "variables": {"x": 1}}


@pytest.mark.parametrize("before", [None, {"nodes": {"old": {}}}])
def test_a_failed_run_gives_the_definition_back(before: dict[str, Any] | None) -> None:
    items = run(
        RunStarted(),
        MessageStarted(messageId="m"),
        MessageDelta(messageId="m", text="half"),
        NodeChanged(action="add", nodeId="a", node={}),
        RunFailed(code="MODEL_FAILED", message="x", retryable=True),
    )
    state = fold(build(items), State(definition=before))
    assert state.definition == before
    assert [(message.text, message.status) for message in state.messages] == [("half", "failed")]
    assert state.runId is None


def test_a_cancelled_run_keeps_its_nodes_and_its_cut_message() -> None:
    items = run(
        RunStarted(),
        MessageStarted(messageId="m"),
        MessageDelta(messageId="m", text="half"),
        NodeChanged(action="add", nodeId="a", node={"v": 1}),
        RunFinished(outcome="cancelled"),
    )
    state = fold(build(items))
    assert [(message.text, message.status) for message in state.messages] == [("half", "cancelled")]
    assert state.definition == {"nodes": {"a": {"v": 1}}}


def test_the_result_is_the_definition_in_the_end() -> None:
    final: dict[str, Any] = {"nodes": {"x": {}}}
    items = run(RunStarted(), NodeChanged(action="add", nodeId="a", node={}),
                RunFinished(outcome="completed", result=RunResult(type="workflow", workflow=final)))  # fmt: skip
    assert fold(build(items)).definition == final


def test_questions_stay_open_until_resolved_or_expired() -> None:
    asked = [events.InputRequested(inputId=name, body={"text": "?"}, expiresAt=TS) for name in ("a", "b", "c")]
    state = fold(build(run(RunStarted(), *asked, RunFinished(outcome="waiting"))))
    assert list(state.inputs) == ["a", "b", "c"]
    closing = run(events.InputResolved(inputId="a", by="1", value="x"), events.InputExpired(inputId="c"), run_id="r2")
    assert list(fold(build(closing, 9), state).inputs) == ["b"]
    assert list(state.inputs) == ["a", "b", "c"], "the base is not changed"


def test_a_restart_drops_what_it_does_not_keep_of_its_own_run_only() -> None:
    items = [
        *run(MessageUser(messageId="u", text="hi"), RunStarted()),
        *run(MessageStarted(messageId="m"), MessageDelta(messageId="m", text="lost")),
        *run(MessageUser(messageId="other", text="queued"), run_id="r2"),
        *run(NodeChanged(action="add", nodeId="lost", node={})),
        *run(RunRestarted(attempt=2, keepThrough=2), MessageStarted(messageId="m2")),
        *run(MessageCompleted(messageId="m2", text="kept"), RunFinished(outcome="completed")),
    ]
    log = build(items)
    assert [event.index for event in surviving(log)] == [1, 2, 5, 7, 8, 9, 10]
    state = fold(log)
    texts = [(message.id, message.text) for message in state.messages]
    assert texts == [("u", "hi"), ("other", "queued"), ("m2", "kept")]
    assert state.definition is None


def test_clearing_removes_the_messages() -> None:
    items = [*run(MessageUser(messageId="u", text="x")), (None, events.ConversationCleared(by="1"))]
    assert fold(build(items)).messages == []


def test_only_adjacent_deltas_of_one_message_are_merged() -> None:
    items = run(
        MessageStarted(messageId="m"),
        *(MessageDelta(messageId="m", text=text) for text in "abc"),
        events.Thinking(text="t"),
        MessageDelta(messageId="m", text="d"),
        MessageDelta(messageId="n", text="e"),
        MessageDelta(messageId="n", text="f"),
    )
    bodies = [(index, encode(data, name, TS)) for index, (name, data) in enumerate(items, 1)]
    merged = merge_deltas(bodies)
    assert [(first, last) for first, last, _ in merged] == [(1, 1), (2, 4), (5, 5), (6, 6), (7, 8)]
    assert merged[3][2] == bodies[5][1], "what stands alone is not touched"
    assert orjson.loads(join(4, merged[1][2])) == {
        "index": 4, "type": "message.delta", "ts": TS, "runId": "r1", "from": 2,
        "data": {"messageId": "m", "text": "abc"},
    }  # fmt: skip
    assert merge_deltas([]) == []


@st.composite
def logs(draw: st.DrawFn, restarts: bool = False) -> list[tuple[int, bytes]]:
    """Runs as the worker writes them, restarted in between when asked for."""
    items: list[tuple[str | None, Data]] = []
    for number in range(draw(st.integers(1, 3))):
        name = f"r{number}"
        items += run(MessageUser(messageId=f"u{number}", text=draw(st.text(max_size=5))), RunStarted(), run_id=name)
        started = len(items)
        for attempt in range(1, 1 + draw(st.integers(1, 3 if restarts else 1))):
            if attempt > 1:
                items += run(RunRestarted(attempt=attempt, keepThrough=started), run_id=name)
            items += run(*draw(_steps(f"{number}.{attempt}")), run_id=name)
        items += run(draw(st.sampled_from(ENDS)), run_id=name)
    return [(index, encode(data, name, TS)) for index, (name, data) in enumerate(items, 1)]


ENDS: list[Data] = [
    RunFinished(outcome="completed"),
    RunFinished(outcome="cancelled"),
    RunFinished(outcome="completed", result=RunResult(type="workflow", workflow={"nodes": {"end": {}}})),
    RunFailed(code="MODEL_FAILED", message="x", retryable=False),
]


@st.composite
def _steps(draw: st.DrawFn, name: str) -> list[Data]:
    steps: list[Data] = []
    for number in range(draw(st.integers(0, 3))):
        message = f"m{name}.{number}"
        pieces = draw(st.lists(st.text(max_size=4), max_size=6))
        steps += [MessageStarted(messageId=message), *(MessageDelta(messageId=message, text=piece) for piece in pieces)]
        if draw(st.booleans()):
            steps.insert(len(steps) - draw(st.integers(0, len(pieces))), events.Thinking(text="hm"))
        if draw(st.booleans()):
            steps.append(MessageCompleted(messageId=message, text="".join(pieces)))
        node = draw(st.sampled_from(["a", "b"]))
        steps.append(
            NodeChanged(action="add", nodeId=node, node={"by": message})
            if draw(st.booleans())
            else NodeChanged(action="remove", nodeId=node)
        )
    return steps


def events_of(bodies: list[tuple[int, bytes]]) -> list[Event]:
    return [decode(index, body) for index, body in bodies]


@settings(max_examples=150, deadline=None)
@given(logs(restarts=True), st.data())
def test_merging_any_segmentation_folds_to_the_same_state(log: list[tuple[int, bytes]], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(log)), max_size=6)) | {0, len(log)})
    merged = [part for begin, end in zip(cuts, cuts[1:], strict=False) for part in merge_deltas(log[begin:end])]
    assert [index for first, last, _ in merged for index in range(first, last + 1)] == [index for index, _ in log]
    assert fold(decode(last, body) for _, last, body in merged) == fold(events_of(log))
    again = merge_deltas([(last, body) for _, last, body in merged])
    assert fold(decode(last, body) for _, last, body in again) == fold(events_of(log))


@settings(max_examples=60, deadline=None)
@given(logs())
def test_the_state_at_any_cut_and_the_rest_are_the_state_of_all(log: list[tuple[int, bytes]]) -> None:
    whole = fold(events_of(log))
    for cut in range(len(log) + 1):
        base = fold(events_of(log[:cut]))
        copied = State.model_validate_json(base.model_dump_json())
        assert fold(events_of(log[cut:]), base) == whole
        assert fold(events_of(log[cut:]), copied) == whole, "a state survives its JSON"


@settings(max_examples=60, deadline=None)
@given(logs(restarts=True))
def test_no_message_streams_and_no_run_is_active_when_all_runs_have_ended(log: list[tuple[int, bytes]]) -> None:
    state = fold(events_of(log))
    assert state.runId is None
    assert all(message.status != "streaming" for message in state.messages)


@pytest.mark.parametrize("side", [None, "v1", "v2"])
@pytest.mark.parametrize("text", ["", "word ", 'quote " and \\ and\n', "ümlaut 🙂 \u2028"])
def test_a_delta_is_encoded_the_same_without_its_model(text: str, side: events.Side | None) -> None:
    ts = events.timestamp()
    data = events.MessageDelta(messageId="m_1", text=text)
    assert events.encode_delta("m_1", text, "run_1", ts, side) == events.encode(data, "run_1", ts, side)
