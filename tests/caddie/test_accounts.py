from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from caddie.accounts import revoke_key
from shared.sessions import Revocations
from tests.caddie.conftest import Rig


async def key_of(rig: Rig, email: str) -> int:
    key, _ = await rig.store.accounts.create_api_key(rig.org, rig.user, email, ["read"])
    until = datetime.now(UTC) + timedelta(minutes=15)
    for name, by in ((f"{email}-own", key.id), (f"{email}-other", None)):
        await rig.store.sessions.create(rig.org, rig.user, "c", ["read"], until, session_id=name, api_key_id=by)
    return key.id


async def test_a_key_ends_with_the_sessions_it_made(rig: Rig) -> None:
    user = await rig.store.accounts.user(rig.user)
    assert user is not None
    assert await revoke_key(rig.settings, user.email, await key_of(rig, "a"))
    _, gone = await Revocations(rig.redis).since("0-0")
    assert [(each.kind, each.id) for each in gone] == [("session", "a-own")]


async def test_a_key_ends_also_when_nobody_can_be_told(rig: Rig) -> None:
    user, key = await rig.store.accounts.user(rig.user), await key_of(rig, "b")
    assert user is not None
    away = rig.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:9/0")})
    assert not await revoke_key(away, user.email, key)
    session = await rig.store.sessions.get(rig.org, "b-own")
    assert session is not None and session.revoked_at is not None
    assert await rig.store.accounts.live_keys([key]) == set()
