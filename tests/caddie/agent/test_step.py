"""caddie/agent/step.py: the time limit of a model's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from caddie.agent.step import Said, step
from caddie.models.model import ModelEvent, ModelRequest, TextDelta
from shared.events import Data, MessageCompleted


class Silent:
    """Says one word and then nothing."""

    name = "test/silent"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta("word")
        await asyncio.Event().wait()


async def answered(said: Said, seconds: float) -> list[Data]:
    request = ModelRequest(system="", turns=(), tools=(), max_tokens=1)
    deadline = asyncio.get_running_loop().time() + seconds
    return [event async for event in step(Silent(), request, said, lambda: "m", deadline)]


async def test_a_model_that_falls_silent_is_cut_and_what_it_said_stays() -> None:
    said = Said()
    events = await answered(said, 0.02)
    assert events[-1] == MessageCompleted(messageId="m", text="word")
    assert said.ended is None and said.stop_reason == "time"
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


async def test_somebody_who_cancels_is_not_taken_for_the_time_limit() -> None:
    task = asyncio.create_task(answered(Said(), 30))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
