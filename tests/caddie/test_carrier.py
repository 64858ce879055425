"""Jobs of the queue and the attempts behind them."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from caddie.attempt import Attempts
from caddie.carrier import Carrier
from shared.errors import CaddieError


class Slow:
    """Attempts that end when told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.error, self.go = 0, error, asyncio.Event()

    async def run(self, _run_id: str) -> None:
        self.begun += 1
        await self.go.wait()
        if self.error:
            raise self.error


def carrier_of(attempts: Slow) -> Carrier:
    return Carrier(cast(Attempts, attempts))


async def test_a_job_is_done_with_its_attempt() -> None:
    attempts = Slow()
    carrier = carrier_of(attempts)
    job = asyncio.create_task(carrier.job("r"))
    await asyncio.sleep(0)
    assert carrier.running == {"r"}
    attempts.go.set()
    assert await job is True
    await carrier.finish()
    assert carrier.running == frozenset()


async def test_a_lost_connection_lets_jobs_go_and_keeps_their_attempts() -> None:
    attempts = Slow()
    carrier = carrier_of(attempts)
    async with carrier.connected():
        job = asyncio.create_task(carrier.job("r"))
        await asyncio.sleep(0)
    assert await job is False
    assert carrier.running == {"r"}
    async with carrier.connected():
        again = asyncio.create_task(carrier.job("r"))
        await asyncio.sleep(0)
        attempts.go.set()
        assert await again is True
    assert attempts.begun == 1


async def test_draining_keeps_jobs_until_their_attempts_end() -> None:
    attempts = Slow()
    carrier = carrier_of(attempts)
    async with carrier.connected():
        job = asyncio.create_task(carrier.job("r"))
        await asyncio.sleep(0)
        carrier.draining = True
    await asyncio.sleep(0)
    assert not job.done()
    attempts.go.set()
    assert await job is True


async def test_a_run_that_another_worker_has_leaves_the_job_alone() -> None:
    attempts = Slow(CaddieError("FENCED", "the run belongs to another attempt"))
    attempts.go.set()
    assert await carrier_of(attempts).job("r") is False


async def test_a_failure_is_the_queues_to_try_again() -> None:
    attempts = Slow(CaddieError("UNAVAILABLE", "the database is away"))
    attempts.go.set()
    with pytest.raises(CaddieError):
        await carrier_of(attempts).job("r")


async def test_closing_gives_up_what_is_carried() -> None:
    attempts = Slow()
    carrier = carrier_of(attempts)
    async with carrier.connected():
        job = asyncio.create_task(carrier.job("r"))
        await asyncio.sleep(0)
    await job
    await carrier.close()
    await asyncio.sleep(0)
    assert carrier.running == frozenset()
