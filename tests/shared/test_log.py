"""shared/log.py and its scripts on a real Valkey: order, fences, repetition, expiry, loss, silence."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import orjson
import pytest
from redis.asyncio import Redis

from shared import events, keys
from shared.connections import open_redis
from shared.errors import CaddieError
from shared.log import Entry, EventLog, Head, Writer
from tests.valkey import Valkey

CONVERSATION = keys.conversation_key(1, "c1")
ANSWER_LIMIT_S = 2.0


def delta(text: str, operation: str = "") -> tuple[str, bytes]:
    return operation, events.encode(events.MessageDelta(messageId="m", text=text), "r1")


def entry(data: events.Data) -> tuple[str, bytes]:
    return Entry.of(data).operation, events.encode(data, "r1")


def writer(run: str = "r1", attempt: int = 1, conversation: str = CONVERSATION) -> Writer:
    return Writer(conversation, run, attempt)


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


@pytest.fixture
async def own_redis(own_valkey: Valkey) -> AsyncIterator[Redis]:
    client = open_redis(own_valkey.url)
    yield client
    await client.aclose()


async def test_an_empty_log_has_no_head_and_nothing_to_read(log: EventLog) -> None:
    assert await log.head(CONVERSATION) == Head()
    assert await log.read(CONVERSATION, 0) == []


async def test_batches_get_contiguous_indices_from_one(log: EventLog) -> None:
    pen, sizes, last = writer(), [1, 5, 2, 100, 1], 0
    for size in sizes:
        last, cancelled = await log.append(pen, [delta(f"{last}.{number}") for number in range(size)])
        assert not cancelled
    rows = await log.read(CONVERSATION, 0)
    assert last == sum(sizes)
    assert [index for index, _ in rows] == list(range(1, sum(sizes) + 1))
    assert [index for index, _ in await log.read(CONVERSATION, 7, limit=3)] == [8, 9, 10]
    assert await log.append(pen, []) == (0, False)


async def test_fifty_writers_at_once_leave_no_gap_in_any_conversation(log: EventLog) -> None:
    async def write(number: int) -> None:
        pen = writer(f"r{number}", conversation=f"1:c{number}")
        for batch in range(10):
            await log.append(pen, [delta(f"{number}/{batch}/{position}") for position in range(3)])

    async with asyncio.timeout(30):
        await asyncio.gather(*(write(number) for number in range(50)))
    for number in range(50):
        rows = await log.read(f"1:c{number}", 0)
        texts = [orjson.loads(b"{" + body)["data"]["text"] for _, body in rows]
        assert [index for index, _ in rows] == list(range(1, 31))
        assert texts == [f"{number}/{batch}/{position}" for batch in range(10) for position in range(3)]


async def test_writers_of_one_conversation_share_one_order(log: EventLog) -> None:
    pens = [writer(f"r{number}") for number in range(20)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(log.append(pen, [delta(pen.run_id), delta(pen.run_id)]) for pen in pens))
    rows = await log.read(CONVERSATION, 0)
    texts = [orjson.loads(b"{" + body)["data"]["text"] for _, body in rows]
    assert [index for index, _ in rows] == list(range(1, 41))
    assert texts[::2] == texts[1::2], "a batch is never torn"


async def test_more_callers_than_connections_wait_instead_of_failing(redis_url: str) -> None:
    redis = open_redis(redis_url, max_connections=4)
    log = EventLog(redis, 3_600, 1_000)
    async with asyncio.timeout(30):
        await asyncio.gather(*(log.append(writer(f"r{number}"), [delta("x")]) for number in range(200)))
    assert (await log.head(CONVERSATION)).index == 200
    await redis.aclose()


async def test_a_repeated_append_appends_once_also_after_the_terminal_event(log: EventLog) -> None:
    pen = writer()
    bodies = [delta("a"), delta("b")]
    assert await log.append(pen, bodies) == (2, False)
    pen.seq = 0
    assert await log.append(pen, bodies) == (2, False)
    end = [entry(events.RunFinished(outcome="completed"))]
    assert await log.append(pen, end) == (3, False)
    pen.seq = 2
    assert await log.append(pen, end) == (3, False)
    assert len(await log.read(CONVERSATION, 0)) == 3


async def test_an_attempt_that_was_taken_over_can_not_write(log: EventLog) -> None:
    old, new = writer(attempt=1), writer(attempt=2)
    await log.claim(old)
    await log.append(old, [delta("a")])
    await log.claim(new)
    with pytest.raises(CaddieError) as refused:
        await log.append(old, [delta("b")])
    assert refused.value.code == "FENCED"
    with pytest.raises(CaddieError) as refused:
        await log.claim(old)
    assert refused.value.code == "FENCED"
    assert await log.append(new, [delta("c")]) == (2, False)
    assert old.seq == 1


async def test_a_refused_batch_leaves_nothing(log: EventLog) -> None:
    await log.claim(writer(attempt=5))
    with pytest.raises(CaddieError):
        await log.append(writer(attempt=4), [delta("a"), delta("b")])
    assert await log.read(CONVERSATION, 0) == []


@pytest.mark.parametrize(
    "terminal",
    [events.RunFinished(outcome="completed"), events.RunFailed(code="RUN_FAILED", message="x", retryable=True)],
)
async def test_nothing_follows_the_terminal_event_of_a_run(log: EventLog, terminal: events.Data) -> None:
    pen = writer()
    await log.append(pen, [delta("a"), entry(terminal)])
    for late in (pen, writer(attempt=2)):
        if late is not pen:
            assert (await log.claim(late)).ended
        with pytest.raises(CaddieError) as refused:
            await log.append(late, [delta("late")])
        assert refused.value.code == "FENCED"
    assert (await log.head(CONVERSATION)).index == 2
    assert await log.append(writer("r2"), [delta("next run")]) == (3, False)


async def test_a_batch_is_published_once_with_epoch_and_first_index(log: EventLog, redis: Redis) -> None:
    async with redis.pubsub() as listener:
        await listener.subscribe(keys.channel(CONVERSATION))
        await listener.get_message(timeout=5)
        pen = writer()
        await log.append(pen, [delta("a")])
        bodies = [delta("b\nb"), delta("c")]
        await log.append(pen, bodies)
        async with asyncio.timeout(5):
            received = [await listener.get_message(ignore_subscribe_messages=True, timeout=5) for _ in range(2)]
        epoch = (await log.head(CONVERSATION)).epoch
        header, *lines = received[1]["data"].split(b"\n")
        assert header == f"{epoch} 2".encode()
        assert lines == [body for _, body in bodies]


async def test_the_head_follows_run_mode_and_questions(log: EventLog) -> None:
    pen = writer()
    await log.append(pen, [delta("before")])
    user = events.encode(events.MessageUser(messageId="u", text="hi"), "r1")
    await log.append(pen, [("first", user), entry(events.RunStarted())])
    question = events.InputRequested(inputId="i1", body={"text": "which?"}, expiresAt=events.timestamp())
    await log.append(pen, [entry(events.ModeSelected(mode="building", reason="asked")), entry(question)])
    head = await log.head(CONVERSATION)
    assert (head.index, head.run_id, head.first, head.mode, head.oldest) == (5, "r1", 2, "building", 1)
    assert [asked["inputId"] for asked in head.inputs] == ["i1"]
    assert (await log.claim(writer(attempt=2))).keep_through == 3
    takeover = writer(attempt=2)
    await log.append(takeover, [entry(events.RunFinished(outcome="waiting"))])
    head = await log.head(CONVERSATION)
    assert (head.run_id, head.first, len(head.inputs)) == (None, 0, 1)
    await log.append(writer("r2"), [entry(events.InputResolved(inputId="i1", by="1", value="x"))])
    assert (await log.head(CONVERSATION)).inputs == ()


async def test_the_end_of_another_run_does_not_hide_the_active_one(log: EventLog) -> None:
    active, other = writer("r1"), writer("r2")
    await log.append(active, [delta("hi", "first")])
    await log.append(other, [entry(events.RunFinished(outcome="cancelled"))])
    head = await log.head(CONVERSATION)
    assert (head.run_id, head.first) == ("r1", 1)


async def test_the_oldest_events_are_trimmed(redis: Redis) -> None:
    log, pen = EventLog(redis, 3_600, retention_events=100), writer()
    for _ in range(10):
        await log.append(pen, [delta("x" * 50)] * 100)
    head = await log.head(CONVERSATION)
    assert head.index == 1_000
    assert 701 <= head.oldest <= 901
    assert (await log.read(CONVERSATION, 0))[0][0] == head.oldest


async def test_everything_of_a_conversation_expires_together(log: EventLog, redis: Redis) -> None:
    pen = writer()
    question = events.InputRequested(inputId="i1", body={"text": "?"}, expiresAt=events.timestamp())
    await log.append(pen, [entry(question)])
    names = [
        keys.head(CONVERSATION), keys.log(CONVERSATION), keys.inputs(CONVERSATION), keys.run(CONVERSATION, "r1"),
    ]  # fmt: skip
    for name in names:
        await redis.expire(name, 5)
    await log.append(pen, [delta("later")])
    for name in names:
        assert 3_590 <= await redis.ttl(name) <= 3_600, name


async def test_a_lost_log_begins_a_new_epoch_at_one(log: EventLog, redis: Redis) -> None:
    pen = writer()
    await log.append(pen, [delta("a"), delta("b")])
    old = await log.head(CONVERSATION)
    await redis.flushall()
    assert await log.append(pen, [delta("c")]) == (1, False)
    new = await log.head(CONVERSATION)
    assert (new.index, new.oldest) == (1, 1)
    assert new.epoch not in ("", old.epoch)


async def test_a_log_whose_head_was_evicted_begins_anew(log: EventLog, redis: Redis) -> None:
    await log.append(writer(), [delta("a"), delta("b"), delta("c")])
    await redis.delete(keys.head(CONVERSATION))
    assert await log.append(writer("r2"), [delta("d")]) == (1, False)
    assert [index for index, _ in await log.read(CONVERSATION, 0)] == [1]


async def test_positions_begin_the_epoch_that_the_first_append_keeps(log: EventLog, redis: Redis) -> None:
    await log.append(writer(conversation="1:c2"), [delta("a")])
    (first, second) = await log.positions([CONVERSATION, "1:c2"])
    assert first[0] == 0 and first[1]
    assert second == (1, (await log.head("1:c2")).epoch)
    assert await redis.ttl(keys.head(CONVERSATION)) > 0
    await log.append(writer(), [delta("a")])
    assert await log.positions([CONVERSATION]) == [(1, first[1])]
    assert await log.marks([CONVERSATION]) == [f"{first[1]} 1".encode()]


async def test_deletion_is_a_new_epoch(log: EventLog) -> None:
    await log.append(writer(), [delta("a")])
    old = (await log.head(CONVERSATION)).epoch
    await log.delete(CONVERSATION)
    assert await log.head(CONVERSATION) == Head()
    assert await log.append(writer("r2"), [delta("b")]) == (1, False)
    assert (await log.head(CONVERSATION)).epoch != old


async def test_a_cancel_is_seen_by_the_next_append_and_by_a_claim(log: EventLog, redis: Redis) -> None:
    pen = writer()
    async with redis.pubsub() as listener:
        await listener.subscribe(keys.channel(CONVERSATION))
        await listener.get_message(timeout=5)
        await log.request_cancel(CONVERSATION, "r1")
        async with asyncio.timeout(5):
            message = await listener.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message["data"] == b"!cancel r1"
    assert (await log.wishes(CONVERSATION, "r1")) == (True, False)
    assert (await log.wishes(CONVERSATION, "r2")) == (False, False)
    assert (await log.claim(pen)).cancelled
    assert await log.append(pen, [delta("a")]) == (1, True)
    assert await log.append(writer("r2"), [delta("b")]) == (2, False)


async def _all_refuse_in_time(log: EventLog) -> None:
    pen = writer()
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "append": lambda: log.append(pen, [delta("late")]),
        "claim": lambda: log.claim(writer("r9")),
        "read": lambda: log.read(CONVERSATION, 0),
        "head": lambda: log.head(CONVERSATION),
        "positions": lambda: log.positions([CONVERSATION]),
        "cancel": lambda: log.request_cancel(CONVERSATION, "r1"),
    }
    began = time.monotonic()
    results = await asyncio.gather(*(call() for call in calls.values()), return_exceptions=True)
    elapsed = time.monotonic() - began
    for name, result in zip(calls, results, strict=True):
        assert isinstance(result, CaddieError) and result.code == "UNAVAILABLE", (name, result)
        assert result.retry_after_s
    assert elapsed < ANSWER_LIMIT_S


async def test_a_frozen_redis_is_unavailable_within_two_seconds_and_loses_nothing(
    own_valkey: Valkey, own_redis: Redis
) -> None:
    log, pen = EventLog(own_redis, 3_600, 1_000), writer()
    await log.append(pen, [delta("a")])
    own_valkey.signal(signal.SIGSTOP)
    await _all_refuse_in_time(log)
    bodies = [delta("b")]
    began = time.monotonic()
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        await log.append(pen, bodies)
    assert time.monotonic() - began < ANSWER_LIMIT_S
    own_valkey.signal(signal.SIGCONT)
    await log.append(pen, bodies)
    texts = [orjson.loads(b"{" + body)["data"]["text"] for _, body in await log.read(CONVERSATION, 0)]
    assert texts == ["a", "b"], "what was sent to the frozen server and asked again is there once"


async def test_a_dead_redis_is_unavailable_within_two_seconds(own_valkey: Valkey, own_redis: Redis) -> None:
    log = EventLog(own_redis, 3_600, 1_000)
    await log.append(writer(), [delta("a")])
    own_valkey.kill()
    await _all_refuse_in_time(log)
    own_valkey.start()
    assert await log.append(writer("r2"), [delta("b")]) == (1, False)
