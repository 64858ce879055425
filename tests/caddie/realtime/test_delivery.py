"""The short way of an event to an idle websocket: no task, one frame for all, nothing overtakes, nothing is lost."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from caddie.realtime import connection as connections
from caddie.realtime.connection import Connection
from caddie.realtime.packets import event_frame
from caddie.realtime.transport import Transport
from shared import events
from shared.follow import Watch
from tests.caddie.realtime.conftest import Edge
from tests.caddie.realtime.wire import Wire
from tests.product import until


def only_watch(edge: Edge) -> Watch:
    (watch,) = edge.reader._watches.values()
    return watch


def heard(watch: Watch, count: int = 1) -> None:
    """What a read from Redis does, now: the ring takes events and tells its readers."""
    first = watch.head + 1
    data = [events.MessageDelta(messageId="m", text=f"{index} ") for index in range(first, first + count)]
    assert watch.add([(first + place, events.encode(item, "r1")) for place, item in enumerate(data)])


async def given(wire: Wire, count: int) -> None:
    await wire.read_until(lambda: len(wire.events) >= count)


async def idle(edge: Edge) -> None:
    transports = edge.server.engine.sockets.values()
    await until(lambda: all(transport._idle is not None for transport in transports), 2)


async def test_an_idle_websocket_is_written_to_without_waking_its_writer(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = await edge.connected()
    await idle(edge)
    pulls: list[int] = []
    pull = Connection.pull

    async def counted(self: Connection, *arguments: Any) -> list[bytes]:
        pulls.append(self.cursor)
        return await pull(self, *arguments)

    monkeypatch.setattr(Connection, "pull", counted)
    for number in range(1, 51):
        await edge.say(1 + number % 4)
    last = sum(1 + number % 4 for number in range(1, 51))
    await wire.read_until(lambda: wire.indices and wire.indices[-1] == last)
    assert wire.indices == list(range(1, last + 1))
    assert not pulls


@pytest.mark.parametrize("count", [1, 5])
async def test_readers_at_the_same_place_share_one_frame(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    wires = [await edge.connected() for _ in range(5)]
    await idle(edge)
    made: list[int] = []

    def counted(index: int, body: bytes) -> bytes:
        made.append(index)
        return event_frame(index, body)

    monkeypatch.setattr(connections, "event_frame", counted)
    heard(only_watch(edge), count)
    for wire in wires:
        await given(wire, count)
        assert wire.indices == list(range(1, count + 1))
    assert made == list(range(1, count + 1))


async def test_a_reader_at_another_place_gets_what_it_lacks(edge: Edge) -> None:
    ahead, behind = await edge.connected(), await edge.connected()
    await edge.say(3)
    for wire in (ahead, behind):
        await given(wire, 3)
    await idle(edge)
    watch = only_watch(edge)
    _, second = edge.server.connections.values()
    second.cursor = 1
    heard(watch)
    await given(ahead, 4)
    await given(behind, 6)
    assert (ahead.indices, behind.indices) == ([1, 2, 3, 4], [1, 2, 3, 2, 3, 4])


async def test_frames_of_a_lost_log_are_not_shown_again(edge: Edge) -> None:
    wires = [await edge.connected() for _ in range(2)]
    await idle(edge)
    watch = only_watch(edge)
    heard(watch)
    old = watch.shown
    assert old[:2] == (0, 1)
    watch.restart("another", 0)
    heard(watch)
    assert watch.shown != old
    for wire in wires:
        await wire.leave()


async def test_a_control_packet_goes_before_events_of_the_same_moment(edge: Edge) -> None:
    wire = await edge.connected()
    await idle(edge)
    (connection,) = edge.server.connections.values()
    connection.emit("expiring", {"expiresAt": "now"})
    heard(only_watch(edge))
    await wire.read_until(lambda: wire.events)
    assert [packet[4:12] for packet in wire.packets[-2:]] == ["expiring", 'event",{']


async def test_nothing_is_written_once_a_session_has_ended(edge: Edge) -> None:
    wire = await edge.connected()
    await idle(edge)
    (connection,) = edge.server.connections.values()
    connection.end("revoked")
    heard(only_watch(edge))
    assert await wire.closed() == 4411
    assert not wire.events and wire.control["ended"]


@pytest.mark.parametrize("turns", range(3))
async def test_a_peer_that_just_went_harms_nobody(edge: Edge, turns: int) -> None:
    """Its TCP connection may be gone some turns of the loop before the task that reads from it hears of that."""
    gone, stays = await edge.connected(), await edge.connected()
    await idle(edge)
    first, _ = edge.server.engine.sockets.values()
    assert first.websocket is not None
    channel: Any = first.websocket._writer
    with capture_logs() as logged:
        channel.transport.abort()
        for _ in range(turns):
            await asyncio.sleep(0)
        heard(only_watch(edge))
        await given(stays, 1)
        await until(lambda: len(edge.server.connections) == 1, 5)
    assert stays.indices == [1] and not logged
    assert edge.reader.connected
    await gone.leave()


class Endless:
    """A source that always has something."""

    async def pull(self, size: int, count: int, lagging: bool) -> list[bytes]:
        return [b"x"]

    def frames_nowait(self, size: int) -> bytes:
        return b"x"


def test_the_loop_of_production_raises_at_a_closed_connection_and_we_do_not() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        accepted: asyncio.Queue[Any] = asyncio.Queue()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.put_nowait(transport)

        server = await loop.create_server(Accepted, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        connection = await accepted.get()
        transport = Transport("s", "a", lambda *_: asyncio.sleep(0), 1_000)
        transport.source = Endless()
        transport._idle = SimpleNamespace(transport=connection, protocol=SimpleNamespace(_paused=False))
        transport.wake()
        assert not transport.closed.is_set()
        connection.abort()
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError), capture_logs() as logged:
            transport.wake()
            assert transport.close_code == 1006
            connection.write(b"x")
        assert not logged
        writer.close()
        server.close()

    uvloop.run(scenario())


async def test_ten_thousand_deltas_are_streamed_with_linear_bytes_and_bounded_memory(edge: Edge) -> None:
    sizes, held = {}, 0
    for count in (1_000, 10_000):
        first = (await edge.connected(last=0)).control["ready"][0]["head"]
        wire = await edge.connected(last=first)
        for start in range(0, count, 250):
            await edge.append(*[events.MessageDelta(messageId="m", text=f"{start + n:06d}") for n in range(250)])
            watch = only_watch(edge)
            held = max(held, watch._bytes)
            await wire.read_until(lambda: wire.events and wire.events[-1]["index"] >= first + start + 250)  # noqa: B023
        assert wire.text == "".join(f"{number:06d}" for number in range(count))
        assert wire.indices == sorted(set(wire.indices)) and wire.indices[-1] == first + count
        sizes[count] = sum(len(packet) for packet in wire.packets if packet.startswith("42"))
        await wire.leave()
    assert sizes[10_000] < 10.5 * sizes[1_000]
    assert held <= edge.settings.ring_bytes
