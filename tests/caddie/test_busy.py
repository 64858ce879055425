"""Double texting with a real store and log: steer, interrupt, and the deaths in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from docket import Docket

from caddie.attempt import Job
from shared import keys
from shared.events import Data, MessageUser, RunFinished, RunRestarted, Sided
from shared.runs import Runs, Submission, Submitted, TurnInput, WhenBusy
from tests.caddie.conftest import DONE, TALK, Rig, Scripted, hold
from tests.product import assert_stored_equals_log, until


@dataclass
class Listening(Scripted):
    """Says its text, then waits for `go`, then for a steer when it is to, and ends."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[str] = field(default_factory=list)
    needs: int = 1

    async def work(self, job: Job) -> AsyncGenerator[Data | Sided, None]:  # type: ignore[override]
        own = f"{job.claim.run.id[:8]}-{job.claim.run.attempt}-"
        for event in TALK:
            yield event.model_copy(update={"messageId": own + event.messageId})
        self.begun.set()
        await self.go.wait()
        while len(self.heard) < self.needs:
            for steer in await job.inbox.take():
                self.heard.append(steer.text)
                yield MessageUser(messageId=steer.id, text=steer.text, requestId=steer.request_id)
            await asyncio.sleep(0.01)
        yield DONE


class Silent(Docket):
    """A queue that keeps nothing: these tests run the attempts themselves."""

    def __init__(self) -> None:
        pass

    def add(self, *_: Any, **__: Any) -> Any:
        async def added(run_id: str) -> None:
            return None

        return added


async def send(rig: Rig, request_id: str, when_busy: WhenBusy, text: str = "more") -> Submitted:
    runs = Runs(rig.store, rig.log, Silent())
    return await runs.submit(Submission(rig.org, rig.user, "c-1", request_id, TurnInput(text=text), when_busy))


async def test_a_steer_reaches_the_run_and_is_told_once(rig: Rig) -> None:
    run, agent = await rig.submit(), Listening()
    running = asyncio.create_task(rig.attempts(agent).run(run.id))
    await agent.begun.wait()
    sent = [await send(rig, "s1", "steer") for _ in range(3)]
    assert [each.run_id for each in sent] == [run.id] * 3 and [each.created for each in sent] == [True, False, False]
    agent.go.set()
    await running
    told = [event for event in await rig.events() if isinstance(event.data, MessageUser)]
    assert [(event.data.text, event.data.requestId) for event in told][1:] == [("more", "s1")]
    assert {event.runId for event in told} == {run.id} and agent.heard == ["more"]
    assert (await send(rig, "s1", "steer")).run_id == run.id
    found = await Runs(rig.store, rig.log, Silent()).find(rig.org, rig.user, request_id="s1")
    assert found is not None and found.id == run.id
    await assert_stored_equals_log(rig, "c-1")
    assert await rig.store.runs.active(rig.org, "c-1") is None


async def test_a_steer_that_no_message_told_of_is_found(rig: Rig) -> None:
    run, agent = await rig.submit(), Listening()
    await send(rig, "s1", "steer")
    agent.go.set()
    await rig.attempts(agent).run(run.id)
    assert agent.heard == ["more"]


async def test_a_steer_that_comes_too_late_is_a_run_of_its_own(rig: Rig) -> None:
    run, agent = await rig.submit(), Listening(needs=0)
    running = asyncio.create_task(rig.attempts(agent).run(run.id))
    await agent.begun.wait()
    assert (await send(rig, "s1", "steer")).run_id == run.id
    agent.go.set()
    await running
    assert (await send(rig, "s1", "steer")).run_id == rig.queued[-1] != run.id
    await rig.attempts(Scripted()).run(rig.queued[-1])
    ended = [event for event in await rig.events() if isinstance(event.data, RunFinished)]
    assert [event.runId for event in ended] == [run.id, rig.queued[-1]]
    assert (await send(rig, "s1", "steer")).run_id == rig.queued[-1]
    await assert_stored_equals_log(rig, "c-1")


async def test_a_worker_that_dies_loses_no_steer_it_had_taken(rig: Rig) -> None:
    run, dying = await rig.submit(), Listening(needs=2)
    attempt = asyncio.create_task(rig.attempts(dying).run(run.id))
    await dying.begun.wait()
    await send(rig, "s1", "steer", "taken before the death")
    dying.go.set()
    await until(lambda: _heard(dying, 1))
    attempt.cancel()
    with suppress(asyncio.CancelledError):
        await attempt
    await send(rig, "s2", "steer", "and after it")
    agent = Listening(needs=2)
    agent.go.set()
    await rig.attempts(agent).run(run.id)
    assert agent.heard == ["taken before the death", "and after it"]
    events = await rig.events()
    assert any(isinstance(event.data, RunRestarted) for event in events)
    await assert_stored_equals_log(rig, "c-1")
    rows = await rig.store.conversations.messages(run.conversation_pk)
    assert [row.text for row in rows if row.role == "user"] == ["hi", "taken before the death", "and after it"]


async def _heard(agent: Listening, count: int) -> bool:
    return len(agent.heard) >= count


async def test_interrupting_ends_the_run_keeps_its_words_and_comes_next(rig: Rig) -> None:
    run = await rig.submit()
    agent = Scripted(steps={3: hold})
    running = asyncio.create_task(rig.attempts(agent).run(run.id))
    await agent.begun.wait()
    await until(lambda: _types(rig, "message.delta"))
    waiting = await send(rig, "q1", "queue")
    urgent = await send(rig, "i1", "interrupt", "never mind")
    await running
    ended = [event.data for event in await rig.events() if isinstance(event.data, RunFinished)]
    assert [each.outcome for each in ended] == ["cancelled"] and ended[0].result.message == "Hello you."
    assert rig.queued[-1] == urgent.run_id
    for run_id in (urgent.run_id, waiting.run_id):
        await rig.attempts(Scripted()).run(run_id)
    order = [event.runId for event in await rig.events() if isinstance(event.data, RunFinished)]
    assert order == [run.id, urgent.run_id, waiting.run_id]
    await assert_stored_equals_log(rig, "c-1")


async def test_interrupting_an_idle_conversation_is_a_plain_message(rig: Rig) -> None:
    sent = await send(rig, "i1", "interrupt")
    await rig.attempts(Scripted()).run(sent.run_id)
    cancelled, _ = await rig.log.wishes(keys.conversation_key(rig.org, "c-1"), sent.run_id)
    assert not cancelled and (await rig.types())[-1] == "run.finished"


async def _types(rig: Rig, name: str) -> bool:
    return name in await rig.types()
