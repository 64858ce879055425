"""Readers that take little or nothing: bounded memory, nobody else slower, everything in the end, or cut."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Any

import orjson
import pytest

from caddie.realtime import transport as transports
from caddie.realtime.transport import PULL_BYTES, Transport
from shared.events import MessageDelta
from tests.caddie.realtime.conftest import Edge, Edges
from tests.caddie.realtime.wire import Log, connect_packet
from tests.product import until

KERNEL_BYTES = 16_384


class SlowWire(Log):
    """A websocket over a socket with small kernel buffers that reads only when told to."""

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self.edge, self.buffer = edge, b""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        self.socket.setblocking(False)

    async def open(self, token: str, **auth: Any) -> Transport:
        loop = asyncio.get_running_loop()
        known = set(self.edge.server.engine.sockets)
        await loop.sock_connect(self.socket, ("127.0.0.1", self.edge.settings.server_port))
        await loop.sock_sendall(
            self.socket,
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += await loop.sock_recv(self.socket, 4_096)
        self.buffer = self.buffer.partition(b"\r\n\r\n")[2]
        await self.send(connect_packet(token=token, **auth))
        async with asyncio.timeout(5):
            while not self.control.get("ready"):
                await self.receive()
        (sid,) = set(self.edge.server.engine.sockets) - known
        return self.edge.server.engine.sockets[sid]

    async def send(self, packet: str) -> None:
        """One masked text frame; a mask of zeros changes nothing."""
        data = packet.encode()
        size = bytes((0x80 | len(data),)) if len(data) < 126 else bytes((0xFE,)) + struct.pack("!H", len(data))
        await asyncio.get_running_loop().sock_sendall(self.socket, b"\x81" + size + b"\0\0\0\0" + data)

    async def receive(self) -> None:
        """Some bytes. Raises ConnectionError at the end."""
        data = await asyncio.get_running_loop().sock_recv(self.socket, 65_536)
        if not data:
            raise ConnectionResetError
        self.buffer += data
        while (frame := self._frame()) is not None:
            self.take(frame)

    def _frame(self) -> str | None:
        if len(self.buffer) < 2:
            return None
        size, head = self.buffer[1] & 0x7F, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(self.buffer[2:head], "big")
        if len(self.buffer) < head + size:
            return None
        frame, self.buffer = self.buffer[head : head + size], self.buffer[head + size :]
        return frame.decode() if len(frame) == size else None


def pinned(transport: Transport) -> int:
    """Bytes the server holds for this reader alone."""
    assert transport.websocket is not None
    writer: Any = transport.websocket._writer
    held = writer.transport.get_write_buffer_size() if writer.transport else 0
    return int(held) + sum(len(packet) for packet in transport._outbox)


async def speak(edge: Edge, count: int, size: int) -> None:
    for first in range(0, count, 200):
        texts = [f"{number:0{size}d} " for number in range(first, first + 200)]
        await edge.append(*[MessageDelta(messageId="m", text=text) for text in texts])


def said(wire: Log) -> int:
    """How many of the deltas `speak` made were received, each once and in order.

    On a busy machine an honest reader may lag for a moment, too, and gets some merged.
    """
    words = [int(word) for event in wire.events for word in event["data"]["text"].split()]
    assert words == list(range(len(words))) and wire.indices == sorted(set(wire.indices))
    return len(words)


async def test_a_reader_that_stops_holds_a_cursor_and_gets_everything_later(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "LAG_S", 0.05)
    count, size = 20_000, 240
    slow, honest = SlowWire(edge), await edge.connected(last=0)
    transport = await slow.open(edge.token(), lastEventIndex=0)
    speaking = asyncio.create_task(speak(edge, count, size))
    peak = 0
    while not speaking.done() or not honest.events or honest.events[-1]["index"] < count:
        await honest.receive()
        peak = max(peak, pinned(transport))
    await speaking
    assert said(honest) == count
    assert 0 < transport.writing_since and peak <= 2 * PULL_BYTES + 65_536, peak
    (watch,) = edge.reader._watches.values()
    assert watch._bytes <= edge.settings.ring_bytes and len(watch.bodies) <= edge.settings.ring_events
    async with asyncio.timeout(20):
        while not slow.events or slow.events[-1]["index"] < count:
            await slow.receive()
    assert slow.text == honest.text
    merged = [event for event in slow.events if "from" in event]
    assert merged
    expected = 1
    for event in slow.events:
        assert event.get("from", event["index"]) == expected
        expected = event["index"] + 1
    slow.socket.close()
    await honest.leave()


async def test_an_honest_reader_is_not_slower_for_many_slow_ones(edge: Edge) -> None:
    slow = [SlowWire(edge) for _ in range(20)]
    for wire in slow:
        await wire.open(edge.token(), lastEventIndex=0)
    honest = await edge.connected(last=0)
    began = time.monotonic()
    speaking = asyncio.create_task(speak(edge, 4_000, 240))
    await honest.read_until(lambda: honest.events and honest.events[-1]["index"] == 4_000)
    await speaking
    assert honest.indices == list(range(1, 4_001))
    assert time.monotonic() - began < 8
    for wire in slow:
        wire.socket.close()
    await honest.leave()


async def test_large_events_are_read_a_few_at_a_time(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    async with edges(ring_bytes=65_536) as edge:
        for _ in range(100):
            await edge.append(MessageDelta(messageId="m", text="x" * 50_000))
        read, taken = edge.reader._log.read, []

        async def counted(*arguments: Any) -> Any:
            entries = await read(*arguments)
            taken.append(sum(len(body) for _, body in entries))
            return entries

        wire = await edge.wire().open()
        monkeypatch.setattr(edge.reader._log, "read", counted)
        await wire.connect(edge.token(), lastEventIndex=0)
        await wire.read_until(lambda: len(wire.events) == 100)
        assert wire.indices == list(range(1, 101))
        assert max(taken) <= 1_000_000 and sum(taken) < 3 * 100 * 50_000
        await wire.leave()
        await edge.nothing_left()


async def test_a_reader_that_takes_nothing_is_cut(edges: Edges) -> None:
    async with edges(stall_timeout_s=1.0) as edge:
        slow, honest = SlowWire(edge), await edge.connected(last=0)
        transport = await slow.open(edge.token(), lastEventIndex=0)
        await speak(edge, 12_000, 240)
        await until(lambda: transport.writing_since, 5)
        await until(lambda: transport.sid not in edge.server.engine.sockets, 6)
        await honest.read_until(lambda: honest.events and honest.events[-1]["index"] == 12_000)
        assert said(honest) == 12_000
        await honest.leave()
        await edge.nothing_left()
        slow.socket.close()


@pytest.mark.parametrize("how", ["outbox", "revoked", "drained"])
async def test_a_reader_that_takes_nothing_cannot_outlive_its_end(edge: Edge, how: str) -> None:
    slow = SlowWire(edge)
    transport = await slow.open(edge.token(), lastEventIndex=0)
    await speak(edge, 12_000, 240)
    await until(lambda: transport.writing_since, 5)
    (connection,) = edge.server.connections.values()
    match how:
        case "outbox":
            for _ in range(transports.OUTBOX_MAX + 1):
                connection.emit("head", {})
            assert transport.close_code == 1013
        case "revoked":
            connection.end("revoked")
        case _:
            await edge.server.engine.drain(0.1)
    assert transport.closed.is_set()
    await edge.nothing_left()
    slow.socket.close()


async def test_control_overtakes_data(edge: Edge) -> None:
    slow = SlowWire(edge)
    await slow.open(edge.token(), lastEventIndex=0)
    await speak(edge, 12_000, 240)
    await until(lambda: next(iter(edge.server.engine.sockets.values())).writing_since, 5)
    (connection,) = edge.server.connections.values()
    connection.emit("expiring", {"expiresAt": "now"})
    async with asyncio.timeout(10):
        while "expiring" not in slow.control:
            await slow.receive()
    assert slow.events[-1]["index"] < 12_000
    slow.socket.close()


async def test_a_polling_reader_that_does_not_poll_holds_a_cursor(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token(), lastEventIndex=0)
    (transport,) = edge.server.engine.sockets.values()
    await speak(edge, 2_000, 240)
    assert sum(len(packet) for packet in transport._outbox) == 0
    while not polling.events or polling.events[-1]["index"] < 2_000:
        status, packets = await polling.get()
        assert status == 200 and sum(map(len, packets)) < 2 * PULL_BYTES
    assert polling.indices == list(range(1, 2_001))
    assert orjson.loads(polling.packets[-1][2:])[-1] == "2000"
    await polling.post("1")
