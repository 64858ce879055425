"""What an execution says, as events: in the chat it belongs to, and last of all how it has ended.

Invariant: each text has its own message, or, in a chat of document 002, all are one message whose id is known before
the run begins; said again after a takeover, it is the same message. Caller: ``caddie.executing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID, uuid5

from caddie.workflow.program import Program
from caddie.workflow.steps import OUTPUT_PREVIEW_BYTES, preview
from caddie.workflow.terms import Failure, Stopped
from shared.events import (
    Data,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    RunFailed,
    RunFinished,
    RunResult,
)
from shared.fold import State
from shared.runs import answer_id

Outcome = Literal["completed", "failed", "cancelled"]
_BETWEEN = "\n\n"
#: Why an execution as a whole ended; any other code is a step's.
_OWN_CODES = ("RUN_LIMIT", "RUN_TIMEOUT", "DEFINITION_INVALID")


class Speaker:
    """joined: everything is one message. state: what earlier attempts have said."""

    def __init__(self, run_id: str, state: State, *, joined: bool) -> None:
        self._run_id, self._joined = run_id, joined
        self._answer = answer_id(run_id)
        self._texts = {each.id: each.text for each in state.messages if each.role == "assistant"}

    @property
    def said(self) -> str:
        return _BETWEEN.join(self._texts.values())

    @property
    def replied(self) -> bool:
        """Whether anything was said before the end; an earlier attempt may have died while it said its last."""
        return any(name != self.message_id("end") for name in self._texts) or (self._joined and bool(self._texts))

    def last(self, text: str) -> Sequence[Data]:
        """What is said at the end, unless it has been."""
        return () if self.message_id("end") in self._texts else self.say("end", text)

    def message_id(self, step_id: str) -> str:
        return self._answer if self._joined else str(uuid5(UUID(self._run_id), step_id))

    def copy_id(self, step_id: str) -> str:
        """Of the same text in the thread of document 004."""
        return str(uuid5(UUID(self._run_id), f"thread {step_id}"))

    def say(self, step_id: str, text: str) -> Sequence[Data]:
        name = self.message_id(step_id)
        known = self._texts.get(name)
        if not self._joined:
            self._texts[name] = text
            return MessageStarted(messageId=name), MessageDelta(messageId=name, text=text), _whole(name, text)
        if known is None:
            self._texts[name] = text
            return MessageStarted(messageId=name), MessageDelta(messageId=name, text=text)
        self._texts[name] = known + _BETWEEN + text
        return (MessageDelta(messageId=name, text=_BETWEEN + text),)

    def end(self) -> Sequence[Data]:
        """The whole of the one message, when there is nothing more to come."""
        if not self._joined:
            return ()
        text = self._texts.get(self._answer)
        if text is None:
            self._texts[self._answer] = ""
            return MessageStarted(messageId=self._answer), _whole(self._answer, "")
        return (_whole(self._answer, text),)


def _whole(name: str, text: str) -> Data:
    return MessageCompleted(messageId=name, text=text)


def outcome(failure: Failure | None) -> Outcome:
    if failure is None:
        return "completed"
    return "cancelled" if failure.code == "CANCELLED" else "failed"


def terminal(stopped: Stopped, program: Program | None, said: str) -> Data:
    """The event an execution ends with."""
    failure = stopped.failure
    if failure is None or failure.code == "CANCELLED":
        output = preview(stopped.output, OUTPUT_PREVIEW_BYTES) if failure is None else None
        result = RunResult(message=said, output=output)
        return RunFinished(outcome="cancelled" if failure else "completed", result=result)
    message = failure.message
    if failure.node_id is not None and program is not None:
        node = program.node(failure.node_id)
        message = f"{node.titleOverride or failure.node_id}: {message}"
    code = failure.code if failure.code in _OWN_CODES else "RUN_FAILED"
    return RunFailed(code=code, message=message, retryable=False)


def final_text(output: Any) -> str:
    """The text a workflow ended with, if it is one."""
    if isinstance(output, dict):
        output = output.get("text", output.get("message"))
    return output if isinstance(output, str) else ""
