"""shared/appends.py: what waits goes together, and each append has an answer of its own."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.appends import TOGETHER, Appends, Writer
from shared.errors import CaddieError

BODY = b'"type":"thinking","ts":"","data":{"text":"a"}}'


@pytest.fixture
def appends(redis: Redis) -> Appends:
    return Appends(redis, 3_600, 20_000)


def writers(count: int) -> list[Writer]:
    return [Writer(f"1:c{number}", f"r{number}", 1) for number in range(count)]


async def calls(redis: Redis) -> int:
    return int((await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0))


async def test_appends_of_one_turn_of_the_loop_are_one_call(appends: Appends, redis: Redis) -> None:
    await appends(Writer("1:c", "r", 1), [("", BODY)])
    before = await calls(redis)
    pens = writers(TOGETHER)
    assert await asyncio.gather(*(appends(pen, [("", BODY)] * 2) for pen in pens)) == [(2, False)] * TOGETHER
    assert await calls(redis) == before + 1
    assert [pen.seq for pen in pens] == [2] * TOGETHER


async def test_more_than_one_call_takes_go_in_several(appends: Appends) -> None:
    pens = writers(3 * TOGETHER + 1)
    assert set(await asyncio.gather(*(appends(pen, [("", BODY)]) for pen in pens))) == {(1, False)}


async def test_large_appends_do_not_share_a_call(appends: Appends, redis: Redis) -> None:
    large = BODY + b" " * 200_000
    before = await calls(redis)
    await asyncio.gather(*(appends(pen, [("", large)]) for pen in writers(3)))
    assert await calls(redis) >= before + 3


async def test_one_that_is_refused_or_cannot_be_stored_leaves_the_others_alone(appends: Appends, redis: Redis) -> None:
    stale, broken, good = writers(3)
    await redis.hset(keys.run(stale.conversation, stale.run_id), "attempt", 2)
    await redis.set(keys.log(broken.conversation), "not a stream")
    await redis.hset(keys.head(broken.conversation), "index", 3)
    answers = await asyncio.gather(
        *(appends(pen, [("", BODY)]) for pen in (stale, broken, good)), return_exceptions=True
    )
    assert [each.code for each in answers[:2] if isinstance(each, CaddieError)] == ["FENCED", "UNAVAILABLE"]
    assert answers[2] == (1, False)
    assert [pen.seq for pen in (stale, broken, good)] == [0, 0, 1]


async def test_one_that_is_given_up_before_its_turn_is_not_appended(appends: Appends, redis: Redis) -> None:
    given_up, good = writers(2)
    task = asyncio.create_task(appends(given_up, [("", BODY)]))
    other = asyncio.create_task(appends(good, [("", BODY)]))
    await asyncio.sleep(0)
    task.cancel()
    assert await other == (1, False)
    assert not await redis.exists(keys.log(given_up.conversation))
    # And the sender goes on.
    assert await appends(given_up, [("", BODY)]) == (1, False)
