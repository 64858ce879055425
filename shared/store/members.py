"""The people of an organisation: who they are, their roles, how they leave.

Invariant: an organisation always has an owner who can sign in; a member who has left owns neither logins nor keys, in
every process within ``CALLER_S``. Caller: the gateway's member routes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as OrmSession

from shared.errors import CaddieError
from shared.store.accounts import user_record
from shared.store.database import Database
from shared.store.records import Role, UserRecord
from shared.store.tables import ApiKey, Organisation, Session, User, now

LISTED = 1_000


class Members:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, org_id: int) -> list[UserRecord]:
        """Oldest first, at most ``LISTED``; without those who have left."""
        query = select(User).where(User.org_id == org_id, User.disabled_at.is_(None)).order_by(User.id).limit(LISTED)
        return await self._database.read(lambda session: [user_record(row) for row in session.scalars(query)])

    async def former(self, org_id: int, email: str) -> UserRecord | None:
        """The one of this address who has left."""
        left = (User.org_id == org_id, User.email == email.strip().lower(), User.disabled_at.is_not(None))
        row = await self._database.read(lambda session: session.scalar(select(User).where(*left)))
        return user_record(row) if row is not None else None

    async def readmit(self, org_id: int, user_id: int, name: str, role: Role) -> UserRecord | None:
        """One who has left comes back, without the keys of before; None when the user is no such one (any more)."""
        left = (User.org_id == org_id, User.id == user_id, User.disabled_at.is_not(None))
        change = update(User).where(*left).values(disabled_at=None, name=name[:200], role=role).returning(User)

        def work(session: OrmSession) -> UserRecord | None:
            row = session.scalar(change)
            return user_record(row) if row is not None else None

        return await self._database.write(work)

    async def set_role(
        self, org_id: int, user_id: int, role: Role, scopes: Collection[str]
    ) -> tuple[UserRecord, Sequence[int]]:
        """The user, and the keys that ended with the role that could make them: they can do more than ``scopes``.

        NOT_FOUND; CONFLICT: the last owner.
        """

        def work(session: OrmSession) -> tuple[UserRecord, Sequence[int]]:
            row = _locked(session, org_id, user_id, leaves=role != "owner")
            row.role = role
            session.flush()
            return user_record(row), _disable_keys(session, user_id, scopes)

        return await self._database.write(work)

    async def remove(self, org_id: int, user_id: int) -> UserRecord:
        """The user can do nothing any more; what they made stays. NOT_FOUND; CONFLICT: the last owner.

        Tokens that are out are the caller's to revoke.
        """

        def work(session: OrmSession) -> UserRecord:
            row = _locked(session, org_id, user_id, leaves=True)
            row.disabled_at = now()
            session.flush()
            _disable_keys(session, user_id, ())
            live = (Session.user_id == user_id, Session.revoked_at.is_(None), Session.expires_at > now())
            session.execute(update(Session).where(*live).values(revoked_at=now()))
            return user_record(row)

        return await self._database.write(work)


def _locked(session: OrmSession, org_id: int, user_id: int, *, leaves: bool) -> User:
    """The user; ``leaves``: is about to be no owner any more. The organisation's row makes such changes wait."""
    session.scalar(select(Organisation.id).where(Organisation.id == org_id).with_for_update(key_share=True))
    here = (User.org_id == org_id, User.disabled_at.is_(None))
    row = session.scalar(select(User).where(*here, User.id == user_id).with_for_update(key_share=True))
    if row is None:
        raise CaddieError("NOT_FOUND", "expected a member of this organisation, got an unknown one")
    if leaves and row.role == "owner":
        others = select(func.count()).where(*here, User.role == "owner", User.id != user_id)
        if not session.scalar(others):
            raise CaddieError("CONFLICT", "expected an organisation with another owner, got the last one")
    return row


def _disable_keys(session: OrmSession, user_id: int, scopes: Collection[str]) -> Sequence[int]:
    """Those that can do more than ``scopes``, with none all of them; their ids."""
    query = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.disabled_at.is_(None)).order_by(ApiKey.id)
    ending = [key for key in session.scalars(query) if not scopes or not set(key.scopes) <= set(scopes)]
    for key in ending:
        key.disabled_at = now()
    session.flush()
    return [key.id for key in ending]
