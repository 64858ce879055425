"""Sign-up, sign-in, sign-out and the logins of a user (surface 002's siblings): what sets and ends the cookie.

Invariant: a wrong password, an unknown e-mail and a disabled user are one answer that takes one time; ending a login
also ends the realtime sessions made with it, everywhere within two seconds.
"""

from __future__ import annotations

import re
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway import cookies
from gateway.envelopes import success
from gateway.gate import ADDRESS
from gateway.limits import Limits
from gateway.revoking import Revoking
from gateway.routing import Answer, Call, route
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.settings import Settings
from shared.store import Store
from shared.store.logins import LIFE
from shared.store.records import LoginRecord, OrganisationRecord, UserRecord

PASSWORD_MIN, PASSWORD_MAX = 8, 200
EMAIL_MAX = 320
# What an address needs to be one (RFC 5321, 4.1.2) without being judged by what mail servers do with it.
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@.\x00-\x1f\x7f]+(?:\.[^\s@.\x00-\x1f\x7f]+)*")


def _email(text: str) -> str:
    # It is kept in lower case, which may be longer.
    if not _EMAIL.fullmatch(text) or len(text.lower()) > EMAIL_MAX:
        raise ValueError("expected an e-mail address such as ada@example.com, got something else")
    return text


Email = Annotated[str, Field(max_length=EMAIL_MAX, json_schema_extra={"format": "email"}), AfterValidator(_email)]
Password = Annotated[
    str, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX, json_schema_extra={"format": "password"})
]


