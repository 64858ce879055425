"""The worker process: takes runs from the queue and does attempts of them.

Called by `caddie worker` and `caddie up`. Invariant: a run whose worker dies is running elsewhere within one lease, and
a row that has no job (its submitter died) gets one from the sweep. On stop it takes nothing new, gives running runs
time to end, executions to come to the end of a step, and leaves the rest to another worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from uuid import uuid4

import structlog
from docket import Docket, Retry, Worker
from docket.dependencies import AdmissionBlocked, Dependency, current_execution
from docket.execution import ExecutionState
from prometheus_client import Counter, Gauge

from caddie.attempt import Attempts
from caddie.carrier import Carrier
from caddie.desk import Desk
from caddie.executing import ExecutionAttempts
from caddie.expiry import expire_inputs
from caddie.reach import Reach
from caddie.scheduler import Scheduler
from caddie.workshop import equip
from shared.admin import open_admin
from shared.connections import open_redis
from shared.decisions import Decisions
from shared.errors import CaddieError
from shared.executions import Executions
from shared.follow import LogReader
from shared.log import EventLog
from shared.probes import Probes
from shared.registry import Announcer, Record, Registry
from shared.runs import TASK, Runs, open_queue
from shared.settings import Settings
from shared.store import Store

SWEEP_INTERVAL_S = 5.0
#: How late a wait may end.
WAKE_INTERVAL_S = 1.0
#: Jobs given at once: a thousand that are due at the same time should not wait for one another's round trips.
WAKE_TOGETHER = 16
#: A row without a job is one whose submitter had this long to queue it.
ORPHAN_AGE_S = 5.0
#: How long the queue's loop waits in one read.
CHECK_INTERVAL_S = 0.05
#: What the queue's loop has to say good-bye to Redis.
STOP_S = 2.0
#: A job that failed (database or Redis away, or a bug) is tried again until its run is over in both.
RETRY_DELAY_S = 1.0
_ALIVE = (ExecutionState.SCHEDULED, ExecutionState.QUEUED, ExecutionState.RUNNING)
RUNNING = Gauge("caddie_runs_running", "Runs this worker carries.")
ATTEMPTS = Counter("caddie_attempts_total", "Attempts of runs begun by this worker.")
_log = structlog.get_logger()


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set. Raises ValueError for unusable settings."""
    async with AsyncExitStack() as stack:
        # Each run has one command under way and now and then looks for a wish; none should wait for another's reply.
        redis = open_redis(settings.redis_address, max_connections=2 * settings.worker_concurrency)
        stack.push_async_callback(redis.aclose)
        store = await Store.open(settings.database_address)
        stack.push_async_callback(store.close)
        log = EventLog(redis, settings.log_retention_s, settings.log_retention_events)
        queue = await stack.enter_async_context(open_queue(settings.redis_address))
        reader = await stack.enter_async_context(LogReader(log, settings.redis_address))
        runs = Runs(store, log, queue)
        executions = Executions(store, runs)
        reach = Reach.of(settings)
        stack.push_async_callback(reach.close)
        desk = Desk(settings, store, reach, executions)
        equipped = equip(settings, store, log, reader, executions, reach)
        Probes(redis, queue).serve(equipped.trial)
        attempts = Attempts(
            store, log, reader, desk, runs.enqueue, ExecutionAttempts(equipped.workshop).run,
            attempts_max=settings.run_attempts, timeout_s=settings.run_timeout_s,
        )  # fmt: skip
        if admin := open_admin(settings.admin_host, settings.admin_port, lambda: {"redis": reader.connected}):
            stack.callback(admin.close)
        await _work(settings, stop, queue, attempts, runs, store, log, Registry(redis), equipped.workshop.leaving)


