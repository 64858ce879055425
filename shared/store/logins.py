"""Logins: what a browser's cookie stands for. Rows of `sessions` without a conversation.

Invariant: only the digest of a cookie is stored; a login that was ended, or whose user was disabled, is refused in
every process within ``CALLER_S``, and the realtime sessions made with it are named to the caller, who revokes them.
Callers: the gateway's authentication and its identity routes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, insert, select, update

from shared.errors import CaddieError
from shared.store.accounts import CALLER_S, CALLERS_MAX, organisation_record, user_record
from shared.store.database import Database
from shared.store.records import LoginRecord, UserRecord
from shared.store.tables import Organisation, Session, User, now

LIFE = timedelta(days=30)
#: A login in use is prolonged once a day.
PROLONGED_EVERY = timedelta(days=1)
LISTED = 200
AGENT_CHARS = 200
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Ended:
    """Ids of what has ended: logins, and the realtime sessions made with them."""

    logins: tuple[str, ...]
    sessions: tuple[str, ...]


class Logins:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[str, tuple[float, LoginRecord]] = {}

    async def open(self, user: UserRecord, agent: str) -> str:
        """A new login of the user; the cookie's secret. agent: how lists name the browser."""
        secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        moment = now()
        row = {
            "id": _digest(secret), "org_id": user.org_id, "user_id": user.id, "scopes": [], "created_at": moment,
            "expires_at": moment + LIFE, "context": {"agent": agent[:AGENT_CHARS]},
        }  # fmt: skip
        await self._database.write(lambda session: session.execute(insert(Session), [row]))
        return secret

    async def find(self, secret: str) -> LoginRecord | None:
        """Whose login this is; None for an unknown, ended or expired one, or a disabled user."""
        if not _SECRET.fullmatch(secret):
            return None
        digest = _digest(secret)
        cached = self._found.get(digest)
        if cached and cached[0] > time.monotonic():
            return cached[1]
        # Counted from before the query: an answer is never believed longer than CALLER_S after it was true.
        believed_until = time.monotonic() + CALLER_S
        found = await self._find(digest)
        if found is None:
            self._found.pop(digest, None)
            return None
        if len(self._found) >= CALLERS_MAX:
            self._found.clear()
        self._found[digest] = (believed_until, found)
        return found

    async def live(self, login_ids: Collection[str]) -> set[str]:
        """Those that still count, as the database says."""
        alive = (Session.id.in_(login_ids), User.disabled_at.is_(None), *_live())
        query = select(Session.id).join(User, User.id == Session.user_id).where(*alive)
        return set(await self._database.read(lambda session: session.scalars(query).all()))

    async def list(self, org_id: int, user_id: int) -> list[LoginRecord]:
        """The user's live logins, newest first."""
        query = _logins(Session.org_id == org_id, Session.user_id == user_id, *_live())
        query = query.order_by(Session.created_at.desc(), Session.id.desc()).limit(LISTED)
        found = await self._database.read(lambda session: session.execute(query).all())
        return [_record(row, user, org) for row, user, org in found]

    async def end(self, org_id: int, user_id: int, login_id: str) -> Ended | None:
        """End a login and the sessions made with it. None when the user has no such login."""
        which = (Session.id == login_id) | (Session.login_id == login_id)
        ended = await self._end(Session.org_id == org_id, Session.user_id == user_id, which)
        return ended if ended.logins else None

    async def end_all(self, org_id: int, user_id: int, but: str = "") -> Ended:
        """End the user's logins, one excepted, and all sessions made with them."""
        logins = Session.conversation.is_(None) & (Session.id != but)
        which = logins | (Session.login_id.is_not(None) & (Session.login_id != but))
        return await self._end(Session.org_id == org_id, Session.user_id == user_id, which)

    async def _end(self, *which: ColumnElement[bool]) -> Ended:
        change = update(Session).where(*which, *_live()).values(revoked_at=now())
        told = change.returning(Session.id, Session.conversation)
        rows = await self._database.write(lambda session: session.execute(told).all())
        # After the commit: a look-up that ran meanwhile has cached the login as it was.
        self._found.clear()
        return Ended(
            tuple(row for row, conversation in rows if conversation is None),
            tuple(row for row, conversation in rows if conversation is not None),
        )

    async def _find(self, digest: str) -> LoginRecord | None:
        query = _logins(Session.id == digest, User.disabled_at.is_(None), *_live())
        first = await self._database.read(lambda session: session.execute(query).one_or_none())
        if first is None:
            return None
        row, user, organisation = first
        found = _record(row, user, organisation)
        if found.expires_at - now() < LIFE - PROLONGED_EVERY:
            change = update(Session).where(Session.id == digest).values(expires_at=now() + LIFE)
            # A busy writer may not refuse a caller whose login has been read already.
            with suppress(CaddieError):
                await self._database.write(lambda session: session.execute(change))
        return found


def _live() -> tuple[ColumnElement[bool], ...]:
    return (Session.revoked_at.is_(None), Session.expires_at > now())


def _logins(*conditions: ColumnElement[bool]) -> Select[Session, User, Organisation]:
    return (
        select(Session, User, Organisation)
        .join(User, User.id == Session.user_id)
        .join(Organisation, Organisation.id == Session.org_id)
        .where(Session.conversation.is_(None), *conditions)
    )


def _record(row: Session, user: User, organisation: Organisation) -> LoginRecord:
    agent = str((row.context or {}).get("agent", ""))
    return LoginRecord(
        row.id, organisation_record(organisation), user_record(user), agent, row.created_at, row.expires_at
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
