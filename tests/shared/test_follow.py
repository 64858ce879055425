"""shared/follow.py on a real Valkey: every reader gets exactly what follows its cursor, whatever breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared import events, keys
from shared.errors import CaddieError
from shared.follow import Behind, LogReader, Watch
from shared.log import EventLog, Writer

CONVERSATION = keys.conversation_key(1, "c1")


@pytest.fixture
async def reader(log: EventLog, redis_url: str) -> AsyncIterator[LogReader]:
    async with LogReader(log, redis_url) as following:
        yield following


def body(number: int) -> tuple[str, bytes]:
    return "", events.encode(events.MessageDelta(messageId="m", text=f"{number} "), "r1")


async def append(log: EventLog, pen: Writer, first: int, last: int, batch: int = 1) -> None:
    for start in range(first, last + 1, batch):
        await log.append(pen, [body(number) for number in range(start, min(start + batch, last + 1))])


async def take(reader: LogReader, conversation: str, after: int, last: int) -> list[int]:
    """Indices a reader gets until it has `last`; each body is checked to be the one of its index."""
    indices: list[int] = []
    async with aclosing(reader.follow(conversation, after)) as batches:
        async for batch in batches:
            for index, text in batch:
                assert text.endswith(b'"text":"%d "}}' % index), (index, text)
                indices.append(index)
            if indices[-1] >= last:
                return indices
    return indices


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], limit_s: float = 5) -> None:
    """Poll something that has no event to wait for."""
    async with asyncio.timeout(limit_s):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.01)


async def _head(watch: Watch, index: int) -> None:
    await until(lambda: watch.head == index, limit_s=1)


async def silent_append(redis: Redis, conversation: str, *numbers: int) -> None:
    """Append as the script does, but lose the publication."""
    async with redis.pipeline(transaction=True) as pipeline:
        for number in numbers:
            pipeline.xadd(keys.log(conversation), {"b": body(number)[1]}, id=f"{number}-0")
            pipeline.hset(keys.head(conversation), "index", number)
        await pipeline.execute()


async def test_every_cut_point_gives_exactly_what_follows_it(log: EventLog, reader: LogReader) -> None:
    count = 40
    pen = Writer(CONVERSATION, "r1", 1)
    await append(log, pen, 1, count // 2)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        following = [group.create_task(take(reader, CONVERSATION, cut, count)) for cut in range(count // 2 + 1)]
        group.create_task(append(log, pen, count // 2 + 1, count))
    for cut, task in enumerate(following):
        assert task.result() == list(range(cut + 1, count + 1))


async def test_readers_that_start_while_events_come_get_each_once(log: EventLog, redis_url: str) -> None:
    """A fresh process at each cut point, so that subscribing, reading and publishing cross in every order."""
    count = 60
    pen = Writer(CONVERSATION, "r1", 1)
    at: dict[int, asyncio.Event] = {number: asyncio.Event() for number in range(count + 1)}
    at[0].set()

    async def write() -> None:
        for number in range(1, count + 1):
            await log.append(pen, [body(number)])
            at[number].set()

    async def read(cut: int) -> list[int]:
        await at[cut].wait()
        async with LogReader(log, redis_url) as fresh:
            return await take(fresh, CONVERSATION, cut, count)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        following = {cut: group.create_task(read(cut)) for cut in range(0, count, 3)}
        group.create_task(write())
    for cut, task in following.items():
        assert task.result() == list(range(cut + 1, count + 1)), cut


async def test_a_message_that_overtakes_the_first_look_at_the_head_is_not_late(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appended after the position was read, published before its answer was used: nothing else tells of it."""
    log = EventLog(redis, 3_600, 1_000)
    pen, plain = Writer(CONVERSATION, "r1", 1), log.marks

    reader, arrived = LogReader(log, redis_url), asyncio.Event()

    def received(messages: list[list[bytes]]) -> None:
        reader._received(messages)
        arrived.set()

    async def slow(conversations: list[str]) -> list[bytes]:
        found = await plain(conversations)
        if not arrived.is_set():
            await log.append(pen, [body(1)])
            await arrived.wait()
        return found

    monkeypatch.setattr(reader._subscriber, "_on_messages", received)
    monkeypatch.setattr(log, "marks", slow)
    async with reader, asyncio.timeout(1.5):
        assert await take(reader, CONVERSATION, 0, 1) == [1]