async def _work(
    settings: Settings, stop: asyncio.Event, queue: Docket, attempts: Attempts, runs: Runs, store: Store,
    log: EventLog, registry: Registry, leaving: asyncio.Event,
) -> None:  # fmt: skip
    """leaving: set when executions are to be handed on between two steps."""
    carrier = Carrier(attempts)

    async def run(run_id: str, retry: Retry = Retry.forever(timedelta(seconds=RETRY_DELAY_S))) -> None:  # noqa: B008
        ATTEMPTS.inc()
        if not await carrier.job(run_id):
            # What the queue calls handled, it neither acknowledges nor tries again.
            raise AdmissionBlocked(current_execution.get(), "another worker or a lost connection", handled=True)

    queue.register(run, names=[TASK])
    RUNNING.set_function(lambda: len(carrier.running))
    record = Record(id=f"worker-{uuid4().hex[:12]}", role="worker", version=version("caddie"))
    announcer = Announcer(registry, record)
    worker = Worker(
        queue,
        name=record.id,
        concurrency=settings.worker_concurrency,
        redelivery_timeout=timedelta(seconds=settings.run_lease_s),
        reconnection_delay=timedelta(seconds=1),
        minimum_check_interval=timedelta(seconds=CHECK_INTERVAL_S),
        schedule_automatic_tasks=False,
        dependencies=[_line(carrier)],
    )
    async with worker:
        working = asyncio.create_task(worker.run_forever(), name="queue")
        helpers = [
            asyncio.create_task(announcer.run(), name="announce"),
            asyncio.create_task(_sweep(store, log, runs, queue, announcer, carrier), name="sweep"),
            asyncio.create_task(_wake(store, runs), name="wake"),
            asyncio.create_task(Scheduler(store, runs, registry.workers).run(), name="schedule"),
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        _log.info("worker.started", id=record.id)
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            carrier.draining = True
            leaving.set()
            await _drain(worker, working, carrier, registry, announcer, settings.drain_timeout_s)
        finally:
            for task in (working, stopping, *helpers):
                task.cancel()
            await asyncio.gather(working, stopping, *helpers, return_exceptions=True)
            await carrier.close()
    _log.info("worker.stopped", id=record.id)


def _line(carrier: Carrier) -> Dependency[None]:
    """Tells the carrier when the queue's loop begins and ends; the queue looks for this hook on a class."""

    class Line(Dependency[None]):
        async def __aenter__(self) -> None:
            return None

        @classmethod
        def worker_lifecycle(cls, docket: Docket, worker: Worker) -> AbstractAsyncContextManager[None]:
            return carrier.connected()

    return Line()


async def _drain(
    worker: Worker, working: asyncio.Task[None], carrier: Carrier, registry: Registry, announcer: Announcer,
    timeout_s: float,
) -> None:  # fmt: skip
    """Take nothing new, let what runs end, then stop the queue's loop.

    A stopped loop renews no leases, and another worker would begin the runs that are ending here anew; a loop without
    places goes on renewing them.
    """
    worker.concurrency = 0
    announcer.draining = True
    # A read of the queue that is under way may still bring a run; it is carried like the others.
    await asyncio.sleep(2 * CHECK_INTERVAL_S)
    _log.info("worker.draining", deadline_s=timeout_s, runs=len(carrier.running))
    try:
        await registry.withdraw(announcer.record.id)
    except CaddieError:
        _log.warning("worker.withdraw_failed")
    try:
        async with asyncio.timeout(timeout_s):
            await carrier.finish()
    except TimeoutError:
        _log.warning("worker.drain_cut", runs=len(carrier.running))
    working.cancel()
    await asyncio.wait({working}, timeout=STOP_S)


async def _sweep(
    store: Store, log: EventLog, runs: Runs, queue: Docket, announcer: Announcer, carrier: Carrier
) -> None:
    """Give a job to every unfinished run that has none, and to the log the decisions it lacks and the ends of questions
    nobody answered; any worker may.
    """
    decisions = Decisions(store, log)
    while True:
        announcer.load = len(carrier.running)
        try:
            async for run_id in _orphans(store, queue, carrier.running):
                _log.warning("run.requeued", run_id=run_id)
                await runs.enqueue(run_id)
            await decisions.sweep()
            await expire_inputs(store, log)
        except CaddieError:
            _log.warning("worker.sweep_failed")
        except Exception:
            _log.exception("worker.sweep_crashed")
        await asyncio.sleep(SWEEP_INTERVAL_S)


async def _wake(store: Store, runs: Runs) -> None:
    """Give a job to every execution whose wait is over; any worker may, and one that has a job keeps it."""
    while True:
        try:
            due = await store.executions.due(datetime.now(UTC))
            for begin in range(0, len(due), WAKE_TOGETHER):
                await asyncio.gather(*(runs.enqueue(run_id) for run_id in due[begin : begin + WAKE_TOGETHER]))
        except CaddieError:
            _log.warning("worker.wake_failed")
        except Exception:
            _log.exception("worker.wake_crashed")
        await asyncio.sleep(WAKE_INTERVAL_S)


async def _orphans(store: Store, queue: Docket, carried: frozenset[str]) -> AsyncIterator[str]:
    """Runs without a job; one carried here keeps going even if Redis has lost its job."""
    limit = datetime.now(UTC) - timedelta(seconds=ORPHAN_AGE_S)
    for run in await store.runs.unfinished(limit):
        if run.id in carried:
            continue
        execution = await queue.get_execution(run.id)
        if execution is None or execution.state not in _ALIVE:
            yield run.id
