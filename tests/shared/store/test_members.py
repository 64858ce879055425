from __future__ import annotations

import asyncio

import pytest

from shared.errors import CaddieError
from shared.store import Store


async def test_an_organisation_keeps_an_owner_whoever_leaves_at_once(store: Store) -> None:
    first = await store.accounts.sign_up("Acme", "a@example.org", "A")
    others = [await store.accounts.create_user(first.org_id, f"{n}@example.org", "N", role="owner") for n in range(4)]
    everybody = [first, *others]
    results = await asyncio.gather(
        *(store.members.remove(first.org_id, user.id) for user in everybody), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, CaddieError)]
    assert [error.code for error in refused] == ["CONFLICT"]
    assert len(await store.members.list(first.org_id)) == 1


async def test_only_keys_beyond_the_new_role_end(store: Store) -> None:
    first = await store.accounts.sign_up("Acme", "a@example.org", "A")
    second = await store.accounts.create_user(first.org_id, "b@example.org", "B", role="owner")
    mighty, _ = await store.accounts.create_api_key(first.org_id, second.id, "m", ["read", "admin"])
    await store.accounts.create_api_key(first.org_id, second.id, "s", ["read"])
    changed, ended = await store.members.set_role(first.org_id, second.id, "member", {"read", "write"})
    assert (changed.role, ended) == ("member", [mighty.id])
    disabled = [key.id for key in await store.accounts.list_api_keys(first.org_id) if key.disabled_at]
    assert disabled == [mighty.id]
    assert (await store.members.set_role(first.org_id, second.id, "owner", {"read"}))[0].role == "owner"


async def test_who_has_left_comes_back_without_the_keys(store: Store) -> None:
    first = await store.accounts.sign_up("Acme", "a@example.org", "A")
    second = await store.accounts.create_user(first.org_id, "b@example.org", "B")
    _, key = await store.accounts.create_api_key(first.org_id, second.id, "k", ["read"])
    await store.members.remove(first.org_id, second.id)
    assert [user.id for user in await store.members.list(first.org_id)] == [first.id]
    assert await store.members.former(first.org_id + 1, "b@example.org") is None
    assert await store.members.readmit(first.org_id + 1, second.id, "B", "member") is None
    left = await store.members.former(first.org_id, " B@example.org")
    assert left is not None and left.id == second.id
    back = await store.members.readmit(first.org_id, second.id, "Bob", "owner")
    assert back is not None and (back.id, back.name, back.role, back.disabled_at) == (second.id, "Bob", "owner", None)
    assert await store.members.former(first.org_id, "b@example.org") is None
    assert await store.members.readmit(first.org_id, second.id, "Bob", "owner") is None
    assert await store.accounts.authenticate(key) is None
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.members.remove(first.org_id, 999)
