"""The projection by itself: what is told of an execution, and what is not told again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.execution_view import ExecutionView, Past
from shared import events
from shared.events import Data
from shared.store.execution_records import ExecutionRecord, StepRecord
from shared.store.records import InputRecord, MessageRecord

BEGUN = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


def record(**members: Any) -> ExecutionRecord:
    values: dict[str, Any] = {name: None for name in ExecutionRecord.__dataclass_fields__}
    values |= {
        "id": "run-1", "org_id": 1, "user_id": 1, "workflow_slug": "bot", "trigger": "chat", "status": "running",
        "created_at": BEGUN, "started_at": BEGUN,
    }  # fmt: skip
    return ExecutionRecord(**values | members)


def step(node_id: str, status: Any, path: str = "", **members: Any) -> StepRecord:
    values: dict[str, Any] = {name: None for name in StepRecord.__dataclass_fields__}
    values |= {"node_id": node_id, "status": status, "path": path, "started_at": BEGUN, "duration_ms": 5}
    return StepRecord(**values | members)


def view(**members: Any) -> ExecutionView:
    return ExecutionView(record(**members), "execution:run-1", {"format": "Format text"}.get)


def taken(shown: ExecutionView, *data: Data, run_id: str | None = "run-1") -> list[dict[str, Any]]:
    frames = [shown.take(events.encode(each, run_id, "2025-01-15T10:30:01.000Z")) for each in data]
    return [json.loads(frame) for frame in frames if frame]


def node(node_id: str, status: Any, **members: Any) -> events.ExecutionNode:
    return events.ExecutionNode(nodeId=node_id, status=status, **members)


def test_a_node_is_told_with_what_there_is_of_it() -> None:
    (bare,) = taken(view(), node("a", "skipped"))
    assert bare["data"] == {"node_id": "a", "status": "skipped", "component_type": None, "node_label": "a"}
    assert bare["timestamp"] == "2025-01-15T10:30:01.000Z" and bare["execution_id"] == "run-1"
    (whole,) = taken(view(), node("a", "failed", block="format", path="each:3", error="no", code="BAD", durationMs=0))
    assert whole["data"] == {
        "node_id": "a", "status": "failed", "path": "each:3", "error": "no", "error_code": "BAD", "duration_ms": 0,
        "component_type": "format", "node_label": "Format text",
    }  # fmt: skip
    (named,) = taken(view(), node("a", "success", block="format", label="Mine", output={"x": 1}))
    assert named["data"]["node_label"] == "Mine" and named["data"]["output"] == {"x": 1}


def test_other_runs_and_other_events_say_nothing() -> None:
    shown = view()
    mentioned = events.MessageCompleted(messageId="m", text='"runId":"run-1",')
    for run_id in ("run-2", None):
        assert taken(shown, events.RunStarted(), node("a", "success"), mentioned, run_id=run_id) == []
    assert taken(shown, events.Thinking(text="hm"), events.MessageDelta(messageId="m", text="x")) == []
    assert taken(shown, events.MessageUser(messageId="u", text="hello")) == []


def test_an_attempt_that_was_taken_over_says_nothing_twice() -> None:
    shown = view()
    first = (events.RunStarted(), node("a", "running"), node("a", "success"), node("b", "running"))
    assert len(taken(shown, *first)) == 4
    said = events.MessageCompleted(messageId="m", text="x")
    again = taken(shown, events.RunStarted(attempt=2), *first[1:], node("b", "success"), said, said)
    assert [message["type"] for message in again] == ["node_status", "chat_message"]
    assert again[0]["data"]["node_id"] == "b"


@pytest.mark.parametrize(
    ("terminal", "kind", "data"),
    [
        (events.RunFinished(outcome="completed"), "execution_completed", {"output": None}),
        (
            events.RunFinished(outcome="completed", result=events.RunResult(output=[1], message="hi")),
            "execution_completed", {"output": [1], "response": "hi"},
        ),
        (events.RunFinished(outcome="cancelled"), "execution_cancelled", {}),
        (
            events.RunFinished(outcome="limit", result=events.RunResult(message="too long")), "execution_failed",
            {"error": "too long", "error_code": "RUN_LIMIT"},
        ),
        (
            events.RunFailed(code="X", message="y", retryable=True), "execution_failed",
            {"error": "y", "error_code": "X"},
        ),
    ],
)  # fmt: skip
def test_every_end_has_its_message(terminal: Data, kind: str, data: dict[str, Any]) -> None:
    shown = view()
    (message,) = taken(shown, terminal)
    assert (message["type"], message["data"]) == (kind, data) and shown.ended


def past(execution: ExecutionRecord, *steps: StepRecord, **members: Any) -> Past:
    values: dict[str, Any] = {"labels": {"a": ("format", "Mine")}, "messages": (), "inputs": ()}
    return Past(execution, steps, **values | members)


def test_the_store_tells_the_same_as_the_log() -> None:
    asked = InputRecord("i", "question", {"text": "ok?", "nodeId": "b"}, BEGUN + timedelta(hours=1))
    messages = (MessageRecord("u", "user", "hi", BEGUN), MessageRecord("m", "assistant", "ho", BEGUN))
    steps = (step("a", "success", result={"x": 1}), step("b", "waiting", duration_ms=None))
    shown = view()
    found = past(record(status="waiting"), *steps, messages=messages, inputs=(asked,))
    told = [json.loads(frame) for frame in shown.rebuilt(found)]
    assert [message["type"] for message in told] == [
        "execution_started", "node_status", "node_status", "chat_message", "execution_interrupted",
    ]  # fmt: skip
    assert told[1]["data"] == {
        "node_id": "a", "status": "success", "output": {"x": 1}, "duration_ms": 5, "component_type": "format",
        "node_label": "Mine",
    }  # fmt: skip
    assert told[1]["timestamp"] == "2025-01-15T10:30:00.005Z" and told[3]["data"]["text"] == "ho"
    # What the log says of it afterwards is known.
    question = events.InputRequested(inputId="i", body={"text": "ok?"}, expiresAt="2025-01-15T11:30:00.000Z")
    assert taken(shown, events.RunStarted(), node("a", "success"), node("b", "waiting"), question) == []
    assert len(taken(shown, node("b", "success"))) == 1
    assert list(shown.rebuilt(found)) == []


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_end_in_the_store_is_told_once(status: Any) -> None:
    shown = view()
    over = record(status=status, finished_at=BEGUN + timedelta(seconds=3), output={"x": 1}, error_message="e")
    told = [json.loads(frame) for frame in shown.rebuilt(past(over))]
    assert [message["type"] for message in told] == ["execution_started", f"execution_{status}"]
    assert told[-1]["timestamp"] == "2025-01-15T10:30:03.000Z" and shown.ended
    assert list(shown.rebuilt(past(over))) == []


def test_of_what_has_not_begun_nothing_is_told() -> None:
    shown = view(started_at=None)
    assert list(shown.rebuilt(past(record(status="pending", started_at=None)))) == []
    assert len(taken(shown, events.RunStarted())) == 1
