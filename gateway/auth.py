"""Who calls: an API key in the `Authorization` header becomes a ``Principal``, or the request ends here.

Invariant: a ``Principal`` exists only for a key the store knows and that is not disabled; keys are compared as
hashes by the store, so nothing here depends on a secret's content. A session token is no API key. Caller: the gate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from gateway.limits import Limits
from shared.errors import CaddieError
from shared.store import Store

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_=-]*\.[A-Za-z0-9_=.-]*")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: one organisation, one user, what its key may do."""

    org: int
    user: int
    key: int
    scopes: frozenset[str]

    def require(self, scope: str, subject: str) -> None:
        """Raises SCOPE_NEEDED unless the key has ``scope``; ``subject`` is what was asked for."""
        if scope not in self.scopes:
            had = ", ".join(sorted(self.scopes)) or "none"
            message = f"{subject}: expected an API key with scope {scope}, got {had}"
            raise CaddieError("SCOPE_NEEDED", message, scope_needed=scope)


class Authenticator:
    """Turns a request into a principal, and throttles an address that keeps failing at it."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store, self._limits = store, limits

    async def principal(self, request: web.Request, address: str) -> Principal:
        """Raises UNAUTHORIZED, or RATE_LIMITED after too many failures from one address."""
        try:
            return await self._authenticate(request)
        except CaddieError as error:
            if error.code == "UNAUTHORIZED":
                await self._limits.failed_authentication(address)
            raise

    async def _authenticate(self, request: web.Request) -> Principal:
        values = request.headers.getall("Authorization", [])
        if len(values) != 1:
            raise CaddieError("UNAUTHORIZED", f"expected one header Authorization: Bearer <API key>, got {len(values)}")
        scheme, _, key = values[0].partition(" ")
        key = key.strip(" ")
        if scheme.lower() != "bearer" or not key:
            raise CaddieError("UNAUTHORIZED", "expected Authorization: Bearer <API key>, got another scheme")
        if _TOKEN.match(key):
            raise CaddieError("UNAUTHORIZED", "expected an API key, got a session token: it is for the socket only")
        found = await self._store.accounts.authenticate(key)
        if found is None:
            raise CaddieError("UNAUTHORIZED", "expected a known API key, got another")
        return Principal(found.org.id, found.user.id, found.api_key_id, found.scopes)