async def test_killed_subscriptions_lose_nothing(log: EventLog, reader: LogReader, redis: Redis) -> None:
    count = 200
    pen = Writer(CONVERSATION, "r1", 1)
    kills = 0
    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        following = group.create_task(take(reader, CONVERSATION, 0, count))
        await until(lambda: reader.connected)
        for number in range(1, count + 1):
            await log.append(pen, [body(number)])
            if number % 50 == 25:
                kills += await redis.client_kill_filter(_type="pubsub")
    assert kills >= 1
    assert following.result() == list(range(1, count + 1))


async def test_a_lost_publication_is_found_within_the_silence_limit(
    log: EventLog, reader: LogReader, redis: Redis
) -> None:
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 3)
    async with reader.watch(CONVERSATION) as watch:
        await append(log, Writer(CONVERSATION, "r2", 1), 4, 4)
        await until(lambda: watch.head == 4)
        await silent_append(redis, CONVERSATION, 5)
        await until(lambda: watch.head == 5, limit_s=2.6)


async def test_a_hole_is_filled_at_once(log: EventLog, reader: LogReader, redis: Redis) -> None:
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 2)
    async with reader.watch(CONVERSATION) as watch:
        await silent_append(redis, CONVERSATION, 3, 4)
        await append(log, Writer(CONVERSATION, "r2", 1), 5, 5)
        await until(lambda: watch.head == 5, limit_s=1)
        assert [index for index, _ in watch.after(2, 10) or ()] == [3, 4, 5]


async def test_reach_does_not_wait_for_pubsub(log: EventLog, reader: LogReader, redis: Redis) -> None:
    async with reader.watch(CONVERSATION) as watch:
        await silent_append(redis, CONVERSATION, 1, 2, 3)
        await reader.reach(watch, 3)
        assert [index for index, _ in await reader.next(watch, 0, watch.epoch)] == [1, 2, 3]


async def test_a_cursor_ahead_of_the_ring_is_not_behind(log: EventLog, reader: LogReader, redis: Redis) -> None:
    """The reader was served by a process whose ring is faster than this one's."""
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 2)
    async with reader.watch(CONVERSATION):
        await silent_append(redis, CONVERSATION, 3, 4)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            following = group.create_task(take(reader, CONVERSATION, 4, 5))
            await asyncio.sleep(0)
            group.create_task(log.append(Writer(CONVERSATION, "r2", 1), [body(5)]))
        assert following.result() == [5]


async def test_a_reader_behind_the_ring_reads_the_stream(log: EventLog, redis_url: str) -> None:
    async with LogReader(log, redis_url, ring_events=16) as reader, reader.watch(CONVERSATION) as watch:
        await append(log, Writer(CONVERSATION, "r1", 1), 1, 300, batch=10)
        await until(lambda: watch.head == 300)
        assert watch.first == 285
        assert watch.after(100, 10) is None
        assert [index for index, _ in await reader.next(watch, 100, watch.epoch, 10)] == list(range(101, 111))
        async with asyncio.timeout(5):
            assert await take(reader, CONVERSATION, 0, 300) == list(range(1, 301))


async def test_the_ring_is_bounded_by_bytes(log: EventLog, redis_url: str) -> None:
    async with LogReader(log, redis_url, ring_bytes=2_000) as reader, reader.watch(CONVERSATION) as watch:
        await append(log, Writer(CONVERSATION, "r1", 1), 1, 100, batch=7)
        await until(lambda: watch.head == 100)
        held = watch.after(watch.first - 1, 1_000) or []
        assert 0 < sum(len(text) for _, text in held) <= 2_000


