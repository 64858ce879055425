"""Attempts that end, fail, are cancelled, taken over or die: one terminal event, and log and store tell the same."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import update

from shared import keys
from shared.errors import CaddieError
from shared.events import (
    Data,
    InputRequested,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    ModeSelected,
    NodeChanged,
    ProposalRejected,
    RunFailed,
    RunFinished,
    RunRestarted,
    RunResult,
    Thinking,
    encode,
)
from shared.log import Writer
from shared.settings import Settings
from shared.store.tables import Conversation
from tests.caddie.conftest import DONE, TALK, Rig, Scripted, fails_with, hold, rigged
from tests.product import assert_stored_equals_log, until
from tests.valkey import Valkey

SAID = ["message.user", "run.started", "message.started", "message.delta", "message.completed", "run.finished"]
NODE = NodeChanged(action="add", nodeId="root", node={"type": "manual"})


async def test_a_run_is_told_in_the_log_and_kept_in_the_store(rig: Rig) -> None:
    run = await rig.submit()
    await rig.attempts(Scripted()).run(run.id)
    assert await rig.types() == SAID
    await assert_stored_equals_log(rig, "c-1")
    kept = await rig.store.runs.find(run.id)
    assert kept is not None and (kept.status, kept.outcome, kept.first_index) == ("finished", "completed", 1)


async def test_the_second_run_knows_where_its_events_begin(rig: Rig) -> None:
    for _ in range(2):
        run = await rig.submit()
        await rig.attempts(Scripted()).run(run.id)
    kept = await rig.store.runs.find(run.id)
    assert kept is not None and kept.first_index == len(SAID) + 1


async def test_an_attempt_that_died_after_its_commit_is_settled_by_the_next(rig: Rig) -> None:
    run, agent = await rig.submit(), Scripted()
    rig.log.failures = 1
    with pytest.raises(RuntimeError):
        await rig.attempts(agent).run(run.id)
    assert await rig.status(run) == "finished"
    assert await rig.types() == SAID[:-1]
    await asyncio.gather(*(rig.attempts(agent).run(run.id) for _ in range(3)))
    assert await rig.types() == SAID
    assert agent.turns == 1
    await assert_stored_equals_log(rig, "c-1")


@pytest.mark.parametrize("died", [False, True])
async def test_the_end_is_known_where_the_log_has_it_also_behind_a_decision(rig: Rig, died: bool) -> None:
    """Or a reader that has the decision would be told that nothing follows."""
    run, key = await rig.submit(), keys.conversation_key(rig.org, "c-1")

    class Crossed(type(rig.log)):  # type: ignore[misc]
        async def append(self, writer: Any, bodies: Any) -> Any:
            if any(operation == "end" for operation, _ in bodies):
                decided = encode(ProposalRejected(proposalId="p", by="1"))
                await super().append(Writer(key, "decision-p-rejected", 1), [("", decided)])
            return await super().append(writer, bodies)

    crossed = Crossed(rig.redis, 3_600, 20_000)
    crossed.failures = int(died)
    with pytest.raises(RuntimeError) if died else nullcontext():
        await rig.attempts(Scripted(), crossed).run(run.id)
    if died:
        await rig.attempts(Scripted()).run(run.id)
    kept = await rig.store.runs.find(run.id)
    assert kept is not None and (await rig.events())[kept.end - 1].type == "run.finished"
    after = await rig.store.runs.after(kept.conversation_pk, kept.end - 1)
    assert after is not None and await rig.store.runs.after(kept.conversation_pk, kept.end) is None


async def test_an_attempt_that_wakes_after_another_settled_it_says_nothing(rig: Rig) -> None:
    run = await rig.submit()
    paused, go = asyncio.Event(), asyncio.Event()

    class Sleepy(type(rig.log)):  # type: ignore[misc]
        async def append(self, writer: Any, bodies: Any) -> Any:
            if any(operation == "end" for operation, _ in bodies):
                paused.set()
                await go.wait()
            return await super().append(writer, bodies)

    sleepy = Sleepy(rig.redis, 3_600, 20_000)
    asleep = asyncio.create_task(rig.attempts(Scripted(), sleepy).run(run.id))
    await paused.wait()
    await rig.attempts(Scripted()).run(run.id)
    go.set()
    await fails_with("FENCED", asleep)
    assert await rig.types() == SAID
    await assert_stored_equals_log(rig, "c-1")


async def test_an_attempt_that_was_taken_over_can_neither_write_nor_end(rig: Rig) -> None:
    run, go = await rig.submit(), asyncio.Event()
    first = Scripted(steps={3: go.wait})
    asleep = asyncio.create_task(rig.attempts(first).run(run.id))
    await until(lambda: _length(rig, 4))
    await rig.attempts(Scripted()).run(run.id)
    told = await rig.events()
    go.set()
    await fails_with("FENCED", asleep)
    assert await rig.events() == told
    assert [event.data.keepThrough for event in told if isinstance(event.data, RunRestarted)] == [2]
    await assert_stored_equals_log(rig, "c-1")


async def _length(rig: Rig, least: int) -> bool:
    return len(await rig.types()) >= least


async def test_the_fourth_attempt_fails_the_run_without_asking_the_agent(rig: Rig) -> None:
    run = await rig.submit()
    for _ in range(3):
        agent = Scripted(steps={2: hold})
        dying = asyncio.create_task(rig.attempts(agent).run(run.id))
        await agent.begun.wait()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    agent = Scripted()
    await rig.attempts(agent).run(run.id)
    assert agent.turns == 0
    last = (await rig.events())[-1].data
    assert isinstance(last, RunFailed) and (last.code, last.retryable) == ("RUN_FAILED", True)
    await assert_stored_equals_log(rig, "c-1")


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError("bug"), "RUN_FAILED"), (CaddieError("UNAVAILABLE", "the host is away"), "UNAVAILABLE")],
)
async def test_an_agent_that_fails_fails_the_run_and_takes_its_changes_back(
    rig: Rig, error: Exception, code: str
) -> None:
    run = await rig.submit()
    await rig.attempts(Scripted((NODE, *TALK[:2], error))).run(run.id)
    last = (await rig.events())[-1].data
    assert isinstance(last, RunFailed) and last.code == code
    record = await rig.store.conversations.get(rig.org, "c-1")
    assert record is not None and record.definition is None
    await assert_stored_equals_log(rig, "c-1")


async def test_a_run_that_takes_too_long_ends_at_its_limit_and_keeps_what_it_said(rig: Rig) -> None:
    run = await rig.submit()
    await rig.attempts(Scripted(steps={3: hold}), timeout_s=0.2).run(run.id)
    last = (await rig.events())[-1].data
    assert isinstance(last, RunFinished) and last.outcome == "limit" and last.result.message == "Hello you."
    await assert_stored_equals_log(rig, "c-1")


async def test_text_and_nodes_that_json_cannot_carry_are_replaced_alike_in_log_and_store(rig: Rig) -> None:
    run = await rig.submit()
    odd = "a\ud800b\0c"
    node = NodeChanged(action="add", nodeId="root", node={"type": "manual", "title": odd, "big": 2**80})
    script = (
        node, MessageStarted(messageId="m"), MessageDelta(messageId="m", text=odd),
        MessageCompleted(messageId="m", text=odd), DONE,
    )  # fmt: skip
    await rig.attempts(Scripted(script)).run(run.id)
    assert (await rig.types())[-1] == "run.finished"
    assert (await rig.folded("c-1")).messages[-1].text == "a\ufffdb\ufffdc"
    await assert_stored_equals_log(rig, "c-1")


async def test_an_event_no_encoder_takes_fails_attempts_and_does_not_hang_them(rig: Rig) -> None:
    run = await rig.submit()
    bad = Scripted((Thinking.model_construct(**{"text": object()}), *TALK, DONE))
    for _ in range(3):
        await fails_with("RUN_FAILED", rig.attempts(bad).run(run.id))
    await rig.attempts(bad).run(run.id)
    assert (await rig.types())[-1] == "run.failed"
    await assert_stored_equals_log(rig, "c-1")


async def test_a_stored_definition_that_is_none_any_more_does_not_keep_a_run_from_ending(rig: Rig) -> None:
    await rig.attempts(Scripted()).run((await rig.submit()).id)
    broken = update(Conversation).values(definition={"nodes": {"root": {"gone": 1}}})
    await rig.store._database.write(lambda session: session.execute(broken))
    run = await rig.submit(definition=DEFINITION)
    await rig.attempts(Scripted()).run(run.id)
    assert (await rig.types())[-1] == "run.finished"
    await assert_stored_equals_log(rig, "c-1")


async def test_a_log_lost_in_the_middle_does_not_keep_what_a_dead_attempt_said_after(rig: Rig) -> None:
    run, lost, go = await rig.submit(), asyncio.Event(), asyncio.Event()

    async def lose() -> None:
        await until(lambda: _length(rig, 3))
        await rig.redis.flushall()
        lost.set()

    first = Scripted((*TALK[:2], NODE, *TALK[2:], DONE), steps={2: lose, 3: go.wait})
    dying = asyncio.create_task(rig.attempts(first).run(run.id))
    await lost.wait()
    await until(lambda: _length(rig, 1))
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await rig.attempts(Scripted()).run(run.id)
    types = await rig.types()
    assert types[types.index("run.restarted") + 1 :] == SAID
    await assert_stored_equals_log(rig, "c-1")


async def test_the_run_that_waited_is_queued_when_this_one_ends(rig: Rig) -> None:
    first, second = await rig.submit(), await rig.submit(text="then this")
    await rig.attempts(Scripted()).run(second.id)
    assert await rig.types() == []
    await rig.attempts(Scripted()).run(first.id)
    assert rig.queued == [second.id]
    await rig.attempts(Scripted()).run(second.id)
    assert await rig.types() == SAID * 2
    await assert_stored_equals_log(rig, "c-1")


DEFINITION = {"nodes": {"root": {"type": "manual"}}}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@st.composite
def turns(draw: st.DrawFn) -> list[Data | Exception]:
    """What an agent may say: messages opened, spoken and mostly closed, nodes added, changed and removed, an end."""
    said: list[Data | Exception] = []
    nodes: set[str] = set()
    for number in range(draw(st.integers(0, 4))):
        message_id = f"m{number}"
        texts = draw(st.lists(TEXT, max_size=4))
        said.append(MessageStarted(messageId=message_id))
        said += [MessageDelta(messageId=message_id, text=text) for text in texts]
        if draw(st.booleans()):
            said.append(MessageCompleted(messageId=message_id, text="".join(texts)))
        for node_id in draw(st.lists(st.sampled_from(["root", "a", "b"]), max_size=3)):
            if node_id in nodes and draw(st.booleans()):
                nodes.remove(node_id)
                said.append(NodeChanged(action="remove", nodeId=node_id, node=None))
                continue
            action: Any = "update" if node_id in nodes else "add"
            nodes.add(node_id)
            said.append(NodeChanged(action=action, nodeId=node_id, node={"type": "manual", "description": draw(TEXT)}))
        said += draw(st.sampled_from([[], [Thinking(text="hm")], [ModeSelected(mode="building", reason="asked")]]))
    match draw(st.sampled_from(["done", "ask", "limit", "bug", "refused"])):
        case "ask":
            asked = InputRequested(
                inputId=str(uuid4()), kind="question", body={"text": "which?"}, expiresAt="2030-01-01T00:00:00.000Z"
            )
            said += [asked, RunFinished(outcome="waiting", result=RunResult())]
        case "bug":
            said.append(ValueError("bug"))
        case "refused":
            said.append(CaddieError("INVALID", "expected a key, got none"))
        case outcome:
            said.append(RunFinished(outcome="completed" if outcome == "done" else "limit", result=RunResult()))
    return said


FATES = st.lists(
    st.tuples(turns(), st.sampled_from(["", "", "die", "cancel", "unsaid"]), st.integers(0, 12), st.booleans()),
    min_size=1, max_size=4,
)  # fmt: skip


async def live(rig: Rig, conversation: str, fates: Any) -> None:
    """Runs one after the other in one conversation, each with its fate at some step."""
    for script, fate, step, with_definition in fates:
        run = await rig.submit(conversation, definition=DEFINITION if with_definition else None)
        agent, there = Scripted(script), asyncio.Event()

        async def die(there: asyncio.Event = there) -> None:
            there.set()
            await hold()

        async def cancel(run_id: str = run.id) -> None:
            await rig.log.request_cancel(keys.conversation_key(rig.org, conversation), run_id)

        if fate == "unsaid":
            rig.log.failures = 1
        elif fate:
            agent.steps = {step: die if fate == "die" else cancel}
        first = asyncio.create_task(rig.attempts(agent).run(run.id))
        reached = asyncio.create_task(there.wait())
        await asyncio.wait({first, reached}, return_when=asyncio.FIRST_COMPLETED)
        for task in (first, reached):
            task.cancel()
        await asyncio.gather(first, reached, return_exceptions=True)
        rig.log.failures = 0
        await rig.attempts(Scripted(script)).run(run.id)
        await assert_stored_equals_log(rig, conversation)
    events = await rig.events(conversation)
    ends = [event.runId for event in events if event.type in ("run.finished", "run.failed")]
    assert len(ends) == len(set(ends)) == len(fates)
    assert [event.index for event in events] == list(range(1, len(events) + 1))


def check(valkey: Valkey, database: Path, folder: Path, examples: int) -> None:
    copy = folder / "runs.db"
    shutil.copy(database, copy)
    settings = Settings(
        _env_file=None, redis_url=SecretStr(valkey.url), database_url=SecretStr(f"sqlite:///{copy}")
    )

    async def scenario(fates: Any) -> None:
        async with rigged(settings) as rig:
            await live(rig, f"c-{uuid4()}", fates)

    phases = (Phase.explicit, Phase.generate)  # shrinking a race is slow and leads nowhere

    @profile(
        max_examples=examples, deadline=None, phases=phases, suppress_health_check=list(HealthCheck), database=None
    )
    @given(FATES)
    def story(fates: Any) -> None:
        asyncio.run(scenario(fates))

    story()


def test_whatever_happens_log_and_store_tell_the_same(valkey: Valkey, empty_database: Path, tmp_path: Path) -> None:
    check(valkey, empty_database, tmp_path, 25)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_whatever_happens_at_length(valkey: Valkey, empty_database: Path, tmp_path: Path) -> None:
    check(valkey, empty_database, tmp_path, 200)
