"""Clients that break the protocol over a websocket: cut with the right code, nothing left, nothing logged."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

from caddie.realtime import connection as connections
from caddie.realtime.connection import Connection
from caddie.realtime.transport import OUTBOX_MAX
from shared.tokens import Session
from tests.caddie.realtime.conftest import Edge, Edges
from tests.caddie.realtime.wire import SEPARATOR, command_packet, connect_packet
from tests.product import until

FORGED = [
    '42["connect",{},{"token":"x"}]', '42["disconnect"]', '42["disconnecting","x"]', '42["connect_error",{}]',
    '42["newListener"]',
]  # fmt: skip
MALFORMED = [
    "4", "4x", "49", "42", "42{", "42[]", "42[1]", '42["a",NaN]', '42["a","\\u0000"]', '42["a","\\ud800"]', "40{",
    "40[]", "44", '4450-["a"]', "451-", '451-["a",{"_placeholder":true,"num":0}]', "45999999999-[]", "46", "431[]", "0",
    "5", "7", "", "b", "bAAAA", "x", "\u0661", '42["a",' + "[" * 40 + "]" * 40 + "]", "42" + "[" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("packet", FORGED)
async def test_a_forged_event_closes_the_socket(edge: Edge, packet: str) -> None:
    for wire in (await edge.wire().open(), await edge.connected()):
        await wire.send(packet)
        assert await wire.closed() == 4400
    assert edge.server.violations == 2


async def test_malformed_packets_by_the_hundred_close_and_log_nothing(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logged, caplog.at_level(logging.DEBUG):
        for packet in MALFORMED * 4:
            wire = await edge.connected()
            await wire.send(packet)
            assert await wire.closed() == 4400, packet[:80]
        many = await edge.connected()
        with suppress(ConnectionError):
            await many.send(*["42[" for _ in range(10_000)])
        await many.closed()
    assert [line for line in logged if line["log_level"] != "debug"] == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [record for record in caplog.records if record.name.startswith(("socketio", "engineio"))] == []


async def test_commands_before_connect_are_refused(edge: Edge) -> None:
    for packet in ('42["message",{}]', '421["replay",{"after":0}]', "431[]"):
        wire = await edge.wire().open()
        await wire.send(packet)
        assert await wire.closed() == 4400
        assert not wire.acks and not wire.events


async def test_a_second_connect_closes(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.send(connect_packet(token=edge.token()))
    assert await wire.closed() == 4400


async def test_the_fourth_connect_attempt_closes(edge: Edge) -> None:
    wire = await edge.wire().open()
    await wire.send("40/a,", "40/b,{}", "40/a,")
    await wire.read_until(lambda: wire.packets.count('44/a,{"message":"Invalid namespace"}') == 2)
    await wire.send("40/a,")
    assert await wire.closed() == 4400


async def test_three_attempts_are_enough_to_find_the_namespace(edge: Edge) -> None:
    wire = await edge.wire().open()
    await wire.send("40/a,", "40/b,")
    ready = await wire.connect(edge.token())
    assert ready["protocol"] == 1
    await wire.send('42/a,["message",{}]')
    assert await wire.closed() == 4400


async def test_disconnect_closes_and_forgets(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.send("41")
    assert await wire.closed() == 1000


async def test_without_connect_the_socket_is_closed_in_time(edges: Edges) -> None:
    async with edges(connect_timeout_s=0.2) as edge:
        wire = await edge.wire().open()
        polling = await edge.polling().open()
        assert await wire.closed() == 4408
        await until(lambda: not edge.server.engine.sockets, 5)
        assert (await polling.get())[0] == 400
        stays = await edge.connected()
        await until(lambda: len(stays.control["ready"]) == 1)
        await edge.http.close()
        await edge.nothing_left()


async def test_a_binary_frame_closes(edge: Edge) -> None:
    for wire in (await edge.wire().open(), await edge.connected()):
        await wire.socket.send_bytes(b"\x00\x01")
        assert await wire.closed() == 4400


async def test_a_frame_above_the_limit_closes(edge: Edge) -> None:
    limit = edge.settings.frame_bytes
    fits = await edge.connected()
    padding = limit - len(command_packet("none", {"a": ""}, 1))
    await fits.send(command_packet("none", {"a": "x" * padding}, 1))
    assert (await fits.read_until(lambda: fits.acks.get(1)))["code"] == "INVALID"
    await fits.leave()
    for size in (limit + 1, limit + 2, 10 * limit):
        wire = await edge.connected()
        await wire.send("4" + "x" * (size - 1))
        assert await wire.closed() == 1009, size


async def test_fragments_count_together(edge: Edge) -> None:
    wire = await edge.connected()
    writer = wire.socket._writer
    for _ in range(40):
        await writer.send_frame(b"x" * 4_096, aiohttp.http_websocket.WSMsgType.TEXT if _ == 0 else 0)
    assert await wire.closed() is not None


async def test_invalid_utf8_closes(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.socket._writer.send_frame(b"42\xff\xfe", aiohttp.http_websocket.WSMsgType.TEXT)
    assert await wire.closed() in (1007, 1006)


async def test_pings_are_answered_and_noop_is_ignored(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.send("6", "3", "2", "2probe")
    await wire.read_until(lambda: "3probe" in wire.packets and "3" in wire.packets)
    await wire.send("1")
    assert await wire.closed() == 1000


async def test_a_client_that_piles_up_control_packets_is_cut(edge: Edge) -> None:
    wire = await edge.connected()
    (connection,) = edge.server.connections.values()
    # More than the kernel takes for a client that reads nothing, as this one cannot while the loop is held here.
    for _ in range(OUTBOX_MAX + 2_000):
        connection.emit("head", {"index": 0, "epoch": "e" * 10_000})
    assert len(connection.transport._outbox) == OUTBOX_MAX
    assert await wire.closed() == 1013


async def test_an_unexpected_failure_of_connect_closes(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise TypeError("boom")

    monkeypatch.setattr(edge.server._admission, "head", broken)
    with capture_logs() as logged:
        wire = await edge.wire().open()
        await wire.send(connect_packet(token=edge.token()))
        assert await wire.closed() == 1013
    assert wire.connected is None and not wire.control
    assert [line["event"] for line in logged] == ["connect.failed"]


@pytest.mark.parametrize("in_memory", [True, False])
async def test_an_unexpected_failure_of_reading_closes(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    def framed(*_: Any) -> None:
        raise TypeError("boom")

    async def following(*_: Any) -> None:
        raise TypeError("boom")

    wire = await edge.connected()
    await edge.say(1)
    await wire.read_until(lambda: wire.events)
    if in_memory:
        monkeypatch.setattr(connections, "event_frame", framed)
    else:
        monkeypatch.setattr(Connection, "frames_nowait", lambda *_: None)
    monkeypatch.setattr(edge.reader, "next", following)
    with capture_logs() as logged:
        await edge.say(1)
        assert await wire.closed() == 1013
    assert [line["event"] for line in logged] == ["transport.pull_failed"]


async def test_two_connects_at_once_over_both_transports_leave_nothing(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, waiting, gate = edge.server._admission.head, [], asyncio.Event()

    async def held(session: Session) -> Any:
        waiting.append(session)
        await gate.wait()
        return await head(session)

    monkeypatch.setattr(edge.server._admission, "head", held)
    polling = await edge.polling().open()
    post = asyncio.create_task(polling.post(connect_packet(token=edge.token())))
    await until(lambda: len(waiting) == 1)
    wire = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    await wire.send("2probe")
    assert await wire.receive() == "3probe"
    await wire.send("5", connect_packet(token=edge.token()))
    await until(lambda: len(waiting) == 2)
    gate.set()
    await post
    assert await wire.closed() == 4400


async def test_clients_that_vanish_leave_nothing_for_the_collector(edge: Edge) -> None:
    """Freeing thousands of them at once in a collection would stop delivery for as long."""
    wires = [await edge.connected() for _ in range(5)]
    held = [weakref.ref(connection.transport.websocket) for connection in edge.server.connections.values()]
    gc.collect()
    gc.disable()
    try:
        for wire in wires:
            wire.socket._response.close()
        await until(lambda: not any(socket() for socket in held), 5)
    finally:
        gc.enable()


async def test_what_follows_a_disconnect_in_one_post_is_not_run(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    message = orjson.dumps(["message", {"requestId": "6f1f7a5a-6a52-4a8e-9a76-0a9d3d1c6f10", "text": "hello"}]).decode()
    await polling.post("41" + SEPARATOR + "42" + message)
    await until(lambda: not edge.server.engine.sockets, 5)
    run = await edge.product.store.runs.by_request(edge.product.user, "6f1f7a5a-6a52-4a8e-9a76-0a9d3d1c6f10")
    assert run is None


async def test_the_close_code_arrives_although_the_client_is_late_and_talks_on(edge: Edge) -> None:
    wire = await edge.connected()
    (connection,) = edge.server.connections.values()
    connection.end("revoked")
    await until(lambda: connection.transport.closed.is_set() and not connection.transport._outbox)
    for _ in range(50):
        await wire.send(command_packet("replay", {"after": 0}))
        await asyncio.sleep(0)
    assert await wire.closed() == 4411
    assert wire.control["ended"] == [{"reason": "revoked"}]


async def test_a_client_that_never_answers_the_close_is_cut(edge: Edge) -> None:
    wire = await edge.connected()
    (connection,) = edge.server.connections.values()
    connection.end("expired")
    await edge.nothing_left(4)
    await wire.leave()
