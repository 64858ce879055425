"""What one attempt says, under a log that is slow, away or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from caddie.recorder import PENDING_MAX, Recorder, packed, unpacked
from shared.errors import CaddieError
from shared.events import MessageDelta, MessageStarted, RunFinished, RunResult, Thinking, decode
from shared.fold import State, fold
from shared.log import EventLog, Writer

AWAY = CaddieError("UNAVAILABLE", "away")


class Gated(EventLog):
    """Appends when `gate` is open; `refusals` are raised first."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, 3_600, 20_000)
        self.gate, self.refusals, self.batches = asyncio.Event(), list[CaddieError](), list[int]()
        self.gate.set()

    async def append(self, writer: Writer, bodies: Sequence[tuple[str, bytes]]) -> tuple[int, bool]:
        await self.gate.wait()
        if self.refusals:
            raise self.refusals.pop(0)
        self.batches.append(len(bodies))
        return await super().append(writer, bodies)


@pytest.fixture
def gated(redis: Redis) -> Gated:
    return Gated(redis)


@asynccontextmanager
async def recording(log: EventLog) -> AsyncIterator[Recorder]:
    recorder = Recorder(log, Writer("1:c", "r", 1), State())
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_deltas_that_wait_are_merged_and_the_state_is_the_fold_of_the_log(gated: Gated) -> None:
    async with recording(gated) as recorder:
        gated.gate.clear()
        await recorder.emit(MessageStarted(messageId="m"))
        await asyncio.sleep(0)
        for number in range(100):
            await recorder.emit(MessageDelta(messageId="m", text=f"{number} "))
        gated.gate.set()
        await recorder.flush()
    assert gated.batches == [1, 1]
    events = [decode(index, body) for index, body in await gated.read("1:c", 0)]
    texts = [message.text for message in fold(events).messages]
    assert texts == [message.text for message in recorder.state.messages] == ["".join(f"{n} " for n in range(100))]
    assert (recorder.first_index, recorder.last_index) == (1, 2)


async def test_a_producer_is_held_while_too_much_waits(gated: Gated) -> None:
    async with recording(gated) as recorder:
        gated.gate.clear()

        async def produce() -> None:
            for number in range(PENDING_MAX + 10):
                await recorder.emit(Thinking(text=str(number)))

        producing = asyncio.create_task(produce())
        done, _ = await asyncio.wait({producing}, timeout=0.05)
        assert not done
        gated.gate.set()
        await producing
        await recorder.flush()
    assert sum(gated.batches) == PENDING_MAX + 10


async def test_an_absent_redis_is_waited_for_and_nothing_is_said_twice(gated: Gated) -> None:
    gated.refusals = [AWAY, AWAY]
    async with recording(gated) as recorder:
        await recorder.emit(Thinking(text="a"))
        await recorder.emit(Thinking(text="b"))
        await recorder.flush()
    assert [index for index, _ in await gated.read("1:c", 0)] == [1, 2]


async def test_after_a_refusal_the_producer_is_told(gated: Gated) -> None:
    gated.refusals = [CaddieError("FENCED", "another attempt")]
    async with recording(gated) as recorder:
        await recorder.emit(Thinking(text="a"))
        for call in (recorder.flush, lambda: recorder.emit(Thinking(text="b"))):
            with pytest.raises(CaddieError) as caught:
                await call()
            assert caught.value.code == "FENCED"


async def test_last_words_survive_the_store_as_they_were(gated: Gated) -> None:
    recorder = Recorder(gated, Writer("1:c", "r", 1), State())
    bodies = recorder.bodies(RunFinished(outcome="completed", result=RunResult(message="ümlaut")))
    assert unpacked(packed(bodies)) == bodies
    assert bodies[0][0] == "end"
