"""The waits of a walk: which have ended, and when there is nothing to do but wait.

Invariant: a question ends by its answer or by its time, never by both. Caller: the executor.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

from caddie.workflow.flow import Flow
from caddie.workflow.frame import Work
from caddie.workflow.ledger import Journal
from caddie.workflow.pauses import Answered, Child, Over, Pause, answered, child_over
from caddie.workflow.runner import StepError
from caddie.workflow.steps import Place
from shared.events import Data

#: How often answers and ends of other executions are looked for: while other blocks work, and when none does.
LOOK_BUSY_S, LOOK_IDLE_S = 1.0, 0.1
#: How long a worker stays with an execution that only waits.
LINGER_S = 1.0


class Waits:
    def __init__(self, journal: Journal, flow: Flow, clock: Callable[[], datetime]) -> None:
        self._journal, self._flow, self._clock = journal, flow, clock
        self._pauses: dict[Place, tuple[Pause, Work]] = {}
        self._looked = 0.0

    def __bool__(self) -> bool:
        return bool(self._pauses)

    def add(self, pause: Pause, work: Work) -> None:
        self._pauses[work.place] = (pause, work)

    def clear(self) -> None:
        self._pauses.clear()

    @property
    def until(self) -> datetime | None:
        """Before this time, nothing ends by itself."""
        return min((pause.until for pause, _ in self._pauses.values() if pause.until), default=None)

    def worth_staying(self, idle_s: float) -> bool:
        """Whether one may end so soon that the worker waits for it. idle_s: how long nothing else was done."""
        until = self.until
        if until is not None and (until - self._clock()).total_seconds() <= LINGER_S:
            return True
        return idle_s < LINGER_S and any(pause.child_id for pause, _ in self._pauses.values())

    async def ended(self, *, idle: bool) -> AsyncIterator[tuple[Work, Over | StepError, tuple[Data, ...]]]:
        """Those that are over, with what is to be said of them."""
        now, moment = self._clock(), time.monotonic()
        inputs: Mapping[str, Answered] = {}
        children: Mapping[str, Child] = {}
        look = moment - self._looked >= (LOOK_IDLE_S if idle else LOOK_BUSY_S)
        if look:
            self._looked = moment
            named = [pause for pause, _ in self._pauses.values() if pause.input_id or pause.child_id]
            inputs, children = await self._journal.signals(named) if named else (inputs, children)
        for place, (pause, work) in list(self._pauses.items()):
            if not look and (pause.child_id or pause.input_id):
                continue
            end, said = await self._end(pause, work, now, inputs, children)
            if end is not None:
                del self._pauses[place]
                yield work, end, said

    async def _end(
        self, pause: Pause, work: Work, now: datetime, inputs: Mapping[str, Answered], children: Mapping[str, Child]
    ) -> tuple[Over | StepError | None, tuple[Data, ...]]:
        if pause.child_id:
            return _child_end(children.get(pause.child_id)), ()
        overdue = pause.until is not None and pause.until <= now
        if pause.input_id is None:
            return (Over(dict(self._flow.slept(work.call))) if overdue else None), ()
        asked = inputs.get(pause.input_id)
        if asked is not None and asked.status != "pending":
            return answered(pause.block, asked), (self._flow.closed(pause.input_id, asked),)
        # One that has gone has no answer to wait for.
        if overdue and (asked is None or await self._journal.expire(pause.input_id)):
            expired = self._flow.expired()
            return answered(pause.block, expired), (self._flow.closed(pause.input_id, expired),)
        return None, ()


def _child_end(child: Child | None) -> Over | StepError | None:
    if child is None:
        return StepError("WORKFLOW_FAILED", "expected the execution that was started, got none: it was deleted")
    try:
        return child_over(child)
    except StepError as error:
        return error
