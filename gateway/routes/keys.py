"""API keys: those of the organisation for keys with scope `admin`, one's own for whoever is signed in.

Invariant: a secret is shown once, in the answer that makes it; a disabled key and the sessions it issued stop
working everywhere within two seconds.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.revoking import Revoking
from gateway.routing import Answer, Call, route
from shared.errors import CaddieError
from shared.events import timestamp
from shared.store import Store
from shared.store.records import ApiKeyRecord

KEY_ID = re.compile(r"[1-9][0-9]{0,8}")
Scope = Literal["read", "write", "decide", "eval", "admin"]


class ApiKey(BaseModel):
    """A key without its secret."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    userId: int
    createdAt: str
    lastUsedAt: str | None
    disabledAt: str | None


class NewApiKey(ApiKey):
    key: str = Field(description="The secret, shown this once.")


class ApiKeys(BaseModel):
    keys: list[ApiKey]


class KeyCreate(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: list[Scope] = Field(min_length=1, max_length=8)


class OwnKeyCreate(BaseModel):
    """A key of the signed-in user; it may do no more than they may."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: list[Scope] = Field(["read", "write", "decide"], min_length=1, max_length=8)


class Keys:
    """Make, list, disable."""

    def __init__(self, store: Store, revoking: Revoking) -> None:
        self._store, self._revoking = store, revoking

    @route(
        "POST", "/v1/keys", summary="Make an API key", tag="keys", scopes=("admin",), body=KeyCreate,
        answers={201: Answer(NewApiKey)},
    )  # fmt: skip
    async def key_create(self, call: Call[KeyCreate, None]) -> NewApiKey:
        principal, body = call.principal, call.body
        record, secret = await self._store.accounts.create_api_key(
            principal.org, principal.user, body.name, body.scopes
        )
        return NewApiKey(**_api_key(record).model_dump(), key=secret)

    @route(
        "GET", "/v1/keys", summary="API keys of the organisation", tag="keys", scopes=("admin",),
        answers={200: Answer(ApiKeys)},
    )  # fmt: skip
    async def key_list(self, call: Call[None, None]) -> ApiKeys:
        records = await self._store.accounts.list_api_keys(call.principal.org)
        return ApiKeys(keys=[_api_key(record) for record in records])

    @route(
        "DELETE", "/v1/keys/{key:[0-9]{1,9}}", summary="Disable an API key and revoke its sessions", tag="keys",
        scopes=("admin",), answers={204: Answer(description="Disabled")}, errors=("NOT_FOUND",), uncut=True,
    )  # fmt: skip
    async def key_disable(self, call: Call[None, None]) -> None:
        record = await self._store.accounts.disable_api_key(call.principal.org, int(call.path["key"]))
        if record is None:
            raise CaddieError("NOT_FOUND", "expected an API key of this organisation, got an unknown id")
        await self._end_sessions(record)

    @route(
        "POST", "/api/keys", summary="Make an API key of one's own", tag="keys", body=OwnKeyCreate,
        answers={201: Answer(NewApiKey)},
    )  # fmt: skip
    async def own_key_create(self, call: Call[OwnKeyCreate, None]) -> NewApiKey:
        principal, body = call.principal, call.body
        if beyond := sorted(set(body.scopes) - principal.scopes):
            had = ", ".join(sorted(principal.scopes))
            raise CaddieError("FORBIDDEN", f"scopes: expected some of {had}, got {', '.join(beyond)}")
        record, secret = await self._store.accounts.create_api_key(
            principal.org, principal.user, body.name, body.scopes
        )
        return NewApiKey(**_api_key(record).model_dump(), key=secret)

    @route("GET", "/api/keys", summary="One's own API keys", tag="keys", answers={200: Answer(ApiKeys)})
    async def own_key_list(self, call: Call[None, None]) -> ApiKeys:
        records = await self._store.accounts.list_api_keys(call.principal.org, call.principal.user)
        return ApiKeys(keys=[_api_key(record) for record in records])

    @route(
        "DELETE", "/api/keys/{key:[^/]{1,64}}", summary="Disable an API key of one's own and revoke its sessions",
        tag="keys", answers={204: Answer(description="Disabled")}, errors=("NOT_FOUND",), uncut=True,
    )  # fmt: skip
    async def own_key_disable(self, call: Call[None, None]) -> None:
        principal, handle = call.principal, call.path["key"]
        known = KEY_ID.fullmatch(handle)
        record = await self._store.accounts.api_key(principal.org, int(handle)) if known else None
        if record is None:
            raise CaddieError("NOT_FOUND", "expected an API key of this user, got an unknown id")
        if record.user_id != principal.user:
            raise CaddieError("FORBIDDEN", "Cannot disable another user's API key")
        await self._store.accounts.disable_api_key(principal.org, record.id)
        await self._end_sessions(record)

    async def _end_sessions(self, key: ApiKeyRecord) -> None:
        await self._revoking.sessions(key.user_id, await self._store.sessions.end_of_key(key.org_id, key.id))


def _api_key(record: ApiKeyRecord) -> ApiKey:
    return ApiKey(
        id=record.id, name=record.name, prefix=record.prefix, scopes=sorted(record.scopes), userId=record.user_id,
        createdAt=timestamp(record.created_at),
        lastUsedAt=timestamp(record.last_used_at) if record.last_used_at else None,
        disabledAt=timestamp(record.disabled_at) if record.disabled_at else None,
    )  # fmt: skip
