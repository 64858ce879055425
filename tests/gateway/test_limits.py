from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from gateway.limits import SIGN_INS, SIGN_INS_OF_ADDRESS, SIGN_UPS, Limits
from shared.errors import CaddieError
from shared.settings import Settings
from tests.gateway.conftest import running


async def test_every_authenticated_answer_says_what_is_left(settings: Settings) -> None:
    async with running(settings.model_copy(update={"rate_per_minute": 5})) as gateway:
        client = await gateway.key()
        replies = [await client.get("/v1/blocks") for _ in range(4)] + [await client.get("/v1/blocks/none")]
        left = [int(reply.headers["X-RateLimit-Remaining"]) for reply in replies]
        if left[0] == 4 and sorted(left, reverse=True) == left:  # else a minute ended in between
            refused = await client.get("/v1/blocks")
            assert refused.status == 429 and refused.body["code"] == 429001
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
            assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"]
            assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert all(reply.headers["X-RateLimit-Limit"] == "5" for reply in replies)


async def test_the_buckets_refuse_at_their_limit_and_open_with_the_next_window(
    redis_url: str, settings: Settings
) -> None:
    client: Redis = Redis.from_url(redis_url)
    now = 6000.0
    few = settings.model_copy(update={"rate_per_address": 2, "rate_per_minute": 2, "rate_runs_per_minute": 1})
    limits = Limits(client, few, lambda: now)
    await limits.address("192.0.2.1")
    await limits.address("192.0.2.1")
    await limits.address("192.0.2.2")
    assert await code(limits.address("192.0.2.1")) == ("RATE_LIMITED", 60)
    await limits.run(1, 1)
    assert await code(limits.run(1, 1)) == ("RUN_LIMIT", 60)
    rate, refusal = await limits.caller(1, 1, 1)
    assert (rate.limit, rate.remaining, rate.reset_s, refusal) == (2, 1, 60, None)
    now += 59.4
    assert await code(limits.address("192.0.2.1")) == ("RATE_LIMITED", 1)
    now += 1
    await limits.address("192.0.2.1")
    await client.aclose()


async def test_requests_of_one_moment_are_counted_one_by_one(redis_url: str, settings: Settings) -> None:
    client: Redis = Redis.from_url(redis_url)
    few = settings.model_copy(update={"rate_per_address": 9, "rate_per_minute": 4})
    limits = Limits(client, few, lambda: 6000.0)
    answers = await asyncio.gather(*(limits.request("192.0.2.1", 1, 1, 7) for _ in range(12)), return_exceptions=True)
    counted = [answer for answer in answers if isinstance(answer, tuple)]
    assert [rate.remaining for rate, _ in counted] == [3, 2, 1, 0, 0, 0, 0, 0, 0]
    assert [refusal is not None for _, refusal in counted] == [False] * 4 + [True] * 5
    assert [type(answer) for answer in answers[9:]] == [CaddieError] * 3
    assert (await limits.caller(1, 1, 7))[0].remaining == 0
    await client.aclose()


async def test_a_limit_is_shared_by_all_gateways(settings: Settings) -> None:
    few = settings.model_copy(update={"rate_runs_per_minute": 3})
    async with running(few) as one, running(few) as two:
        client = await one.key()
        await one.announce()
        other = two.client.with_key(client.key)
        replies = await asyncio.gather(*(each.chat(message="hello") for each in (client, other) * 4))
        assert [reply.status for reply in replies].count(200) in (3, 4, 5, 6)
        assert any(reply.status == 429 and reply.body["code"] == 429002 for reply in replies)


async def test_redis_keys_of_limits_expire(settings: Settings) -> None:
    async with running(settings) as gateway:
        client = await gateway.key()
        await client.get("/v1/blocks")
        keys = await gateway.redis.keys("limit:*")
        assert keys and all([await gateway.redis.ttl(key) > 0 for key in keys])


async def code(check: object) -> tuple[str, int | None]:
    try:
        await check  # type: ignore[misc]
    except CaddieError as error:
        return error.code, error.retry_after_s
    return "", None


async def test_signing_in_is_counted_by_user_and_by_address(redis_url: str, settings: Settings) -> None:
    client: Redis = Redis.from_url(redis_url)
    limits = Limits(client, settings, lambda: 6000.0)
    for number in range(SIGN_INS_OF_ADDRESS):
        await limits.sign_in(f"user{number}@example.org", "192.0.2.9")
    assert await code(limits.sign_in("ada@example.org", "192.0.2.9")) == ("RATE_LIMITED", 60)
    for number in range(1, SIGN_INS):
        await limits.sign_in(" ADA@example.org", f"192.0.3.{number}")
    assert await code(limits.sign_in("ada@example.org", "192.0.2.10")) == ("RATE_LIMITED", 60)
    for _ in range(SIGN_UPS):
        await limits.sign_up("192.0.2.9")
    assert await code(limits.sign_up("192.0.2.9")) == ("RATE_LIMITED", 60)
    await client.aclose()
