"""An execution as the messages of `/ws/` (document 004): a pure projection of its events, or of what the store keeps.

Invariant: the same events give the same messages, whoever reads them, live or from the log; what the store tells of an
execution whose log is gone is not told again by events that come afterwards. An event of another run, or one that has
no place in the document, gives none. Caller: ``gateway.following``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import orjson
from pydantic import JsonValue

from shared.events import DELTA_PREFIX, timestamp
from shared.store.execution_records import ExecutionRecord, StepRecord
from shared.store.records import InputRecord, MessageRecord

MessageType = Literal[
    "execution_started", "node_status", "chat_message", "execution_completed", "execution_failed",
    "execution_interrupted", "execution_cancelled",
]  # fmt: skip
Members = dict[str, Any]
#: Block type and own title of each node of a definition.
Labels = Mapping[str, tuple[str, str | None]]
#: A block's title by its type.
Titles = Callable[[str], str | None]
#: What a step may still become: what the store tells of others is their end.
_OPEN = ("pending", "running", "waiting")
#: Steps a reader's view remembers; beyond them a lost log may tell a status twice.
TOLD_MAX = 2_000
_FIRST = (b'"type":"run.started",', b'"type":"message.user",')


@dataclass(frozen=True, slots=True)
class Past:
    """What the store keeps of an execution. steps: in the order they began; inputs: those nobody has answered."""

    execution: ExecutionRecord
    steps: Sequence[StepRecord]
    labels: Labels
    messages: Sequence[MessageRecord]
    inputs: Sequence[InputRecord]


class ExecutionView:
    """The messages of one execution on one channel. ended: the last one was given."""

    def __init__(self, execution: ExecutionRecord, channel: str, titles: Titles) -> None:
        self.ended = False
        self._id, self._channel, self._titles = execution.id, channel, titles
        self._mark = b'"runId":"%b",' % execution.id.encode()
        self._begin = {"workflow": execution.workflow_slug, "trigger": execution.trigger}
        self._begun = False
        #: What was told of steps, and the ids of messages and questions: an attempt that was taken over, or a log that
        #: began anew, says some of it again.
        self._told: dict[tuple[str, str], str] = {}
        self._known: set[str] = set()
        self._kinds: dict[str, Callable[[Members], tuple[MessageType, Members] | None]] = {
            "run.started": self._started,
            "execution.node": self._node,
            "message.completed": self._said,
            "input.requested": self._interrupted,
            "run.finished": self._finished,
            "run.failed": self._failed,
        }

    def begins(self, body: bytes) -> bool:
        """Whether this is the execution's first event: the log has all of it from here on."""
        return body.startswith(_FIRST) and self._mark in body

    def take(self, body: bytes) -> bytes:
        """The message of one event, or nothing. Events come in index order."""
        if body.startswith(DELTA_PREFIX) or self._mark not in body:
            return b""
        event = orjson.loads(b"{" + body)
        project = self._kinds.get(event["type"])
        if project is None or event.get("runId") != self._id:
            return b""
        found = project(event["data"])
        return self._message(found[0], found[1], event["ts"]) if found else b""

    def rebuilt(self, past: Past) -> Iterator[bytes]:
        """Everything up to now that was not told yet, from the store, with the end when there is one."""
        execution = past.execution
        begun = execution.started_at or execution.finished_at
        if begun is None:
            return
        if not self._begun:
            self._begun = True
            yield self._message("execution_started", self._begin, timestamp(begun))
        for step in self._steps(past.steps, past.labels):
            yield self._message("node_status", *step)
        for said in past.messages:
            if said.role == "assistant" and self._is_new(said.id):
                yield self._message("chat_message", _spoken(said.id, said.text), timestamp(said.created_at))
        for asked in past.inputs:
            if self._is_new(asked.id):
                members = _question(asked.id, asked.kind, asked.body, timestamp(asked.expires_at))
                yield self._message("execution_interrupted", members, timestamp(begun))
        if execution.over and not self.ended:
            self.ended = True
            texts = [said.text for said in past.messages if said.role == "assistant"]
            yield self._message(*_ending(execution, "\n\n".join(texts)), timestamp(execution.finished_at))

    def _steps(self, steps: Iterable[StepRecord], labels: Labels) -> Iterator[tuple[Members, str]]:
        for step in steps:
            if not self._is_news(step.path, step.node_id, step.status):
                continue
            block, label = labels.get(step.node_id, (None, None))
            ended = step.started_at + timedelta(milliseconds=step.duration_ms or 0) if step.started_at else None
            yield self._status(
                step.node_id, step.status, step.path, block, label, step.input, step.result,
                step.error, step.error_code, step.duration_ms,
            ), timestamp(ended)  # fmt: skip

    def _started(self, _data: Members) -> tuple[MessageType, Members] | None:
        """Once, however many attempts there are."""
        if self._begun:
            return None
        self._begun = True
        return "execution_started", self._begin

    def _node(self, data: Members) -> tuple[MessageType, Members] | None:
        path = data.get("path") or ""
        if not self._is_news(path, data["nodeId"], data["status"]):
            return None
        return "node_status", self._status(
            data["nodeId"], data["status"], path, data.get("block"), data.get("label"), data.get("input"),
            data.get("output"), data.get("error"), data.get("code"), data.get("durationMs"),
        )  # fmt: skip

    def _interrupted(self, data: Members) -> tuple[MessageType, Members] | None:
        if not self._is_new(data["inputId"]):
            return None
        return "execution_interrupted", _question(data["inputId"], data["kind"], data["body"], data["expiresAt"])

    def _said(self, data: Members) -> tuple[MessageType, Members] | None:
        if not self._is_new(data["messageId"]):
            return None
        return "chat_message", _spoken(data["messageId"], data["text"])

    def _finished(self, data: Members) -> tuple[MessageType, Members]:
        self.ended = True
        result = data.get("result") or {}
        match data["outcome"]:
            case "cancelled":
                return "execution_cancelled", {}
            case "limit":
                return "execution_failed", _failure(result.get("message") or "a limit was reached", "RUN_LIMIT")
            case _:
                return "execution_completed", _completed(result.get("output"), result.get("message") or "")

    def _failed(self, data: Members) -> tuple[MessageType, Members]:
        self.ended = True
        return "execution_failed", _failure(data["message"], data["code"])

    def _status(
        self, node_id: str, status: str, path: str, block: str | None, label: str | None, input: JsonValue,
        output: JsonValue, error: str | None, code: str | None, duration_ms: int | None,
    ) -> Members:  # fmt: skip
        optional = {
            "path": path or None, "input": input, "output": output, "error": error, "error_code": code,
            "duration_ms": duration_ms,
        }  # fmt: skip
        given = {name: value for name, value in optional.items() if value is not None}
        label = label or (self._titles(block) if block else None) or node_id
        return {"node_id": node_id, "status": status, **given, "component_type": block, "node_label": label}

    def _is_news(self, path: str, node_id: str, status: str) -> bool:
        """Whether a step has not been told to be in this status, or at its end, and note it."""
        told = self._told.get((path, node_id))
        if told is not None and (told == status or told not in _OPEN):
            return False
        if told is not None or len(self._told) < TOLD_MAX:
            self._told[path, node_id] = status
        return True

    def _is_new(self, identifier: str) -> bool:
        if identifier in self._known:
            return False
        if len(self._known) < TOLD_MAX:
            self._known.add(identifier)
        return True

    def _message(self, kind: MessageType, data: Members, ts: str) -> bytes:
        return orjson.dumps(
            {"type": kind, "channel": self._channel, "timestamp": ts, "execution_id": self._id, "data": data}
        )


def _spoken(message_id: str, text: str) -> Members:
    return {"message_id": message_id, "role": "assistant", "text": text}


def _question(input_id: str, kind: str, body: Mapping[str, Any], expires_at: str) -> Members:
    members = {"input_id": input_id, "kind": kind, "node_id": body.get("nodeId"), "text": body.get("text") or ""}
    options = {"options": body["options"]} if body.get("options") else {}
    return members | options | {"expires_at": expires_at}


def _completed(output: JsonValue, text: str) -> Members:
    return {"output": output} | ({"response": text} if text else {})


def _ending(execution: ExecutionRecord, text: str) -> tuple[MessageType, Members]:
    match execution.status:
        case "completed":
            return "execution_completed", _completed(execution.output, text)
        case "cancelled":
            return "execution_cancelled", {}
    message = execution.error_message or "the execution failed"
    return "execution_failed", _failure(message, execution.error_code or "RUN_FAILED")


def _failure(message: str, code: str) -> Members:
    return {"error": message, "error_code": code}
