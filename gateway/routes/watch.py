"""`/ws/` (document 004): the door to the sockets that watch executions.

Invariant: nobody is let in without an API key that may read; who has none is told so on the socket, by its close code.
The key in the query is looked at here and nowhere else, and no log line holds a query. Caller: the route table.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from pydantic import BaseModel, Field

from gateway.address import Addresses
from gateway.auth import Authenticator, Principal
from gateway.limits import Limits
from gateway.routing import Answer, route
from gateway.watcher import CLOSE_POLICY, CLOSE_STALLED, FRAME_BYTES, GOODBYE_S, Over, Socket
from gateway.watching import Watching
from shared.errors import CLOSE_OVERLOADED, CaddieError, Fault

CLOSE_FAULT = 1011
_UPGRADE = "expected a WebSocket handshake (RFC 6455), got a plain request"
_log = structlog.get_logger()


class WatchQuery(BaseModel):
    """For browsers, whose sockets send no headers of a page's choice."""

    token: str | None = Field(None, description="An API key; or in the header Authorization: Bearer <API key>.")


class Watch:
    """The handshake, and the end of a socket."""

    def __init__(
        self, watching: Watching, addresses: Addresses, limits: Limits, authenticator: Authenticator
    ) -> None:
        self._watching, self._addresses, self._limits = watching, addresses, limits
        self._authenticator = authenticator

    @route(
        "GET", "/ws/", summary="Watch executions over a WebSocket; messages: /asyncapi.json", tag="executions",
        open=True, query=WatchQuery, answers={101: Answer(description="The socket; a bad key is closed with 1008")},
        errors=("INVALID", "RATE_LIMITED", "UNAVAILABLE"),
    )  # fmt: skip
    async def watch(self, request: web.Request) -> web.StreamResponse:
        address = self._addresses.client(request)
        await self._limits.address(address)
        # Compression would cost each connection more memory than everything else of it; every write waits for room.
        socket = Socket(
            timeout=GOODBYE_S, autoping=False, compress=False, max_msg_size=FRAME_BYTES, writer_limit=0,
            decode_text=False, protocols=_protocols(request),
        )  # fmt: skip
        if request.method != "GET" or not socket.can_prepare(request):
            raise CaddieError("INVALID", _UPGRADE, faults=(Fault("Upgrade", _UPGRADE),))
        try:
            principal = await self._principal(request, address)
        except CaddieError as error:
            if error.code not in ("UNAUTHORIZED", "SCOPE_NEEDED"):
                raise
            await socket.prepare(request)
            await _goodbye(request, socket, Over(CLOSE_POLICY, "expected an API key that may read"))
            return socket
        await socket.prepare(request)
        await _goodbye(request, socket, await self._watched(socket, principal))
        return socket

    async def _principal(self, request: web.Request, address: str) -> Principal:
        given = request.query.getall("token", [])
        if len(given) > 1:
            raise CaddieError("UNAUTHORIZED", "expected one token, got several")
        if given:
            principal = await self._authenticator.of_key(given[0], address)
        else:
            principal = await self._authenticator.principal(request, address)
        principal.require("read", "GET /ws/")
        return principal

    async def _watched(self, socket: Socket, principal: Principal) -> Over:
        try:
            async with self._watching.watcher(socket, principal) as watcher:
                return await watcher.serve()
        except CaddieError as error:
            return Over(CLOSE_OVERLOADED, error.message)
        except Exception as error:
            _log.exception("watch.crashed", cause=type(error).__name__)
            return Over(CLOSE_FAULT, "something went wrong on our side")


def _protocols(request: web.Request) -> list[str]:
    """Whichever a client names: browsers refuse a socket that takes none of them, and aiohttp would log them."""
    return [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]


async def _goodbye(request: web.Request, socket: Socket, over: Over) -> None:
    """Close within ``GOODBYE_S``, politely when the client lets us."""
    transport = request.transport
    try:
        if over.code != CLOSE_STALLED:
            async with asyncio.timeout(2 * GOODBYE_S):
                await socket.close(code=over.code, message=over.reason.encode()[:120])
            return
    except TimeoutError:
        pass
    if transport is not None:
        transport.abort()
