"""Schedules fire on a real database and a real queue; only the clock is the tests'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from caddie.scheduler import Scheduler, request_id
from shared.errors import CaddieError
from shared.log import EventLog
from shared.registry import Registry
from shared.runs import Runs, open_queue
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, ExecutionStart
from shared.store.records import ScheduleRecord, WorkflowRecord
from tests.shared.store.conftest import Tenant, sqlite_template, store, tenant, url

__all__ = ["sqlite_template", "store", "tenant", "url"]
MINUTE = timedelta(minutes=1)
EACH_MINUTE = {"cron": "* * * * *"}


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def to(self, text: str) -> None:
        self.now = datetime.fromisoformat(text)


@pytest.fixture
def clock() -> Clock:
    """In the future, as rows are stored with the time of the machine."""
    return Clock(datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1))


@pytest.fixture
async def runs(store: Store, log: EventLog, redis_url: str) -> AsyncIterator[Runs]:
    async with open_queue(redis_url) as queue:
        yield Runs(store, log, queue)


@pytest.fixture
def scheduler(store: Store, runs: Runs, redis: Redis, clock: Clock) -> Scheduler:
    return Scheduler(store, runs, Registry(redis).workers, clock)


async def made(store: Store, tenant: Tenant, *rules: dict[str, Any]) -> WorkflowRecord:
    nodes = {f"t{number}": {"type": "cronjob", "payload": rule} for number, rule in enumerate(rules)}
    definition = {"nodes": nodes, "triggerNodeIds": list(nodes)}
    return await store.workflows.create(tenant.org, tenant.user, "Scheduled", definition=definition)


async def fired(store: Store, workflow: WorkflowRecord) -> list[ExecutionRecord]:
    found: list[ExecutionRecord] = []
    cursor: str | None = None
    while True:
        page = await store.executions.list(workflow.org_id, workflow.user_id, 100, cursor, workflow_id=workflow.id)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def schedules(store: Store, workflow: WorkflowRecord) -> Sequence[ScheduleRecord]:
    return await store.triggers.schedules(workflow.org_id, workflow.id)


async def armed(scheduler: Scheduler, clock: Clock) -> None:
    """As a worker that has looked all the time leaves it: armed right after it was stored, nothing missed since."""
    later, clock.now = clock.now, datetime.now(UTC) + timedelta(seconds=1)
    await scheduler.sweep()
    clock.now = later


async def test_a_new_schedule_is_armed_without_firing_and_fires_when_due(
    store: Store, tenant: Tenant, scheduler: Scheduler, clock: Clock
) -> None:
    rule = {"rrule": "FREQ=DAILY;BYHOUR=9", "start": "2030-06-01", "timezone": "Europe/Berlin"}
    workflow = await made(store, tenant, rule)
    await armed(scheduler, clock)
    (schedule,) = await schedules(store, workflow)
    assert schedule.armed and schedule.next_at == datetime(2030, 6, 1, 7, tzinfo=UTC)
    clock.to("2030-06-01T06:59:59.999Z")
    await scheduler.sweep()
    assert await fired(store, workflow) == []
    clock.to("2030-06-01T07:00:00.250Z")
    for _ in range(3):
        await scheduler.sweep()
    (execution,) = await fired(store, workflow)
    assert (execution.trigger, execution.trigger_node, execution.version) == ("schedule", "t0", 1)
    assert execution.input == {"scheduledAt": "2030-06-01T07:00:00.000Z", "firedAt": "2030-06-01T07:00:00.250Z"}
    (schedule,) = await schedules(store, workflow)
    assert (schedule.next_at, schedule.fired) == (datetime(2030, 6, 2, 7, tzinfo=UTC), 1)


async def test_times_missed_while_nobody_looked_come_to_the_latest(
    store: Store, tenant: Tenant, scheduler: Scheduler, clock: Clock
) -> None:
    daily = {"rrule": "FREQ=DAILY;BYHOUR=9", "start": "2030-06-01"}
    workflow = await made(store, tenant, daily, {**daily, "rrule": "FREQ=DAILY;BYHOUR=9;COUNT=3"})
    await armed(scheduler, clock)
    clock.to("2030-06-10T12:00:00Z")
    await scheduler.sweep()
    found = {each.trigger_node: each.input["scheduledAt"] for each in await fired(store, workflow)}
    assert found == {"t0": "2030-06-10T09:00:00.000Z", "t1": "2030-06-03T09:00:00.000Z"}
    following = {each.node_id: each.next_at for each in await schedules(store, workflow)}
    assert following == {"t0": datetime(2030, 6, 11, 9, tzinfo=UTC), "t1": None}


async def test_counting_goes_on_from_when_the_rule_was_stored(
    store: Store, tenant: Tenant, scheduler: Scheduler, clock: Clock
) -> None:
    workflow = await made(store, tenant, {"rrule": "FREQ=MINUTELY;COUNT=3"}, {"rrule": "FREQ=DAILY;INTERVAL=2"})
    await armed(scheduler, clock)
    (each_minute, _) = await schedules(store, workflow)
    assert each_minute.next_at is not None
    begun = clock.now = each_minute.next_at
    for _ in range(6):
        await scheduler.sweep()
        clock.now += MINUTE
    times = sorted(each.input["scheduledAt"] for each in await fired(store, workflow) if each.trigger_node == "t0")
    assert [datetime.fromisoformat(each) for each in times] == [begun, begun + MINUTE, begun + 2 * MINUTE]
    for day in range(7):
        clock.now = begun + timedelta(days=day, seconds=30)
        await scheduler.sweep()
    days = [each for each in await fired(store, workflow) if each.trigger_node == "t1"]
    assert len(days) == 4


@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.fuzz)])
async def test_many_workers_fire_each_due_time_once(
    store: Store, tenant: Tenant, url: str, log: EventLog, redis: Redis, redis_url: str, clock: Clock, count: int
) -> None:
    workflows = [await made(store, tenant, *[EACH_MINUTE] * (count // 4)) for _ in range(4)]
    async with open_queue(redis_url) as queue:
        opened = [await Store.open(url) for _ in range(8)]
        try:
            ready = Registry(redis).workers
            workers = [Scheduler(each, Runs(each, log, queue), ready, clock) for each in opened]
            await armed(workers[0], clock)
            await asyncio.gather(*(worker.sweep() for worker in workers))
        finally:
            await asyncio.gather(*(each.close() for each in opened))
    for workflow in workflows:
        found = await fired(store, workflow)
        times = {(each.trigger_node, each.input["scheduledAt"]) for each in found}
        assert len(found) == len(times) == count // 4
        assert {each.fired for each in await schedules(store, workflow)} == {1}


async def test_a_worker_that_dies_before_it_advances_has_lost_and_doubled_nothing(
    store: Store, tenant: Tenant, scheduler: Scheduler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = await made(store, tenant, EACH_MINUTE)
    await armed(scheduler, clock)

    async def dies(*_: object, **__: object) -> bool:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(store.triggers, "advance", dies)
        with pytest.raises(asyncio.CancelledError):
            await scheduler.sweep()
    (before,) = await fired(store, workflow)
    clock.now += timedelta(seconds=20)
    await scheduler.sweep()
    assert [each.id for each in await fired(store, workflow)] == [before.id]
    (schedule,) = await schedules(store, workflow)
    assert (schedule.fired, schedule.next_at) == (1, clock.now.replace(second=0) + MINUTE)


async def test_what_cannot_start_is_passed_over_and_does_not_hold_up_the_others(
    store: Store, tenant: Tenant, scheduler: Scheduler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {"t0": CaddieError("RUN_LIMIT", "too many"), "t1": RuntimeError("a bug")}
    create = store.executions.create

    async def refusing(start: ExecutionStart) -> tuple[ExecutionRecord, bool]:
        if start.trigger_node in errors:
            raise errors[start.trigger_node]
        return await create(start)

    monkeypatch.setattr(store.executions, "create", refusing)
    rules = [EACH_MINUTE, EACH_MINUTE, EACH_MINUTE, {"rrule": "FREQ=NEVER"}, {"cron": "0 0 30 2 *"}, {}]
    workflow = await made(store, tenant, *rules)
    await armed(scheduler, clock)
    await scheduler.sweep()
    assert [each.trigger_node for each in await fired(store, workflow)] == ["t2"]
    found = {each.node_id: (each.fired, each.next_at) for each in await schedules(store, workflow)}
    following = clock.now + MINUTE
    assert found == {
        "t0": (0, following), "t1": (0, following), "t2": (1, following), "t3": (0, None), "t4": (0, None),
        "t5": (0, None),
    }  # fmt: skip


async def test_while_the_queue_is_away_nothing_is_passed_over_and_nothing_piles_up(
    store: Store, tenant: Tenant, runs: Runs, scheduler: Scheduler, clock: Clock
) -> None:
    async def away() -> None:
        raise CaddieError("UNAVAILABLE", "the queue is away")

    workflow = await made(store, tenant, EACH_MINUTE)
    await armed(scheduler, clock)
    for _ in range(3):
        with pytest.raises(CaddieError):
            await Scheduler(store, runs, away, clock).sweep()
        clock.now += MINUTE
    assert await fired(store, workflow) == []
    await scheduler.sweep()
    (execution,) = await fired(store, workflow)
    assert datetime.fromisoformat(execution.input["scheduledAt"]) == clock.now


async def test_one_the_queue_did_not_take_is_left_to_the_sweep(
    store: Store, tenant: Tenant, runs: Runs, scheduler: Scheduler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: str) -> None:
        raise CaddieError("UNAVAILABLE", "the queue is away")

    workflow = await made(store, tenant, EACH_MINUTE)
    await armed(scheduler, clock)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "enqueue", away)
        await scheduler.sweep()
    await scheduler.sweep()
    (execution,) = await fired(store, workflow)
    assert [run.id for run in await store.runs.unfinished(datetime.now(UTC) + MINUTE)] == [execution.id]
    assert [each.fired for each in await schedules(store, workflow)] == [1]


async def test_a_workflow_that_is_off_fires_nothing_and_makes_up_for_nothing(
    store: Store, tenant: Tenant, scheduler: Scheduler, clock: Clock
) -> None:
    workflow = await made(store, tenant, EACH_MINUTE)
    await armed(scheduler, clock)
    await store.workflows.update(tenant.org, workflow.id, user_id=tenant.user, enabled=False)
    await scheduler.sweep()
    assert await fired(store, workflow) == []
    await store.workflows.update(tenant.org, workflow.id, user_id=tenant.user, enabled=True)
    await armed(scheduler, clock)
    assert await fired(store, workflow) == []


def test_a_firing_has_one_name() -> None:
    due = datetime(2030, 1, 1, tzinfo=UTC)
    workflow = "00000000-0000-4000-8000-000000000000"
    other_zone = due.astimezone(datetime.now().astimezone().tzinfo)
    assert request_id(workflow, "a", due) == request_id(workflow, "a", other_zone)
    assert len({request_id(workflow, node, due + shift) for node in "ab" for shift in (MINUTE, 2 * MINUTE)}) == 4


async def test_the_loop_outlives_trouble(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caddie.scheduler.TICK_S", 0)
    looks: list[int] = []
    enough = asyncio.Event()

    async def due(*_: object) -> list[ScheduleRecord]:
        looks.append(1)
        if len(looks) == 3:
            enough.set()
        raise CaddieError("UNAVAILABLE", "away") if len(looks) == 1 else RuntimeError("a bug")

    monkeypatch.setattr(store.triggers, "due_schedules", due)
    task = asyncio.create_task(scheduler.run())
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(looks) >= 3
