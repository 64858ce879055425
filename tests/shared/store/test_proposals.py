"""Proposals in SQLite and PostgreSQL: stored with their run, decided once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.store import Store
from tests.proposed import proposed, step, workflow_of
from tests.shared.store.conftest import Tenant

LATER = timedelta(hours=1)


async def test_a_run_leaves_its_proposal(store: Store, tenant: Tenant) -> None:
    workflow = await workflow_of(store, tenant.org, tenant.user)
    proposal = await proposed(store, workflow, step("step-2", "step-1"), "c-1")
    assert (proposal.status, proposal.base_version, proposal.conversation) == ("pending", 1, "c-1")
    assert proposal.body["changes"][0]["step"]["id"] == "step-2"
    assert await store.proposals.of_runs(tenant.org, {proposal.run_id}) == {proposal.run_id: proposal}
    assert await store.proposals.of_runs(tenant.org, set()) == {}


async def test_another_organisation_does_not_see_it(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    workflow = await workflow_of(store, tenant.org, tenant.user)
    proposal = await proposed(store, workflow, step("step-2", "step-1"))
    assert await store.proposals.get(stranger.org, proposal.id) is None
    assert await store.proposals.of_runs(stranger.org, {proposal.run_id}) == {}


async def test_one_of_many_decisions_wins_and_makes_one_version(store: Store, tenant: Tenant) -> None:
    workflow = await workflow_of(store, tenant.org, tenant.user)
    proposal = await proposed(store, workflow, step("step-2", "step-1"))
    after = step("step-2", "step-1").wire()
    applying = [
        store.proposals.apply(proposal, tenant.user, version=1, definition=after, chosen=(0,), note="n")
        for _ in range(8)
    ]
    rejecting = [store.proposals.reject(proposal, tenant.user) for _ in range(8)]
    answers = await asyncio.gather(*applying, *rejecting)
    assert sum(answer is not None for answer in answers) == 1
    found = await store.proposals.get(tenant.org, proposal.id)
    assert found is not None and found.due == found.status != "pending"
    versions = await store.workflows.versions(tenant.org, workflow.id)
    assert len(versions) == (2 if found.status == "applied" else 1)


async def test_an_application_to_another_version_than_it_was_made_from_is_refused(
    store: Store, tenant: Tenant
) -> None:
    workflow = await workflow_of(store, tenant.org, tenant.user)
    proposal = await proposed(store, workflow, step("step-2", "step-1"))
    await store.workflows.update(
        tenant.org, workflow.id, user_id=tenant.user, definition=step("x", "root").wire()
    )
    done = await store.proposals.apply(proposal, tenant.user, version=1, definition={}, chosen=None, note="")
    assert done is None
    kept = await store.proposals.apply(proposal, tenant.user, version=2, definition=None, chosen=None, note="")
    assert kept is not None
    assert (kept[0].applied_version, kept[0].rebased, kept[1].version) == (2, True, 2)


async def test_what_is_due_is_told_once(store: Store, tenant: Tenant) -> None:
    workflow = await workflow_of(store, tenant.org, tenant.user)
    proposal = await proposed(store, workflow, step("step-2", "step-1"))
    now = datetime.now(UTC)
    assert await store.proposals.due(now + LATER) == []
    assert await store.proposals.reject(proposal, tenant.user)
    assert [each.id for each in await store.proposals.due(now + LATER)] == [proposal.id]
    assert await store.proposals.due(now - LATER) == []
    await store.proposals.told(proposal.id, "applied")
    assert len(await store.proposals.due(now + LATER)) == 1
    await store.proposals.told(proposal.id, "rejected")
    assert await store.proposals.due(now + LATER) == []


@pytest.mark.parametrize("gone", ["workflow", "conversation"])
async def test_it_goes_with_what_it_is_about(store: Store, tenant: Tenant, gone: str) -> None:
    workflow = await workflow_of(store, tenant.org, tenant.user)
    proposal = await proposed(store, workflow, step("step-2", "step-1"), "c-1")
    if gone == "workflow":
        await store.workflows.delete(tenant.org, workflow.id)
    else:
        await store.erasure.conversation(tenant.org, "c-1")
    assert await store.proposals.get(tenant.org, proposal.id) is None
    assert await store.proposals.reject(proposal, tenant.user) is None
