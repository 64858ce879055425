"""Sessions: what a token or a browser's cookie stands for.

Invariant: a session ends once, by time or by revocation, and never comes back.
Callers: the gateway (issue, extend, revoke, cookies).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select, update

from shared.store import cursors
from shared.store.database import Database
from shared.store.records import Json, SessionRecord
from shared.store.tables import Session, now


def session_record(row: Session) -> SessionRecord:
    return SessionRecord(
        row.id, row.org_id, row.user_id, row.api_key_id, row.conversation, frozenset(row.scopes),
        row.create_session_id, row.created_at, row.expires_at, row.revoked_at, row.context,
    )  # fmt: skip


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database

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
    ) -> SessionRecord:
        """``session_id``: a UUID is made when absent; a cookie's session is kept under the digest of the cookie.

        ``context``: what the call that made the session fixes for its turns (``shared.runs.TurnContext``).
        """
        row = Session(
            id=session_id or str(uuid4()), org_id=org_id, user_id=user_id, api_key_id=api_key_id,
            conversation=conversation, scopes=sorted(set(scopes)), create_session_id=create_session_id,
            created_at=now(), expires_at=expires_at, context=context,
        )  # fmt: skip
        async with self._database.transaction() as session:
            session.add(row)
            await session.flush()
            await session.refresh(row)
            return session_record(row)

    async def get(self, org_id: int, session_id: str) -> SessionRecord | None:
        async with self._database.reading() as session:
            row = await session.scalar(select(Session).where(Session.org_id == org_id, Session.id == session_id))
            return session_record(row) if row else None

    async def by_secret(self, session_id: str) -> SessionRecord | None:
        """For a caller not known yet, whose proof is the id itself (a cookie's digest); only live sessions."""
        live = (Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > now())
        async with self._database.reading() as session:
            row = await session.scalar(select(Session).where(*live))
            return session_record(row) if row else None

    async def extend(self, org_id: int, session_id: str, expires_at: datetime) -> SessionRecord | None:
        """None when unknown, revoked or over; never shortens."""
        live = select(Session).where(
            Session.org_id == org_id, Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > now()
        )
        async with self._database.transaction() as session:
            row = await session.scalar(live.with_for_update())
            if row is None:
                return None
            row.expires_at = max(row.expires_at, expires_at)
            await session.flush()
            await session.refresh(row)
            return session_record(row)

    async def revoke(self, org_id: int, session_id: str) -> SessionRecord | None:
        """The revoked session, also when it was revoked before; None when there is none here."""
        async with self._database.transaction() as session:
            query = select(Session).where(Session.org_id == org_id, Session.id == session_id)
            row = await session.scalar(query.with_for_update())
            if row is None:
                return None
            row.revoked_at = row.revoked_at or now()
            await session.flush()
            return session_record(row)

    async def revoke_user(self, org_id: int, user_id: int) -> int:
        """How many live sessions of the user ended."""
        live = (Session.org_id == org_id, Session.user_id == user_id, Session.revoked_at.is_(None))
        async with self._database.transaction() as session:
            ended = await session.scalars(update(Session).where(*live).values(revoked_at=now()).returning(Session.id))
            return len(ended.all())

    async def list(self, org_id: int, user_id: int, limit: int = 100) -> Sequence[SessionRecord]:
        """Newest first, ended ones too."""
        query = select(Session).where(Session.org_id == org_id, Session.user_id == user_id)
        query = query.order_by(Session.created_at.desc(), Session.id.desc()).limit(cursors.bounded(limit))
        async with self._database.reading() as session:
            return [session_record(row) for row in await session.scalars(query)]

    async def forget(self, expired_before: datetime) -> int:
        """Delete sessions that ended before; how many."""
        gone = delete(Session).where(Session.expires_at < expired_before).returning(Session.id)
        async with self._database.transaction() as session:
            return len((await session.scalars(gone)).all())