async def test_a_reader_behind_retention_is_told(redis: Redis, redis_url: str) -> None:
    log = EventLog(redis, 3_600, retention_events=100)
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 1_000, batch=100)
    async with LogReader(log, redis_url) as reader:
        with pytest.raises(Behind):
            await take(reader, CONVERSATION, 0, 1_000)
        oldest = (await log.head(CONVERSATION)).oldest
        assert await take(reader, CONVERSATION, oldest - 1, 1_000) == list(range(oldest, 1_001))


async def test_a_cursor_beyond_the_log_is_behind(log: EventLog, reader: LogReader) -> None:
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 3)
    with pytest.raises(Behind):
        await take(reader, CONVERSATION, 9, 9)


@pytest.mark.parametrize("announced", [True, False], ids=["by its next event", "by verification"])
async def test_a_lost_log_is_a_new_epoch_to_its_readers(
    log: EventLog, reader: LogReader, redis: Redis, announced: bool
) -> None:
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 3)

    async def follow() -> None:
        with pytest.raises(Behind):
            await take(reader, CONVERSATION, 3, 4)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(follow())
        await until(lambda: reader.watched == 1)
        watch = reader._watches[CONVERSATION]
        await watch.ready.wait()
        old = watch.epoch
        await redis.flushall()
        if announced:
            await append(log, Writer(CONVERSATION, "r2", 1), 1, 2)
    assert watch.epoch != old
    if announced:
        assert await take(reader, CONVERSATION, 0, 2) == [1, 2]


async def test_readers_of_one_conversation_share_one_ring(log: EventLog, reader: LogReader) -> None:
    async with reader.watch(CONVERSATION) as one, reader.watch(CONVERSATION) as other:
        assert one is other
        assert reader.watched == 1
        await append(log, Writer(CONVERSATION, "r1", 1), 1, 2)
        await until(lambda: one.head == 2)
        assert one.after(0, 10) == other.after(0, 10)


async def test_release_leaves_nothing(log: EventLog, reader: LogReader, redis: Redis) -> None:
    async def channels() -> int:
        return len(await redis.pubsub_channels())

    async def listening() -> bool:
        return await channels() == 2

    async def silent() -> bool:
        return await channels() == 0

    async with reader.watch(CONVERSATION) as watch, reader.watch("1:c2"):
        async with reader.watch(CONVERSATION):
            pass
        await until(listening)
        assert reader.watched == 2
    assert reader.watched == 0
    assert not watch.wakes and not watch.readers
    assert not reader._by_channel and not reader._suspects
    await until(silent)


async def test_a_follower_that_is_closed_leaves_nothing(log: EventLog, reader: LogReader) -> None:
    await append(log, Writer(CONVERSATION, "r1", 1), 1, 1)
    assert await take(reader, CONVERSATION, 0, 1) == [1]
    assert reader.watched == 0


async def test_release_and_acquire_in_one_breath_keep_the_events(log: EventLog, reader: LogReader) -> None:
    pen = Writer(CONVERSATION, "r1", 1)
    for number in range(1, 21):
        async with reader.watch(CONVERSATION):
            pass
        watch = reader.acquire(CONVERSATION)
        await log.append(pen, [body(number)])
        await reader.settled(watch)
        await _head(watch, number)
        reader.release(watch)


