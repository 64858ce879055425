"""A turn on a workflow's messages: what it leaves is a proposal, once, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import NAMESPACE_URL, uuid5

import pytest

from caddie.attempt import Job
from caddie.desk import Desk
from caddie.reach import Reach
from shared.decisions import changes_of
from shared.events import Data, NodeChanged, ProposalCreated, RunFailed, RunFinished, Sided
from shared.proposals import apply
from shared.runs import TurnInput
from shared.steps import AddStep
from shared.store.records import ProposalRecord, RunRecord, WorkflowRecord
from shared.workflows import parse_definition
from tests.caddie.conftest import Rig
from tests.product import assert_stored_equals_log
from tests.proposed import SEARCH, workflow_of

ASK = "Add a step to summarize the search results"


class Watched:
    """The real agent; ``begun`` is set when it has said something, and then it waits for ``go``."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self.begun, self.go = desk, asyncio.Event(), asyncio.Event()
        self.go.set()

    def model_name(self, content: TurnInput) -> str:
        return self._desk.model_name(content)

    async def work(self, job: Job) -> AsyncGenerator[Data | Sided, None]:
        async with aclosing(self._desk.work(job)) as events:
            async for event in events:
                yield event
                self.begun.set()
                await self.go.wait()


@pytest.fixture
async def agent(rig: Rig) -> AsyncIterator[Watched]:
    reach = Reach.of(rig.settings)
    desk = Desk(rig.settings, rig.store, reach)
    yield Watched(desk)
    await reach.close()


@pytest.fixture
async def workflow(rig: Rig) -> WorkflowRecord:
    made = await workflow_of(rig.store, rig.org, rig.user)
    await rig.store.conversations.ensure(rig.org, rig.user, "c-1", made.id, kind="workflow")
    return made


async def proposal_of(rig: Rig, run: RunRecord) -> ProposalRecord | None:
    return (await rig.store.proposals.of_runs(rig.org, {run.id})).get(run.id)


async def test_what_the_agent_changed_is_proposed_and_not_kept(
    rig: Rig, agent: Watched, workflow: WorkflowRecord
) -> None:
    run = await rig.submit(text=ASK, profile="proposal", agentVersion="v2", workflowId=workflow.id)
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    proposal = await proposal_of(rig, run)
    assert proposal is not None and (proposal.status, proposal.base_version) == ("pending", 1)
    assert proposal.id == str(uuid5(uuid5(NAMESPACE_URL, "caddie:proposal"), run.id))
    (change,) = changes_of(proposal)
    assert isinstance(change, AddStep) and change.step.toolId == "summarize"
    assert apply(parse_definition(SEARCH), (change,)).nodes["step-1"].children == (change.step.id,)
    *_, created, finished = [event.data for event in await rig.events()]
    assert isinstance(created, ProposalCreated) and created.proposal["id"] == proposal.id
    assert isinstance(finished, RunFinished)
    assert (finished.result.type, finished.result.workflow) == ("message", None)
    assert not any(isinstance(event.data, NodeChanged) for event in await rig.events())
    stored = await rig.store.workflows.get(rig.org, workflow.id)
    assert stored == workflow
    await assert_stored_equals_log(rig, "c-1")


async def test_whoever_submits_it_a_message_of_the_thread_only_proposes(
    rig: Rig, agent: Watched, workflow: WorkflowRecord
) -> None:
    given = {"nodes": {"root": {"type": "manual", "payload": {}, "children": []}}}
    run = await rig.submit(text=ASK, workflowId=workflow.id, definition=given)
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    proposal = await proposal_of(rig, run)
    assert proposal is not None and [change.type for change in changes_of(proposal)] == ["add_step"]
    assert await rig.store.workflows.get(rig.org, workflow.id) == workflow
    await assert_stored_equals_log(rig, "c-1")


async def test_nothing_is_proposed_when_nothing_was_changed(
    rig: Rig, agent: Watched, workflow: WorkflowRecord
) -> None:
    run = await rig.submit(text="What does this do?", profile="proposal", agentVersion="v2")
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    assert await proposal_of(rig, run) is None
    assert "proposal.created" not in await rig.types()


async def test_a_run_that_is_taken_over_makes_one_proposal(rig: Rig, agent: Watched, workflow: WorkflowRecord) -> None:
    run = await rig.submit(text=ASK, profile="proposal", agentVersion="v2")
    agent.go.clear()
    first = asyncio.create_task(rig.attempts(agent).run(run.id))  # type: ignore[arg-type]
    await agent.begun.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await proposal_of(rig, run) is None
    agent.go.set()
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    types = await rig.types()
    assert types.count("proposal.created") == types.count("run.finished") == types.count("run.restarted") == 1
    assert await proposal_of(rig, run) is not None


async def test_a_worker_that_dies_before_it_tells_has_its_proposal_told(
    rig: Rig, agent: Watched, workflow: WorkflowRecord
) -> None:
    run = await rig.submit(text=ASK, profile="proposal", agentVersion="v2")
    rig.log.failures = 1
    with pytest.raises(RuntimeError):
        await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    assert await proposal_of(rig, run) is not None and "proposal.created" not in await rig.types()
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    assert (await rig.types())[-2:] == ["proposal.created", "run.finished"]


async def test_a_cancelled_run_proposes_nothing(rig: Rig, agent: Watched, workflow: WorkflowRecord) -> None:
    run = await rig.submit(text=ASK, profile="proposal", agentVersion="v2")
    await rig.store.runs.request_cancel(run.id)
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    assert await proposal_of(rig, run) is None


async def test_a_workflow_that_has_gone_fails_the_run(rig: Rig, agent: Watched, workflow: WorkflowRecord) -> None:
    await rig.store.workflows.delete(rig.org, workflow.id)
    run = await rig.submit(text=ASK, profile="proposal", agentVersion="v2")
    await rig.attempts(agent).run(run.id)  # type: ignore[arg-type]
    failed = (await rig.events())[-1].data
    assert isinstance(failed, RunFailed) and failed.code == "NOT_FOUND"


async def test_a_workflow_that_goes_meanwhile_takes_its_proposal_along(
    rig: Rig, agent: Watched, workflow: WorkflowRecord
) -> None:
    run = await rig.submit(text=ASK, profile="proposal", agentVersion="v2")
    agent.go.clear()
    working = asyncio.create_task(rig.attempts(agent).run(run.id))  # type: ignore[arg-type]
    await agent.begun.wait()
    await rig.store.workflows.delete(rig.org, workflow.id)
    agent.go.set()
    await working
    assert await rig.status(run) == "finished" and await proposal_of(rig, run) is None
