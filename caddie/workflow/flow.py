"""The blocks of the walk itself: delay, wait, human_confirmation, trigger-workflow, set-variable, reply_chat.

Invariant: what they start outside (a question, another execution) has an identity that follows from the step, so that
doing it again changes nothing. Caller: the executor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import JsonValue

from caddie.workflow.pauses import Answered, Over, Pause, question, seconds
from caddie.workflow.runner import Call, Result, StepError
from shared.events import Data, InputExpired, InputRequested, InputResolved
from shared.store.execution_records import VariableWrite
from shared.workflows import Definition, VariableDef

BLOCKS = frozenset({"delay", "wait", "human_confirmation", "trigger-workflow", "set-variable", "reply_chat"})
TEXT_CHARS = 100_000
LIST_ITEMS = 10_000
#: JSON readers disagree on integers from here on.
NUMBER_END = 2**63
_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float), "text": (str,), "boolean": (bool,), "list": (list,), "object": (dict,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Started:
    """Another execution. status: as it is now."""

    id: str
    status: str


class Outside(Protocol):
    """What these blocks need of the world around the walk."""

    async def ask(self, asked: InputRequested) -> InputRequested:
        """Store a question; gives it as it was stored first."""

    async def start(self, call: Call, workflow: str, given: JsonValue) -> Started:
        """Start another workflow, once per step. Raises StepError."""

    def reply(self, step_id: str, text: str) -> Sequence[Data]:
        """The events that say a text in the chat."""


@dataclass(slots=True)
class Change:
    """A variable's new value; `stored` when it lives with the workflow, and then the store knows the value."""

    name: str
    value: JsonValue
    stored: VariableWrite | None = None


@dataclass(frozen=True, slots=True)
class _Expired:
    status: str = "expired"
    resolved_by: str | None = None
    value: Any = None


class Flow:
    blocks = BLOCKS

    def __init__(self, definition: Definition, outside: Outside) -> None:
        self._variables = {each.name: each for each in definition.variableDefs}
        self._outside = outside

    def change(self, call: Call, variables: Mapping[str, JsonValue]) -> Change:
        """What `set-variable` does. Raises StepError."""
        name, operation = str(call.payload.get("name")), str(call.payload.get("operation") or "set")
        value = call.payload.get("value")
        declared = self._variables.get(name)
        if declared is None:
            raise StepError("VARIABLE_UNKNOWN", f"name: expected a declared variable, got {name[:64]!r}")
        _fits(declared, operation, value)
        if declared.lifetime == "persist":
            return Change(name, None, VariableWrite(name, operation, value, declared.type, declared.default))  # type: ignore[arg-type]
        return Change(name, changed(operation, variables.get(name), value))

    def reply(self, call: Call) -> tuple[str, Sequence[Data]]:
        """What `reply_chat` says, with the events that say it. Raises StepError."""
        text = call.payload.get("text")
        if not isinstance(text, str) or not text.strip():
            raise StepError("INVALID_PAYLOAD", "text: expected a text to send, got none")
        if len(text) > TEXT_CHARS:
            raise StepError("INVALID_PAYLOAD", f"text: expected at most {TEXT_CHARS} characters, got {len(text)}")
        return text, self._outside.reply(call.step_id, text)

    def repeated(self, block: str, step_id: str, result: JsonValue) -> Sequence[Data]:
        """The events of a reply that the log may lack."""
        if block != "reply_chat" or not isinstance(result, dict):
            return ()
        return self._outside.reply(step_id, str(result.get("text", "")))

    async def pause(self, call: Call, now: datetime) -> Over | tuple[Pause, tuple[Data, ...]]:
        """Begin to wait, if there is something to wait for. Raises StepError."""
        if call.type == "delay":
            slept_s = seconds(call.payload, "seconds")
            if slept_s == 0:
                return Over(self.slept(call))
            return Pause(call.type, now + timedelta(seconds=slept_s)), ()
        if call.type == "trigger-workflow":
            return await self._start(call)
        asked = await self.asked(call, now)
        return Pause(call.type, datetime.fromisoformat(asked.expiresAt), asked.inputId), (asked,)

    async def asked(self, call: Call, now: datetime) -> InputRequested:
        """A step's question, asked now unless it has been before. Raises StepError."""
        wanted = question(call.type, call.payload, now, call.origin.execution_id, call.node_id, call.step_id)
        return await self._outside.ask(wanted)

    async def _start(self, call: Call) -> Over | tuple[Pause, tuple[Data, ...]]:
        workflow = call.payload.get("workflow")
        if not isinstance(workflow, str | int) or isinstance(workflow, bool) or not str(workflow).strip():
            raise StepError("INVALID_PAYLOAD", "workflow: expected an id or slug, got none")
        started = await self._outside.start(call, str(workflow), call.payload.get("input"))
        if call.payload.get("wait") is False:
            return Over({"executionId": started.id, "status": started.status, "output": None})
        return Pause(call.type, child_id=started.id), ()

    def slept(self, call: Call) -> Result:
        return {"seconds": call.payload.get("seconds")}

    def expired(self) -> Answered:
        return _Expired()

    def closed(self, input_id: str, asked: Answered) -> Data:
        if asked.status == "resolved":
            return InputResolved(inputId=input_id, by=asked.resolved_by or "", value=asked.value)
        return InputExpired(inputId=input_id)


def changed(operation: str, before: JsonValue, value: JsonValue) -> JsonValue:
    """The value of a variable of an execution after a change."""
    if operation == "increment":
        assert isinstance(value, int | float)
        total = (before if isinstance(before, int | float) else 0) + value
        if not abs(total) < NUMBER_END:
            raise StepError("INVALID_PAYLOAD", "expected a number of at most 63 bits, got a larger one")
        return total
    if operation == "append":
        kept = before if isinstance(before, list) else []
        if len(kept) >= LIST_ITEMS:
            raise StepError("INVALID_PAYLOAD", f"expected a list of at most {LIST_ITEMS} items, got one more")
        return [*kept, value]
    return value


def _fits(declared: VariableDef, operation: str, value: JsonValue) -> None:
    """Raises StepError for a value the variable cannot take."""
    if operation not in ("set", "increment", "append"):
        raise StepError("INVALID_PAYLOAD", f"operation: expected set, increment or append, got {operation[:32]!r}")
    if operation == "increment" and (declared.type != "number" or not _is(value, "number")):
        raise StepError("INVALID_PAYLOAD", f"value: expected a number for the number {declared.name}")
    if operation == "append" and declared.type != "list":
        raise StepError("INVALID_PAYLOAD", f"operation: expected a list to append to, got a {declared.type}")
    if operation == "set" and value is not None and not _is(value, declared.type):
        message = f"value: expected a {declared.type} for {declared.name}, got {type(value).__name__}"
        raise StepError("INVALID_PAYLOAD", message)


def _is(value: JsonValue, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
