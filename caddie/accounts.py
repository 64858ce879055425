"""Organisations, users and API keys from the command line and at the first start.

Invariant: a generated secret is returned to be printed once and kept nowhere. Callers: `caddie up`, `caddie keys`,
`caddie users`, `caddie migrate`.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.connections import open_redis
from shared.errors import CaddieError
from shared.sessions import Revocations
from shared.settings import Settings
from shared.store import Store
from shared.store.records import ApiKeyRecord, UserRecord
from shared.tokens import SCOPES

PASSWORD_BYTES = 12
FIRST_ORGANISATION = "First organisation"


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """What the first start made. A secret that came from the settings is None: who set it knows it."""

    email: str
    password: str | None
    api_key: str | None


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """The store of these settings, whose `database_url` is set."""
    store = await Store.open(_database_url(settings))
    try:
        yield store
    finally:
        await store.close()


async def migrate(settings: Settings) -> None:
    await Store.migrate(_database_url(settings))


async def create_first(settings: Settings) -> FirstAccount | None:
    """Organisation, owner and API key of an empty database; None when there are users already."""
    password = settings.bootstrap_password.get_secret_value() if settings.bootstrap_password else None
    secret = settings.bootstrap_api_key.get_secret_value() if settings.bootstrap_api_key else None
    async with opened(settings) as store:
        if await store.accounts.any_users():
            return None
        generated = None if password else secrets.token_urlsafe(PASSWORD_BYTES)
        name = settings.bootstrap_email.partition("@")[0]
        user = await store.accounts.sign_up(FIRST_ORGANISATION, settings.bootstrap_email, name, password or generated)
        _, key = await store.accounts.create_api_key(user.org_id, user.id, "first key", SCOPES, secret)
    return FirstAccount(user.email, generated, None if secret else key)


async def create_key(
    settings: Settings, email: str, name: str, scopes: frozenset[str]
) -> tuple[ApiKeyRecord, str]:
    """A key of this user and its secret. Raises CaddieError NOT_FOUND, INVALID."""
    unknown = scopes.difference(SCOPES)
    if unknown:
        raise CaddieError("INVALID", f"scopes: expected some of {', '.join(SCOPES)}, got {', '.join(sorted(unknown))}")
    async with opened(settings) as store:
        user = await _user(store, email)
        return await store.accounts.create_api_key(user.org_id, user.id, name, scopes)


async def list_keys(settings: Settings, email: str) -> list[ApiKeyRecord]:
    """The keys of this user's organisation."""
    async with opened(settings) as store:
        return await store.accounts.list_api_keys((await _user(store, email)).org_id)


async def revoke_key(settings: Settings, email: str, key_id: int) -> bool:
    """Disables a key of this user's organisation; whether the servers could be told. Raises CaddieError NOT_FOUND."""
    async with opened(settings) as store:
        key = await store.accounts.disable_api_key((await _user(store, email)).org_id, key_id)
        if key is None:
            raise CaddieError("NOT_FOUND", f"expected a key of this organisation, got {key_id}")
        ended = await store.sessions.end_of_key(key.org_id, key.id)
    if settings.redis_url is None:
        return False
    redis = open_redis(settings.redis_url.get_secret_value(), max_connections=1)
    try:
        await Revocations(redis).revoke_sessions(key.user_id, ended)
    except CaddieError:
        return False
    finally:
        await redis.aclose()
    return True


async def create_user(
    settings: Settings, email: str, name: str, password: str | None, organisation: str | None, colleague: str
) -> tuple[UserRecord, str | None]:
    """A user of `colleague`'s organisation, or the owner of a new one; the second value is a generated password."""
    generated = None if password else secrets.token_urlsafe(PASSWORD_BYTES)
    async with opened(settings) as store:
        if organisation:
            user = await store.accounts.sign_up(organisation, email, name, password or generated)
        else:
            org_id = (await _user(store, colleague)).org_id
            user = await store.accounts.create_user(org_id, email, name, password or generated)
    return user, generated


async def _user(store: Store, email: str) -> UserRecord:
    user = await store.accounts.user_by_email(email)
    if user is None:
        raise CaddieError("NOT_FOUND", f"expected the email of a user, got {email}")
    return user


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise CaddieError("INVALID", "CADDIE_DATABASE_URL: expected an address, got nothing")
    return settings.database_url.get_secret_value()
