"""Five thousand clients that are gone from one moment to the next."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Drills

pytestmark = pytest.mark.faults
CLIENTS, CONVERSATIONS = 5_000, 500
#: The promise is half a second of the server's time on a machine of its own.
CPU_S, WALL_S = 1.5, 6.0
#: What a heap keeps of five thousand connections: 25 KB each.
HEAP_BYTES = CLIENTS * 32 * 1024


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them in this process; the server process helps itself."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.usefixtures("descriptors")
async def test_five_thousand_clients_that_vanish_are_forgotten_at_once(drills: Drills) -> None:
    async with drills() as drill:
        await drill.many([f"c{number % CONVERSATIONS}" for number in range(CLIENTS)])
        stays = await drill.connected("stays")
        drill.clients.remove(stays)
        cpu, began = drill.server.cpu_s, time.monotonic()
        drill.leave()
        async with asyncio.timeout(WALL_S):
            while True:
                held = await drill.server.held()
                if held["sockets"] == 1:
                    break
                await asyncio.sleep(0.02)
        assert time.monotonic() - began < WALL_S
        assert drill.server.cpu_s - cpu < CPU_S
        assert held["connections"] == held["rings"] == 1
        assert await drill.ping(stays) < WALL_S
        stays.leave()
        await drill.server.nothing_left(HEAP_BYTES)
