"""Organisations, users and API keys.

Invariant: a secret is stored only as a digest and shown once; disabling a key or a user takes effect in every
process within ``CALLER_S``. Callers: the gateway's authentication, sign-up and bootstrap.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import ParamSpec, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.errors import CaddieError, Fault
from shared.store.database import Database
from shared.store.passwords import hash_password, verify_password
from shared.store.records import ApiKeyRecord, Caller, OrganisationRecord, Role, UserRecord
from shared.store.tables import ApiKey, Organisation, User, now

CALLER_S = 1.5
CALLERS_MAX = 10_000
USED_EVERY_S = 60
KEYS_LISTED = 1_000
# Each check holds 16 MiB and a core for about 0.1 s.
PASSWORDS_AT_ONCE = 2
PASSWORD_WAIT_S = 10
SECRET = re.compile(r"[A-Za-z0-9_-]{32,128}")
PREFIX_CHARS = 12
P = ParamSpec("P")
T = TypeVar("T")


def organisation_record(row: Organisation) -> OrganisationRecord:
    return OrganisationRecord(row.id, row.uuid, row.name, row.created_at)


def user_record(row: User) -> UserRecord:
    role: Role = "owner" if row.role == "owner" else "member"
    return UserRecord(row.id, row.uuid, row.org_id, row.email, row.name, role, row.created_at, row.disabled_at)


def api_key_record(row: ApiKey) -> ApiKeyRecord:
    return ApiKeyRecord(
        row.id, row.org_id, row.user_id, row.name, row.prefix, frozenset(row.scopes),
        row.created_at, row.last_used_at, row.disabled_at,
    )  # fmt: skip


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._callers: dict[str, tuple[float, Caller]] = {}
        self._hashing = asyncio.Semaphore(PASSWORDS_AT_ONCE)

    async def any_users(self) -> bool:
        return bool(await self._database.read(lambda session: session.scalar(select(exists().where(User.id > 0)))))

    async def create_organisation(self, name: str) -> OrganisationRecord:
        return await self._database.write(lambda session: organisation_record(_add_organisation(session, name)))

    async def organisation(self, org_id: int) -> OrganisationRecord | None:
        row = await self._database.read(lambda session: session.get(Organisation, org_id))
        return organisation_record(row) if row else None

    async def create_user(
        self, org_id: int, email: str, name: str, password: str | None = None, role: Role = "member"
    ) -> UserRecord:
        """CONFLICT when the email (compared in lower case) has a user, in any organisation."""
        password_hash = await self._hash(password)
        return await self._create_user(org_id, email, name, password_hash, role)

    async def sign_up(self, organisation: str, email: str, name: str, password: str | None = None) -> UserRecord:
        """A new organisation and its owner, both or neither. CONFLICT when the email has a user."""
        password_hash = await self._hash(password)
        return await self._create_user(organisation, email, name, password_hash, "owner")

    async def user(self, user_id: int) -> UserRecord | None:
        return await self._user(User.id == user_id)

    async def user_by_uuid(self, uuid: str) -> UserRecord | None:
        return await self._user(User.uuid == uuid)

    async def user_by_email(self, email: str) -> UserRecord | None:
        return await self._user(User.email == _login(email))

    async def check_password(self, email: str, password: str) -> UserRecord | None:
        """The user of this login, None when email or password is wrong or the user is disabled; equally slow."""
        query = select(User).where(User.email == _login(email))
        row = await self._database.read(lambda session: session.scalar(query))
        right = await self._in_turn(verify_password, password, row.password_hash if row else None)
        return user_record(row) if row and right and row.disabled_at is None else None

    async def set_password(self, org_id: int, user_id: int, password: str) -> bool:
        password_hash = await self._hash(password)
        return await self._change_user(org_id, user_id, {"password_hash": password_hash})

    async def disable_user(self, org_id: int, user_id: int) -> bool:
        """The user's logins and keys stop working; False when there is no such user here."""
        done = await self._change_user(org_id, user_id, {"disabled_at": now()})
        self._callers.clear()
        return done

    async def create_api_key(
        self, org_id: int, user_id: int, name: str, scopes: Iterable[str], secret: str | None = None
    ) -> tuple[ApiKeyRecord, str]:
        """A key and its secret, which nobody can read again. CONFLICT when a given secret exists already."""
        if secret is None:
            secret = "caddie_" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        if not SECRET.fullmatch(secret):
            message = "expected 32 to 128 characters of [A-Za-z0-9_-], got something else"
            raise CaddieError("INVALID", message, faults=(Fault("secret", message),))
        values = {
            "org_id": org_id, "user_id": user_id, "name": name[:200], "prefix": secret[:PREFIX_CHARS],
            "digest": _digest(secret), "scopes": sorted(set(scopes)), "created_at": now(),
        }  # fmt: skip

        def work(session: Session) -> ApiKeyRecord:
            owner = session.scalar(select(User.id).where(User.org_id == org_id, User.id == user_id))
            if owner is None:
                raise CaddieError("NOT_FOUND", "expected a user of this organisation, got none")
            row = ApiKey(**values)
            session.add(row)
            session.flush()
            return api_key_record(row)

        try:
            return await self._database.write(work), secret
        except IntegrityError:
            raise CaddieError("CONFLICT", "expected a new secret, got one that is in use") from None

    def known(self, secret: str) -> Caller | None:
        """Whose key this is, if ``authenticate`` found it within the last ``CALLER_S``."""
        believed = self._callers.get(_digest(secret)) if SECRET.fullmatch(secret) else None
        return believed[1] if believed and believed[0] > time.monotonic() else None

    async def authenticate(self, secret: str) -> Caller | None:
        """Whose key this is; None for an unknown or disabled key or a disabled user."""
        if not SECRET.fullmatch(secret):
            return None
        if known := self.known(secret):
            return known
        digest = _digest(secret)
        # The life counts from before the query: an answer is never believed longer than CALLER_S after it was true.
        expires = time.monotonic() + CALLER_S
        found = await self._find_caller(digest)
        if found is None:
            self._callers.pop(digest, None)
            return None
        if len(self._callers) >= CALLERS_MAX:
            self._callers.clear()
        self._callers[digest] = (expires, found)
        return found

    async def api_key(self, org_id: int, api_key_id: int) -> ApiKeyRecord | None:
        """Of any user of the organisation; the caller compares `user_id`."""
        query = select(ApiKey).where(ApiKey.org_id == org_id, ApiKey.id == api_key_id)
        row = await self._database.read(lambda session: session.scalar(query))
        return api_key_record(row) if row else None

    async def live_keys(self, api_key_ids: Collection[int]) -> set[int]:
        """Those that still work, as the database says."""
        alive = (ApiKey.disabled_at.is_(None), User.disabled_at.is_(None))
        query = select(ApiKey.id).join(User, User.id == ApiKey.user_id).where(ApiKey.id.in_(api_key_ids), *alive)
        return set(await self._database.read(lambda session: session.scalars(query).all()))

    async def list_api_keys(self, org_id: int, user_id: int | None = None) -> list[ApiKeyRecord]:
        """Newest first, at most ``KEYS_LISTED``."""
        query = select(ApiKey).where(ApiKey.org_id == org_id)
        if user_id is not None:
            query = query.where(ApiKey.user_id == user_id)
        query = query.order_by(ApiKey.id.desc()).limit(KEYS_LISTED)
        return await self._database.read(lambda session: [api_key_record(row) for row in session.scalars(query)])

    async def disable_api_key(self, org_id: int, api_key_id: int) -> ApiKeyRecord | None:
        """The disabled key, also when it was disabled before; None when there is none here."""

        def work(session: Session) -> ApiKeyRecord | None:
            row = session.scalar(select(ApiKey).where(ApiKey.org_id == org_id, ApiKey.id == api_key_id))
            if row is None:
                return None
            row.disabled_at = row.disabled_at or now()
            return api_key_record(row)

        record = await self._database.write(work)
        # After the commit: a look-up that ran meanwhile has cached the key as it was.
        self._callers.clear()
        return record

    async def _find_caller(self, digest: str) -> Caller | None:
        query = (
            select(ApiKey, User, Organisation)
            .join(User, User.id == ApiKey.user_id)
            .join(Organisation, Organisation.id == ApiKey.org_id)
            .where(ApiKey.digest == digest, ApiKey.disabled_at.is_(None), User.disabled_at.is_(None))
        )
        found = await self._database.read(lambda session: session.execute(query).one_or_none())
        if found is None:
            return None
        key, user, organisation = found
        if key.last_used_at is None or key.last_used_at <= now() - timedelta(seconds=USED_EVERY_S):
            await self._note_use(key.id)
        return Caller(key.id, organisation_record(organisation), user_record(user), frozenset(key.scopes))

    async def _note_use(self, api_key_id: int) -> None:
        moment = now()
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= moment - timedelta(seconds=USED_EVERY_S))
        # A busy writer may not refuse a caller whose key has been read already.
        with suppress(CaddieError):
            change = update(ApiKey).where(ApiKey.id == api_key_id, stale).values(last_used_at=moment)
            await self._database.write(lambda session: session.execute(change))

    async def _hash(self, password: str | None) -> str | None:
        if password is None:
            return None
        return await self._in_turn(hash_password, password)

    async def _in_turn(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with asyncio.timeout(PASSWORD_WAIT_S), self._hashing:
                return await asyncio.to_thread(work, *args, **kwargs)
        except TimeoutError:
            message = f"expected a password check within {PASSWORD_WAIT_S} s, got too many at once"
            raise CaddieError("UNAVAILABLE", message) from None

    async def _create_user(
        self, org: int | str, email: str, name: str, password_hash: str | None, role: Role
    ) -> UserRecord:
        def work(session: Session) -> UserRecord:
            org_id = _add_organisation(session, org).id if isinstance(org, str) else org
            if session.get(Organisation, org_id) is None:
                raise CaddieError("NOT_FOUND", "expected an organisation, got none")
            row = User(
                uuid=str(uuid4()), org_id=org_id, email=_login(email), name=name[:200], role=role,
                password_hash=password_hash, created_at=now(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            return user_record(row)

        try:
            return await self._database.write(work)
        except IntegrityError:
            message = "expected an email without a user, got one that has signed up"
            raise CaddieError("CONFLICT", message, faults=(Fault("email", message),)) from None

    async def _user(self, condition: ColumnElement[bool]) -> UserRecord | None:
        row = await self._database.read(lambda session: session.scalar(select(User).where(condition)))
        return user_record(row) if row else None

    async def _change_user(self, org_id: int, user_id: int, values: dict[str, object]) -> bool:
        change = update(User).where(User.org_id == org_id, User.id == user_id).values(**values).returning(User.id)
        return await self._database.write(lambda session: session.scalar(change)) is not None


def _add_organisation(session: Session, name: str) -> Organisation:
    row = Organisation(uuid=str(uuid4()), name=name[:200], created_at=now())
    session.add(row)
    session.flush()
    return row


def _login(email: str) -> str:
    return email.strip().lower()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
