"""What a client may try at the edges of a connection's life: nothing leaks to it, nothing of it stays."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from socketio.async_pubsub_manager import AsyncPubSubManager

import caddie.app
from tests.caddie.realtime.conftest import Edge, Edges
from tests.caddie.realtime.wire import SEPARATOR, Wire, command_packet, connect_packet
from tests.product import until


@pytest.fixture
def gate(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Every CONNECT stays inside its handler, fully authenticated, until this is set."""
    authenticated, gate = edge.server._authenticated, asyncio.Event()

    async def held(*arguments: Any) -> Any:
        outcome = await authenticated(*arguments)
        await gate.wait()
        return outcome

    monkeypatch.setattr(edge.server, "_authenticated", held)
    return gate


async def inside(edge: Edge) -> None:
    """Until a client is inside the handler: it watches its conversation and is no connection yet."""
    await until(lambda: edge.reader.watched == 1)
    assert not edge.server.connections


async def test_a_client_inside_the_connect_handler_is_told_nothing(edge: Edge, gate: asyncio.Event) -> None:
    wire = await edge.wire().open()
    await wire.send(connect_packet(token=edge.token()))
    await inside(edge)
    await edge.say(5)
    await edge.server.emit("event", {"index": 1})
    edge.server.announce_drain(1)
    (transport,) = edge.server.engine.sockets.values()
    transport.send("6")
    # What was sent to it before this came before this.
    assert await wire.receive() == "6"
    gate.set()
    await wire.read_until(lambda: wire.control.get("ready"))
    assert wire.packets[2].startswith("40{") and wire.packets[3].startswith('42["ready"')
    await wire.leave()


@pytest.mark.parametrize("how", ["close", "goodbye", "overlap"])
async def test_a_polling_client_that_ends_inside_the_connect_handler_leaves_no_ghost(
    edge: Edge, gate: asyncio.Event, how: str
) -> None:
    polling = await edge.polling().open()
    connecting = asyncio.create_task(polling.post(connect_packet(token=edge.token())))
    await inside(edge)
    if how == "close":
        (transport,) = edge.server.engine.sockets.values()
        transport.close(1000, "the test")
    elif how == "goodbye":
        await polling.post("1")
    else:
        polls = [asyncio.create_task(polling.get()) for _ in range(2)]
        await asyncio.gather(*polls)
    gate.set()
    await connecting
    await until(lambda: not edge.server.engine.sockets, 5)
    assert not edge.server.connections and edge.reader.watched == 0


@pytest.mark.parametrize("how", ["close frame", "reset"])
async def test_a_websocket_that_ends_inside_the_connect_handler_leaves_no_ghost(
    edge: Edge, gate: asyncio.Event, how: str
) -> None:
    wire = await edge.wire().open()
    await wire.send(connect_packet(token=edge.token()))
    await inside(edge)
    if how == "reset":
        assert wire.socket._response.connection is not None and wire.socket._response.connection.transport is not None
        wire.socket._response.connection.transport.abort()
    leaving = asyncio.create_task(wire.leave())
    gate.set()
    await leaving
    await edge.nothing_left()
    assert not edge.server.connections


async def test_connects_by_the_thousand_in_one_transport_are_one_violation(edge: Edge) -> None:
    for packet in (connect_packet(token="x"), connect_packet(token=edge.token()), "40/a,", "40"):
        wire = await edge.wire().open()
        await wire.send(*[packet] * 1_000)
        assert await wire.closed() in (4400, 4401)
        assert len(wire.control.get("ready", ())) <= 1
    assert edge.server.violations <= 4


