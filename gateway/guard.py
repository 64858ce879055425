"""The outermost middleware: request ids, errors as envelopes, metrics, one log line, security headers.

Invariant: no exception and no text of one reaches a client; what was unexpected is logged with the request's id and
answered as INTERNAL. Log lines hold the route's template and ids, never a body, a token or a query string.
Caller: ``gateway.app``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.envelopes import failure, family_of
from gateway.gate import ENVELOPE_ID, RATE, REQUEST_ID
from shared.errors import CaddieError

_log = structlog.get_logger()
_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "UNSUPPORTED_TYPE"}
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Metrics:
    """Requests by route template, so that ids in paths never become labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "caddie_http_requests_total", "HTTP requests answered.", ("method", "route", "status"), registry=registry
        )
        self._latency = Histogram(
            "caddie_http_request_seconds",
            "Time to answer.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )

        #: A look-up by labels costs more than the counting.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        known = self._known.get((method, route, status))
        if known is None:
            known = self._requests.labels(method, route, str(status)), self._latency.labels(method, route)
            self._known[method, route, status] = known
        known[0].inc()
        known[1].observe(seconds)


class Guard:
    """One per process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def install(self, app: web.Application) -> None:
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(self._prepare)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Next) -> web.StreamResponse:
            request[REQUEST_ID] = request[ENVELOPE_ID] = str(uuid4())
            begun = time.perf_counter()
            status = 499  # the client went away first
            try:
                response = await self._answer(request, handler)
                status = response.status
                return response
            finally:
                self._record(request, status, time.perf_counter() - begun)

        return guard

    async def _answer(self, request: web.Request, handler: Next) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            return await handler(request)
        except CaddieError as error:
            refusal = error
        except web.HTTPException as error:
            if error.status < 400:
                raise
            refusal, headers = _translated(request, error)
        except Exception as error:
            cause = type(error).__name__
            _log.error("request.failed", request_id=request[REQUEST_ID], route=_template(request), cause=cause)
            _log.debug("request.failed.trace", request_id=request[REQUEST_ID], exc_info=True)
            refusal = CaddieError("INTERNAL", "something went wrong on our side: try again")
        if refusal.status == 503:
            below = type(refusal.__cause__).__name__
            _log.warning("request.unavailable", request_id=request[REQUEST_ID], route=_template(request), cause=below)
        place = "body" if request.method in ("POST", "PATCH", "PUT") else "query"
        response = failure(family_of(request.path), refusal, request[ENVELOPE_ID], headers, place)
        if refusal.code in ("TOO_LARGE", "TIMEOUT"):
            response.force_close()  # the rest of the body is not worth reading
        return response

    def _record(self, request: web.Request, status: int, seconds: float) -> None:
        template, method = _template(request), request.method if request.method.isalpha() else "?"
        self._metrics.observe(method if template != "unmatched" else "?", template, status, seconds)
        spent_ms = round(seconds * 1000, 1)
        # A probe asks every few seconds; its answers are no news as long as they are good.
        say = _log.debug if template == "/health" and status == 200 else _log.info
        say("request", request_id=request[REQUEST_ID], method=method, route=template, status=status, ms=spent_ms)

    @staticmethod
    async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["X-Request-Id"] = request.get(REQUEST_ID, "")
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Server"] = "caddie"
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        if RATE in request:
            headers.update(request[RATE].headers)


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return str(resource.canonical) if resource is not None else "unmatched"


def _translated(request: web.Request, error: web.HTTPException) -> tuple[CaddieError, dict[str, str]]:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        message = f"expected method {allowed}, got {request.method[:20]}"
        return CaddieError("METHOD_NOT_ALLOWED", message), {"Allow": allowed}
    if error.status == 404:
        return CaddieError("NOT_FOUND", "expected a documented path, got another"), {}
    code = _HTTP_CODES.get(error.status, "INVALID" if error.status < 500 else "INTERNAL")
    return CaddieError(code, error.reason), {}
