from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import projection as projections
from gateway.projection import ChatProjection
from shared import events
from shared.events import Data, RunResult, encode

RUN = "9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d"
ROOT = {"type": "manual", "payload": {}, "children": []}


def projection() -> ChatProjection:
    return ChatProjection(RUN, "c1", "r1")


def parsed(frame: bytes) -> tuple[str, int, Any]:
    """(event, id, data) of one frame, which must be exactly one."""
    assert frame.endswith(b"\n\n") and frame.count(b"\n") == 4, frame
    event, index, data = frame.decode().splitlines()[:3]
    value = json.loads(data.removeprefix("data: "))
    assert value["type"] == event.removeprefix("event: ")
    return value["type"], int(index.removeprefix("id: ")), value


def shown(data: Data, index: int = 7, view: ChatProjection | None = None, side: Any = None) -> Any:
    frame = (view or projection()).take(index, encode(data, RUN, side=side))
    return parsed(frame)[2] if frame else None


FRAMES: list[tuple[Data, Any]] = [
    (events.MessageDelta(messageId="m", text="hi"), {"type": "chunk", "data": "hi"}),
    (
        events.NodeChanged(action="add", nodeId="root", node=ROOT),
        {"type": "node", "data": {"action": "add", "nodeId": "root", "node": ROOT}},
    ),
    (
        events.NodeChanged(action="remove", nodeId="root"),
        {"type": "node", "data": {"action": "remove", "nodeId": "root"}},
    ),
    (events.Thinking(text="hm"), {"type": "thinking", "message": "hm"}),
    (
        events.ModeSelected(mode="repair", reason="it failed"),
        {"type": "mode_switch", "data": {"from": None, "to": "repair", "reason": "it failed"}},
    ),
    (
        events.ToolStarted(toolCallId="t", name="add_node", args={"secret": 1}),
        {"type": "tool_start", "toolName": "add_node", "toolCallId": "t"},
    ),
    (
        events.ToolFinished(toolCallId="t", name="add_node", ok=True, result={"a": 1}),
        {"type": "tool_result", "toolName": "add_node", "toolCallId": "t", "success": True, "summary": '{"a":1}'},
    ),
    (
        events.ToolFinished(toolCallId="t", name="add_node", ok=False, error="expected x, got y"),
        {
            "type": "tool_result", "toolName": "add_node", "toolCallId": "t", "success": False,
            "summary": "expected x, got y",
        },
    ),
    (
        events.RunRestarted(attempt=2, keepThrough=4),
        {"type": "restart", "data": {"attempt": 2, "keepThrough": 4}},
    ),
    (
        events.RunFailed(code="MODEL_FAILED", message="the model is away", retryable=True),
        {"type": "error", "error": "the model is away", "code": "MODEL_FAILED", "retryable": True},
    ),
]  # fmt: skip
SILENT: list[Data] = [
    events.MessageUser(messageId="u", text="hello"), events.RunStarted(), events.MessageStarted(messageId="m"),
    events.MessageCompleted(messageId="m", text="hi"),
    events.InputRequested(inputId="i", body={"text": "which?"}, expiresAt="2026-01-01T00:00:00.000Z"),
    events.InputResolved(inputId="i", by="1"), events.InputExpired(inputId="i"),
    events.ProposalCreated(proposal={}), events.ExecutionNode(nodeId="a", status="running"),
    events.ConversationCleared(by="1"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), FRAMES, ids=lambda value: getattr(value, "TYPE", ""))
def test_an_event_becomes_the_frame_of_the_document(data: Data, expected: Any) -> None:
    assert shown(data) == expected
    assert parsed(projection().take(12, encode(data, RUN)))[1] == 12


@pytest.mark.parametrize("data", SILENT, ids=lambda data: data.TYPE)
def test_what_has_no_place_in_the_document_gives_no_frame(data: Data) -> None:
    assert shown(data) is None


@pytest.mark.parametrize("data", [*(pair[0] for pair in FRAMES), events.RunFinished(outcome="completed")])
def test_events_of_other_runs_and_of_none_are_not_shown(data: Data) -> None:
    view = projection()
    assert view.take(1, encode(data, "another-run")) == b"" and view.take(2, encode(data)) == b""
    assert not view.ended


def test_unknown_types_are_not_shown() -> None:
    assert projection().take(1, b'"type":"weather.changed","ts":"t","runId":"%b","data":{}}' % RUN.encode()) == b""


@pytest.mark.parametrize(("data", "expected"), FRAMES, ids=lambda value: getattr(value, "TYPE", ""))
def test_the_side_of_a_run_with_both_versions_is_named(data: Data, expected: Any) -> None:
    assert shown(data, side="v2") == {**expected, "agentVersion": "v2"}


