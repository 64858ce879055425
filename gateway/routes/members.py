"""Members of an organisation: seen by each of them, changed by its owners.

Invariant: an organisation keeps an owner; whoever leaves is out within two seconds, with logins, keys and sockets.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.auth import SCOPES_OF, Principal
from gateway.revoking import Revoking
from gateway.routes.identity import Email, Password
from gateway.routing import Answer, Call, route
from shared.errors import CaddieError
from shared.events import timestamp
from shared.store import Store
from shared.store.records import Role, UserRecord

MEMBER = "/api/organisation/members/{userId:[^/]{1,64}}"
#: Of a password that is made for a member: 96 random bits.
PASSWORD_BYTES = 12


class Member(BaseModel):
    id: int
    uuid: str
    email: str
    name: str
    role: str
    createdAt: str

    @classmethod
    def of(cls, record: UserRecord) -> Member:
        return cls(
            id=record.id, uuid=record.uuid, email=record.email, name=record.name, role=record.role,
            createdAt=timestamp(record.created_at),
        )  # fmt: skip


class NewMember(Member):
    password: str | None = Field(description="Made for them, shown this once; null when one was given.")


class MemberList(BaseModel):
    members: list[Member]


class MemberCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    email: Email
    name: str = Field(min_length=1, max_length=200)
    password: Password | None = Field(None, description="Absent: one is made and shown once.")
    role: Role = "member"


class MemberChange(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    role: Role


class Members:
    def __init__(self, store: Store, revoking: Revoking) -> None:
        self._store, self._revoking = store, revoking

    async def by_owner(self, call: Call[Any, Any]) -> None:
        """Before a body is looked at."""
        _require_owner(call.principal)

    async def by_owner_of(self, call: Call[Any, Any]) -> None:
        _require_owner(call.principal)
        await self._member(call)

    @route(
        "GET", "/api/organisation/members", summary="Members of the organisation", tag="organisation",
        answers={200: Answer(MemberList)},
    )  # fmt: skip
    async def member_list(self, call: Call[None, None]) -> MemberList:
        found = await self._store.members.list(call.principal.org)
        return MemberList(members=[Member.of(record) for record in found])

    @route(
        "POST", "/api/organisation/members", summary="Add a member (owners)", tag="organisation", body=MemberCreate,
        precheck="by_owner", answers={201: Answer(NewMember)}, errors=("CONFLICT",),
    )  # fmt: skip
    async def member_create(self, call: Call[MemberCreate, None]) -> NewMember:
        body = call.body
        made = None if body.password else _password()
        org, password = call.principal.org, body.password or made or ""
        user = await self._store.members.former(org, body.email)
        if user is not None:
            # First, or the password of before would let them in.
            await self._store.accounts.set_password(org, user.id, password)
            user = await self._store.members.readmit(org, user.id, body.name, body.role)
        if user is None:
            user = await self._store.accounts.create_user(org, body.email, body.name, password, body.role)
        return NewMember(**Member.of(user).model_dump(), password=made)

    @route(
        "PATCH", MEMBER, summary="Change a member's role (owners)", tag="organisation", body=MemberChange,
        precheck="by_owner_of", answers={200: Answer(Member)}, errors=("NOT_FOUND", "CONFLICT"), uncut=True,
    )  # fmt: skip
    async def member_change(self, call: Call[MemberChange, None]) -> Member:
        user, role, org = await self._member(call), call.body.role, call.principal.org
        changed, ended = await self._store.members.set_role(org, user.id, role, SCOPES_OF[role])
        for key in ended:
            await self._revoking.sessions(user.id, await self._store.sessions.end_of_key(org, key))
        return Member.of(changed)

    @route(
        "DELETE", MEMBER, summary="Remove a member (owners)", tag="organisation",
        answers={204: Answer(description="Out, with logins, keys and sockets; what they made stays")},
        errors=("NOT_FOUND", "CONFLICT"), uncut=True,
    )  # fmt: skip
    async def member_remove(self, call: Call[None, None]) -> None:
        _require_owner(call.principal)
        user = await self._member(call)
        await self._store.members.remove(call.principal.org, user.id)
        await self._revoking.user(user.id)

    async def _member(self, call: Call[Any, Any]) -> UserRecord:
        """Whom the path names, by number or UUID. Raises NOT_FOUND."""
        handle = call.path["userId"]
        if handle.isascii() and handle.isdecimal() and len(handle) <= 9:
            found = await self._store.accounts.user(int(handle))
        else:
            found = await self._store.accounts.user_by_uuid(handle.lower())
        if found is None or found.org_id != call.principal.org or found.disabled_at is not None:
            raise CaddieError("NOT_FOUND", "expected a member of this organisation, got an unknown one")
        return found


def _require_owner(principal: Principal) -> None:
    if principal.login is None or principal.login.user.role != "owner":
        raise CaddieError("FORBIDDEN", "expected an owner of the organisation, got a member")


def _password() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(PASSWORD_BYTES)).decode()
