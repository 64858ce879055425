"""Workflows that start by the clock: each due time of a schedule begins one execution, however many workers look.

An execution is named after its schedule and due time, so that making it again makes nothing; then it gets its job, and
only then the schedule advances, which one worker does. Invariant: whoever dies in between has lost nothing and doubled
nothing. Due times that passed while nobody looked come to one, the latest. Caller: the worker, about once a second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid5

import structlog

from shared.errors import CaddieError
from shared.events import timestamp
from shared.recurrence import latest, upcoming
from shared.rrule import RuleError
from shared.runs import Runs
from shared.store import Store
from shared.store.execution_records import ExecutionStart
from shared.store.records import ScheduleRecord

TICK_S = 1.0
DUE_MAX = 100
#: Few at once and then another look: what other workers have fired meanwhile need not be tried here, too.
AT_ONCE = 8
LOOKS_MAX = 200
_log = structlog.get_logger()


def request_id(workflow_id: str, node_id: str, due: datetime) -> str:
    """The name of one firing."""
    return str(uuid5(UUID(workflow_id), f"{node_id} at {timestamp(due)}"))


class Scheduler:
    """ready raises UNAVAILABLE while the queue is away. `clock` gives the time, aware of its zone."""

    def __init__(
        self, store: Store, runs: Runs, ready: Callable[[], Awaitable[object]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._store, self._runs, self._ready, self._clock = store, runs, ready, clock

    async def run(self) -> None:
        """Look every ``TICK_S``, until cancelled."""
        while True:
            try:
                await self.sweep()
            except CaddieError:
                _log.warning("scheduler.unavailable")
            except Exception:
                _log.exception("scheduler.crashed")
            await asyncio.sleep(TICK_S)

    async def sweep(self) -> None:
        """Fire what is due. Raises CaddieError UNAVAILABLE; what is left then is due at the next call."""
        moment = self._clock()
        for _ in range(LOOKS_MAX):
            due = await self._store.triggers.due_schedules(moment, DUE_MAX)
            if due:
                # Otherwise an hour without a queue would make an execution a minute, all to run when it is back.
                await self._ready()
            # Workers that look at the same time begin in different places.
            taken = random.sample(due, min(len(due), AT_ONCE))
            failures = await asyncio.gather(*(self._guarded(schedule, moment) for schedule in taken))
            if failure := next((each for each in failures if each is not None), None):
                raise failure
            if len(due) <= AT_ONCE:
                return

    async def _guarded(self, schedule: ScheduleRecord, moment: datetime) -> CaddieError | None:
        """One schedule's trouble is not that of those beside it."""
        try:
            await self._pass(schedule, moment)
        except CaddieError as error:
            return error
        return None

    async def _pass(self, schedule: ScheduleRecord, moment: datetime) -> None:
        """Compute the first due time of a schedule, or fire it and compute the next one."""
        due = schedule.next_at
        if due is None:
            return
        try:
            # A rule may take a while, and it is the user's.
            last, following = await asyncio.to_thread(_computed, schedule, due, moment)
        except (RuleError, ArithmeticError, ValueError) as error:
            said = error.message if isinstance(error, RuleError) else type(error).__name__
            _log.warning("schedule.unusable", workflow_id=schedule.workflow_id, node_id=schedule.node_id, error=said)
            last, following = None, None
        made = await self._fire(schedule, last, moment) if last is not None else None
        about = {"workflow_id": schedule.workflow_id, "node_id": schedule.node_id}
        won = await self._store.triggers.advance(
            schedule.workflow_id, schedule.node_id, due, following, fired=made is not None
        )
        if won and made:
            _log.info("schedule.fired", **about, execution_id=made, next=timestamp(following) if following else None)

    async def _fire(self, schedule: ScheduleRecord, due: datetime, moment: datetime) -> str | None:
        """The execution for this due time; None when there can be none. Raises UNAVAILABLE: try again."""
        start = ExecutionStart(
            schedule.org_id, schedule.user_id, schedule.workflow_id, schedule.version, "schedule", schedule.node_id,
            input={"scheduledAt": timestamp(due), "firedAt": timestamp(moment)},
            request_id=request_id(schedule.workflow_id, schedule.node_id, due),
        )  # fmt: skip
        about = {"workflow_id": schedule.workflow_id, "node_id": schedule.node_id, "due": timestamp(due)}
        try:
            execution, _ = await self._store.executions.create(start)
        except CaddieError as error:
            if error.code == "UNAVAILABLE":
                raise
            _log.warning("schedule.not_started", **about, code=error.code)
            return None
        except Exception:
            # Without advancing, it would be first in line for ever.
            _log.exception("schedule.start_crashed", **about)
            return None
        try:
            if execution.status == "pending":
                await self._runs.enqueue(execution.id)
        except CaddieError:
            # Discarding it could undo what another worker has just queued; the sweep gives it a job.
            _log.warning("schedule.not_queued", **about, execution_id=execution.id)
        return execution.id


def _computed(schedule: ScheduleRecord, due: datetime, moment: datetime) -> tuple[datetime | None, datetime | None]:
    """The time to fire for, and the one after it. A schedule that is not armed does not fire."""
    if not schedule.armed:
        return None, upcoming(schedule.rule, due, schedule.made_at)
    last = latest(schedule.rule, due, moment, schedule.made_at)
    return last, upcoming(schedule.rule, last, schedule.made_at)
