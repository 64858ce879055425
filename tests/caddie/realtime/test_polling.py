"""Long polling and the upgrade to a websocket, raw: what is refused, what closes, what survives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from shared.tokens import Session
from tests.caddie.realtime.conftest import Edge, Edges
from tests.caddie.realtime.wire import SEPARATOR, Polling, Wire, command_packet, connect_packet
from tests.product import until


async def status(edge: Edge, method: str, query: str, **options: object) -> tuple[int, int | None]:
    async with edge.http.request(method, f"{edge.url}?{query}", **options) as response:  # type: ignore[arg-type]
        text = await response.text()
        return response.status, orjson.loads(text).get("code") if text.startswith("{") else None


NO_HANDSHAKES = [
    ("GET", "", (400, 0)),
    ("GET", "EIO=4", (400, 0)),
    ("GET", "EIO=4&transport=flashsocket", (400, 0)),
    ("GET", "EIO=3&transport=polling", (400, 5)),
    ("GET", "transport=polling", (400, 5)),
    ("GET", "EIO=x&transport=websocket", (400, 5)),
    ("POST", "EIO=4&transport=polling", (400, 2)),
    ("PUT", "EIO=4&transport=polling", (400, 2)),
    ("DELETE", "EIO=4&transport=polling", (400, 2)),
    ("GET", "EIO=4&transport=polling&sid=unknown", (400, 1)),
    ("POST", "EIO=4&transport=polling&sid=unknown", (400, 1)),
    ("GET", "EIO=4&transport=websocket&sid=unknown", (400, 1)),
    ("GET", "EIO=4&transport=websocket", (400, 3)),
    ("POST", "EIO=4&transport=websocket", (400, 2)),
    ("OPTIONS", "EIO=4&transport=polling", (204, None)),
]


async def test_a_request_that_is_no_handshake_is_refused(edge: Edge) -> None:
    for method, query, answer in NO_HANDSHAKES:
        assert await status(edge, method, query) == answer, (method, query)


async def test_a_session_takes_get_and_post_only(edge: Edge) -> None:
    polling = await edge.polling().open()
    for method in ("PUT", "DELETE", "PATCH"):
        assert await status(edge, method, f"EIO=4&transport=polling&sid={polling.sid}") == (400, 2)
    assert await status(edge, "GET", f"EIO=4&transport=websocket&sid={polling.sid}") == (400, 3)
    assert (await polling.connect(edge.token()))["protocol"] == 1
    await polling.post("1")


async def test_a_foreign_origin_is_refused(edge: Edge) -> None:
    query = "EIO=4&transport=polling"
    assert await status(edge, "GET", query, headers={"Origin": "https://evil.example"}) == (403, 4)
    forged = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}
    assert await status(edge, "GET", query, headers=forged) == (403, 4)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await edge.wire().open(headers={"Origin": "https://evil.example"})
    page = f"http://localhost:{edge.settings.gateway_port}"
    async with edge.http.get(f"{edge.url}?{query}", headers={"Origin": page}) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, page)
    await edge.server.engine.disconnect()


async def test_a_connect_in_many_pieces_is_one_connect(edge: Edge) -> None:
    polling = await edge.polling().open()
    packet = connect_packet(token=edge.token()).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(packet), 50):
            yield packet[start : start + 50]
            await asyncio.sleep(0)

    assert await polling.post(data=pieces()) == 200
    await polling.get()
    assert polling.connected is not None
    await polling.post("1")


async def _raw_post(
    edge: Edge, polling: Polling, *parts: bytes, length: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.settings.server_port)
    head = (
        f"POST /socket.io/?EIO=4&transport=polling&sid={polling.sid} HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
    for part in (head.encode(), *parts):
        writer.write(part)
        await writer.drain()
    return reader, writer


async def test_a_body_in_several_tcp_chunks_is_read_wholly(edge: Edge) -> None:
    polling = await edge.polling().open()
    packet = connect_packet(token=edge.token()).encode()
    reader, writer = await _raw_post(edge, polling, packet[:10], length=len(packet))
    (transport,) = edge.server.engine.sockets.values()
    assert transport.connect_attempts == 0
    writer.write(packet[10:])
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await polling.get()
    assert polling.connected is not None
    await polling.post("1")


async def test_a_slow_body_ends_the_session(edges: Edges) -> None:
    async with edges(http_body_timeout_s=0.2) as edge:
        polling = await edge.polling().open()
        reader, writer = await _raw_post(edge, polling, b"40{", length=500)
        assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"HTTP/1.1 400")
        writer.close()
        assert not edge.server.engine.sockets
        await edge.http.close()
        await edge.nothing_left()


async def test_a_body_cut_short_logs_nothing(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    polling = await edge.polling().open()
    _, writer = await _raw_post(edge, polling, b"40{", length=500)
    writer.transport.abort()
    await until(lambda: not edge.server.engine.sockets, 5)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_ends_the_session(edge: Edge, chunked: bool) -> None:
    polling = await edge.polling().open()
    body = b"4" + b"x" * edge.settings.frame_bytes

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:1_000]
        yield body[1_000:]

    assert await polling.post(data=pieces() if chunked else body) == 400
    assert polling.sid not in edge.server.engine.sockets


@pytest.mark.parametrize("body", [b"\xff\xfe", b"", b"x", b"40{" + b"\x1e", b"\x1e".join([b"3"] * 600)])
async def test_a_bad_body_ends_the_session(edge: Edge, body: bytes) -> None:
    polling = await edge.polling().open()
    assert await polling.post(data=body) == 400
    assert (await polling.get())[0] == 400


async def test_overlapping_polls_end_the_session(edge: Edge) -> None:
    polling = await edge.polling().open()
    first = asyncio.create_task(polling.get())
    (transport,) = edge.server.engine.sockets.values()
    await until(lambda: transport._polling)
    assert (await polling.get())[0] == 400
    assert await first in ((200, ["1"]), (400, [""]))
    assert not edge.server.engine.sockets


async def test_overlapping_posts_end_the_session(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    polling = await edge.polling().open()
    gate = asyncio.Event()
    head = edge.server._admission.head

    async def held(session: Session) -> object:
        await gate.wait()
        return await head(session)

    monkeypatch.setattr(edge.server._admission, "head", held)
    first = asyncio.create_task(polling.post(connect_packet(token=edge.token())))
    (transport,) = edge.server.engine.sockets.values()
    await until(lambda: transport._posting)
    assert await polling.post("3") == 400
    gate.set()
    await first
    assert (await polling.get())[0] == 400


async def test_an_answer_holds_at_most_sixteen_packets(edge: Edge) -> None:
    await edge.say(100)
    polling = await edge.polling().open()
    await polling.connect(edge.token(), lastEventIndex=0)
    while len(polling.events) < 100:
        code, packets = await polling.get()
        assert code == 200 and len(packets) <= 16
    assert polling.indices == list(range(1, 101))
    await polling.post("1")


async def _upgraded(edge: Edge, polling: Polling) -> Wire:
    """The upgrade as the JavaScript client does it: probe, end the pending poll, UPGRADE."""
    wire = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    pending = asyncio.create_task(polling.get())
    await wire.send("2probe")
    assert await wire.receive() == "3probe"
    await pending
    wire.packets.clear()
    await wire.send("5")
    return wire


async def test_an_upgrade_in_the_middle_of_a_stream_loses_and_doubles_nothing(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    speaking = asyncio.create_task(edge.say(3_000, batch=3))
    await until(lambda: edge.reader._watches and next(iter(edge.reader._watches.values())).head > 100)
    await polling.get()
    wire = await _upgraded(edge, polling)
    await wire.read_until(lambda: wire.events and wire.events[-1]["index"] == 3_000)
    await speaking
    assert polling.events and wire.events
    assert polling.indices + wire.indices == list(range(1, 3_001))
    assert await polling.post("3") == 400
    assert (await polling.get())[0] == 400
    assert (await wire.call("replay", {"after": 3_000}))["ok"]
    await wire.leave()


async def test_after_a_failed_upgrade_polling_goes_on(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    for packets in ((), ("4x",), ("2wrong",), ("2probe",), ("2probe", "4x"), ("2probe", "2probe")):
        wire = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
        await wire.send(*packets)
        if packets[-1:] == ("2probe",) and len(packets) == 1:
            assert await wire.receive() == "3probe"
        if len(packets) == 0 or packets == ("2probe",):
            await wire.leave()
        else:
            await wire.closed()
        last = await edge.say(1)
        async with asyncio.timeout(5):
            while not polling.events or polling.events[-1]["index"] != last:
                assert (await polling.get())[0] == 200
    assert polling.indices == list(range(1, 7))
    assert await polling.post(command_packet("replay", {"after": 6}, 1)) == 200
    await polling.get()
    assert polling.acks[1]["ok"]
    wire = await _upgraded(edge, polling)
    await edge.say(1)
    await wire.read_until(lambda: wire.indices == [7])
    await wire.leave()


async def test_a_binary_probe_fails_only_the_upgrade(edge: Edge) -> None:
    polling = await edge.polling().open()
    wire = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    await wire.socket.send_bytes(b"2probe")
    await wire.closed()
    assert (await polling.connect(edge.token()))["protocol"] == 1
    await polling.post("1")


async def test_a_second_upgrade_at_the_same_time_is_refused(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    first = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    await first.send("2probe")
    assert await first.receive() == "3probe"
    second = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    await second.send("2probe")
    assert await second.closed() is not None and second.packets == []
    await first.send("5")
    await edge.say(50)
    await first.read_until(lambda: first.indices == list(range(1, 51)))
    assert await status(edge, "GET", f"EIO=4&transport=polling&sid={polling.sid}") == (400, 3)
    third = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    assert await third.closed() is not None and third.packets == []
    await first.leave()


async def test_an_upgrade_in_one_go_leaves_the_poll_nothing_but_a_noop(edge: Edge) -> None:
    """2probe and 5 in one write, before the pending poll has had its turn: there must not be two consumers."""
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    pending = asyncio.create_task(polling.get())
    (transport,) = edge.server.engine.sockets.values()
    await until(lambda: transport._polling)
    wire = await edge.wire().open(f"EIO=4&transport=websocket&sid={polling.sid}")
    await wire.send("2probe", "5")
    assert await pending == (200, ["6"])
    await edge.say(20)
    await wire.read_until(lambda: wire.indices == list(range(1, 21)))
    await wire.leave()


async def test_a_poll_whose_client_hangs_up_ends_the_session(edge: Edge) -> None:
    """What its answer carried is lost, so a later poll must not go on behind it."""
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    pending = asyncio.create_task(polling.get())
    (transport,) = edge.server.engine.sockets.values()
    await until(lambda: transport._polling)
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)
    await edge.say(1)
    await until(lambda: not edge.server.engine.sockets)
    assert (await polling.get())[0] == 400


@pytest.mark.parametrize("late", [False, True])
async def test_a_goodbye_by_post_answers_the_poll_that_crosses_it(edge: Edge, late: bool) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    (transport,) = edge.server.engine.sockets.values()
    pending = None if late else asyncio.create_task(polling.get())
    if not late:
        await until(lambda: transport._polling)
    assert await polling.post("1") == 200
    assert await (pending or polling.get()) == (200, ["6"])
    assert (await polling.get())[0] == 400


async def test_a_polling_client_that_leaves_is_forgotten(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    assert await polling.post("41") == 200
    await until(lambda: not edge.server.engine.sockets, 5)
    assert (await polling.get())[0] == 400


async def test_silence_ends_a_session(edges: Edges) -> None:
    async with edges(ping_interval_s=0.2, ping_timeout_s=0.2) as edge:
        polling, wire = await edge.polling().open(), await edge.wire().open()
        await polling.connect(edge.token())
        await wire.send(connect_packet(token=edge.token()))
        assert "2" in (await polling.get())[1]
        assert await wire.closed() == 1006
        assert "2" in wire.packets
        await until(lambda: not edge.server.engine.sockets, 5)
        await edge.http.close()
        await edge.nothing_left()


async def test_packets_of_one_post_run_in_order(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token())
    commands = [command_packet("replay", {"after": 0}, number) for number in range(1, 11)]
    assert await polling.post(SEPARATOR.join(commands)) == 200
    while len(polling.acks) < 10:
        await polling.get()
    assert list(polling.acks) == list(range(1, 11))
    await polling.post("1")