def test_what_the_encoder_writes_most_is_cut_and_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed_after_all(_: bytes) -> Any:
        raise AssertionError

    monkeypatch.setattr(projections.orjson, "loads", parsed_after_all)
    for text in ("", "plain", "\\ \n ü 𝄞", "\\"):
        frame = projection().take(3, encode(events.MessageDelta(messageId="m", text=text), RUN))
        assert json.loads(frame.split(b"data: ", 1)[1])["data"] == text
    for side in (None, "v1", "v2"):
        node = events.NodeChanged(action="update", nodeId="n", node={"deep": [{"data": {"x": ',"data":{}'}}]})
        assert projection().take(3, encode(node, RUN, side=side))  # type: ignore[arg-type]


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from('"\\,{}:textda')) | st.sampled_from(
    [',"text":"x"', '","text":"x"}}', '"}}', "\\", '\\"', '"runId":"x"']
)


@given(TEXTS, st.sampled_from([None, "v1", "v2"]))
def test_a_chunk_holds_exactly_the_deltas_text(text: str, side: Any) -> None:
    frame = projection().take(9, encode(events.MessageDelta(messageId="m-1", text=text), RUN, side=side))
    event, index, value = parsed(frame)
    assert (event, index, value["data"], value.get("agentVersion")) == ("chunk", 9, text, side)


@given(TEXTS)
def test_another_layout_gives_the_same_frame(text: str) -> None:
    """A newer worker may write members in another order, or more of them."""
    delta = events.MessageDelta(messageId="m-1", text=text)
    value = orjson.loads(b"{" + encode(delta, RUN, side="v1"))
    value["data"] |= {"more": 1}
    turned = orjson.dumps(dict(reversed(value.items())))[1:]
    assert projection().take(9, turned) == projection().take(9, encode(delta, RUN, side="v1"))


def test_no_client_sees_a_line_end_inside_a_frame() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\rj\nk"
    frame = projection().take(1, encode(events.MessageDelta(messageId="m", text=text), RUN))
    lines = frame.decode().splitlines()
    assert len(lines) == 4 and json.loads(lines[2].removeprefix("data: "))["data"] == text


def test_messages_of_a_run_are_set_apart_and_versions_do_not_mix() -> None:
    view = projection()

    def said(index: int, message: str, text: str, side: Any = None) -> str:
        frames = view.take(index, encode(events.MessageStarted(messageId=message), RUN, side=side))
        frames += view.take(index + 1, encode(events.MessageDelta(messageId=message, text=text), RUN, side=side))
        lines = [line for line in frames.decode().splitlines() if line.startswith("data: ")]
        return "".join(json.loads(line.removeprefix("data: "))["data"] for line in lines)

    assert [said(1, "a", "one"), said(3, "b", "two"), said(5, "c", "three")] == ["one", "\n\ntwo", "\n\nthree"]
    assert [said(7, "d", "one", "v1"), said(9, "e", "two", "v1")] == ["one", "\n\ntwo"]
    # What was said above index 1 no longer counts, so nothing was said.
    assert shown(events.RunRestarted(attempt=2, keepThrough=1), 11, view)
    assert said(12, "f", "again") == "again"


def test_a_mode_switch_tells_where_it_came_from_unless_that_no_longer_counts() -> None:
    view = projection()
    first, second = (events.ModeSelected(mode=mode, reason="x") for mode in ("planning", "building"))  # type: ignore[arg-type]
    assert [shown(data, index, view)["data"]["from"] for index, data in ((3, first), (4, second))] == [None, "planning"]
    shown(events.RunRestarted(attempt=2, keepThrough=2), 5, view)
    assert shown(first, 6, view)["data"]["from"] is None


def test_done_holds_result_usage_and_ids() -> None:
    result = RunResult(
        type="workflow", workflow={"nodes": {"root": ROOT}}, message="built",
        incompleteFields=(events.IncompleteField(nodeId="a", field="url", message="missing"),),
        validationErrors=(events.ValidationFault(nodeId="b", message="bad"),),
    )  # fmt: skip
    view = projection()
    value = shown(events.RunFinished(outcome="limit", result=result, usage=events.Usage(inputTokens=3)), 9, view)
    assert value["data"] == {
        "type": "workflow", "workflow": {"nodes": {"root": ROOT}}, "message": "built",
        "incompleteFields": [{"nodeId": "a", "field": "url", "message": "missing"}],
        "validationErrors": [{"nodeId": "b", "message": "bad"}],
    }  # fmt: skip
    assert value["usage"]["inputTokens"] == 3 and value["outcome"] == "limit"
    assert (value["conversationId"], value["requestId"], value["runId"]) == ("c1", "r1", RUN)
    assert view.ended


def test_a_cancelled_run_is_done() -> None:
    value = shown(events.RunFinished(outcome="cancelled"))
    assert value["type"] == "done" and value["outcome"] == "cancelled"


def test_both_results_are_there_and_the_second_versions_stands_on_top() -> None:
    first, second = RunResult(message="one"), RunResult(message="two")
    result = second.model_copy(update={"results": {"v1": first, "v2": second}})
    data = shown(events.RunFinished(outcome="completed", result=result))["data"]
    assert data["message"] == "two"
    assert (data["results"]["v1"]["message"], data["results"]["v2"]["message"]) == ("one", "two")


def test_a_long_summary_is_cut() -> None:
    told = shown(events.ToolFinished(toolCallId="t", name="n", ok=True, result="x" * 10_000))["summary"]
    assert len(told) == projections.SUMMARY_CHARS and told.endswith("…")
