from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shared.store import Store
from shared.store.logins import LIFE, LISTED, Ended
from tests.shared.store.conftest import Tenant


async def test_a_login_is_found_by_its_secret_and_by_nothing_else(store: Store, tenant: Tenant) -> None:
    user = await store.accounts.user(tenant.user)
    assert user is not None
    secret = await store.logins.open(user, "Firefox")
    found = await store.logins.find(secret)
    assert found is not None
    assert (found.user.id, found.org.id, found.agent) == (tenant.user, tenant.org, "Firefox")
    assert found.id != secret and await store.logins.find(found.id) is None
    assert await store.logins.find("x" * 43) is None and await store.logins.find("") is None
    assert LIFE - timedelta(minutes=1) < found.expires_at - datetime.now(UTC) <= LIFE


async def test_ending_a_login_names_the_sessions_that_end_with_it(store: Store, tenant: Tenant) -> None:
    user = await store.accounts.user(tenant.user)
    assert user is not None
    first, second = await store.logins.open(user, "a"), await store.logins.open(user, "b")
    login, other = await store.logins.find(first), await store.logins.find(second)
    assert login is not None and other is not None
    for name, by in (("s1", login.id), ("s2", login.id), ("s3", other.id), ("s4", None)):
        await store.sessions.create(
            tenant.org, tenant.user, "c", ["read"], login.expires_at, session_id=name, login_id=by
        )
    assert await store.logins.end(tenant.org + 1, tenant.user, login.id) is None
    ended = await store.logins.end(tenant.org, tenant.user, login.id)
    assert ended is not None and (ended.logins, sorted(ended.sessions)) == ((login.id,), ["s1", "s2"])
    assert await store.logins.live([login.id, other.id]) == {other.id}
    assert await store.logins.find(first) is None and await store.logins.find(second) is not None
    assert await store.logins.end(tenant.org, tenant.user, login.id) is None
    assert await store.logins.end_all(tenant.org, tenant.user, but=other.id) == Ended((), ())
    assert await store.logins.end_all(tenant.org, tenant.user) == Ended((other.id,), ("s3",))
    assert await store.logins.list(tenant.org, tenant.user) == []


async def test_simultaneous_uses_of_one_login_all_find_it(store: Store, tenant: Tenant) -> None:
    user = await store.accounts.user(tenant.user)
    assert user is not None
    secret = await store.logins.open(user, "a")
    found = await asyncio.gather(*(store.logins.find(secret) for _ in range(10)))
    assert len({login.id for login in found if login is not None}) == 1 and None not in found


async def test_all_logins_end_however_many_there_are(store: Store, tenant: Tenant) -> None:
    user = await store.accounts.user(tenant.user)
    assert user is not None
    oldest = await store.logins.open(user, "a")
    await asyncio.gather(*(store.logins.open(user, "b") for _ in range(LISTED)))
    kept = await store.logins.open(user, "c")
    current = await store.logins.find(kept)
    assert current is not None
    ended = await store.logins.end_all(tenant.org, tenant.user, but=current.id)
    assert (len(ended.logins), ended.sessions) == (LISTED + 1, ())
    assert await store.logins.find(oldest) is None and await store.logins.find(kept) is not None
