"""The chat's events as the frames of document 000: a pure projection of one run's part of the log.

Invariant: the same events give the same frames with the same indices, whoever reads them, live or from the log; an
event that has no place in the documents gives none. What the document shows as it is, is cut out of the event's JSON.
Callers: ``gateway.routes.chat_sse``, through ``gateway.relay``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from gateway.sse import frame
from shared.events import DELTA_PREFIX, RunFailed, RunFinished

SUMMARY_CHARS = 200
#: What ``shared.events.encode`` writes before `data`, which comes last. Anything else is parsed.
_HEAD = re.compile(
    rb'"type":"([a-z.]+)","ts":"[^"\\]*"(?:,"runId":"([^"\\]*)")?(?:,"agentVersion":"([a-z0-9]+)")?,"data":'
)
#: Ends the message id of a delta and begins its text; inside a string the quotes would be escaped.
_TEXT = b'","text":'
#: Between two messages of a run, so that readers who only join chunks get paragraphs.
_BREAK = b'"\\n\\n"'
_TERMINAL = (RunFinished.TYPE.encode(), RunFailed.TYPE.encode())
Members = dict[str, Any]


class ChatProjection:
    """The frames of one run for one reader. ended: the terminal frame was given; seen: index of its last event."""

    def __init__(self, run_id: str, conversation_id: str, request_id: str) -> None:
        self.ended = False
        self.seen = 0
        self._run_id = run_id.encode()
        self._mark = b'","runId":"%b","data":' % self._run_id
        self._ids = {"conversationId": conversation_id, "requestId": request_id, "runId": run_id}
        #: Index of the first text of each version that has said something.
        self._spoken: dict[bytes, int] = {}
        #: The mode that was selected last, and where.
        self._mode: tuple[int, str] | None = None
        self._kinds: dict[bytes, tuple[bytes, Callable[[Members], Members | None]]] = {
            b"thinking": (b"thinking", _thinking),
            b"mode.selected": (b"mode_switch", self._mode_switch),
            b"tool.started": (b"tool_start", _tool_start),
            b"tool.finished": (b"tool_result", _tool_result),
            b"run.restarted": (b"restart", self._restart),
            _TERMINAL[0]: (b"done", self._done),
            _TERMINAL[1]: (b"error", _error),
        }

    def take(self, index: int, body: bytes) -> bytes:
        """The frame of one event, or nothing. Events come in index order, also those the reader has already."""
        if body.startswith(DELTA_PREFIX):
            head, _, text = body.partition(_TEXT)
            # Two quotes: nothing but this one string is left.
            if self._mark in head and text.count(b'"') == 2 and text.endswith(b'"}}'):
                self.seen = index
                self._spoken.setdefault(b"", index)
                return frame(b"chunk", b'{"type":"chunk","data":%b}' % text[:-2], index)
        kind, run_id, version, data = _opened(body)
        if run_id != self._run_id:
            return b""
        self.seen = index
        if kind == b"message.delta":
            self._spoken.setdefault(version, index)
            text = orjson.dumps(orjson.loads(data)["text"])
            return frame(b"chunk", _members(b"chunk", text, version), index)
        if kind == b"node":
            return frame(b"node", _members(b"node", data, version), index)
        if kind == b"message.started":
            if version not in self._spoken:
                return b""
            return frame(b"chunk", _members(b"chunk", _BREAK, version), index)
        if kind not in self._kinds:
            return b""
        name, project = self._kinds[kind]
        members = project(orjson.loads(data))
        if members is None:
            return b""
        if version:
            members["agentVersion"] = version.decode()
        self.ended = self.ended or kind in _TERMINAL
        return frame(name, orjson.dumps({"type": name.decode(), **members}), index)

    def said(self, text: str) -> bytes:
        return said(text)

    def restarted(self) -> bytes:
        return restarted()

    def missed(self, reason: str) -> bytes:
        return missed(reason)

    def broke(self, code: str, message: str, retryable: bool) -> bytes:
        return broke(code, message, retryable)

    def _mode_switch(self, data: Members) -> Members:
        before, self._mode = self._mode, (self.seen, data["mode"])
        return {"data": {"from": before and before[1], "to": data["mode"], "reason": data["reason"]}}

    def _restart(self, data: Members) -> Members:
        keep = data["keepThrough"]
        self._spoken = {version: index for version, index in self._spoken.items() if index <= keep}
        if self._mode and self._mode[0] > keep:
            self._mode = None
        return {"data": {"attempt": data["attempt"], "keepThrough": keep}}

    def _done(self, data: Members) -> Members:
        """A cancelled run is done, too: what it said and built stays."""
        result = data.get("result") or {}
        return {"data": result, "usage": data.get("usage") or {}, "outcome": data["outcome"], **self._ids}


def said(text: str, index: int | None = None) -> bytes:
    """A chunk made of a stored text."""
    return frame(b"chunk", _members(b"chunk", orjson.dumps(text), b""), index)


def broke(code: str, message: str, retryable: bool) -> bytes:
    """The terminal frame of a stream that cannot go on, though its run may."""
    return frame(b"error", orjson.dumps({"type": "error", **_error(
        {"code": code, "message": message, "retryable": retryable}
    )}))  # fmt: skip


def restarted() -> bytes:
    """Nothing of what was shown counts any more: the whole of it comes again."""
    return frame(b"restart", b'{"type":"restart","data":{"keepThrough":0}}')


def missed(reason: str) -> bytes:
    """Events are gone that this reader lacks (reason: retention or epoch); `done` holds the whole result."""
    return frame(b"resync", orjson.dumps({"type": "resync", "data": {"reason": reason}}))


def _opened(body: bytes) -> tuple[bytes, bytes | None, bytes, bytes]:
    """(type, run id, agent version or b"", JSON of the data) of an event's body."""
    if head := _HEAD.match(body):
        return head[1], head[2], head[3] or b"", body[head.end() : -1]
    value = orjson.loads(b"{" + body)
    run_id, version = value.get("runId"), value.get("agentVersion") or ""
    return value["type"].encode(), run_id and run_id.encode(), version.encode(), orjson.dumps(value["data"])


def _members(kind: bytes, data: bytes, version: bytes) -> bytes:
    if version:
        return b'{"type":"%b","data":%b,"agentVersion":"%b"}' % (kind, data, version)
    return b'{"type":"%b","data":%b}' % (kind, data)


def _thinking(data: Members) -> Members:
    return {"message": data["text"]}


def _tool_start(data: Members) -> Members:
    return {"toolName": data["name"], "toolCallId": data["toolCallId"]}


def _tool_result(data: Members) -> Members:
    told = data.get("error") if not data["ok"] else data.get("result")
    summary = told if isinstance(told, str) else "" if told is None else orjson.dumps(told).decode()
    if len(summary) > SUMMARY_CHARS:
        summary = summary[: SUMMARY_CHARS - 1] + "…"
    return {"toolName": data["name"], "toolCallId": data["toolCallId"], "success": data["ok"], "summary": summary}


def _error(data: Members) -> Members:
    return {"error": data["message"], "code": data["code"], "retryable": data["retryable"]}