async def test_controls_reach_their_listeners_also_before_the_ring_is_ready(
    log: EventLog, reader: LogReader
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with reader.watch(CONVERSATION) as watch:
        watch.controls.add(heard.put_nowait)
        await log.request_cancel(CONVERSATION, "r1")
        async with asyncio.timeout(5):
            assert await heard.get() == "cancel r1"
        watch.ready.clear()
        await log.request_cancel(CONVERSATION, "r2")
        async with asyncio.timeout(5):
            assert await heard.get() == "cancel r2"
        watch.ready.set()


async def test_a_server_that_is_away_is_unavailable_within_two_seconds(log: EventLog, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with LogReader(log, f"unix://{tmp_path}/nobody") as reader:
        began = loop.time()
        with pytest.raises(CaddieError, match="UNAVAILABLE"):
            await take(reader, CONVERSATION, 0, 1)
        assert loop.time() - began < 2.2
        assert reader.watched == 0


async def test_many_watches_are_brought_up_to_date_after_a_cut(
    log: EventLog, reader: LogReader, redis: Redis
) -> None:
    conversations = [f"1:many{number}" for number in range(600)]
    watches = [reader.acquire(conversation) for conversation in conversations]
    async with asyncio.timeout(20):
        for watch in watches:
            await watch.ready.wait()
        await redis.client_kill_filter(_type="pubsub")
        for conversation in conversations[::100]:
            await silent_append(redis, conversation, 1)
    await until(lambda: all(watch.head == 1 for watch in watches[::100]), limit_s=3)
    for watch in watches:
        reader.release(watch)


def test_a_ring_drops_what_it_knows_and_refuses_a_hole() -> None:
    watch = Watch("1:c", events_max=10, bytes_max=1_000)
    woken: list[int] = []
    watch.wakes.add(lambda: woken.append(watch.head))
    assert watch.add([(1, b"a"), (2, b"b")])
    assert watch.add([(1, b"a"), (2, b"b"), (3, b"c")])
    assert not watch.add([(5, b"e")])
    assert watch.add([(2, b"b")])
    assert (watch.first, watch.head, woken) == (1, 3, [2, 3])
    assert watch.after(3, 5) == []
    assert watch.after(1, 1) == [(2, b"b")]


def test_a_ring_that_is_full_keeps_the_newest() -> None:
    watch = Watch("1:c", events_max=4, bytes_max=1_000)
    watch.add([(index, b"x") for index in range(1, 11)])
    assert (watch.first, watch.head) == (7, 10)
    assert watch.after(5, 5) is None
    assert watch.after(6, 2) == [(7, b"x"), (8, b"x")]
    watch.restart("e2", 100)
    assert (watch.first, watch.head, watch.after(100, 5)) == (101, 100, [])
    assert watch.after(99, 5) is None


def test_a_ring_tells_its_readers_before_it_drops_what_they_have_not_seen() -> None:
    """One read from Redis may hold more events of a conversation than its ring does."""
    watch = Watch("1:c", events_max=8, bytes_max=1_000)
    seen: list[int] = []

    def read() -> None:
        entries = watch.after(len(seen), 100)
        assert entries is not None, "behind the ring"
        seen.extend(index for index, _ in entries)

    watch.wakes.add(read)
    assert watch.take([(index, b"x") for index in range(1, 51)])
    assert len(watch.bodies) <= 8
    watch.wake()
    assert seen == list(range(1, 51))


def test_a_ring_frees_a_part_of_itself_at_once() -> None:
    watch = Watch("1:c", events_max=128, bytes_max=64_000)
    for index in range(1, 1_001):
        watch.push(b"x")
        assert min(index, 126) <= len(watch.bodies) <= 128
        assert watch.first == index + 1 - len(watch.bodies)
    for _ in range(1_000):
        watch.push(b"x" * 1_000)
        assert watch._bytes == sum(map(len, watch.bodies)) <= 64_000
    watch.push(b"x" * 100_000)
    assert len(watch.bodies) == 1, "one entry stays, however large"


@pytest.mark.parametrize("batch", [1, 3])
async def test_events_of_every_form_follow_one_another(log: EventLog, reader: LogReader, batch: int) -> None:
    """One event a message is taken by a shorter way than several; indices gain a digit on the way."""
    async with reader.watch(CONVERSATION) as watch:
        pen = Writer(CONVERSATION, "r1", 1)
        await append(log, pen, 1, 12, batch)
        await append(log, pen, 13, 24, 4 - batch)
        await _head(watch, 24)
        assert watch.after(0, 100) == await log.read(CONVERSATION, 0)
