"""The steps of a walk on their way to the store and to the log, together where nobody waits for them.

Invariant: what is told has been stored, in the order in which it happened. Caller: the executor.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import JsonValue

from caddie.workflow.frame import Work
from caddie.workflow.pauses import Answered, Child, Pause
from caddie.workflow.steps import Place, told
from shared.events import Data
from shared.store.execution_records import StepRecord, StepWrite
from shared.workflows import Definition

#: Settled steps that are stored together at most, and how long one may wait for that.
UNSAVED_MAX = 100
UNSAVED_S = 0.25


class Journal(Protocol):
    """Where steps are stored and told of."""

    async def commit(self, steps: Sequence[StepWrite], said: Sequence[Data]) -> Mapping[Place, JsonValue]:
        """Store, then tell. Gives the new values of the stored variables that the steps have changed."""

    async def signals(self, pauses: Iterable[Pause]) -> tuple[Mapping[str, Answered], Mapping[str, Child]]:
        """The questions by input id, and the executions by id, that are waited for."""

    async def expire(self, input_id: str) -> bool:
        """Close a question whose time is over; False: somebody has answered it."""


class Ledger:
    """attempt: the one that walks. position: of the last step that is stored already."""

    def __init__(self, journal: Journal, definition: Definition, attempt: int, position: int) -> None:
        self._journal, self._definition, self._attempt, self._position = journal, definition, attempt, position
        self._steps: list[StepWrite] = []
        self._said: list[Data] = []
        self._since = 0.0

    @property
    def full(self) -> bool:
        return len(self._steps) >= UNSAVED_MAX

    @property
    def pending(self) -> bool:
        return bool(self._steps or self._said)

    @property
    def due(self) -> bool:
        return self.pending and time.monotonic() - self._since > UNSAVED_S

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
        self._steps.append(step)
        self._said.extend((told(step, self._definition), *said))

    def tell(self, step: StepWrite | StepRecord) -> None:
        """Of a step that is stored already."""
        self._said.append(told(step, self._definition))

    def say(self, *said: Data) -> None:
        self._said.extend(said)

    async def save(self) -> None:
        steps, said = self._steps, self._said
        self._steps, self._said = [], []
        if steps or said:
            await self._journal.commit(steps, said)

    async def save_variable(self, step: StepWrite) -> JsonValue:
        """Store a step that changes a stored variable; gives the value it has now."""
        await self.save()
        values = await self._journal.commit([step], [])
        return values[step.path, step.node_id]
