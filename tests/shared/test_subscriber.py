"""shared/subscriber.py: the listening connection comes back, says what it may have missed, and never spins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared import subscriber
from shared.subscriber import BITE_BYTES, DENSE_WINDOW_S, READ_BYTES, Subscriber
from tests.valkey import Valkey


class Ear:
    """What a subscriber told."""

    def __init__(self, url: str) -> None:
        self.messages: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        self.subscribed: asyncio.Queue[bytes] = asyncio.Queue()
        self.gaps: asyncio.Queue[None] = asyncio.Queue()
        self.subscriber = Subscriber(url, self._heard, self.subscribed.put_nowait, lambda: self.gaps.put_nowait(None))

    def _heard(self, messages: list[list[bytes]]) -> None:
        for kind, channel, payload in messages:
            assert kind == b"message"
            self.messages.put_nowait((channel, payload))


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Ear]:
    ear = Ear(url)
    task = asyncio.create_task(ear.subscriber.run())
    try:
        async with asyncio.timeout(20):
            yield ear
        assert not task.done(), "the subscriber gave up"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_messages_of_wanted_channels_arrive_in_order(redis: Redis, redis_url: str) -> None:
    async with listening(redis_url) as ear:
        ear.subscriber.subscribe(b"a")
        assert await ear.subscribed.get() == b"a"
        for number in range(100):
            await redis.publish("a" if number % 2 else "b", str(number))
        assert [await ear.messages.get() for _ in range(50)] == [(b"a", b"%d" % number) for number in range(1, 100, 2)]
        ear.subscriber.unsubscribe(b"a")
        ear.subscriber.subscribe(b"c")
        assert await ear.subscribed.get() == b"c"
        await redis.publish("a", "late")
        await redis.publish("c", "heard")
        assert await ear.messages.get() == (b"c", b"heard")


async def test_channels_wanted_before_the_connection_are_subscribed(redis_url: str) -> None:
    ear = Ear(redis_url)
    ear.subscriber.subscribe(b"early")
    assert not ear.subscriber.connected
    async with asyncio.timeout(5):
        task = asyncio.create_task(ear.subscriber.run())
        assert await ear.subscribed.get() == b"early"
        assert ear.subscriber.connected
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not ear.subscriber.connected


async def test_a_killed_connection_comes_back_with_its_channels(redis: Redis, redis_url: str) -> None:
    async with listening(redis_url) as ear:
        ear.subscriber.subscribe(b"a")
        await ear.subscribed.get()
        for _ in range(3):
            await redis.client_kill_filter(_type="pubsub")
            await ear.gaps.get()
            assert await ear.subscribed.get() == b"a"
        await redis.publish("a", "x")
        assert await ear.messages.get() == (b"a", b"x")


async def test_a_server_that_was_away_is_found_again() -> None:
    valkey = Valkey()
    try:
        async with listening(valkey.url) as ear:
            ear.subscriber.subscribe(b"a")
            await ear.subscribed.get()
            valkey.kill()
            await ear.gaps.get()
            assert not ear.subscriber.connected
            valkey.start()
            assert await ear.subscribed.get() == b"a"
    finally:
        valkey.close()


async def test_a_password_is_given_and_a_wrong_one_does_not_spin() -> None:
    valkey = Valkey("--requirepass", "right")
    path = valkey.url.removeprefix("unix://")
    try:
        async with listening(f"unix://:right@{path}") as ear:
            ear.subscriber.subscribe(b"a")
            assert await ear.subscribed.get() == b"a"
        async with listening(f"unix://:wrong@{path}") as ear:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(4):
                await ear.gaps.get()
            assert loop.time() - began > 0.3, "each refusal waits longer"
    finally:
        valkey.close()


async def test_a_server_that_hangs_up_at_once_is_not_hammered(tmp_path: Path) -> None:
    calls = 0
    third = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()
        if calls == 3:
            third.set()

    server = await asyncio.start_unix_server(hang_up, tmp_path / "s")
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with listening(f"unix://{tmp_path}/s"):
        await third.wait()
        assert loop.time() - began > 0.2
    server.close()
    await server.wait_closed()


async def test_what_is_no_redis_does_not_end_the_subscriber(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(babble, tmp_path / "s")
    async with listening(f"unix://{tmp_path}/s") as ear:
        for _ in range(2):
            await ear.gaps.get()
    server.close()
    await server.wait_closed()


async def test_sentinels_that_are_away_are_asked_again(unused_tcp_port: int) -> None:
    ear = Ear(f"redis+sentinel://127.0.0.1:{unused_tcp_port}/main")
    asked: asyncio.Queue[None] = asyncio.Queue()
    address = ear.subscriber._address

    async def ask() -> tuple[str, int]:
        asked.put_nowait(None)
        return await address()

    ear.subscriber._address = ask  # type: ignore[method-assign]
    task = asyncio.create_task(ear.subscriber.run())
    async with asyncio.timeout(10):
        for _ in range(3):
            await asked.get()
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_backlog_of_many_reads_arrives_whole_and_in_order(redis: Redis, redis_url: str) -> None:
    size = BITE_BYTES // 3
    count = 3 * READ_BYTES // size
    async with listening(redis_url) as ear:
        ear.subscriber.subscribe(b"a")
        await ear.subscribed.get()
        async with redis.pipeline(transaction=False) as pipeline:
            for number in range(count):
                pipeline.publish("a", f"{number:0{size}d}")
            await pipeline.execute()
        assert [int((await ear.messages.get())[1][-9:]) for _ in range(count)] == list(range(count))


class Line(asyncio.Transport):
    """A transport that notes whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = asyncio.Event()
        self.reading.set()

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()


def arrive(protocol: subscriber._Protocol, messages: int) -> None:
    data = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n" * messages
    protocol.get_buffer(-1)[: len(data)] = data
    protocol.buffer_updated(len(data))


@pytest.mark.parametrize("rate", ["dense", "sparse"])
async def test_small_reads_are_spaced_when_there_are_many(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    heard: list[int] = []
    line = Line()
    protocol = subscriber._Protocol(lambda messages: heard.append(len(messages)), lambda _: None)
    protocol.connection_made(line)
    loop = asyncio.get_running_loop()
    if rate == "sparse":
        monkeypatch.setattr(subscriber, "DENSE_PER_S", 1e9)
    until = loop.time() + 2 * DENSE_WINDOW_S
    while line.reading.is_set() and loop.time() < until:
        arrive(protocol, 10)
    assert line.reading.is_set() is (rate == "sparse")
    async with asyncio.timeout(1):
        await line.reading.wait()
    arrive(protocol, 1_000)
    assert line.reading.is_set(), "a read of many messages is followed by the next at once"
    assert sum(heard) % 10 == 0 and heard[-1] == 1_000


async def test_a_read_that_filled_the_buffer_lets_others_go_first() -> None:
    line = Line()
    protocol = subscriber._Protocol(lambda _: None, lambda _: None)
    protocol.connection_made(line)
    message = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$9000\r\n" + b"x" * 9_000 + b"\r\n"
    protocol.get_buffer(-1)[:] = (message * (READ_BYTES // 9_000))[:READ_BYTES]
    protocol.buffer_updated(READ_BYTES)
    assert not line.reading.is_set()
    async with asyncio.timeout(1):
        await line.reading.wait()
