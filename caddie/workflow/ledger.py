"""The steps of a walk on their way to the store and to the log, together where nobody waits for them.

Invariant: what is told has been stored, in the order in which it happened. Caller: the executor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from pydantic import JsonValue

from caddie.workflow.frame import Work
from caddie.workflow.pauses import Answered, Child, Pause
from caddie.workflow.runner import StepError
from caddie.workflow.steps import Place, beyond, told
from shared.errors import CaddieError
from shared.events import Data
from shared.store.execution_records import StepRecord, StepWrite
from shared.workflows import Definition

#: Settled steps that are stored together at most, their events and the bytes of their results.
UNSAVED_MAX = 100
UNTOLD_MAX = 250
UNSAVED_BYTES = 2_097_152
#: How long one may wait for that.
UNSAVED_S = 0.25
_OPEN = ("running", "waiting")


class Journal(Protocol):
    """Where steps are stored and told of."""

    async def commit(self, steps: Sequence[StepWrite], said: Sequence[Data]) -> Mapping[Place, JsonValue]:
        """Store, then tell. Gives the new values of the stored variables that the steps have changed.

        Whoever is cancelled while it waits has told nothing, and may call again.
        """

    async def signals(self, pauses: Iterable[Pause]) -> tuple[Mapping[str, Answered], Mapping[str, Child]]:
        """The questions by input id, and the executions by id, that are waited for."""

    async def expire(self, input_id: str) -> bool:
        """Close a question whose time is over; False: somebody has answered it."""


class Ledger:
    """attempt: the one that walks. position: of the last step that is stored already. steps: those stored."""

    def __init__(
        self, journal: Journal, definition: Definition, attempt: int, position: int, steps: Sequence[StepRecord] = ()
    ) -> None:
        self._journal, self._definition, self._attempt, self._position = journal, definition, attempt, position
        #: Steps that have begun and not ended, of earlier attempts too.
        self._open = {step.key: _begun(step) for step in steps if step.status in _OPEN}
        self._bytes = 0
        #: Whether what is noted cost more than to compute it again, or cannot be done again.
        self.urgent = False
        self._steps: list[StepWrite] = []
        self._said: list[Data] = []
        self._since = 0.0

    @property
    def full(self) -> bool:
        return len(self._steps) >= UNSAVED_MAX or len(self._said) >= UNTOLD_MAX or self._bytes >= UNSAVED_BYTES

    @property
    def pending(self) -> bool:
        return bool(self._steps or self._said)

    @property
    def due(self) -> bool:
        return self.pending and (self.urgent or time.monotonic() - self._since > UNSAVED_S)

    def written(self, work: Work, **facts: Any) -> StepWrite:
        """The step as it is stored."""
        self._position += 1
        spent = None if facts["status"] in ("running", "waiting") else int((time.monotonic() - work.started) * 1000)
        return StepWrite(
            path=work.frame.path, node_id=work.call.node_id, position=self._position, attempt=self._attempt,
            input=work.input, started_at=work.began, duration_ms=spent, **facts,
        )  # fmt: skip

    def note(self, step: StepWrite, *said: Data) -> None:
        """To be stored, then told."""
        if not self.pending:
            self._since = time.monotonic()
        self._keep(step)
        self._steps.append(step)
        event = told(step, self._definition)
        self._bytes += beyond(event.output)
        self._said.extend((event, *said))

    def tell(self, step: StepWrite | StepRecord) -> None:
        """Of a step that is stored already."""
        if isinstance(step, StepWrite):
            self._keep(step)
        self._said.append(told(step, self._definition))

    def say(self, *said: Data) -> None:
        self._said.extend(said)

    def _keep(self, step: StepWrite) -> None:
        if step.status in _OPEN:
            self._open[step.key] = step
        else:
            self._open.pop(step.key, None)

    def close(self, code: str, message: str, now: datetime) -> None:
        """The execution is over: what has begun and not ended ends like this."""
        for step in list(self._open.values()):
            spent = None if step.started_at is None else int((now - step.started_at).total_seconds() * 1000)
            self.note(
                replace(
                    step, status="failed", attempt=self._attempt, error=message, error_code=code, wake_at=None,
                    duration_ms=spent,
                )
            )  # fmt: skip

    async def save(self) -> None:
        steps, said = self._steps, self._said
        self._steps, self._said, self._bytes, self.urgent = [], [], 0, False
        if not steps and not said:
            return
        try:
            await self._journal.commit(steps, said)
        except asyncio.CancelledError:
            # What was under way is perhaps stored; storing it again changes nothing.
            self._steps[:0], self._said[:0] = steps, said
            raise

    async def save_variable(self, step: StepWrite) -> JsonValue:
        """Store a step that changes a stored variable; gives the value it has now. Raises StepError."""
        await self.save()
        try:
            values = await self._journal.commit([step], [])
        except CaddieError as error:
            if error.code not in ("INVALID", "TOO_LARGE"):
                raise
            raise StepError(error.code, error.message) from error
        return values[step.path, step.node_id]


def _begun(step: StepRecord) -> StepWrite:
    return StepWrite(
        step.path, step.node_id, step.position, step.status, step.attempt, input=step.input,
        started_at=step.started_at, input_id=step.input_id, child_id=step.child_id,
    )  # fmt: skip
