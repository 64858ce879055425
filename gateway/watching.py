"""All sockets of `/ws/` in a process: who has one, whose API key has ended, which workflows are watched.

Invariant: a socket lives no longer than its API key, and none outlives the process's drain; a workflow is asked for its
executions once for all who watch it, and every execution reaches each of them once. Callers: the route opens sockets,
``gateway.app`` enters it as an async context manager and drains it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from gateway.auth import Principal
from gateway.following import Sources
from gateway.sse import Streams
from gateway.vigil import batched
from gateway.watcher import CLOSE_POLICY, Listener, Socket, Watcher
from shared.errors import CaddieError
from shared.store.execution_records import ExecutionRecord, ExecutionStatus
from shared.store.records import WorkflowRecord

#: How often watched workflows are asked for new executions, and API keys for their end (promised within 2 s).
POLL_S = 0.5
KEYS_POLL_S = 1.0
#: What is committed later than its creation time says is still found within this.
MARGIN = timedelta(seconds=10)
PAGE = 100
#: Pages of one look: executions beyond are not announced.
PAGES_MAX = 20
#: Unfinished executions of each status that a new subscription begins with, the newest.
UNFINISHED_MAX = 80
UNFINISHED: tuple[ExecutionStatus, ...] = ("running", "waiting", "pending")
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_log = structlog.get_logger()


@dataclass
class _Watched:
    """A workflow somebody watches. newest: the latest creation time seen; seen: ids within the margin below it."""

    org: int
    user: int
    id: str
    listeners: set[Listener] = field(default_factory=set)
    newest: datetime = _BEGINNING
    seen: dict[str, datetime] = field(default_factory=dict)
    ready: bool = False
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Watching:
    """The sockets of a process."""

    def __init__(self, sources: Sources, streams: Streams, stall_s: float, metrics: CollectorRegistry) -> None:
        self._sources, self._streams, self._stall_s = sources, streams, stall_s
        self._watchers: set[Watcher] = set()
        self._watched: dict[str, _Watched] = {}
        self._tasks: list[asyncio.Task[None]] = []
        gauge = Gauge("caddie_watchers_open", "Sockets of /ws/ that are open.", registry=metrics)
        gauge.set_function(lambda: len(self._watchers))

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(_repeated(KEYS_POLL_S, self._check_keys), name="watching-keys"),
            asyncio.create_task(_repeated(POLL_S, self._poll), name="watching-workflows"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def watcher(self, socket: Socket, principal: Principal) -> AsyncIterator[Watcher]:
        """A seat while the block runs. Raises RATE_LIMITED, UNAVAILABLE."""
        seat = self._streams.take_seat(principal.org, principal.user)
        watcher = Watcher(socket, principal, self._sources, self, self._stall_s)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            self._streams.leave_seat(seat)

    async def drain(self, _app: web.Application) -> None:
        """They come back elsewhere and are told what they missed."""
        for watcher in self._watchers:
            watcher.drain()

    async def listen(self, workflow: WorkflowRecord, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called once with each execution that is unfinished or begins later; how to stop it.

        Raises UNAVAILABLE.
        """
        heard: set[str] = set()

        def once(execution: ExecutionRecord) -> None:
            if execution.id not in heard:
                if unfinished is None:
                    heard.add(execution.id)
                listener(execution)

        # What was there at first may be announced, too; what comes later is announced once.
        unfinished: list[ExecutionRecord] | None = None
        watched = self._watched.setdefault(workflow.id, _Watched(workflow.org_id, workflow.user_id, workflow.id))
        watched.listeners.add(once)
        stop = partial(self._unlisten, watched, once)
        try:
            if not watched.ready:
                await self._announce(watched)
            unfinished = await self._unfinished(watched)
        except BaseException:
            stop()
            raise
        for execution in unfinished:
            if execution.id not in heard:
                heard.add(execution.id)
                listener(execution)
        return stop

    def _unlisten(self, watched: _Watched, listener: Listener) -> None:
        watched.listeners.discard(listener)
        if not watched.listeners and self._watched.get(watched.id) is watched:
            del self._watched[watched.id]

    async def _unfinished(self, watched: _Watched) -> list[ExecutionRecord]:
        """Oldest first."""
        found: dict[str, ExecutionRecord] = {}
        for status in UNFINISHED:
            page = await self._sources.store.executions.list(
                watched.org, watched.user, UNFINISHED_MAX, None, workflow_id=watched.id, status=status
            )
            found |= {execution.id: execution for execution in page.items}
        return sorted(found.values(), key=lambda execution: execution.created_at)

    async def _poll(self) -> None:
        for watched in tuple(self._watched.values()):
            if watched.listeners:
                await self._announce(watched)

    async def _announce(self, watched: _Watched) -> None:
        for execution in await self._look(watched):
            for listener in tuple(watched.listeners):
                listener(execution)

    async def _look(self, watched: _Watched) -> list[ExecutionRecord]:
        """Executions that were not there at the last look, oldest first; at the first look none is new."""
        async with watched.looking:
            first, cursor = not watched.ready, None
            oldest = watched.newest - MARGIN
            fresh: list[ExecutionRecord] = []
            for _ in range(PAGES_MAX):
                page = await self._sources.store.executions.list(
                    watched.org, watched.user, PAGE, cursor, workflow_id=watched.id
                )
                if first and page.items and not fresh:
                    oldest = page.items[0].created_at - MARGIN
                fresh += [each for each in page.items if each.created_at >= oldest and each.id not in watched.seen]
                cursor = page.cursor
                if cursor is None or page.items[-1].created_at < oldest:
                    break
            watched.newest = max((each.created_at for each in fresh), default=watched.newest)
            watched.seen |= {each.id: each.created_at for each in fresh}
            kept = watched.newest - MARGIN
            watched.seen = {name: moment for name, moment in watched.seen.items() if moment >= kept}
            watched.ready = True
        return [] if first else list(reversed(fresh))

    async def _check_keys(self) -> None:
        keys = {watcher.principal.key for watcher in self._watchers if watcher.principal.key is not None}
        ended = set[int]()
        for asked in batched(keys):
            ended |= asked - await self._sources.store.accounts.live_keys(asked)
        for watcher in tuple(self._watchers):
            if watcher.principal.key in ended:
                watcher.stop(CLOSE_POLICY, "the API key was revoked")


async def _repeated(pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Again and again until cancelled; when the database is away, a look is lost and nothing else."""
    while True:
        await asyncio.sleep(pause_s)
        try:
            await work()
        except CaddieError as error:
            _log.warning("watching.missed", code=error.code)
