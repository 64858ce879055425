"""Workers that die, sleep or are told to stop while they carry runs."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from uuid import uuid4

import pytest

from shared.events import RunFailed, RunFinished, RunRestarted
from tests.faults.conftest import Workers
from tests.product import CHAT, GOLDEN, Client, Product, assert_stored_equals_log, until

pytestmark = pytest.mark.faults
TAKEOVER_S = 15


async def submit(product: Product, text: str = GOLDEN) -> str:
    """The conversation of a new run."""
    session = await product.session(message=text, requestId=str(uuid4()))
    return str(session["conversationId"])


async def ends(product: Product, conversation: str) -> list[RunFinished | RunFailed]:
    return [
        event.data
        for event in await product.events(conversation)
        if isinstance(event.data, RunFinished | RunFailed)
    ]  # fmt: skip


async def ended(product: Product, conversation: str, timeout_s: float = TAKEOVER_S) -> RunFinished | RunFailed:
    found = await until(lambda: ends(product, conversation), timeout_s)
    return found[-1]  # type: ignore[no-any-return]


async def assert_told_once(product: Product, conversation: str) -> None:
    events = await product.events(conversation)
    assert [event.index for event in events] == list(range(1, len(events) + 1))
    kinds = Counter(event.type for event in events)
    assert kinds["message.user"] == kinds["run.started"] == 1
    assert kinds["run.finished"] + kinds["run.failed"] == 1
    assert events[-1].type in ("run.finished", "run.failed")
    await assert_stored_equals_log(product, conversation)


async def test_runs_survive_two_deaths_of_their_worker_at_any_point(doors: Product, workers: Workers) -> None:
    first = await workers()
    conversations = []
    for _ in range(12):
        conversations.append(await submit(doors))
        # So that each is somewhere else when the worker dies.
        await until(lambda: _head(doors, conversations[-1], 6))
    await first.kill()
    second = await workers()

    async def taken_over() -> bool:
        return any([await restarts(doors, conversation) for conversation in conversations])

    await until(taken_over, TAKEOVER_S)
    await second.kill()
    await workers()
    for conversation in conversations:
        end = await ended(doors, conversation, 2 * TAKEOVER_S)
        assert isinstance(end, RunFinished) and end.outcome == "completed"
        assert end.result.workflow is not None
    await asyncio.gather(*(assert_told_once(doors, conversation) for conversation in conversations))
    assert sum([await restarts(doors, conversation) for conversation in conversations]) >= 3


async def restarts(product: Product, conversation: str) -> int:
    return sum(isinstance(event.data, RunRestarted) for event in await product.events(conversation))


async def test_the_default_lease_hands_a_run_over_within_fifteen_seconds(doors: Product, workers: Workers) -> None:
    first = await workers(run_lease_s=8.0)
    client = await doors.client(0, message=GOLDEN, requestId=str(uuid4()))
    await until(lambda: client.of("message.delta"))
    await workers(run_lease_s=8.0)
    await first.kill()
    killed = time.monotonic()
    await until(lambda: client.of("run.restarted"), TAKEOVER_S)
    assert time.monotonic() - killed < TAKEOVER_S
    await client.ended()
    assert client.indices == list(range(1, len(client.indices) + 1))
    await assert_told_once(doors, client.session["conversationId"])
    await client.socket.disconnect()


async def test_a_worker_that_slept_past_its_lease_neither_writes_nor_disturbs(doors: Product, workers: Workers) -> None:
    first = await workers(offline_words_per_s=8)
    conversation = await submit(doors)
    await until(lambda: _head(doors, conversation, 5))
    first.signal(signal.SIGSTOP)
    await workers(offline_words_per_s=8)
    await until(lambda: restarts(doors, conversation), TAKEOVER_S)
    first.signal(signal.SIGCONT)
    # The run goes on for some seconds: long enough for the sleeper, the sweep and the leases to spoil it.
    end = await ended(doors, conversation, 40)
    assert isinstance(end, RunFinished) and end.outcome == "completed"
    assert await restarts(doors, conversation) == 1
    await assert_told_once(doors, conversation)


async def _head(product: Product, conversation: str, index: int) -> bool:
    return len(await product.entries(conversation)) >= index


async def test_a_run_that_kills_every_worker_fails_after_three_attempts(doors: Product, workers: Workers) -> None:
    conversation = ""
    for attempt in range(1, 4):
        worker = await workers(offline_words_per_s=2)
        conversation = conversation or await submit(doors)

        async def attempted(number: int = attempt) -> bool:
            (run,) = (await doors.store.runs.list(doors.org)).items
            return run.attempt == number

        await until(attempted, TAKEOVER_S)
        await worker.kill()
    await workers()
    end = await ended(doors, conversation)
    assert isinstance(end, RunFailed) and end.code == "RUN_FAILED" and end.retryable
    await assert_told_once(doors, conversation)
    # The conversation goes on.
    client = await doors.client(0, conversationId=conversation)
    await client.say("what can you do?")
    assert (await client.ended(2))["type"] == "run.finished"
    await client.socket.disconnect()


@pytest.mark.parametrize("words_per_s", [25, 0.5])
async def test_a_worker_told_to_stop_ends_in_time_and_loses_nothing(
    doors: Product, workers: Workers, words_per_s: float
) -> None:
    first = await workers(offline_words_per_s=words_per_s, drain_timeout_s=6.0)
    conversation = await submit(doors)
    await until(lambda: _head(doors, conversation, 3))
    await workers()
    begun = time.monotonic()
    assert await first.stop() == 0
    assert time.monotonic() - begun < 6 + 4
    end = await ended(doors, conversation)
    assert isinstance(end, RunFinished) and end.outcome == "completed"
    await assert_told_once(doors, conversation)


async def test_a_worker_told_to_stop_takes_nothing_new(doors: Product, workers: Workers) -> None:
    first = await workers(offline_words_per_s=5, drain_timeout_s=20.0)
    held = await submit(doors)
    await until(lambda: _head(doors, held, 3))
    first.signal(signal.SIGTERM)
    await until(lambda: "worker.draining" in first.logged)
    status, answer = await doors.post(
        CHAT, {"agentVersion": "v3", "message": "hello", "conversationId": "c-new", "requestId": str(uuid4())}
    )
    assert status == 200, answer
    client = Client(answer)
    await client.connect(0)
    # While the run it holds goes on, nothing happens here.
    said = len(await doors.entries(held))
    await until(lambda: _head(doors, held, said + 3))
    assert client.events == []
    await workers()
    await client.ended()
    await client.socket.disconnect()


async def test_a_run_that_ends_during_the_drain_is_not_begun_again_elsewhere(doors: Product, workers: Workers) -> None:
    first = await workers(offline_words_per_s=12, drain_timeout_s=30.0)
    conversation = await submit(doors)
    await until(lambda: _head(doors, conversation, 3))
    second = await workers()
    assert await first.stop() == 0
    assert isinstance(await ended(doors, conversation), RunFinished)
    assert not [event for event in await doors.events(conversation) if isinstance(event.data, RunRestarted)]
    await assert_told_once(doors, conversation)
    assert await second.stop() == 0
