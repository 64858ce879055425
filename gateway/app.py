"""The gateway's composition root: builds the parts, serves them, drains.

Invariant: everything opened here is closed here, in the opposite order, also when the start fails half way.
Callers: ``gateway.__main__``; tests build it with their own settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry

from gateway.accounts import Accounts
from gateway.address import Addresses
from gateway.auth import Authenticator
from gateway.cors import Cors
from gateway.definitions import Definitions
from gateway.erasing import Eraser
from gateway.firing import Firing
from gateway.following import Sources
from gateway.gate import Gate
from gateway.guard import Guard, Metrics
from gateway.hook_addresses import HookAddresses
from gateway.issuing import Issuer
from gateway.limits import Limits
from gateway.revoking import Revoking
from gateway.routes.chat import Chat
from gateway.routes.chat_export import ChatExport
from gateway.routes.chat_messages import ChatMessages
from gateway.routes.chat_sse import ChatSse
from gateway.routes.chat_stream import ChatStream
from gateway.routes.chat_turn import Turns
from gateway.routes.chat_workflow import ChatWorkflows
from gateway.routes.chats import Chats
from gateway.routes.connectors import Connectors
from gateway.routes.executions import ExecutionRoutes
from gateway.routes.hooks import Hooks
from gateway.routes.identity import Identity
from gateway.routes.keys import Keys
from gateway.routes.library import Library
from gateway.routes.members import Members
from gateway.routes.models import Models
from gateway.routes.operations import Operations
from gateway.routes.own_connectors import OwnConnectors
from gateway.routes.slug_chat import SlugChat
from gateway.routes.slug_workflows import SlugWorkflows
from gateway.routes.user_workflows import UserWorkflows
from gateway.routes.watch import Watch
from gateway.routes.workflow_executions import WorkflowExecutions
from gateway.routes.workflow_messages import WorkflowMessages
from gateway.routes.workflows import WorkflowRoutes
from gateway.sse import Streams
from gateway.table import TABLE, openapi, version
from gateway.vigil import Vigil
from gateway.watching import Watching
from shared.admin import open_admin
from shared.connections import open_redis
from shared.decisions import Decisions
from shared.executions import Executions
from shared.follow import LogReader
from shared.journal import http_logger
from shared.log import EventLog
from shared.models import ModelNames
from shared.plugins import library
from shared.probes import Probes
from shared.registry import Registry
from shared.runs import Runs, open_queue
from shared.seal import Seal
from shared.sensitive import Sensitive
from shared.sessions import Revocations
from shared.settings import Settings
from shared.store import Store
from shared.store.database import Database
from shared.together import Together
from shared.tokens import KeyTable, Tokens

#: A client that dribbles its headers, or says nothing at all, is cut after this.
KEEPALIVE_S = 15.0
HEADER_LINE_BYTES = 8_190
BACKLOG = 1_024
#: Logs whose newest index is looked up in one round trip.
HEADS_MAX = 128
_log = structlog.get_logger()


def missing(settings: Settings) -> list[str]:
    """Settings the gateway cannot do without and has no source for, as lines for the operator."""
    needed = ("redis_url", "database_url", "token_keys", "seal_key")
    absent = [f"CADDIE_{name.upper()}" for name in needed if getattr(settings, name) is None]
    return [f"{name}: expected a value, got none (`caddie gateway` takes it from the state folder)" for name in absent]


def build(settings: Settings, metrics: CollectorRegistry = REGISTRY) -> web.Application:
    """The application with every route of the table. Raises ValueError for incomplete or wrong settings."""
    address = settings.redis_address
    redis, store, queue = open_redis(address), Store(Database(settings.database_address)), open_queue(address)
    limits = Limits(redis, settings)
    log = EventLog(redis, settings.log_retention_s, settings.log_retention_events)
    reader, streams = LogReader(log, address, settings.ring_events, settings.ring_bytes), Streams(settings, metrics)
    runs, revocations = Runs(store, log, queue), Revocations(redis)
    sources = Sources(store, log, reader, library().catalog)
    watching = Watching(sources, streams, settings.stall_timeout_s, metrics)
    addresses, authenticator = Addresses(settings.trusted_proxies), Authenticator(store, limits)
    owners = _owners(settings, sources, runs, Registry(redis), revocations, limits, streams)
    owners[Watch] = Watch(watching, addresses, limits, authenticator)
    accounts = Accounts(store, Seal.parse(settings.seal_key_text), Probes(redis, queue), limits)
    owners |= {Connectors: Connectors(accounts), OwnConnectors: OwnConnectors(accounts)}
    gate = Gate(settings, addresses, limits, authenticator, streams)
    app = web.Application()
    Guard(Metrics(metrics)).install(app)
    Cors(settings.origins).install(app)
    for owner, entry in TABLE:
        handler = gate.bind(entry, owners[owner])
        for path in entry.paths:
            if entry.method == "GET":
                app.router.add_get(path, handler, allow_head=True)
            else:
                app.router.add_route(entry.method, path, handler)

    async def connections(_app: web.Application) -> AsyncIterator[None]:
        try:
            async with queue, reader, Vigil(store, streams), watching:
                addresses = HookAddresses(store, Seal.parse(settings.seal_key_text))
                sealing = asyncio.create_task(addresses.protect(), name="seal-hooks")
                try:
                    yield
                    await streams.close()
                finally:
                    sealing.cancel()
                    await asyncio.gather(sealing, return_exceptions=True)
        finally:
            await store.close()
            await redis.aclose()

    app.cleanup_ctx.append(connections)
    app.on_shutdown.extend((streams.drain, watching.drain))
    return app


def _owners(
    settings: Settings, sources: Sources, runs: Runs, registry: Registry, revocations: Revocations, limits: Limits,
    streams: Streams,
) -> dict[type[Any], Any]:  # fmt: skip
    store, log, reader, catalog = sources.store, sources.log, sources.reader, sources.catalog
    tokens = Tokens(
        KeyTable.parse(settings.token_key_table), settings.token_issuer, settings.token_audience, settings.token_ttl_s
    )
    issuer, names = Issuer(settings, store, registry, tokens), ModelNames(settings)
    seal, executions = Seal.parse(settings.seal_key_text), Executions(store, runs)
    revoking = Revoking(revocations)
    definitions, eraser = Definitions(catalog, Sensitive(seal)), Eraser(store, log, revoking)
    firing = Firing(store, HookAddresses(store, seal), settings.public_url)
    turns = Turns(store, log, runs, seal, limits)
    heads = Together("heads", log.positions, HEADS_MAX)
    sse = ChatSse(store, log, reader, runs, turns, streams)
    return {
        ChatStream: ChatStream(settings, issuer, definitions, turns, sse, heads),
        ChatSse: sse,
        Chat: Chat(store, log, runs, revocations),
        Chats: Chats(store, log, eraser, issuer, names),
        ChatMessages: ChatMessages(store, log, reader, runs, limits, streams, sse, names, executions),
        ChatExport: ChatExport(settings, store),
        Models: Models(settings, names),
        Members: Members(store, revoking),
        ChatWorkflows: ChatWorkflows(store, catalog, firing, bool(settings.web_search_url)),
        UserWorkflows: UserWorkflows(store, eraser),
        WorkflowMessages: WorkflowMessages(
            store, log, reader, runs, limits, issuer, names, Decisions(store, log)
        ),
        WorkflowExecutions: WorkflowExecutions(store, executions, sources, limits, issuer),
        WorkflowRoutes: WorkflowRoutes(store, catalog, definitions, eraser),
        SlugChat: SlugChat(store, executions, limits),
        SlugWorkflows: SlugWorkflows(store, catalog, definitions, eraser, firing),
        ExecutionRoutes: ExecutionRoutes(store, executions, sources, limits),
        Library: Library(store, catalog),
        Keys: Keys(store, revoking),
        Identity: Identity(settings, store, limits, revoking),
        Hooks: Hooks(settings, store, executions, limits, Sensitive(seal)),
        Operations: Operations(settings, store, registry, version(), openapi),
    }


@asynccontextmanager
async def listening(app: web.Application, settings: Settings) -> AsyncIterator[int]:
    """Serve ``app`` while the block runs; the port. On leaving: no new connection, requests under way may end."""
    runner = web.AppRunner(
        app, handler_cancellation=True, keepalive_timeout=KEEPALIVE_S, access_log=None, auto_decompress=False,
        logger=http_logger("gateway"), max_line_size=HEADER_LINE_BYTES,
        max_field_size=HEADER_LINE_BYTES, shutdown_timeout=settings.drain_timeout_s,
    )  # fmt: skip
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.gateway_host, settings.gateway_port, backlog=BACKLOG)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then drain."""
    admin = open_admin(settings.admin_host, settings.admin_port, lambda: {"serving": not stop.is_set()})
    try:
        async with listening(build(settings), settings) as port:
            _log.info("gateway.listening", host=settings.gateway_host, port=port)
            await stop.wait()
            _log.info("gateway.draining", deadline_s=settings.drain_timeout_s)
        _log.info("gateway.stopped")
    finally:
        if admin is not None:
            await asyncio.to_thread(admin.close)
