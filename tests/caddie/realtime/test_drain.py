"""Stopping the server: clients are told, closed so that they come back, and lose nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import socketio

from shared.errors import CaddieError
from shared.registry import Announcer, Registry
from tests.caddie.realtime.conftest import Edge, Edges
from tests.product import until


async def _stopped(edge: Edge) -> float:
    began = time.monotonic()
    await edge.product.stop("server")
    return time.monotonic() - began


async def test_clients_are_told_and_sent_elsewhere(edges: Edges) -> None:
    async with edges() as edge:
        wires = [await edge.connected() for _ in range(30)]
        polling = await edge.polling().open()
        await polling.connect(edge.token())
        silent = await edge.wire().open()
        stopping = asyncio.create_task(_stopped(edge))
        await until(lambda: edge.server.engine.draining)
        for transport in ("polling", "websocket"):
            async with edge.http.get(f"{edge.url}?EIO=4&transport={transport}") as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "2")
        codes = [await wire.closed() for wire in (*wires, silent)]
        assert codes == [1012] * 31
        for wire in wires:
            assert wire.control["draining"] == [{"deadlineMs": 5_000}]
        await polling.get()
        assert polling.control["draining"] == [{"deadlineMs": 5_000}]
        assert await stopping < 10
        assert not edge.server.engine.sockets and not edge.server.connections


async def test_what_was_written_before_the_end_still_arrives(edges: Edges) -> None:
    async with edges() as edge:
        wire = await edge.connected(last=0)
        last = await edge.say(3_000)
        stopping = asyncio.create_task(_stopped(edge))
        assert await wire.closed() == 1012
        await stopping
        assert wire.indices == list(range(1, len(wire.events) + 1)) and len(wire.events) <= last


async def test_the_registry_forgets_a_server_that_drains(edges: Edges) -> None:
    async with edges() as edge:
        registry = Registry(edge.product.log._redis)
        assert len(await registry.alive("server")) == 1
        await _stopped(edge)
        assert await registry.alive("server") == []


async def test_an_unmodified_client_comes_back_by_itself_and_misses_nothing(edges: Edges) -> None:
    async with edges() as edge:
        client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2)
        indices: list[int] = []
        client.on("event", lambda event, _offset: indices.append(event["index"]))
        session = edge.session()

        def auth() -> dict[str, Any]:
            return {"token": session["sessionToken"], "lastEventIndex": len(indices)}

        await client.connect(
            session["socketUrl"], socketio_path=session["socketPath"], auth=auth, transports=["websocket"]
        )
        await edge.say(500)
        await until(lambda: len(indices) == 500)
        for round_number in (1, 2):
            last = 500 + 600 * round_number
            assert await _stopped(edge) < 10
            await edge.say(300)
            speaking = asyncio.create_task(edge.say(300, batch=5))
            await edge.product.start("server")
            await until(lambda: indices and indices[-1] == last, 15)  # noqa: B023
            await speaking
            assert indices == list(range(1, last + 1))
        await client.disconnect()


async def test_redis_being_away_does_not_stop_the_drain(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise CaddieError("UNAVAILABLE", "away")

    async with edges() as edge:
        wire = await edge.connected()
        monkeypatch.setattr(Announcer, "announce", away)
        monkeypatch.setattr(Registry, "withdraw", away)
        stopping = asyncio.create_task(_stopped(edge))
        assert await wire.closed() == 1012
        assert await stopping < 10
