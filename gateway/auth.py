"""Who calls: an API key in the `Authorization` header, or a browser's cookie, becomes a ``Principal``.

Invariant: a ``Principal`` exists only for a key or login the store knows and that has not ended; both are compared
as hashes by the store, so nothing here depends on a secret's content. A session token is no API key, and no cookie is
believed where a key is asked for. Caller: the gate.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import dataclass

from aiohttp import web

from gateway.cookies import secret_of
from gateway.limits import Limits
from shared.errors import CaddieError
from shared.store import Store
from shared.store.records import Caller, LoginRecord, Role

#: What a login may do: as much as its user, so as much as a key the user could make.
SCOPES_OF: dict[Role, frozenset[str]] = {
    "owner": frozenset({"read", "write", "decide", "eval", "admin"}),
    "member": frozenset({"read", "write", "decide"}),
}
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_=-]*\.[A-Za-z0-9_=.-]*")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: one organisation, one user, what its key or its login may do. One of the two is set."""

    org: int
    user: int
    key: int | None
    scopes: frozenset[str]
    login: LoginRecord | None = None

    def require(self, scope: str, subject: str) -> None:
        """Raises SCOPE_NEEDED unless the key has ``scope``; ``subject`` is what was asked for."""
        if scope not in self.scopes:
            had = ", ".join(sorted(self.scopes)) or "none"
            message = f"{subject}: expected an API key with scope {scope}, got {had}"
            raise CaddieError("SCOPE_NEEDED", message, scope_needed=scope)


#: Whoever calls a route for visitors; no organisation and no user has the number 0.
NOBODY = Principal(0, 0, None, frozenset())


class Authenticator:
    """Turns a request into a principal, and throttles an address that keeps failing at it."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store, self._limits = store, limits

    async def principal(self, request: web.Request, address: str, *, cookie: bool = False) -> Principal:
        """By API key, or by ``cookie``. Raises UNAUTHORIZED, or RATE_LIMITED after too many failures of one address."""
        return await self._counted(self._signed_in(request) if cookie else self._authenticate(request), address)

    async def of_key(self, key: str, address: str) -> Principal:
        """By an API key that came another way. Raises as ``principal``."""
        return await self._counted(self._of_key(key), address)

    async def _counted(self, attempt: Awaitable[Principal], address: str) -> Principal:
        try:
            return await attempt
        except CaddieError as error:
            if error.code == "UNAUTHORIZED":
                await self._limits.failed_authentication(address)
            raise

    def known(self, request: web.Request) -> Principal | None:
        """The caller, when its API key was looked up a moment ago; None says nothing."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or len(request.headers.getall("Authorization")) != 1:
            return None
        caller = self._store.accounts.known(key)
        return _principal(caller) if caller is not None else None

    async def _signed_in(self, request: web.Request) -> Principal:
        secret = secret_of(request)
        login = await self._store.logins.find(secret) if secret else None
        if login is None:
            raise CaddieError("UNAUTHORIZED", "Valid session required")
        return Principal(login.org.id, login.user.id, None, SCOPES_OF[login.user.role], login)

    async def _authenticate(self, request: web.Request) -> Principal:
        values = request.headers.getall("Authorization", [])
        if len(values) != 1:
            raise CaddieError("UNAUTHORIZED", f"expected one header Authorization: Bearer <API key>, got {len(values)}")
        scheme, _, key = values[0].partition(" ")
        key = key.strip(" ")
        if scheme.lower() != "bearer" or not key:
            raise CaddieError("UNAUTHORIZED", "expected Authorization: Bearer <API key>, got another scheme")
        return await self._of_key(key)

    async def _of_key(self, key: str) -> Principal:
        if _TOKEN.match(key):
            raise CaddieError("UNAUTHORIZED", "expected an API key, got a session token: it is for the socket only")
        found = await self._store.accounts.authenticate(key)
        if found is None:
            raise CaddieError("UNAUTHORIZED", "expected a known API key, got another")
        return _principal(found)


def _principal(caller: Caller) -> Principal:
    return Principal(caller.org.id, caller.user.id, caller.api_key_id, caller.scopes)
