"""What a turn is given from the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from caddie.attempt import Job
from caddie.desk import Desk
from caddie.executions import StoredExecutions
from caddie.inbox import Inbox
from caddie.models.model import ModelEvent, ModelRequest, StepEnd, StepUsage, TextDelta, ToolTurn
from caddie.reach import Reach
from shared.errors import CaddieError
from shared.events import Data, MessageCompleted, RunFinished, Sided
from shared.fold import State
from shared.runs import TurnInput
from shared.seal import Seal
from shared.store.execution_records import ExecutionStart, StepWrite
from shared.store.records import Claim
from tests.caddie.conftest import Rig, Scripted, fails_with
from tests.product import assert_stored_equals_log


def inbox(rig: Rig, claim: Claim) -> Inbox:
    return Inbox(rig.store, claim.run, waiting=False)


async def turn(rig: Rig, desk: Desk, conversation: str = "c-1", **content: Any) -> list[Data | Sided]:
    run = await rig.submit(conversation, **content)
    claim = await rig.store.runs.claim(run.id, 3)
    assert claim is not None
    state = State(definition=claim.conversation.definition)
    job = Job(claim, TurnInput.model_validate(run.input), state, None, inbox(rig, claim))
    async with aclosing(desk.work(job)) as events:
        return [event async for event in events]


async def test_a_turn_ends_with_run_finished(rig: Rig) -> None:
    settings = rig.settings.model_copy(update={"offline_words_per_s": 0})
    reach = Reach.of(settings)
    desk = Desk(settings, rig.store, reach)
    events = await turn(rig, desk, text="what can you do?")
    assert isinstance(events[-1], RunFinished)
    assert any(isinstance(event, MessageCompleted) for event in events)
    await reach.close()


class Listener:
    """Keeps what it is asked."""

    name = "listener/one"

    def __init__(self) -> None:
        self.asked: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(request)
        yield TextDelta("ok")
        yield StepEnd("end", StepUsage(1, 1))


async def test_a_conversation_that_gains_a_workflow_keeps_its_history(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, model = rig.settings, Listener()
    reach = Reach.of(settings)
    desk = Desk(settings, rig.store, reach)
    monkeypatch.setattr(desk, "_open", lambda content: model)
    nodes = {"nodes": {"root": {"type": "trigger_chat", "children": []}}}
    workflow = await rig.store.workflows.create(rig.org, rig.user, "W", definition=nodes)
    first = await rig.submit(text="my channel is #ops")
    await rig.attempts(desk).run(first.id)
    await rig.store.conversations.ensure(rig.org, rig.user, "c-1", workflow.id)
    second = await rig.submit(text="what is my channel?", workflowId=workflow.id)
    await rig.attempts(desk).run(second.id)
    said = [turn.text for turn in model.asked[-1].turns if not isinstance(turn, ToolTurn)]
    assert said[:2] == ["my channel is #ops", "ok"] and "trigger_chat" in said[-1]
    await assert_stored_equals_log(rig, "c-1")
    await reach.close()


async def test_the_summary_of_a_long_conversation_is_kept_between_turns(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, model = rig.settings.model_copy(update={"run_history_tokens": 500}), Listener()
    reach = Reach.of(settings)
    desk = Desk(settings, rig.store, reach)
    monkeypatch.setattr(desk, "_open", lambda content: model)
    for number in range(6):
        run = await rig.submit(text=f"Remember: part {number} goes to #ops-{number}. " + "And so on. " * 60)
        await rig.attempts(desk).run(run.id)
    kept = await rig.store.summaries.get(run.conversation_pk)
    assert kept is not None and "#ops-0" in kept.text
    assert "#ops-0" in model.asked[-1].turns[-1].text  # type: ignore[union-attr]
    await reach.close()


async def test_two_agents_side_by_side_are_told_in_one_log(rig: Rig) -> None:
    settings = rig.settings.model_copy(update={"offline_words_per_s": 0})
    reach = Reach.of(settings)
    desk = Desk(settings, rig.store, reach)
    run = await rig.submit(text='every day at 9 post "hi" to #general', agentVersion="both")
    await rig.attempts(desk).run(run.id)
    events = await rig.events()
    assert {event.agentVersion for event in events} == {None, "v1", "v2"}
    last = events[-1].data
    assert isinstance(last, RunFinished) and set(last.result.results or ()) == {"v1", "v2"}
    await assert_stored_equals_log(rig, "c-1")
    await reach.close()


async def test_only_the_callers_own_executions_of_this_workflow_are_there(rig: Rig) -> None:
    failed = await rig.submit("c-1")
    await rig.attempts(Scripted((CaddieError("INVALID", "expected a channel, got none"),))).run(failed.id)
    workflow = await rig.store.workflows.create(rig.org, rig.user, "W")
    mine = StoredExecutions(rig.store, rig.org, rig.user, workflow.id, failed.id)
    found = await mine.get(None)
    assert found is not None and (found["executionId"], found["error"]) == (failed.id, "expected a channel, got none")
    for other in (
        StoredExecutions(rig.store, rig.org, rig.user, workflow.id),
        StoredExecutions(rig.store, rig.org, rig.user, None),
        StoredExecutions(rig.store, rig.org, rig.user + 1, workflow.id, failed.id),
        StoredExecutions(rig.store, rig.org + 1, rig.user, workflow.id, failed.id),
    ):  # fmt: skip
        assert await other.get(failed.id) is None
    assert await StoredExecutions(rig.store, rig.org, rig.user, workflow.id).get(None) is None
    run, _ = await rig.store.executions.create(
        ExecutionStart(rig.org, rig.user, workflow.id, workflow.version, "manual", "root")
    )
    assert await StoredExecutions(rig.store, rig.org, rig.user, workflow.id).get(run.id) is not None
    assert await StoredExecutions(rig.store, rig.org, rig.user, "another").get(run.id) is None
    last = await StoredExecutions(rig.store, rig.org, rig.user, workflow.id).get(None)
    assert last is not None and last["executionId"] == run.id


async def test_what_an_agent_is_told_of_an_execution_is_of_bearable_size(rig: Rig) -> None:
    workflow = await rig.store.workflows.create(rig.org, rig.user, "W")
    start = ExecutionStart(rig.org, rig.user, workflow.id, workflow.version, "manual", "root")
    run, _ = await rig.store.executions.create(start)
    claim = await rig.store.runs.claim(run.id, 3)
    assert claim is not None and await rig.store.executions.begin(run.id, claim.run.attempt)
    large = [StepWrite(f"a:{place}", "n", place, "failed", 1, result="x" * 100_000) for place in range(200)]
    await rig.store.executions.checkpoint(run.id, claim.run.attempt, large, node_runs=200, active_ms=1)
    told = await StoredExecutions(rig.store, rig.org, rig.user, workflow.id).get(run.id)
    assert told is not None and len(json.dumps(told)) < 150_000
    assert [step["path"] for step in told["steps"]] == [f"a:{place}" for place in range(120, 200)]
    assert told["steps"][0]["output"] == '"' + "x" * 999 + "… (100002 bytes)"


async def test_a_key_sealed_for_another_installation_is_refused_without_saying_it(rig: Rig) -> None:
    reach = Reach.of(rig.settings)
    desk = Desk(rig.settings, rig.store, reach)
    sealed = Seal.parse(Seal.generate()).seal("sk-somebody-elses-key-000")
    error = await fails_with("INVALID", turn(rig, desk, sealedKey=sealed, modelOverride="claude"))
    assert sealed not in error.message and "sk-" not in error.message
    await reach.close()


async def test_an_unknown_model_is_refused_with_its_name(rig: Rig) -> None:
    reach = Reach.of(rig.settings)
    desk = Desk(rig.settings, rig.store, reach)
    error = await fails_with("INVALID", turn(rig, desk, modelOverride="nobody/knows"))
    assert "nobody/knows" in error.message
    await reach.close()


async def test_why_a_run_failed_is_told_to_its_own_user_only(rig: Rig) -> None:
    failed = await rig.submit("c-1")
    await rig.attempts(Scripted((CaddieError("INVALID", "expected a channel, got none"),))).run(failed.id)
    reach = Reach.of(rig.settings)
    desk = Desk(rig.settings, rig.store, reach)
    told = []
    for conversation in ("c-2", "c-3"):
        if conversation == "c-3":
            stranger = await rig.store.accounts.sign_up("Other", "eve@example.com", "Eve")
            rig.org, rig.user = stranger.org_id, stranger.id
        run = await rig.submit(conversation, failedRunId=failed.id)
        claim = await rig.store.runs.claim(run.id, 3)
        assert claim is not None
        job = Job(claim, TurnInput.model_validate(run.input), State(), None, inbox(rig, claim))
        told.append(await desk._failure(job))
    assert told == ["expected a channel, got none", ""]
    await reach.close()
    await asyncio.sleep(0)
