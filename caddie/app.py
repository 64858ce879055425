"""The Socket.IO server process: builds everything it needs, serves, drains.

Called by `caddie server` and `caddie up`. Invariant: on stop, new sockets are refused first, then every socket is told
to come back (1012), then the tasks end, then the connections to Redis and the database close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from uuid import uuid4

import structlog
from aiohttp import web

from caddie.realtime.commands import Commands
from caddie.realtime.door import Entrance
from caddie.realtime.engine import Origins
from caddie.realtime.metrics import observe
from caddie.realtime.server import SocketServer
from caddie.realtime.snapshot import Snapshots
from shared.admin import open_admin
from shared.admission import Admission
from shared.connections import open_redis
from shared.decisions import Decisions
from shared.errors import CaddieError
from shared.follow import LogReader
from shared.journal import http_logger
from shared.log import EventLog
from shared.registry import Announcer, Record, Registry
from shared.runs import Runs, open_queue
from shared.sessions import POLL_INTERVAL_S, Revocations
from shared.settings import Settings
from shared.store import Store
from shared.tokens import KeyTable, Tokens

#: Request heads that trickle in are cut by this keep-alive limit.
KEEPALIVE_S = 15.0
#: How long the rest of a refused body is still read, so that its sender sees the answer; aiohttp's own is 10 s.
LINGER_S = 1.0
DRAIN_SPREAD_S = 2.0
_log = structlog.get_logger()


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises OSError when the port is taken, ValueError for unusable settings."""
    async with AsyncExitStack() as stack:
        redis = open_redis(settings.redis_address)
        stack.push_async_callback(redis.aclose)
        store = await Store.open(settings.database_address)
        stack.push_async_callback(store.close)
        queue = await stack.enter_async_context(open_queue(settings.redis_address))
        log = EventLog(redis, settings.log_retention_s, settings.log_retention_events)
        reader = await stack.enter_async_context(
            LogReader(log, settings.redis_address, settings.ring_events, settings.ring_bytes)
        )
        tokens = Tokens(
            KeyTable.parse(settings.token_key_table), settings.token_issuer, settings.token_audience,
            settings.token_ttl_s,
        )  # fmt: skip
        revocations = Revocations(redis)
        commands = Commands(
            store, Runs(store, log, queue), tokens, revocations, Decisions(store, log), settings.rate_runs_per_minute
        )
        admission = await stack.enter_async_context(Admission(redis, revocations, log))
        server = SocketServer(
            settings, Origins(origins(settings)), tokens, admission, reader, commands, Snapshots(store, log)
        )
        await _run(settings, stop, stack, server, reader, Registry(redis), revocations)


async def _run(
    settings: Settings, stop: asyncio.Event, stack: AsyncExitStack, server: SocketServer, reader: LogReader,
    registry: Registry, revocations: Revocations,
) -> None:  # fmt: skip
    app = web.Application()
    server.serve_on(app)
    runner = web.AppRunner(
        app, access_log=None, logger=http_logger("server"), keepalive_timeout=KEEPALIVE_S, lingering_time=LINGER_S,
        shutdown_timeout=1.0,
    )  # fmt: skip
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None, "it was set up"
    entrance = Entrance(server.engine, runner.server, settings.socket_path, KEEPALIVE_S)
    listener = await asyncio.get_running_loop().create_server(
        entrance, settings.server_host, settings.server_port, backlog=4096
    )
    stack.push_async_callback(entrance.close)
    stack.callback(listener.close)
    port = listener.sockets[0].getsockname()[1]
    record = Record(
        id=f"server-{uuid4().hex[:12]}",
        role="server",
        url=settings.server_public_url or f"http://{settings.server_host}:{port}",
        version=version("caddie"),
    )
    announcer = Announcer(registry, record)
    observe(server, reader)
    if admin := open_admin(settings.admin_host, settings.admin_port, lambda: {"redis": reader.connected}):
        stack.callback(admin.close)
    tasks = [
        asyncio.create_task(server.engine.sweep(), name="sweep"),
        asyncio.create_task(announcer.run(), name="announce"),
        asyncio.create_task(_poll_revocations(server, revocations), name="revocations"),
        asyncio.create_task(_count(server, announcer), name="load"),
    ]
    _log.info("server.started", url=record.url, id=record.id)
    try:
        await stop.wait()
        await _drain(settings, server, announcer, registry)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    _log.info("server.stopped", id=record.id)


async def _drain(settings: Settings, server: SocketServer, announcer: Announcer, registry: Registry) -> None:
    """Leave the registry, tell the clients, close every socket so that it reconnects elsewhere at once."""
    announcer.draining = True
    await _quietly(announcer.announce)
    server.announce_drain(settings.drain_timeout_s)
    await server.engine.drain(min(DRAIN_SPREAD_S, settings.drain_timeout_s / 4))
    deadline = asyncio.get_running_loop().time() + settings.drain_timeout_s / 2
    while server.engine.sockets and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    await _quietly(lambda: registry.withdraw(announcer.record.id))


async def _quietly(step: Callable[[], Awaitable[None]]) -> None:
    """A step of the shutdown that Redis being away must not stop."""
    try:
        await step()
    except CaddieError:
        _log.warning("server.drain_step_failed")


async def _poll_revocations(server: SocketServer, revocations: Revocations) -> None:
    position = ""
    while True:
        try:
            position, new = await revocations.since(position)
            if new:
                server.revoke(new)
        except CaddieError:
            _log.warning("revocations.poll_failed")
        await asyncio.sleep(POLL_INTERVAL_S)


async def _count(server: SocketServer, announcer: Announcer) -> None:
    while True:
        announcer.load = len(server.engine.sockets)
        await asyncio.sleep(POLL_INTERVAL_S)


def origins(settings: Settings) -> frozenset[str]:
    """The gateway's own page, under the names a browser may call it by, and what the operator allows."""
    port = settings.gateway_port
    hosts = {settings.gateway_host, "127.0.0.1", "localhost"}
    return frozenset(settings.origins) | {f"http://{host}:{port}" for host in hosts}
