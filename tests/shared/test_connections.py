"""shared/connections.py: every address form, bounded waits, and cancellations that are obeyed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.connections import ANSWER_TIMEOUT_S, open_redis, redis_errors
from shared.errors import CaddieError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://user:pw@host:7000/2", {"host": "host", "port": 7000, "db": 2, "username": "user", "password": "pw"}),
        ("rediss://host", {"host": "host"}),
        ("unix:///run/s?db=1", {"path": "/run/s", "db": 1}),
        ("redis+sentinel://a:1,b/main/3", {"db": 3}),
    ],
)
async def test_addresses_are_understood_and_waits_are_bounded(url: str, expected: dict[str, Any]) -> None:
    client = open_redis(url)
    arguments = client.connection_pool.connection_kwargs
    assert {name: arguments.get(name) for name in expected} == expected
    assert arguments["socket_timeout"] <= ANSWER_TIMEOUT_S
    assert arguments["socket_connect_timeout"] <= ANSWER_TIMEOUT_S
    await client.aclose()


@pytest.mark.parametrize("url", ["http://host", "", "host:6379", "memory://"])
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="redis url: expected"):
        open_redis(url)


async def test_replies_are_bytes(redis: Redis) -> None:
    await redis.set("k", "v")
    assert await redis.get("k") == b"v"


@pytest.mark.parametrize("error", [ResponseError("OOM"), OSError("reset"), TimeoutError()])
async def test_every_failure_of_redis_is_unavailable_and_says_nothing(error: Exception) -> None:
    with pytest.raises(CaddieError) as refused:
        async with redis_errors():
            raise error
    assert (refused.value.code, refused.value.retryable, refused.value.retry_after_s) == ("UNAVAILABLE", True, 2)
    assert "OOM" not in str(refused.value)


async def test_other_errors_pass() -> None:
    with pytest.raises(KeyError):
        async with redis_errors():
            raise KeyError("ours")


async def test_the_whole_answer_is_bounded() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        async with redis_errors():
            await asyncio.Event().wait()
    assert loop.time() - began < 2


async def test_a_cancellation_that_redis_swallows_is_obeyed() -> None:
    """As asyncio.wait_for does until Python 3.12 when its future is done already."""
    reached, after = asyncio.Event(), False

    async def work() -> None:
        nonlocal after
        async with redis_errors():
            reached.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        after = True

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not after


async def test_a_cancelled_caller_leaves_the_connection_in_order(redis: Redis) -> None:
    for number in range(50):
        task = asyncio.ensure_future(redis.set("k", str(number)))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.set("probe", str(number))
        assert await redis.get("probe") == str(number).encode()
