from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.errors import CaddieError
from shared.store import Store
from shared.store.openings import Opening
from tests.shared.store.conftest import Tenant

CANVAS = {"nodes": {"root": {"type": "manual"}}}


def opening(tenant: Tenant, conversation: str = "c1", **changes: object) -> Opening:
    expires = datetime.now(UTC) + timedelta(minutes=15)
    plain = Opening(
        str(uuid4()), tenant.org, tenant.user, conversation, frozenset({"read"}), expires, {"timezone": "UTC"}
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


async def test_a_call_makes_its_conversation_and_its_session(store: Store, tenant: Tenant) -> None:
    flow = await store.workflows.create(tenant.org, tenant.user, "Flow")
    call = opening(tenant, create_session_id="tab", workflow_id=flow.id, definition=CANVAS)
    await store.sessions.open(call)
    found = await store.sessions.get(tenant.org, call.session_id)
    assert found is not None
    assert (found.conversation, found.scopes, found.context) == ("c1", frozenset({"read"}), {"timezone": "UTC"})
    made = await store.conversations.get(tenant.org, "c1")
    assert made is not None
    assert (made.user_id, made.create_session_id, made.workflow_id) == (tenant.user, "tab", flow.id)
    assert (made.definition, made.title) == (CANVAS, "")


async def test_a_conversation_gains_a_workflow_and_a_create_session_once(store: Store, tenant: Tenant) -> None:
    first, second = [await store.workflows.create(tenant.org, tenant.user, "Flow") for _ in range(2)]
    await store.sessions.open(opening(tenant))
    await store.sessions.open(opening(tenant, workflow_id=first.id, create_session_id="t1"))
    await store.sessions.open(opening(tenant, workflow_id=second.id, create_session_id="t2"))
    found = await store.conversations.get(tenant.org, "c1")
    assert found is not None and (found.workflow_id, found.create_session_id) == (first.id, "t1")


async def test_a_conversation_gains_no_workflow_that_has_gone_or_is_another_s(
    store: Store, tenant: Tenant, stranger: Tenant
) -> None:
    gone, foreign = [await store.workflows.create(each.org, each.user, "Flow") for each in (tenant, stranger)]
    await store.workflows.delete(tenant.org, gone.id)
    await store.sessions.open(opening(tenant))
    await asyncio.gather(
        store.sessions.open(opening(tenant, workflow_id=gone.id)),
        store.sessions.open(opening(tenant, "c2", workflow_id=gone.id)),
        store.sessions.open(opening(tenant, "c3", workflow_id=foreign.id)),
        store.conversations.ensure(tenant.org, tenant.user, "c4", gone.id),
    )
    for name in ("c1", "c2", "c3", "c4"):
        found = await store.conversations.get(tenant.org, name)
        assert found is not None and found.workflow_id is None


async def test_a_run_under_way_keeps_its_canvas(store: Store, tenant: Tenant) -> None:
    await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", {})
    await store.sessions.open(opening(tenant, definition=CANVAS))
    found = await store.conversations.get(tenant.org, "c1")
    assert found is not None and found.definition is None


async def test_calls_of_one_moment_are_all_served(url: str, store: Store, tenant: Tenant, stranger: Tenant) -> None:
    other = await Store.open(url)
    calls = [opening(each, f"c{number % 5}") for number in range(40) for each in (tenant, stranger)]
    await asyncio.gather(*(each.sessions.open(call) for call in calls for each in (store,)))
    again = [opening(tenant, f"d{number % 3}") for number in range(20)]
    await asyncio.gather(
        *(each.sessions.open(opening(tenant, call.conversation)) for call in again for each in (store, other))
    )
    await other.close()
    assert len(await store.sessions.list(tenant.org, tenant.user, 200)) == 80
    assert len(await store.sessions.list(stranger.org, stranger.user, 200)) == 40
    assert len((await store.conversations.list(tenant.org, tenant.user)).items) == 8


async def test_another_users_conversation_is_refused_and_nothing_is_left(store: Store, tenant: Tenant) -> None:
    await store.sessions.open(opening(tenant))
    colleague = await store.accounts.create_user(tenant.org, "b@example.com", "B")
    theirs = opening(Tenant(tenant.org, colleague.id), definition=CANVAS, workflow_id="w")
    results = await asyncio.gather(
        store.sessions.open(theirs), store.sessions.open(opening(tenant)), return_exceptions=True
    )
    assert isinstance(results[0], CaddieError) and results[0].code == "NOT_FOUND" and results[1] is None
    assert await store.sessions.get(tenant.org, theirs.session_id) is None
    found = await store.conversations.get(tenant.org, "c1")
    assert found is not None and found.workflow_id is None and found.definition is None


async def test_a_call_that_cannot_be_stored_is_refused_alone(store: Store, tenant: Tenant) -> None:
    good, bad = opening(tenant), opening(tenant, "c2", context={"n": 2**70})
    results = await asyncio.gather(store.sessions.open(bad), store.sessions.open(good), return_exceptions=True)
    assert isinstance(results[0], CaddieError) and results[0].code == "INVALID" and results[1] is None
    assert await store.sessions.get(tenant.org, good.session_id) is not None
    assert await store.conversations.get(tenant.org, "c2") is None


async def test_a_canvas_that_cannot_be_stored_is_refused(store: Store, tenant: Tenant) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await store.sessions.open(opening(tenant, definition={"n": 2**70}))
    assert await store.conversations.get(tenant.org, "c1") is None


async def test_a_key_or_a_login_that_has_ended_opens_nothing(store: Store, tenant: Tenant) -> None:
    user = await store.accounts.user(tenant.user)
    assert user is not None
    key, _ = await store.accounts.create_api_key(tenant.org, tenant.user, "k", ["read"])
    login = await store.logins.find(await store.logins.open(user, "a"))
    assert login is not None
    kept = opening(tenant, "kept")
    calls = [opening(tenant, "by-key", api_key_id=key.id), opening(tenant, "by-login", login_id=login.id)]
    await asyncio.gather(*(store.sessions.open(call) for call in calls))
    await store.accounts.disable_api_key(tenant.org, key.id)
    await store.logins.end(tenant.org, tenant.user, login.id)
    late = [replace(call, session_id=str(uuid4()), conversation="late") for call in calls]
    *refused, opened = await asyncio.gather(*map(store.sessions.open, [*late, kept]), return_exceptions=True)
    assert [getattr(each, "code", None) for each in refused] == ["UNAUTHORIZED", "UNAUTHORIZED"]
    assert opened is None and await store.sessions.get(tenant.org, kept.session_id) is not None
    assert await store.conversations.get(tenant.org, "late") is None


async def test_nobody_who_has_left_opens_anything(store: Store, tenant: Tenant) -> None:
    user = await store.accounts.create_user(tenant.org, "left@example.org", "L")
    key, _ = await store.accounts.create_api_key(tenant.org, user.id, "k", ["read"])
    await store.accounts.disable_user(tenant.org, user.id)
    with pytest.raises(CaddieError, match="UNAUTHORIZED"):
        await store.sessions.open(opening(tenant, "c2", user_id=user.id, api_key_id=key.id))
