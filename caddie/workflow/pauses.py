"""Steps that wait: for a time, for a person, for another execution; what they ask and what comes of it.

Invariant: a wait is a stored step and nothing in memory, so that it costs no worker; it ends once, by whichever came
first. Caller: the executor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5

from pydantic import JsonValue

from caddie.workflow.runner import Result, StepError
from shared.events import InputRequested, timestamp

CONFIRM_S = 600.0
LONGEST_S = 2_592_000.0
APPROVE, DECLINE = "approve", "decline"


class Child(Protocol):
    """An execution that another one waits for, as the store tells it."""

    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def output(self) -> object: ...
    @property
    def error_message(self) -> str | None: ...


class Answered(Protocol):
    """A question's state, as the store tells it."""

    @property
    def status(self) -> str: ...
    @property
    def resolved_by(self) -> str | None: ...
    @property
    def value(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Pause:
    """What a step waits for: a time, an answer until then, or the end of another execution."""

    block: str
    until: datetime | None = None
    input_id: str | None = None
    child_id: str | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """A wait that has ended."""

    result: Result
    branch: str | None = None


def seconds(payload: Mapping[str, JsonValue], name: str, otherwise: float | None = None) -> float:
    """A number of seconds of a payload. Raises StepError."""
    value = payload.get(name)
    if value is None and otherwise is not None:
        return otherwise
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
        raise StepError("INVALID_PAYLOAD", f"{name}: expected 0 to {LONGEST_S:g} seconds, got {_kind(value)}")
    return float(value)


def question(
    block: str, payload: Mapping[str, JsonValue], now: datetime, execution_id: str, node_id: str, identity: str
) -> InputRequested:
    """What a `wait` or `human_confirmation` asks, until when. Raises StepError."""
    body: dict[str, JsonValue] = {"nodeId": node_id, "executionId": execution_id, "allowText": block == "wait"}
    if block == "wait":
        until = now + timedelta(seconds=seconds(payload, "timeoutSeconds"))
        body["text"] = str(payload.get("reason") or "The workflow waits to be resumed.")
    else:
        until = now + timedelta(seconds=seconds(payload, "timeoutSeconds", CONFIRM_S))
        body["text"] = str(payload.get("message") or "")
        body["options"] = [{"value": APPROVE, "label": "Approve"}, {"value": DECLINE, "label": "Decline"}]
    return InputRequested(inputId=str(uuid5(UUID(identity), "input")), body=body, expiresAt=timestamp(until))


def answered(block: str, asked: Answered) -> Over:
    """What an answer, or the end of the time for one, makes of the step."""
    resolved = asked.status == "resolved"
    if block == "wait":
        status = "resumed" if resolved else "timed_out"
        return Over({"status": status, "data": asked.value if resolved else None}, branch=status)
    approved, comment = _decision(asked.value) if resolved else (False, "")
    return Over({"approved": approved, "comment": comment, "by": (asked.resolved_by or "") if resolved else ""})


def child_over(child: Child) -> Over | None:
    """What the end of another execution makes of the step; None: it goes on. Raises StepError when it failed."""
    if child.status in ("failed", "cancelled"):
        reason = child.error_message or child.status
        raise StepError("WORKFLOW_FAILED", f"the execution {child.id} was expected to complete, got: {reason}")
    if child.status != "completed":
        return None
    output: Any = child.output
    return Over({"executionId": child.id, "status": child.status, "output": output})


def _decision(value: Any) -> tuple[bool, str]:
    if isinstance(value, dict):
        return value.get("approved") is True, str(value.get("comment") or "")[:2_000]
    if isinstance(value, bool):
        return value, ""
    text = str(value).strip().lower()
    return text in (APPROVE, "approved", "yes", "true"), ""


def _kind(value: object) -> str:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
