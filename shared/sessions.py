"""Revocation of session tokens: by session, user or organisation.

A revocation is a point in time: tokens issued at or before it are refused by every server, and open sockets are cut
within two seconds because each server polls the list every second. Invariant: a revocation outlives every token it
concerns. Callers: the gateway and `caddie keys` revoke, socket servers check and poll.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis

from shared import keys
from shared.connections import redis_errors
from shared.errors import CaddieError
from shared.tokens import TTL_MAX_S, Session

Kind = Literal["session", "user", "org"]
POLL_INTERVAL_S = 1.0
_LOG_LENGTH = 1_000
#: Of one call, so that the list holds them until every server has polled it.
SESSIONS_MAX = 500


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of `kind` `id` issued at or before `at` (Unix seconds) are void."""

    kind: str
    id: str
    at: int

    def covers(self, session: Session) -> bool:
        return session.issued_at <= self.at and self.id == _identifiers(session).get(self.kind)


class Revocations:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def revoke(self, kind: Kind, identifier: str | int) -> None:
        """Raises CaddieError UNAVAILABLE."""
        await self.revoke_all([(kind, identifier)])

    async def revoke_sessions(self, user: int, session_ids: Sequence[str]) -> None:
        """Some of one user; beyond ``SESSIONS_MAX`` all the user has. Raises CaddieError UNAVAILABLE."""
        if len(session_ids) > SESSIONS_MAX:
            await self.revoke("user", user)
        elif session_ids:
            await self.revoke_all([("session", each) for each in session_ids])

    async def revoke_all(self, gone: Sequence[tuple[Kind, str | int]]) -> None:
        """All or none of them. Raises CaddieError UNAVAILABLE."""
        at = int(time.time())
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            for kind, identifier in gone:
                pipeline.set(keys.revoked(kind, identifier), at, ex=2 * TTL_MAX_S)
                pipeline.xadd(
                    keys.REVOCATIONS,
                    {"kind": kind, "id": str(identifier), "at": at},
                    maxlen=_LOG_LENGTH,
                    approximate=True,
                )
            pipeline.expire(keys.REVOCATIONS, 2 * TTL_MAX_S)
            await pipeline.execute()

    async def check(self, session: Session) -> None:
        """Raises CaddieError TOKEN_REVOKED, UNAVAILABLE."""
        async with redis_errors():
            times = await self._redis.mget(revocation_keys(session))
        if revoked_by(session, times):
            raise CaddieError("TOKEN_REVOKED", "the session was revoked")

    async def since(self, position: str) -> tuple[str, list[Revocation]]:
        """What was revoked after `position` ("" = from now on) and the next position. Raises UNAVAILABLE."""
        async with redis_errors():
            if not position:
                newest: Any = await self._redis.xrevrange(keys.REVOCATIONS, count=1)
                return (newest[0][0].decode() if newest else "0-0"), []
            rows: Any = await self._redis.xrange(keys.REVOCATIONS, f"({position}", "+")
        revocations = [
            Revocation(fields[b"kind"].decode(), fields[b"id"].decode(), int(fields[b"at"])) for _, fields in rows
        ]
        return (rows[-1][0].decode() if rows else position), revocations


def revocation_keys(session: Session) -> list[str]:
    """Where the times are kept that ``revoked_by`` wants."""
    return [keys.revoked(*pair) for pair in _identifiers(session).items()]


def revoked_by(session: Session, times: Iterable[bytes | str | None]) -> bool:
    return any(at is not None and session.issued_at <= int(at) for at in times)


def _identifiers(session: Session) -> dict[str, str]:
    return {"session": session.id, "user": str(session.user), "org": str(session.org)}
