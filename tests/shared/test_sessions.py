"""shared/sessions.py: what is revoked is refused at once and found by whoever polls."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from shared import keys
from shared.connections import open_redis
from shared.errors import CaddieError
from shared.sessions import Revocation, Revocations
from shared.tokens import TTL_MAX_S, Session


@pytest.fixture
def revocations(redis: Redis) -> Revocations:
    return Revocations(redis)


@pytest.fixture
def session() -> Session:
    now = int(time.time()) - 10
    return Session("s1", 1, 2, "c1", frozenset({"read"}), "t1", now, now + 900)


@pytest.mark.parametrize(("kind", "identifier"), [("session", "s1"), ("user", 2), ("org", 1)])
async def test_a_revoked_session_is_refused_and_others_are_not(
    revocations: Revocations, session: Session, kind: Any, identifier: str | int
) -> None:
    others = {"session": replace(session, id="s2"), "user": replace(session, user=3), "org": replace(session, org=4)}
    await revocations.check(session)
    await revocations.revoke(kind, identifier)
    with pytest.raises(CaddieError) as refused:
        await revocations.check(session)
    assert refused.value.code == "TOKEN_REVOKED"
    await revocations.check(others[kind])


async def test_a_token_issued_later_counts_again(revocations: Revocations, session: Session) -> None:
    await revocations.revoke("user", 2)
    later = int(time.time()) + 1
    await revocations.check(replace(session, issued_at=later, expires_at=later + 900))


async def test_numbers_of_different_kinds_are_different_things(revocations: Revocations, session: Session) -> None:
    await revocations.revoke("user", session.org)
    await revocations.revoke("org", session.user)
    await revocations.revoke("session", str(session.user))
    await revocations.check(session)


async def test_a_poll_finds_each_revocation_once_in_order(revocations: Revocations, session: Session) -> None:
    position, found = await revocations.since("")
    assert (position, found) == ("0-0", [])
    await revocations.revoke("session", "s1")
    await revocations.revoke("org", 9)
    position, found = await revocations.since(position)
    assert [(one.kind, one.id) for one in found] == [("session", "s1"), ("org", "9")]
    assert [one.covers(session) for one in found] == [True, False]
    assert await revocations.since(position) == (position, [])
    await revocations.revoke("user", 2)
    position, found = await revocations.since(position)
    assert [(one.kind, one.id) for one in found] == [("user", "2")]
    assert await revocations.since("") == (position, [])


async def test_a_poll_goes_on_after_redis_lost_its_data(revocations: Revocations, redis: Redis) -> None:
    await redis.xadd(keys.REVOCATIONS, {"kind": "session", "id": "s1", "at": 1}, id="1000-0")
    position, found = await revocations.since("0-0")
    assert (position, len(found)) == ("1000-0", 1)
    await redis.flushall()
    assert await revocations.since(position) == (position, [])
    await revocations.revoke("session", "s2")
    _, found = await revocations.since(position)
    assert [one.id for one in found] == ["s2"]


async def test_a_revocation_outlives_every_token_it_concerns(revocations: Revocations, redis: Redis) -> None:
    await revocations.revoke("session", "s1")
    for name in (keys.revoked("session", "s1"), keys.REVOCATIONS):
        assert await redis.ttl(name) > TTL_MAX_S


async def test_the_list_is_bounded_and_keeps_the_newest(revocations: Revocations, redis: Redis) -> None:
    for number in range(1_500):
        await redis.xadd(keys.REVOCATIONS, {"kind": "session", "id": f"x{number}", "at": 1})
    await revocations.revoke("session", "last")
    assert 1_000 <= await redis.xlen(keys.REVOCATIONS) < 1_200
    _, found = await revocations.since("0-0")
    assert found[-1].id == "last"


def test_an_unknown_kind_covers_nobody(session: Session) -> None:
    assert not Revocation("planet", "1", 2**40).covers(session)


async def test_a_redis_that_is_away_is_unavailable(session: Session) -> None:
    redis = open_redis("unix:///nonexistent/s")
    revocations = Revocations(redis)
    for call in (revocations.check(session), revocations.revoke("org", 1), revocations.since("")):
        with pytest.raises(CaddieError, match="UNAVAILABLE"):
            await call
    await redis.aclose()
