"""What operators, browsers and tools ask for: health, the two documents, the pages and their files.

Invariant: these routes need no API key and no Redis to answer; `/health` is 200 only when Redis, the database, a
Socket.IO server and a worker answer, and says which part does not. Files are read from the built static folder only.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel

from gateway.asyncapi import document as asyncapi_document
from gateway.envelopes import encoded
from gateway.routing import Answer, route
from shared.errors import CaddieError
from shared.registry import Registry
from shared.settings import Settings
from shared.store import Store

STATIC = Path(__file__).resolve().parent.parent / "static"
CHECK_TIMEOUT_S = 1.5
#: Health and the servers' addresses are asked at most this often, whoever asks: neither needs an API key.
FRESH_S = 1.0
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2", ".map": "application/json"}
_UNBUILT = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Caddie</title><h1>Caddie</h1>"
    "<p>The web client is not built yet: <code>make setup</code> builds it.</p>"
    "<p><a href=/docs>API</a> · <a href=/openapi.json>OpenAPI</a> · <a href=/asyncapi.json>AsyncAPI</a> · "
    "<a href=/health>Health</a></p></html>"
)


class Part(BaseModel):
    ok: bool
    message: str | None = None


class Health(BaseModel):
    """status is `ok` or `unavailable`; failing names the parts that do not answer."""

    status: str
    version: str
    failing: list[str]
    parts: dict[str, Part]


class Operations:
    """Health, documents, static files."""

    def __init__(
        self, settings: Settings, store: Store, registry: Registry, version: str,
        openapi: Callable[[], dict[str, object]], static: Path = STATIC,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._registry = settings, store, registry
        self._version, self._openapi, self._static = version, openapi, static
        self._checked: tuple[float, Health] | None = None
        self._origins: tuple[float, list[str]] = (0.0, [])
        self._checking = asyncio.Lock()

    @route(
        "GET", "/health", summary="Whether every part answers", tag="operations", open=True,
        answers={200: Answer(Health, whole=True), 503: Answer(Health, "A part does not answer", whole=True)},
    )  # fmt: skip
    async def health(self, request: web.Request) -> web.Response:
        async with self._checking:
            if self._checked is None or time.monotonic() - self._checked[0] > FRESH_S:
                self._checked = (time.monotonic(), await self._check())
        health = self._checked[1]
        failing = health.status != "ok"
        return encoded(health.model_dump(), 503 if failing else 200, {"Retry-After": "2"} if failing else None)

    @route(
        "GET", "/openapi.json", summary="This document", tag="operations", open=True,
        answers={200: Answer(description="OpenAPI 3.1")},
    )  # fmt: skip
    async def openapi(self, request: web.Request) -> web.Response:
        return encoded(self._openapi())

    @route(
        "GET", "/asyncapi.json", summary="The Socket.IO interface", tag="operations", open=True,
        answers={200: Answer(description="AsyncAPI 3.0")},
    )  # fmt: skip
    async def asyncapi(self, request: web.Request) -> web.Response:
        return encoded(asyncapi_document(self._version, self._settings.socket_path))

    @route(
        "GET", "/docs", summary="Interactive documentation", tag="operations", open=True,
        answers={200: Answer(media_type="text/html")}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def docs(self, request: web.Request) -> web.Response:
        page = await self._file("docs.html")
        return _page(page, _policy([], ["data:"], "'unsafe-inline'"))  # Swagger UI sets style attributes

    @route(
        "GET", "/", summary="The web client", tag="operations", open=True,
        answers={200: Answer(media_type="text/html")},
    )  # fmt: skip
    async def index(self, request: web.Request) -> web.Response:
        policy = _policy(await self._socket_origins(), ["data:", "blob:"])
        try:
            page = await self._file("index.html")
        except CaddieError:
            page = _UNBUILT.encode()
        return _page(page, policy)

    @route(
        "GET", "/static/{name:[A-Za-z0-9_./-]{1,200}}", summary="A file of the web client", tag="operations",
        open=True, errors=("NOT_FOUND",),
        answers={200: Answer(media_type="*/*"), 304: Answer(description="As If-None-Match says")},
    )  # fmt: skip
    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = await self._file(name)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        # Vite puts a hash of the content into the names below assets/.
        cache = "public, max-age=31536000, immutable" if "/assets/" in f"/{name}" else "no-cache"
        headers = {"Cache-Control": cache, "ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, content_type=kind, headers=headers)

    async def _file(self, name: str) -> bytes:
        """A file below the static folder. Raises NOT_FOUND, also for a path that leaves it."""

        def read() -> bytes:
            root = self._static.resolve()
            path = (root / name).resolve()
            if not path.is_relative_to(root) or not path.is_file():
                raise CaddieError("NOT_FOUND", "expected a file of the web client, got an unknown path")
            return path.read_bytes()

        return await asyncio.to_thread(read)

    async def _check(self) -> Health:
        names = ("redis", "database", "server", "worker")
        checks = (self._ping_redis, self._store.ping, self._find_server, self._find_worker)
        parts = dict(zip(names, await asyncio.gather(*(_part(check) for check in checks)), strict=True))
        failing = [name for name, part in parts.items() if not part.ok]
        return Health(status="unavailable" if failing else "ok", version=self._version, failing=failing, parts=parts)

    async def _ping_redis(self) -> None:
        """The registry lives in Redis: whatever it answers, Redis answers."""
        await self._registry.servers()

    async def _find_server(self) -> None:
        if not await self._registry.servers():
            raise CaddieError("UNAVAILABLE", "expected a live Socket.IO server, got none")

    async def _find_worker(self) -> None:
        if not await self._registry.workers():
            raise CaddieError("UNAVAILABLE", "expected a live worker, got none")

    async def _socket_origins(self) -> list[str]:
        """Origins of the Socket.IO servers, http and ws; the page may connect nowhere else."""
        if self._settings.socket_url:
            return _origins([self._settings.socket_url])
        if time.monotonic() - self._origins[0] > FRESH_S:
            try:
                async with asyncio.timeout(CHECK_TIMEOUT_S):
                    urls = [record.url for record in await self._registry.servers()]
                self._origins = (time.monotonic(), _origins(urls))
            except (CaddieError, TimeoutError):
                return self._origins[1]
        return self._origins[1]


async def _part(check: Callable[[], Awaitable[None]]) -> Part:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except CaddieError as error:
        return Part(ok=False, message=error.message)
    except TimeoutError:
        return Part(ok=False, message=f"expected an answer within {CHECK_TIMEOUT_S:g} s, got none")
    return Part(ok=True)


def _origins(urls: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.netloc and not set(parts.netloc) & set("; ,'\"@"):
            found[f"{parts.scheme}://{parts.netloc}"] = None
            found[f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"] = None
    return list(found)


def _policy(connect: list[str], images: list[str], *styles: str) -> str:
    return "; ".join((
        "default-src 'none'", "script-src 'self'", " ".join(("style-src 'self'", *styles)), "font-src 'self'",
        " ".join(("img-src 'self'", *images)), " ".join(("connect-src 'self'", *connect)), "manifest-src 'self'",
        "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    ))  # fmt: skip


def _page(content: bytes, policy: str) -> web.Response:
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return web.Response(body=content, content_type="text/html", charset="utf-8", headers=headers)
