"""Runs a role of this package in this process: the Socket.IO server, the worker, or both.

Invariant: production refuses a weak configuration before anything is opened (exit code 78); a stop signal becomes one
event that every role of the process drains on. Started by `caddie server` and `caddie worker`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import structlog

from caddie.signals import on_stop_signals
from caddie.state import StateFolder, completed
from shared import journal
from shared.errors import CaddieError
from shared.preflight import exit_on_eviction, exit_refused, refusals
from shared.settings import Settings

RoleName = Literal["server", "worker"]
Serve = Callable[[Settings, asyncio.Event], Awaitable[None]]


def complete(settings: Settings) -> Settings:
    """In development, what the settings leave open comes from the state folder; production has to say it."""
    if settings.env == "production":
        return settings
    return completed(settings, StateFolder(settings.state_dir))


def run(names: Sequence[RoleName], settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT has been drained."""
    import uvloop

    settings = complete(settings)
    exit_refused(refusals(settings))
    secrets = journal.secrets_of(vars(settings))
    journal.configure("+".join(names), settings.log_level, settings.log_format, conceal=secrets)
    failures: list[Exception] = []
    try:
        uvloop.run(_serve([_load(name) for name in names], settings))
    except* (CaddieError, OSError, ValueError) as failed:
        failures.extend(failed.exceptions)
    for failure in failures:
        structlog.get_logger().critical("role.failed", cause=str(failure), exc_info=failure)
    if failures:
        raise SystemExit(1)


async def _serve(roles: Sequence[Serve], settings: Settings) -> None:
    _spare_collections()
    await exit_on_eviction(settings)
    stop = asyncio.Event()
    with on_stop_signals(stop.set):
        async with asyncio.TaskGroup() as group:
            for serve in roles:
                group.create_task(_until_stopped(serve, settings, stop))


async def _until_stopped(serve: Serve, settings: Settings, stop: asyncio.Event) -> None:
    """A role that ends takes the others of its process along: half a process must not look alive."""
    try:
        await serve(settings, stop)
    finally:
        stop.set()


def _load(name: RoleName) -> Serve:
    if name == "server":
        from caddie.app import serve as serve_sockets

        return serve_sockets
    from caddie.worker import serve as serve_runs

    return serve_runs


def _spare_collections() -> None:
    """What is loaded now stays: a full collection walks it for 150 ms while nothing is delivered. Rings make many
    objects and no cycles, so collections may be rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)
