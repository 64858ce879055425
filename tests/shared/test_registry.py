"""shared/registry.py: who is alive, for how long, and who counts as least loaded."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.connections import open_redis
from shared.errors import CaddieError
from shared.registry import FRESH_S, Announcer, Record, Registry


@pytest.fixture
def registry(redis: Redis) -> Registry:
    return Registry(redis)


async def _raw(redis: Redis, record: Record) -> None:
    await redis.hset(keys.SERVERS, record.id, record.model_dump_json())


async def test_the_least_loaded_server_comes_first(registry: Registry) -> None:
    for name, load in (("s1", 7), ("s2", 3), ("s3", 3)):
        await registry.announce(Record(id=name, role="server", load=load, url=f"http://{name}"))
    await registry.announce(Record(id="w1", role="worker"))
    assert [record.id for record in await registry.servers()] == ["s2", "s3", "s1"]
    assert [record.id for record in await registry.workers()] == ["w1"]


async def test_a_process_that_went_silent_does_not_count(registry: Registry, redis: Redis) -> None:
    now = time.time()
    await _raw(redis, Record(id="fresh", role="server", at=now - FRESH_S + 5))
    await _raw(redis, Record(id="silent", role="server", at=now - FRESH_S - 1))
    assert [record.id for record in await registry.servers()] == ["fresh"]


async def test_records_of_the_long_dead_and_foreign_ones_are_removed(registry: Registry, redis: Redis) -> None:
    await _raw(redis, Record(id="dead", role="server", at=time.time() - 20 * FRESH_S))
    await redis.hset(keys.SERVERS, "odd", "{not json")
    await registry.announce(Record(id="s1", role="server"))
    assert [record.id for record in await registry.servers()] == ["s1"]
    assert await redis.hkeys(keys.SERVERS) == [b"s1"]


async def test_a_draining_or_withdrawn_process_gets_no_more_work(registry: Registry) -> None:
    await registry.announce(Record(id="s1", role="server", draining=True))
    await registry.announce(Record(id="s2", role="server"))
    assert [record.id for record in await registry.servers()] == ["s2"]
    await registry.withdraw("s2")
    await registry.withdraw("never there")
    assert await registry.servers() == []


async def test_an_announcer_tells_the_load_of_the_moment(registry: Registry) -> None:
    announcer = Announcer(registry, Record(id="s1", role="server", version="1"))
    await announcer.announce()
    announcer.load = 9
    await announcer.announce()
    assert [(record.load, record.version) for record in await registry.servers()] == [(9, "1")]
    announcer.draining = True
    await announcer.announce()
    assert await registry.servers() == []


async def test_an_announcer_outlives_a_redis_that_is_away() -> None:
    redis = open_redis("unix:///nonexistent/s")
    announcer = Announcer(Registry(redis), Record(id="s1", role="server"))
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        await announcer.announce()
    attempts = asyncio.Event()

    async def refuse() -> None:
        attempts.set()
        raise CaddieError("UNAVAILABLE", "away")

    announcer.announce = refuse  # type: ignore[method-assign]
    task = asyncio.create_task(announcer.run())
    async with asyncio.timeout(5):
        await attempts.wait()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await redis.aclose()
