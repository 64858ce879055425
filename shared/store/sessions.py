"""Sessions: what a session token stands for. (Logins, what a cookie stands for, are rows of the same table.)

Invariant: a session ends once, by time or by revocation, and never comes back.
Callers: the gateway (issue, extend, revoke).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, func, insert, orm, select, update

from shared.store import cursors
from shared.store.database import Database
from shared.store.openings import Openings
from shared.store.records import Json, SessionRecord
from shared.store.tables import Session, now, whole_ms


def session_record(row: Session) -> SessionRecord:
    return SessionRecord(
        row.id, row.org_id, row.user_id, row.api_key_id, row.conversation, frozenset(row.scopes),
        row.create_session_id, row.created_at, row.expires_at, row.revoked_at, row.context,
    )  # fmt: skip


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database
        #: `await open(Opening(…))`: the session of a session call. Raises NOT_FOUND for another user's conversation.
        self.open = Openings(database).open

    async def create(
        self,
        org_id: int,
        user_id: int,
        conversation: str | None,
        scopes: Iterable[str],
        expires_at: datetime,
        *,
        api_key_id: int | None = None,
        create_session_id: str | None = None,
        session_id: str | None = None,
        context: Json | None = None,
        login_id: str | None = None,
    ) -> SessionRecord:
        """``session_id``: a UUID is made when absent. ``login_id``: the login it is made with, if not an API key.

        ``context``: what the call that made the session fixes for its turns (``shared.runs.TurnContext``).
        """
        values = {
            "id": session_id or str(uuid4()), "org_id": org_id, "user_id": user_id, "api_key_id": api_key_id,
            "conversation": conversation, "scopes": sorted(set(scopes)), "create_session_id": create_session_id,
            "created_at": now(), "expires_at": expires_at, "context": context, "login_id": login_id,
        }  # fmt: skip
        change = insert(Session).values(values).returning(Session)
        return await self._database.write(lambda session: session_record(session.scalars(change).one()))

    async def get(self, org_id: int, session_id: str) -> SessionRecord | None:
        query = select(Session).where(Session.org_id == org_id, Session.id == session_id)
        row = await self._database.read(lambda session: session.scalar(query))
        return session_record(row) if row else None

    async def extend(self, org_id: int, session_id: str, expires_at: datetime) -> SessionRecord | None:
        """None when unknown, revoked or over; never shortens."""
        live = select(Session).where(
            Session.org_id == org_id, Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > now()
        )

        def work(session: orm.Session) -> SessionRecord | None:
            row = session.scalar(live.with_for_update())
            if row is None:
                return None
            row.expires_at = max(row.expires_at, whole_ms(expires_at))
            return session_record(row)

        return await self._database.write(work)

    async def revoke(self, org_id: int, session_id: str) -> SessionRecord | None:
        """The revoked session, also when it was revoked before; None when there is none here."""
        query = select(Session).where(Session.org_id == org_id, Session.id == session_id)

        def work(session: orm.Session) -> SessionRecord | None:
            row = session.scalar(query.with_for_update())
            if row is None:
                return None
            row.revoked_at = row.revoked_at or now()
            return session_record(row)

        return await self._database.write(work)

    async def revoke_user(self, org_id: int, user_id: int) -> int:
        """How many live sessions of the user ended."""
        live = (Session.org_id == org_id, Session.user_id == user_id, Session.revoked_at.is_(None))
        change = update(Session).where(*live).values(revoked_at=now()).returning(Session.id)
        return await self._database.write(lambda session: len(session.scalars(change).all()))

    async def end_of_key(self, org_id: int, api_key_id: int) -> Sequence[str]:
        """End the sessions an API key has made; the ids of all whose tokens may still be alive.

        Also of those that ended before: whoever asks again may have failed to tell.
        """
        its = (Session.org_id == org_id, Session.api_key_id == api_key_id, Session.expires_at > now())
        change = update(Session).where(*its).values(revoked_at=func.coalesce(Session.revoked_at, now()))
        change = change.returning(Session.id)
        return await self._database.write(lambda session: session.scalars(change).all())

    async def list(self, org_id: int, user_id: int, limit: int = 100) -> Sequence[SessionRecord]:
        """Newest first, ended ones too."""
        query = select(Session).where(Session.org_id == org_id, Session.user_id == user_id)
        query = query.order_by(Session.created_at.desc(), Session.id.desc()).limit(cursors.bounded(limit))
        return await self._database.read(lambda session: [session_record(row) for row in session.scalars(query)])

    async def forget(self, expired_before: datetime) -> int:
        """Delete sessions that ended before; how many."""
        gone = delete(Session).where(Session.expires_at < expired_before).returning(Session.id)
        return await self._database.write(lambda session: len(session.scalars(gone).all()))