async def test_packets_behind_a_violation_are_neither_run_nor_counted(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.send("42[", *[command_packet("replay", {"after": 0}, number) for number in range(1, 50)], "431[]")
    assert await wire.closed() == 4400
    assert not wire.acks and edge.server.violations == 1


async def test_commands_in_a_row_make_no_tasks_and_keep_their_order(edges: Edges) -> None:
    async with edges(commands_burst=10_000) as edge:
        wire, polling = await edge.connected(), await edge.polling().open()
        await polling.connect(edge.token())
        most = len(asyncio.all_tasks()) + 2
        packets = [command_packet("nothing", {}, number) for number in range(1, 201)]
        sending = asyncio.create_task(wire.send(*packets))
        posting = asyncio.create_task(polling.post(SEPARATOR.join(packets)))
        while len(wire.acks) < 200:
            await wire.receive()
            assert len(asyncio.all_tasks()) <= most + 4  # the test's own, and a request of the poll
        await asyncio.gather(sending, posting)
        assert list(wire.acks) == list(range(1, 201))
        while len(polling.acks) < 200:
            await polling.get()
        assert list(polling.acks) == list(range(1, 201))
        await wire.leave()
        await polling.post("1")


async def test_an_event_makes_no_task_and_a_socket_three_at_most(edge: Edge) -> None:
    wires = [await edge.connected() for _ in range(20)]
    tasks = edge.residue()["tasks"]
    assert tasks - edge.base["tasks"] <= 3 * len(wires)
    await edge.say(100, batch=1)
    for wire in wires:
        await wire.read_until(lambda wire=wire: len(wire.events) == 100)
    assert edge.residue()["tasks"] <= tasks
    for wire in wires:
        await wire.leave()


async def test_deflate_is_never_agreed_on(edge: Edge) -> None:
    wire = await edge.wire().open(compress=15)
    assert wire.socket.compress == 0
    assert "Sec-WebSocket-Extensions" not in wire.socket._response.headers
    await wire.connect(edge.token())
    await wire.leave()
    polling = await edge.polling().open()
    await polling.post("2" * 64)
    async with edge.http.get(polling.url, headers={"Accept-Encoding": "gzip, deflate, br"}) as response:
        assert "Content-Encoding" not in response.headers
    await polling.post("1")


async def test_nothing_is_published_between_servers_but_the_log(edge: Edge) -> None:
    assert not isinstance(edge.server.manager, AsyncPubSubManager)


async def test_any_packet_counts_as_life(edges: Edges) -> None:
    async with edges(ping_interval_s=0.2, ping_timeout_s=0.2) as edge:
        wire, silent = await edge.connected(), await edge.wire().open()
        for pings in range(1, 6):
            await wire.read_until(lambda pings=pings: wire.packets.count("2") >= pings)
            wire.packets.append("6")
            await wire.socket.send_str("6")
        assert await silent.closed() == 1006
        assert (await wire.call("replay", {"after": 0}))["ok"]
        await wire.leave()


@pytest.mark.parametrize("head", [b"", b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX-"])
async def test_a_request_that_never_gets_ready_is_cut(
    edges: Edges, monkeypatch: pytest.MonkeyPatch, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one that drips on: the clock runs from the connection's start."""
    monkeypatch.setattr(caddie.app, "KEEPALIVE_S", 0.3)
    async with edges() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.settings.server_port)
        writer.write(head)
        reading = asyncio.create_task(reader.read())
        async with asyncio.timeout(5):
            while not reading.done():
                if head:
                    writer.write(b"x")
                await asyncio.wait([reading], timeout=0.05)
        assert reading.exception() is not None or not reading.result()
        writer.close()
        await edge.nothing_left()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_client_that_leaves_in_the_middle_of_a_frame_leaves_nothing(edge: Edge) -> None:
    for data in (b"\x81\xfe\xff\xff\0\0\0\0" + b"x" * 30_000, b"\x01\x85\0\0\0\0hello", b"\x81"):
        wire: Wire = await edge.connected()
        transport = wire.socket._response.connection.transport  # type: ignore[union-attr]
        assert isinstance(transport, asyncio.Transport)
        transport.write(data)
        # The server has read that much when it answers somebody who spoke later.
        other = await edge.connected()
        transport.abort()
        await until(lambda: len(edge.server.connections) == 1)
        await other.leave()
        await until(lambda: not edge.server.connections)


async def test_a_refused_handshake_leaves_nothing(edges: Edges) -> None:
    async with edges(sockets_per_server=1) as edge:
        first = await edge.connected()
        for query in ("EIO=4&transport=polling", "EIO=4&transport=polling&sid=x", "EIO=3&transport=polling", "x"):
            async with edge.http.get(f"{edge.url}?{query}") as response:
                assert response.status in (400, 429)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await edge.wire().open()
        assert set(edge.server.engine.sockets) == {first.sid}
        await first.leave()
        await edge.http.close()
        await edge.nothing_left()
