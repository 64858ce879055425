"""Cross-origin requests of browsers (Fetch standard), for the origins the operator allows.

Invariant: an origin that is not configured gets no permission header at all, and no answer ever allows credentials:
callers authenticate with a header of their own, so no cookie of a user can be put to use. Caller: ``gateway.app``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

METHODS = "GET, HEAD, POST, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID"
EXPOSED = "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, ETag"
MAX_AGE_S = 600


class Cors:
    """Answers preflights and marks answers; without configured origins it does nothing."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.rstrip("/") for origin in origins)

    def install(self, app: web.Application) -> None:
        if self._origins:
            app.middlewares.append(self._preflight())
            app.on_response_prepare.append(self._mark)

    def _allows(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin", "")
        return bool(origin) and (origin in self._origins or "*" in self._origins)

    def _preflight(self) -> Middleware:
        @web.middleware
        async def preflight(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
            if not asks or not self._allows(request):
                return await handler(request)
            headers = {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE_S),
            }
            return web.Response(status=204, headers=headers)

        return preflight

    async def _mark(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add("Vary", "Origin")
        if self._allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
