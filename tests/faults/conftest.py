"""Gateway and Socket.IO server in this process, workers as processes that can be killed; drills on a server process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from pydantic import SecretStr

from shared.log import EventLog
from shared.settings import Settings
from shared.tokens import KeyTable, Tokens
from tests.faults.drill import Drill
from tests.product import Product, RoleProcess, free_port, running
from tests.residue import ServerProcess
from tests.valkey import Valkey

Workers = Callable[..., Awaitable[RoleProcess]]
Drills = Callable[..., AbstractAsyncContextManager[Drill]]


@pytest.fixture
def slow(settings: Settings) -> Settings:
    """A golden run takes some three seconds; a dead worker's runs are free after two."""
    return settings.model_copy(update={"offline_words_per_s": 25, "run_lease_s": 2.0})


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    server = Valkey("--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture
def frail(slow: Settings, own_valkey: Valkey) -> Settings:
    """With a Valkey of the test's own, that it may freeze and kill."""
    return slow.model_copy(update={"redis_url": SecretStr(own_valkey.url)})


@pytest.fixture
async def doors(slow: Settings) -> AsyncIterator[Product]:
    async with running(slow, ("gateway", "server")) as product:
        yield product


@pytest.fixture
async def workers(slow: Settings) -> AsyncIterator[Workers]:
    """Starts worker processes; the arguments are settings that differ."""
    started: list[RoleProcess] = []

    async def start(**changes: object) -> RoleProcess:
        worker = RoleProcess("worker", slow.model_copy(update=changes), f"worker-{len(started)}")
        started.append(worker)
        return await worker.start()

    yield start
    await asyncio.gather(*(worker.kill() for worker in started))


@pytest.fixture
def clock() -> Callable[[], float]:
    begun = time.monotonic()
    return lambda: time.monotonic() - begun


@pytest.fixture
def drills(settings: Settings, log: EventLog) -> Drills:
    """`async with drills(stall_timeout_s=2) as drill`: a server process with other settings, and its clients."""

    @asynccontextmanager
    async def start(**changes: object) -> AsyncIterator[Drill]:
        caps = ("sockets_per_address", "sockets_per_user", "handshakes_per_s", "handshakes_burst")
        ports = {"server_port": free_port(), "admin_port": free_port()}
        changed = settings.model_copy(update={**dict.fromkeys(caps, 100_000), **ports, **changes})
        tokens = Tokens(
            KeyTable.parse(changed.token_key_table), changed.token_issuer, changed.token_audience, changed.token_ttl_s
        )
        server = await ServerProcess(changed).start()
        drill = Drill(server, tokens, log)
        try:
            await drill.warm()
            yield drill
            server.assert_calm()
        finally:
            drill.leave()
            await server.kill()

    return start
