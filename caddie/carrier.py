"""Carries the queue's jobs to their end, also past the queue's connection to Redis.

The queue's worker waits for everything it runs before it connects again after a failure of Redis; one long run would
keep all new ones waiting. So an attempt is a task of this class, and a job only waits for it: when the queue's loop
ends, its jobs let go, the queue hands them out again after a lease, and this process joins what it carries already.
Invariant: a process has one attempt of a run at a time, and a job is done only when its run needs no more from the
queue; a job that was let go stays with whoever has it now. Owned by ``caddie.worker``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from caddie.attempt import Attempts
from shared.errors import CaddieError

_log = structlog.get_logger()


class Carrier:
    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._carried: dict[str, asyncio.Task[None]] = {}
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: Set before the queue is told to stop: then its jobs are to be finished, not let go.
        self.draining = False

    @property
    def running(self) -> frozenset[str]:
        """Ids of the runs carried now."""
        return frozenset(self._carried)

    async def job(self, run_id: str) -> bool:
        """One delivery of the run's job: True when it is done, False when it is to be left as it is.

        Raises what the attempt raises; then it is to be tried again.
        """
        task = self._carried.get(run_id) or self._begin(run_id)
        await asyncio.wait({task, self._lost}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        try:
            task.result()
        except CaddieError as error:
            if error.code != "FENCED":
                raise
            # Done would take the job from the worker that has the run now.
            return False
        return True

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Around each loop of the queue's worker."""
        lost = self._lost = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            if not self.draining:
                lost.set_result(None)

    async def finish(self) -> None:
        """Until nothing is carried."""
        while self._carried:
            await asyncio.wait(self._carried.values())
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Give up what is still carried; another worker takes it over after a lease."""
        tasks = list(self._carried.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, run_id: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._attempts.run(run_id), name=f"attempt-{run_id}")
        self._carried[run_id] = task
        task.add_done_callback(lambda done: self._ended(run_id, done))
        return task

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        del self._carried[run_id]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, CaddieError):
            _log.warning("run.attempt_ended", run_id=run_id, code=error.code)
        elif error is not None:
            _log.error("run.attempt_crashed", run_id=run_id, exc_info=error)
