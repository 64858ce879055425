"""Tells the servers which realtime sessions have ended; the database has it already.

Invariant: a Redis that is away for a moment loses no revocation; for a longer time the call is refused, and the tokens
live no longer than they say. Callers: the routes that end logins, API keys, members and conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.insisting import insist
from shared.sessions import Revocations


class Revoking:
    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations

    async def sessions(self, user: int, session_ids: Sequence[str]) -> None:
        """Those of one user. Raises UNAVAILABLE."""
        await insist(partial(self._revocations.revoke_sessions, user, session_ids), "revoke")

    async def user(self, user: int) -> None:
        """All the user has. Raises UNAVAILABLE."""
        await insist(partial(self._revocations.revoke, "user", user), "revoke")