class SignUp(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    email: Email
    password: Password
    name: str = Field(min_length=1, max_length=200)


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    email: str = Field(min_length=1, max_length=EMAIL_MAX)
    password: str = Field(min_length=1, max_length=PASSWORD_MAX)


class PasswordChange(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    current: str = Field(min_length=1, max_length=PASSWORD_MAX)
    password: Password


class SignedInUser(BaseModel):
    id: int
    uuid: str
    email: str
    name: str


class SignedInOrganisation(BaseModel):
    """`role` is the user's in it: owner or member."""

    id: int
    uuid: str
    name: str
    role: str


class SignedIn(BaseModel):
    user: SignedInUser
    org: SignedInOrganisation

    @classmethod
    def of(cls, user: UserRecord, org: OrganisationRecord) -> SignedIn:
        return cls(
            user=SignedInUser(id=user.id, uuid=user.uuid, email=user.email, name=user.name),
            org=SignedInOrganisation(id=org.id, uuid=org.uuid, name=org.name, role=user.role),
        )


class Login(BaseModel):
    """A browser that is signed in; `agent` is how it calls itself."""

    id: str
    agent: str
    current: bool
    createdAt: str
    expiresAt: str


class LoginList(BaseModel):
    sessions: list[Login]


class Identity:
    """Who the browser is."""

    def __init__(self, settings: Settings, store: Store, limits: Limits, revoking: Revoking) -> None:
        self._settings, self._store, self._limits, self._revoking = settings, store, limits, revoking

    @route(
        "POST", "/api/auth/sign-up/email", summary="A new organisation with its owner, signed in", tag="identity",
        visitor=True, body=SignUp, answers={201: Answer(SignedIn)}, errors=("CONFLICT",),
    )  # fmt: skip
    async def sign_up(self, call: Call[SignUp, None]) -> web.Response:
        if not self._settings.sign_up:
            raise CaddieError("FORBIDDEN", "expected an invitation of an organisation's owner: sign-up is closed here")
        body = call.body
        await self._limits.sign_up(call.request[ADDRESS])
        user = await self._store.accounts.sign_up(
            f"{body.name}’s organisation"[:200], body.email, body.name, body.password
        )
        return await self._signed_in(call.request, user, 201, call.request_id)

    @route(
        "POST", "/api/auth/sign-in/email", summary="Sign in with e-mail and password", tag="identity",
        visitor=True, body=SignIn, answers={200: Answer(SignedIn)}, errors=("UNAUTHORIZED",),
    )  # fmt: skip
    async def sign_in(self, call: Call[SignIn, None]) -> web.Response:
        await self._limits.sign_in(call.body.email, call.request[ADDRESS])
        user = await self._store.accounts.check_password(call.body.email, call.body.password)
        if user is None:
            raise CaddieError("UNAUTHORIZED", "expected the e-mail address and password of a user, got others")
        return await self._signed_in(call.request, user, 200, call.request_id)

    @route(
        "POST", "/api/auth/sign-out", summary="End this login and its realtime sessions", tag="identity",
        answers={204: Answer(description="Signed out")}, uncut=True,
    )  # fmt: skip
    async def sign_out(self, call: Call[None, None]) -> web.Response:
        await self._end(call, _login(call).id)
        response = web.Response(status=204)
        cookies.drop(call.request, response)
        return response

    @route(
        "GET", "/api/auth/session", summary="Who is signed in", tag="identity", answers={200: Answer(SignedIn)},
    )  # fmt: skip
    async def auth_session(self, call: Call[None, None]) -> web.Response:
        login = _login(call)
        response = success("api", SignedIn.of(login.user, login.org), 200, call.request_id)
        if secret := cookies.secret_of(call.request):
            # The login lives on while it is used, and so has the cookie to.
            cookies.put(call.request, response, secret, int(LIFE.total_seconds()))
        return response

    @route(
        "GET", "/api/auth/sessions", summary="Where the user is signed in", tag="identity",
        answers={200: Answer(LoginList)},
    )  # fmt: skip
    async def login_list(self, call: Call[None, None]) -> LoginList:
        current = _login(call).id
        found = await self._store.logins.list(call.principal.org, call.principal.user)
        return LoginList(
            sessions=[
                Login(
                    id=login.id, agent=login.agent, current=login.id == current,
                    createdAt=timestamp(login.created_at), expiresAt=timestamp(login.expires_at),
                )
                for login in found
            ]
        )  # fmt: skip

    @route(
        "DELETE", "/api/auth/sessions", summary="Sign out everywhere else", tag="identity",
        answers={204: Answer(description="Signed out")}, uncut=True,
    )  # fmt: skip
    async def login_end_others(self, call: Call[None, None]) -> None:
        await self._end_others(call)

    @route(
        "DELETE", "/api/auth/sessions/{session:[0-9a-f]{64}}", summary="End one login", tag="identity",
        answers={204: Answer(description="Ended")}, errors=("NOT_FOUND",), uncut=True,
    )  # fmt: skip
    async def login_end(self, call: Call[None, None]) -> None:
        await self._end(call, call.path["session"])

    @route(
        "POST", "/api/auth/password", summary="Change the password; ends the other logins", tag="identity",
        body=PasswordChange, answers={204: Answer(description="Changed")}, uncut=True,
    )  # fmt: skip
    async def password_change(self, call: Call[PasswordChange, None]) -> None:
        user = _login(call).user
        await self._limits.sign_in(user.email, call.request[ADDRESS])
        if await self._store.accounts.check_password(user.email, call.body.current) is None:
            message = "expected the present password, got another"
            raise CaddieError("INVALID", f"current: {message}", faults=(Fault("current", message),))
        await self._store.accounts.set_password(user.org_id, user.id, call.body.password)
        await self._end_others(call)

    async def _signed_in(self, request: web.Request, user: UserRecord, status: int, request_id: str) -> web.Response:
        org = await self._store.accounts.organisation(user.org_id)
        if org is None:
            raise CaddieError("UNAUTHORIZED", "expected a user of an organisation, got one that has gone")
        secret = await self._store.logins.open(user, request.headers.get("User-Agent", ""))
        response = success("api", SignedIn.of(user, org), status, request_id)
        cookies.put(request, response, secret, int(LIFE.total_seconds()))
        return response

    async def _end(self, call: Call[None, None], login_id: str) -> None:
        ended = await self._store.logins.end(call.principal.org, call.principal.user, login_id)
        if ended is None:
            raise CaddieError("NOT_FOUND", "expected a live login of this user, got an unknown id")
        await self._revoking.sessions(call.principal.user, ended.sessions)

    async def _end_others(self, call: Call[PasswordChange, None] | Call[None, None]) -> None:
        principal = call.principal
        ended = await self._store.logins.end_all(principal.org, principal.user, but=_login(call).id)
        await self._revoking.sessions(principal.user, ended.sessions)


def _login(call: Call[PasswordChange, None] | Call[None, None]) -> LoginRecord:
    login = call.principal.login
    if login is None:
        raise CaddieError("UNAUTHORIZED", "Valid session required")
    return login
