"""A run as the data-only frames of document 002: start, content, tool_call, tool_result, end, error.

Invariant: the contents after the last `start`, put together, are the text of the stored message that `start` and `end`
name; a `start` that comes again voids what came before it (another worker has begun the run anew, or events were lost).
Callers: the chat routes, through ``gateway.routes.chat_sse``.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.sse import unbroken
from shared.errors import ERRORS
from shared.events import (
    ExecutionNode,
    MessageDelta,
    MessageStarted,
    RunFailed,
    RunFinished,
    RunRestarted,
    ToolFinished,
    ToolStarted,
)
from shared.runs import answer_id

#: Blocks that begin a workflow, and do nothing themselves.
TRIGGERS = ("manual", "trigger_chat", "webhook", "cronjob")
#: Between two messages of one run, which this document knows as one.
BREAK = "\n\n"


def frame(kind: str, index: int | None = None, **members: Any) -> bytes:
    """One frame; `id:` comes last, so that readers who know only `data:` find it at the beginning.

    index: on the last frame of an event only, or a reader that comes back with it would miss the rest.
    """
    data = unbroken(orjson.dumps({"type": kind, **members}))
    return b"data: %b\n\n" % data if index is None else b"data: %b\nid: %d\n\n" % (data, index)


class ChatView:
    """The frames of one run for one reader. ended: the terminal frame was given; seen: index of its last event."""

    def __init__(self, run_id: str) -> None:
        self.ended = False
        self.seen = 0
        self._run_id = run_id
        self._message_id = ""
        self._spoken = False
        #: Events were lost: nothing more is shown before the end, which holds the whole text.
        self._gap = False
        #: Steps of a workflow that have begun.
        self._steps: set[tuple[str | None, str]] = set()

    def take(self, index: int, body: bytes) -> bytes:
        """The frames of one event, or nothing. Events come in index order, also those the reader has already."""
        event = orjson.loads(b"{" + body)
        if event.get("runId") != self._run_id or event.get("agentVersion") == "v1":
            return b""
        seen, self.seen = self.seen, index
        data = event["data"]
        match event["type"]:
            case RunFinished.TYPE:
                return self._finished(index, data)
            case RunFailed.TYPE:
                self.ended = True
                return self._begin(None) + _error(data["code"], data["message"], index)
            case RunRestarted.TYPE:
                # An execution that is taken over goes on, and takes nothing back.
                if data["keepThrough"] < seen:
                    self._message_id, self._spoken, self._gap = "", False, False
                return b""
            case _ if self._gap:
                return b""
            case MessageStarted.TYPE:
                return self._begin(index, data["messageId"])
            case MessageDelta.TYPE:
                return self._begin(None, data["messageId"]) + self._content(data["text"], index)
            case ToolStarted.TYPE:
                call = frame("tool_call", index, toolName=data["name"], toolArgs=data["args"])
                return self._begin(None) + call
            case ToolFinished.TYPE:
                result = data.get("result") if data["ok"] else {"error": data.get("error") or "failed"}
                return self._begin(None) + frame("tool_result", index, toolName=data["name"], result=result)
            case ExecutionNode.TYPE:
                return self._stepped(index, data)
            case _:
                return b""

    def said(self, text: str) -> bytes:
        self._message_id, self._spoken = "", True
        return self._begin(None) + frame("content", delta=text)

    def restarted(self) -> bytes:
        self._message_id, self._spoken = "", False
        return b""

    def missed(self, reason: str) -> bytes:
        self._gap = True
        return b""

    def broke(self, code: str, message: str, retryable: bool) -> bytes:
        return _error(code, message, None)

    def _begin(self, index: int | None, message_id: str = "") -> bytes:
        """The `start` of the first message; a later one is a new paragraph of it."""
        if self._message_id:
            if not message_id or message_id == self._message_id:
                return b""
            self._message_id = message_id
            return frame("content", index, delta=BREAK) if self._spoken else b""
        self._message_id = message_id or answer_id(self._run_id)
        return frame("start", index, messageId=self._message_id)

    def _stepped(self, index: int, data: dict[str, Any]) -> bytes:
        """A step of a workflow as the call of a tool: a block that is done at once says only its end."""
        place, status, block = (data.get("path"), data["nodeId"]), data["status"], data.get("block") or data["nodeId"]
        if status == "skipped" or block in TRIGGERS:
            return b""
        begun, ended = place in self._steps, status in ("success", "failed")
        frames = self._begin(None)
        if not begun:
            args = {"nodeId": data["nodeId"], "path": data.get("path"), "input": data.get("input")}
            args = {name: value for name, value in args.items() if value is not None}
            frames += frame("tool_call", None if ended else index, toolName=block, toolArgs=args)
            self._steps.add(place)
        if not ended:
            return frames if not begun else b""
        self._steps.discard(place)
        result = data.get("output") if status == "success" else {"error": data.get("error") or "failed"}
        return frames + frame("tool_result", index, toolName=block, result=result)

    def _content(self, text: str, index: int) -> bytes:
        self._spoken = True
        return frame("content", index, delta=text)

    def _finished(self, index: int, data: dict[str, Any]) -> bytes:
        """Also of a run that was cancelled: what it said stays."""
        whole = b""
        if self._gap:
            self._message_id = ""
            text = (data.get("result") or {}).get("message", "")
            whole = self._begin(None) + (frame("content", delta=text) if text else b"")
        self.ended = True
        return whole + self._begin(None) + frame("end", index, messageId=self._message_id)


def _error(code: str, message: str, index: int | None) -> bytes:
    known = ERRORS.get(code) or ERRORS["RUN_FAILED"]
    return frame("error", index, error=known.title, message=message)
