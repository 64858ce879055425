"""Decisions: one winner, one version, one event, and what becomes of a proposal whose workflow has moved on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import decisions, edits, keys
from shared.connections import open_redis
from shared.decisions import Decided, Decisions, NotPendingError, shown
from shared.errors import CaddieError
from shared.events import Event, ProposalApplied, ProposalRejected, decode
from shared.log import EventLog
from shared.settings import Settings
from shared.store import Store
from shared.store.records import ProposalRecord, WorkflowRecord
from shared.workflows import Definition, parse_definition, parse_node
from tests.proposed import SEARCH, proposed, step, workflow_of


@dataclass
class Rig:
    store: Store
    log: EventLog
    decisions: Decisions
    workflow: WorkflowRecord

    async def proposed(self, after: Definition | None = None, **options: Any) -> ProposalRecord:
        return await proposed(self.store, self.workflow, after or step("step-2", "step-1"), **options)

    async def now(self) -> WorkflowRecord:
        found = await self.store.workflows.get(self.workflow.org_id, self.workflow.id)
        assert found is not None
        return found

    async def edited(self, definition: Definition) -> WorkflowRecord:
        return await self.store.workflows.update(
            self.workflow.org_id, self.workflow.id, user_id=self.workflow.user_id, definition=definition.wire()
        )

    async def events(self, conversation: str) -> list[Event]:
        key = keys.conversation_key(self.workflow.org_id, conversation)
        return [decode(index, body) for index, body in await self.log.read(key, 0)]

    async def apply(self, proposal: ProposalRecord, chosen: list[int] | None = None) -> Decided:
        return await self.decisions.decide(proposal, proposal.user_id, "apply", chosen)

    async def reject(self, proposal: ProposalRecord) -> Decided:
        return await self.decisions.decide(proposal, proposal.user_id, "reject")


@pytest.fixture
async def rig(settings: Settings, log: EventLog) -> AsyncIterator[Rig]:
    store = await Store.open(settings.database_address)
    user = await store.accounts.sign_up("Acme", "ada@example.com", "Ada")
    yield Rig(store, log, Decisions(store, log), await workflow_of(store, user.org_id, user.id))
    await store.close()


async def test_an_applied_proposal_is_the_next_version_and_one_event(rig: Rig) -> None:
    proposal = await rig.proposed()
    decided = await rig.apply(proposal)
    assert decided.workflow == await rig.now()
    assert decided.workflow is not None and decided.workflow.version == 2
    assert parse_definition(decided.workflow.definition) == step("step-2", "step-1")
    (event,) = await rig.events(proposal.conversation)
    assert event.data == ProposalApplied(proposalId=proposal.id, by=str(proposal.user_id), version=2)
    assert event.runId is None
    told = shown(decided.proposal)
    assert (told["status"], told["appliedVersion"], told["rebased"]) == ("applied", 2, False)
    assert (await rig.store.workflows.versions(rig.workflow.org_id, rig.workflow.id))[0].note == (
        f"proposal {proposal.id}"
    )


async def test_a_rejected_proposal_changes_nothing(rig: Rig) -> None:
    proposal = await rig.proposed()
    decided = await rig.reject(proposal)
    assert decided.workflow is None and (await rig.now()).version == 1
    (event,) = await rig.events(proposal.conversation)
    assert event.data == ProposalRejected(proposalId=proposal.id, by=str(proposal.user_id))


async def test_of_fifty_decisions_one_wins_and_the_others_hear_who(rig: Rig, settings: Settings) -> None:
    proposal = await rig.proposed()
    # Deciders in processes of their own share the database and Redis, nothing else.
    stores = [await Store.open(settings.database_address) for _ in range(4)]
    redis = open_redis(settings.redis_address)
    deciders = [Decisions(store, EventLog(redis, 3_600, 20_000)) for store in stores]
    answers = await asyncio.gather(
        *(
            deciders[n % 4].decide(proposal, proposal.user_id, "apply" if n % 2 else "reject") for n in range(50)
        ),
        return_exceptions=True,
    )  # fmt: skip
    winners = [answer for answer in answers if isinstance(answer, Decided)]
    assert len(winners) == 1
    status = winners[0].proposal.status
    for answer in answers:
        if not isinstance(answer, Decided):
            assert isinstance(answer, NotPendingError)
            assert (answer.data["by"], answer.data["status"]) == (str(proposal.user_id), status)
    assert (await rig.now()).version == (2 if status == "applied" else 1)
    assert len(await rig.events(proposal.conversation)) == 1
    for store in stores:
        await store.close()
    await redis.aclose()


async def test_changes_are_rebased_onto_a_newer_version(rig: Rig) -> None:
    proposal = await rig.proposed()
    moved = edits.update_node(parse_definition(SEARCH), "root", {"description": "By hand"})
    await rig.edited(moved)
    decided = await rig.apply(proposal)
    assert decided.workflow is not None and decided.workflow.version == 3
    assert shown(decided.proposal)["rebased"] is True
    nodes = parse_definition(decided.workflow.definition).nodes
    assert nodes["root"].description == "By hand" and nodes["step-1"].children == ("step-2",)


async def test_changes_that_no_longer_fit_are_a_conflict_and_stay_pending(rig: Rig) -> None:
    proposal = await rig.proposed()
    await rig.edited(edits.remove_node(parse_definition(SEARCH), "step-1"))
    with pytest.raises(CaddieError) as caught:
        await rig.apply(proposal)
    assert caught.value.code == "VERSION_CONFLICT"
    assert caught.value.data == {"expected": 1, "actual": 2} and caught.value.faults
    assert (await rig.now()).version == 2 and await rig.events(proposal.conversation) == []
    assert (await rig.reject(proposal)).proposal.status == "rejected"


async def test_a_decision_goes_on_when_the_workflow_moves_at_the_same_moment(rig: Rig) -> None:
    proposals = [await rig.proposed(step(f"step-{n}", "step-1")) for n in range(2, 6)]
    await asyncio.gather(*(rig.apply(proposal) for proposal in proposals))
    now = await rig.now()
    assert now.version == 5 and set(now.definition["nodes"]) == {"root", *(f"step-{n}" for n in range(1, 6))}


async def test_some_changes_are_applied(rig: Rig) -> None:
    after = step("step-3", "step-2", step("step-2", "step-1").wire())
    proposal = await rig.proposed(after)
    decided = await rig.apply(proposal, [0])
    assert decided.workflow is not None and set(decided.workflow.definition["nodes"]) == {"root", "step-1", "step-2"}
    assert shown(decided.proposal)["appliedChanges"] == [0]


@pytest.mark.parametrize("chosen", [[], [0, 0], [9], [-1], [1]])
async def test_positions_that_cannot_be_applied_are_refused(rig: Rig, chosen: list[int]) -> None:
    proposal = await rig.proposed(step("step-3", "step-2", step("step-2", "step-1").wire()))
    with pytest.raises(CaddieError) as caught:
        await rig.apply(proposal, chosen)
    assert caught.value.code == "INVALID" and not isinstance(caught.value, NotPendingError)
    assert caught.value.faults[0].field.startswith("changes")
    assert (await rig.now()).version == 1


async def test_an_applied_proposal_is_undone_as_a_new_version(rig: Rig) -> None:
    proposal = await rig.proposed()
    applied = (await rig.apply(proposal)).proposal
    undone = await rig.decisions.undo(await rig.decisions.find(applied.org_id, applied.user_id, applied.id), 7)
    assert undone.workflow is not None and undone.workflow.version == 3
    assert parse_definition(undone.workflow.definition) == parse_definition(SEARCH)
    assert (undone.proposal.status, undone.proposal.undone_version) == ("rejected", 3)
    first, second = await rig.events(proposal.conversation)
    assert isinstance(first.data, ProposalApplied)
    assert second.data == ProposalRejected(proposalId=proposal.id, by="7", version=3)
    with pytest.raises(NotPendingError):
        await rig.decisions.undo(undone.proposal, 7)


async def test_an_undo_keeps_what_came_after(rig: Rig) -> None:
    applied = (await rig.apply(await rig.proposed())).proposal
    now = await rig.now()
    await rig.edited(edits.add_node(parse_definition(now.definition), "mine", parse_node({"type": "log"}), ["root"]))
    undone = await rig.decisions.undo(applied, applied.user_id)
    assert undone.workflow is not None and set(undone.workflow.definition["nodes"]) == {"root", "step-1", "mine"}


async def test_an_undo_of_what_was_changed_since_is_a_conflict(rig: Rig) -> None:
    applied = (await rig.apply(await rig.proposed())).proposal
    now = parse_definition((await rig.now()).definition)
    await rig.edited(edits.update_node(now, "step-2", {"payload": {"text": "{{root.x}}"}}))
    with pytest.raises(CaddieError, match="VERSION_CONFLICT"):
        await rig.decisions.undo(applied, applied.user_id)


async def test_a_pending_proposal_cannot_be_undone(rig: Rig) -> None:
    proposal = await rig.proposed()
    with pytest.raises(NotPendingError) as caught:
        await rig.decisions.undo(proposal, proposal.user_id)
    assert caught.value.data == {"status": "pending", "by": None}


async def test_an_expired_proposal_is_not_pending(rig: Rig) -> None:
    proposal = await rig.proposed(life_s=-1)
    for decision in (rig.apply, rig.reject):
        with pytest.raises(NotPendingError, match="expired") as caught:
            await decision(proposal)
        assert caught.value.data == {"status": "expired", "by": None} and caught.value.status == 400
    told = shown(proposal)
    assert (told["status"], told["expired"]) == ("rejected", True)


async def test_a_decision_whose_decider_died_is_told_once_by_the_sweep(rig: Rig) -> None:
    proposal = await rig.proposed()
    definition = step("step-2", "step-1").wire()
    done = await rig.store.proposals.apply(
        proposal, 1, version=1, definition=definition, chosen=None, note="proposal"
    )
    assert done is not None
    # Its decider may still be about to tell.
    await rig.decisions.sweep()
    assert await rig.events(proposal.conversation) == []
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert [each.id for each in await rig.store.proposals.due(later)] == [proposal.id]
    # Two processes that tell the same, one of which could not note it.
    await asyncio.gather(rig.decisions.tell(done[0]), rig.decisions.tell(done[0]))
    await rig.decisions.tell(done[0])
    assert [type(event.data) for event in await rig.events(proposal.conversation)] == [ProposalApplied]
    assert await rig.store.proposals.due(later) == []


async def test_the_sweep_tells_what_nobody_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "TOLD_AFTER_S", -1.0)
    proposal = await rig.proposed()
    assert await rig.store.proposals.reject(proposal, 5)
    await rig.decisions.sweep()
    await rig.decisions.sweep()
    assert [event.data for event in await rig.events(proposal.conversation)] == [
        ProposalRejected(proposalId=proposal.id, by="5")
    ]


async def test_a_decision_stands_when_nobody_can_be_told(rig: Rig, settings: Settings) -> None:
    away = open_redis("redis://127.0.0.1:9/0")
    proposal = await rig.proposed()
    decided = await Decisions(rig.store, EventLog(away, 60, 100)).decide(proposal, proposal.user_id, "apply")
    assert decided.proposal.status == "applied" and (await rig.now()).version == 2
    assert len(await rig.store.proposals.due(datetime.now(UTC) + timedelta(seconds=60))) == 1
    await away.aclose()


async def test_the_owner_s_builder_conversations_hear_of_a_new_version_only(rig: Rig) -> None:
    org, user = rig.workflow.org_id, rig.workflow.user_id
    await rig.store.conversations.ensure(org, user, "canvas", rig.workflow.id)
    await rig.store.conversations.ensure(org, user, "other")
    await rig.reject(await rig.proposed())
    assert await rig.events("canvas") == []
    applied = await rig.apply(await rig.proposed())
    assert [event.data for event in await rig.events("canvas")] == [
        ProposalApplied(proposalId=applied.proposal.id, by=str(user), version=2)
    ]
    assert await rig.events("other") == []


async def test_nobody_finds_another_user_s_proposal(rig: Rig) -> None:
    proposal = await rig.proposed()
    for org, user, name in ((proposal.org_id, 99, proposal.id), (99, proposal.user_id, proposal.id), (1, 1, "a\0b")):
        with pytest.raises(CaddieError, match="NOT_FOUND"):
            await rig.decisions.find(org, user, name)


async def test_a_proposal_goes_with_its_workflow(rig: Rig) -> None:
    proposal = await rig.proposed()
    await rig.store.workflows.delete(rig.workflow.org_id, rig.workflow.id)
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await rig.decisions.find(proposal.org_id, proposal.user_id, proposal.id)
