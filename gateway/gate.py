"""What a request passes before its handler: limits, authentication, scope, then validation, in this order.

Invariant: a handler of an authenticated route receives a ``Call`` and never runs without one; every await here and in
the handler is bounded, by ``HANDLER_TIMEOUT_S`` or what the route says. Caller: ``gateway.app``, which binds each entry
of the route table.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateway.address import Addresses
from gateway.auth import NOBODY, Authenticator, Principal
from gateway.body import read_json, validate, validate_query
from gateway.cookies import require_own_page
from gateway.envelopes import success
from gateway.limits import Limits, Rate
from gateway.routing import Call, Route
from gateway.sse import Streams
from shared.errors import CaddieError
from shared.settings import Settings

HANDLER_TIMEOUT_S = 30.0
#: A body above this size, or of unknown size, needs one of the slots below until it is answered: images come as
#: base64, so one request may hold several times its size in memory.
LARGE_BYTES = 1024 * 1024
LARGE_AT_ONCE = 8
REQUEST_ID = web.RequestKey("request_id", str)
#: What the envelope calls the request: the `requestId` its body carried, else the id above.
ENVELOPE_ID = web.RequestKey("envelope_id", str)
RATE = web.RequestKey("rate", Rate)
#: The client's address, as limits count it.
ADDRESS = web.RequestKey("address", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Binds entries of the route table to the methods that implement them."""

    def __init__(
        self, settings: Settings, addresses: Addresses, limits: Limits, authenticator: Authenticator, streams: Streams
    ) -> None:
        self._settings, self._addresses, self._limits = settings, addresses, limits
        self._authenticator, self._streams = authenticator, streams
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    def bind(self, route: Route, owner: Any) -> Handler:
        """An aiohttp handler that runs the route's method of ``owner`` behind the gate."""
        method: Callable[[Any], Awaitable[Any]] = getattr(owner, route.name)
        precheck = getattr(owner, route.precheck) if route.precheck else None

        async def handle(request: web.Request) -> web.StreamResponse:
            if route.open:
                response: web.StreamResponse = await method(request)
                return response
            principal = await self._admit(route, request)
            if precheck is not None:
                await self._run(precheck, Call(principal, None, None, request.match_info, request, request[REQUEST_ID]))
            length = request.content_length if request.can_read_body else 0
            if route.body is None or (length is not None and length <= LARGE_BYTES):
                return await self._answer(route, method, principal, request)
            async with self._slot():
                return await self._answer(route, method, principal, request)

        return handle

    async def _answer(
        self, route: Route, method: Callable[[Any], Awaitable[Any]], principal: Principal, request: web.Request
    ) -> web.StreamResponse:
        body = query = None
        if route.query is not None:
            query = validate_query(route.query, request)
        if route.body is not None:
            settings = self._settings
            value = {}
            if request.can_read_body or not route.bodiless:
                value = await read_json(request, settings.http_body_bytes, settings.http_body_timeout_s)
            body = validate(route.body, value)
            request[ENVELOPE_ID] = getattr(body, "requestId", None) or request[REQUEST_ID]
        call = Call(principal, body, query, request.match_info, request, request[ENVELOPE_ID])
        running = self._run(method, call, route.timeout_s or HANDLER_TIMEOUT_S)
        answer = await (asyncio.shield(self._streams.begin(running)) if route.uncut else running)
        if isinstance(answer, web.StreamResponse):
            return answer
        return success(route.family, answer, route.status, call.request_id)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.http_body_timeout_s):
                await self._large.acquire()
        except TimeoutError as error:
            raise CaddieError("UNAVAILABLE", "expected fewer large bodies at once: try again") from error
        try:
            yield
        finally:
            self._large.release()

    async def _admit(self, route: Route, request: web.Request) -> Principal:
        address = request[ADDRESS] = self._addresses.client(request)
        known = None if route.cookie or route.visitor else self._authenticator.known(request)
        if known is not None:
            principal = known
            request[RATE], refusal = await self._limits.request(address, known.org, known.user, known.key)
        else:
            await self._limits.address(address)
            if route.cookie:
                require_own_page(request, self._settings.origins)
            if route.visitor:
                return NOBODY
            principal = await self._authenticator.principal(request, address, cookie=route.cookie)
            request[RATE], refusal = await self._limits.caller(principal.org, principal.user, principal.key)
        if refusal is not None:
            raise refusal
        for scope in route.scopes:
            principal.require(scope, f"{route.method} {route.template}")
        return principal

    async def _run(
        self, method: Callable[[Any], Awaitable[Any]], call: Call[Any, Any], limit_s: float = HANDLER_TIMEOUT_S
    ) -> Any:
        try:
            async with asyncio.timeout(limit_s):
                return await method(call)
        except TimeoutError as error:
            message = f"expected an answer within {limit_s:g} s, got none: try again"
            raise CaddieError("UNAVAILABLE", message) from error
