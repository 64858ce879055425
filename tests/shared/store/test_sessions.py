from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.store import Store
from shared.store.tables import whole_ms
from tests.shared.store.conftest import Tenant


def soon(seconds: int = 60) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_session_is_kept_as_made(store: Store, tenant: Tenant) -> None:
    key, _ = await store.accounts.create_api_key(tenant.org, tenant.user, "k", ["read"])
    ends = soon()
    made = await store.sessions.create(
        tenant.org, tenant.user, "c1", ["write", "read"], ends, api_key_id=key.id, create_session_id="s"
    )
    assert await store.sessions.get(tenant.org, made.id) == made
    assert (made.scopes, made.expires_at, made.api_key_id) == (frozenset({"read", "write"}), whole_ms(ends), key.id)
    assert await store.sessions.list(tenant.org, tenant.user) == [made]


async def test_a_session_is_extended_but_never_shortened_nor_revived(store: Store, tenant: Tenant) -> None:
    made = await store.sessions.create(tenant.org, tenant.user, "c1", ["read"], soon(60))
    longer = await store.sessions.extend(tenant.org, made.id, soon(600))
    assert longer is not None and longer.expires_at > made.expires_at
    assert await store.sessions.extend(tenant.org, made.id, soon(1)) == longer
    revoked = await store.sessions.revoke(tenant.org, made.id)
    assert revoked is not None and revoked.revoked_at is not None
    assert await store.sessions.revoke(tenant.org, made.id) == revoked
    assert await store.sessions.extend(tenant.org, made.id, soon(900)) is None
    over = await store.sessions.create(tenant.org, tenant.user, "c1", ["read"], soon(-1))
    assert await store.sessions.extend(tenant.org, over.id, soon(900)) is None


async def test_sessions_of_another_organisation_do_not_exist(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    made = await store.sessions.create(tenant.org, tenant.user, "c1", ["read"], soon())
    assert await store.sessions.get(stranger.org, made.id) is None
    assert await store.sessions.revoke(stranger.org, made.id) is None
    assert await store.sessions.extend(stranger.org, made.id, soon()) is None
    assert await store.sessions.list(stranger.org, tenant.user) == []
    assert await store.sessions.revoke_user(stranger.org, tenant.user) == 0


async def test_the_sessions_of_a_key_end_with_it_and_are_named_again(
    store: Store, tenant: Tenant, stranger: Tenant
) -> None:
    key, _ = await store.accounts.create_api_key(tenant.org, tenant.user, "k", ["read"])
    until = datetime.now(UTC) + timedelta(minutes=15)
    for name, by, end in (("s1", key.id, until), ("s2", None, until), ("s3", key.id, until - timedelta(hours=1))):
        await store.sessions.create(tenant.org, tenant.user, "c", ["read"], end, session_id=name, api_key_id=by)
    assert await store.sessions.end_of_key(stranger.org, key.id) == []
    for _ in range(2):
        assert await store.sessions.end_of_key(tenant.org, key.id) == ["s1"]
    ended, kept = [await store.sessions.get(tenant.org, name) for name in ("s1", "s2")]
    assert ended is not None and ended.revoked_at is not None
    assert kept is not None and kept.revoked_at is None
