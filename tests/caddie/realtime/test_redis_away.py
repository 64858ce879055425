"""Redis goes away and comes back, with its data or without: sockets stay, readers catch up or learn the new epoch."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from functools import partial
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.errors import CaddieError
from shared.follow import Watch
from tests.caddie.realtime.conftest import Edge, Edges
from tests.caddie.realtime.wire import Wire, connect_packet
from tests.product import until
from tests.valkey import Valkey

CATCH_UP_S = 3.0


@pytest.fixture
def durable() -> Iterator[Valkey]:
    """Keeps what it acknowledged over a kill."""
    server = Valkey("--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture
def forgetful() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


async def appended(edge: Edge, count: int) -> int:
    """Append as soon as Redis takes it again."""

    async def attempt() -> int:
        try:
            return await edge.say(count)
        except CaddieError:
            return 0

    last: int = await until(attempt, 10)
    return last


async def away(edge: Edge) -> None:
    await until(lambda: not edge.reader.connected, 5)


async def caught_up(wires: list[Wire], last: int) -> None:
    began = time.monotonic()
    for wire in wires:
        await wire.read_until(lambda wire=wire: wire.events and wire.events[-1]["index"] == last)
    assert time.monotonic() - began < CATCH_UP_S


async def test_sockets_outlive_a_kill_and_catch_up(edges: Edges, durable: Valkey) -> None:
    async with edges(redis_url=SecretStr(durable.url)) as edge:
        wires = [await edge.connected(last=0) for _ in range(3)]
        await edge.say(10)
        await caught_up(wires, 10)
        durable.kill()
        await away(edge)
        reply = await wires[0].call("message", {"requestId": str(uuid4()), "text": "hello"})
        assert (reply["code"], reply["retryable"]) == ("UNAVAILABLE", True)
        late = await edge.wire().open()
        await late.send(connect_packet(token=edge.token()))
        assert await late.closed() == 1013 and late.error is None
        assert len(edge.server.connections) == 3
        durable.start()
        last = await appended(edge, 50)
        await caught_up(wires, last)
        for wire in wires:
            assert wire.indices == list(range(1, last + 1)) and "resync" not in wire.control
            await wire.leave()
        await edge.nothing_left()


async def test_a_lost_log_is_a_new_epoch_never_silence(edges: Edges, forgetful: Valkey) -> None:
    async with edges(redis_url=SecretStr(forgetful.url)) as edge:
        wire = await edge.connected(last=0)
        await edge.say(10)
        await caught_up([wire], 10)
        epoch, pid = wire.control["ready"][0]["epoch"], (wire.connected or {})["pid"]
        forgetful.kill()
        await away(edge)
        forgetful.start()
        edge.writers.clear()
        last = await appended(edge, 5)
        assert last == 5
        began = time.monotonic()
        await wire.read_until(lambda: wire.control.get("resync"))
        assert time.monotonic() - began < CATCH_UP_S
        resync = wire.control["resync"][-1]
        assert resync["epoch"] != epoch
        last = await edge.say(7)
        await wire.read_until(lambda: wire.events[-1]["index"] == last)
        after = wire.indices[10:]
        assert wire.indices[:10] == list(range(1, 11))
        assert after == list(range(resync["head"] + 1, last + 1))
        again = await edge.wire().open()
        ready = await again.connect(edge.token(), pid=pid, offset="3")
        assert ready["replay"]["reason"] == "epoch"
        await again.read_until(lambda: again.control.get("resync"))
        for socket in (wire, again):
            await socket.leave()
        await edge.nothing_left()


@pytest.mark.faults
async def test_a_freeze_is_survived(edges: Edges, durable: Valkey) -> None:
    async with edges(redis_url=SecretStr(durable.url)) as edge:
        wires = [await edge.connected(last=0) for _ in range(3)]
        await edge.say(10)
        await caught_up(wires, 10)
        durable.signal(signal.SIGSTOP)
        try:
            await until(lambda: not edge.reader.connected, 15)
            assert len(edge.server.connections) == 3
        finally:
            durable.signal(signal.SIGCONT)
        last = await appended(edge, 50)
        await caught_up(wires, last)
        for wire in wires:
            assert wire.indices == list(range(1, last + 1))
            await wire.leave()
        await edge.nothing_left()


def _beyond(watch: Watch, index: int) -> bool:
    return watch.head > index


@pytest.mark.faults
async def test_events_of_many_outages_arrive_once(edges: Edges, durable: Valkey) -> None:
    async with edges(redis_url=SecretStr(durable.url)) as edge:
        wire = await edge.connected(last=0)
        (watch,) = edge.reader._watches.values()
        last = 0
        for _ in range(4):
            speaking = asyncio.create_task(edge.say(5_000, batch=10))
            await until(partial(_beyond, watch, last + 200))
            durable.kill()
            with pytest.raises(CaddieError):
                await speaking
            await away(edge)
            durable.start()
            last = await appended(edge, 1)
            await wire.read_until(lambda last=last: wire.events and wire.events[-1]["index"] == last)
        assert wire.indices == list(range(1, last + 1))
        await wire.leave()
        await edge.nothing_left()
