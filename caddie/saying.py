"""What an execution says in the chat it belongs to, as events.

Invariant: each text has its own message, or, in a chat of document 002, all are one message whose id is known before
the run begins; said again after a takeover, it is the same message. Caller: ``caddie.executing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from shared.events import Data, MessageCompleted, MessageDelta, MessageStarted
from shared.fold import State
from shared.runs import answer_id

_BETWEEN = "\n\n"


class Speaker:
    """joined: everything is one message. state: what earlier attempts have said."""

    def __init__(self, run_id: str, state: State, *, joined: bool) -> None:
        self._run_id, self._joined = run_id, joined
        self._answer = answer_id(run_id)
        self._texts = {each.id: each.text for each in state.messages if each.role == "assistant"}
        self._ended = not joined

    @property
    def said(self) -> str:
        return _BETWEEN.join(self._texts.values())

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


def final_text(output: Any) -> str:
    """The text a workflow ended with, if it is one."""
    if isinstance(output, dict):
        output = output.get("text", output.get("message"))
    return output if isinstance(output, str) else ""
