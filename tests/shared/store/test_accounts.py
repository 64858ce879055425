from __future__ import annotations

import asyncio
import time

import pytest

from shared.errors import CaddieError
from shared.store import Store
from shared.store.accounts import CALLER_S
from tests.shared.store.conftest import Tenant


async def test_there_are_users_once_one_signed_up(store: Store) -> None:
    assert not await store.accounts.any_users()
    user = await store.accounts.sign_up("First", " Ada@Example.com ", "Ada")
    assert await store.accounts.any_users()
    assert (user.email, user.role) == ("ada@example.com", "owner")
    assert await store.accounts.user(user.id) == user
    assert await store.accounts.user_by_uuid(user.uuid) == user
    assert await store.accounts.user_by_email("ADA@example.com") == user


async def test_an_email_has_one_user_and_a_failed_sign_up_leaves_no_organisation(store: Store, tenant: Tenant) -> None:
    results = await asyncio.gather(
        *(store.accounts.sign_up("Other", "BOB@example.com", "Bob") for _ in range(5)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(r, CaddieError) and r.code == "CONFLICT" for r in results if isinstance(r, BaseException))
    winner = await store.accounts.user_by_email("bob@example.com")
    assert winner is not None and await store.accounts.organisation(winner.org_id)
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.accounts.create_user(9_999, "x@example.com", "X")


async def test_a_password_opens_only_its_own_enabled_user(store: Store) -> None:
    org = await store.accounts.create_organisation("First")
    user = await store.accounts.create_user(org.id, "a@example.com", "A", "secret-1")
    assert await store.accounts.check_password("A@example.com", "secret-1") == user
    assert await store.accounts.check_password("a@example.com", "secret-2") is None
    assert await store.accounts.check_password("b@example.com", "secret-1") is None
    assert await store.accounts.set_password(org.id, user.id, "secret-2")
    assert await store.accounts.check_password("a@example.com", "secret-2") == user
    assert await store.accounts.disable_user(org.id, user.id)
    assert await store.accounts.check_password("a@example.com", "secret-2") is None


async def test_a_key_authenticates_its_user_with_its_scopes(store: Store, tenant: Tenant) -> None:
    key, secret = await store.accounts.create_api_key(tenant.org, tenant.user, "ci", ["write", "read", "read"])
    assert secret.startswith("caddie_") and secret.startswith(key.prefix) and len(secret) == 50
    caller = await store.accounts.authenticate(secret)
    assert caller is not None
    assert (caller.api_key_id, caller.org.id, caller.user.id) == (key.id, tenant.org, tenant.user)
    assert caller.scopes == {"read", "write"}
    for wrong in ("", "caddie_", secret[:-1] + "!", secret + "x", "caddie_" + "a" * 43, "ñ" * 40):
        assert await store.accounts.authenticate(wrong) is None


async def test_using_a_key_is_noted_at_most_once_a_minute(store: Store, tenant: Tenant) -> None:
    _, secret = await store.accounts.create_api_key(tenant.org, tenant.user, "ci", ["read"])
    await store.accounts.authenticate(secret)
    first = (await store.accounts.list_api_keys(tenant.org))[0].last_used_at
    store.accounts._callers.clear()
    await store.accounts.authenticate(secret)
    assert first is not None
    assert (await store.accounts.list_api_keys(tenant.org))[0].last_used_at == first


async def test_disabling_a_key_works_at_once_here_and_soon_elsewhere(
    url: str, store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = await store.accounts.create_api_key(tenant.org, tenant.user, "ci", ["read"])
    other = await Store.open(url)
    assert await store.accounts.authenticate(secret) and await other.accounts.authenticate(secret)
    disabled = await store.accounts.disable_api_key(tenant.org, key.id)
    assert disabled is not None and disabled.disabled_at is not None
    assert await store.accounts.disable_api_key(tenant.org, key.id) == disabled
    assert await store.accounts.authenticate(secret) is None
    later = time.monotonic() + CALLER_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert await other.accounts.authenticate(secret) is None
    await other.close()


async def test_disabling_a_user_disables_their_keys(store: Store, tenant: Tenant) -> None:
    _, secret = await store.accounts.create_api_key(tenant.org, tenant.user, "ci", ["read"])
    assert await store.accounts.authenticate(secret)
    assert await store.accounts.disable_user(tenant.org, tenant.user)
    assert await store.accounts.authenticate(secret) is None


async def test_a_fixed_secret_is_taken_once_and_only_when_strong(store: Store, tenant: Tenant) -> None:
    await store.accounts.create_api_key(tenant.org, tenant.user, "boot", ["read"], secret="k" * 32)
    assert await store.accounts.authenticate("k" * 32)
    with pytest.raises(CaddieError, match="CONFLICT"):
        await store.accounts.create_api_key(tenant.org, tenant.user, "boot", ["read"], secret="k" * 32)
    with pytest.raises(CaddieError, match="INVALID"):
        await store.accounts.create_api_key(tenant.org, tenant.user, "boot", ["read"], secret="short")


async def test_keys_and_users_of_another_organisation_do_not_exist(
    store: Store, tenant: Tenant, stranger: Tenant
) -> None:
    key, secret = await store.accounts.create_api_key(tenant.org, tenant.user, "ci", ["read"])
    assert await store.accounts.disable_api_key(stranger.org, key.id) is None
    assert not await store.accounts.disable_user(stranger.org, tenant.user)
    assert await store.accounts.list_api_keys(stranger.org) == []
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.accounts.create_api_key(stranger.org, tenant.user, "x", ["read"])
    assert await store.accounts.authenticate(secret)
