"""The Engine.IO server: HTTP requests in, transports out; limits, heartbeats, origins.

Takes the place of engineio's own server behind python-socketio (which calls ``send``, ``disconnect`` and the handlers
it registered). The stock one creates several tasks per connection, keeps sockets that stopped reading for ever, ignores
method, address and size rules, and always negotiates deflate. Invariant: every transport is in the table until it is
closed, and its end is reported exactly once.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import engineio
import orjson
import structlog
from aiohttp import web

from caddie.realtime.buckets import Buckets, Places
from caddie.realtime.transport import Transport
from shared.errors import CLOSE_CONNECT_TIMEOUT, CLOSE_PROTOCOL
from shared.settings import Settings

SWEEP_INTERVAL_S = 0.5
#: How long a closed session waits for the poll that fetches its last packets.
LAST_POLL_S = 2.0
#: Engine.IO's own refusals (protocol document, "Error codes").
_REFUSALS = {
    0: (400, "Transport unknown"), 1: (400, "Session ID unknown"), 2: (400, "Bad handshake method"),
    3: (400, "Bad request"), 4: (403, "Forbidden"), 5: (400, "Unsupported protocol version"),
    6: (429, "Too many connections"), 7: (503, "Server is draining"),
}  # fmt: skip
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Origins:
    """Browser origins that may connect; requests without an Origin header are no browser's."""

    allowed: frozenset[str]

    def allows(self, origin: str | None, host: str) -> bool:
        if origin is None or "*" in self.allowed or origin in self.allowed:
            return True
        return origin in (f"http://{host}", f"https://{host}")


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """`on_tick` runs twice a second with the loop's time, for the connections' own deadlines.

    Without `binary` a client that sends any is cut.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        origins: Origins,
        proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        binary: bool = False,
        **_: Any,
    ) -> None:
        super().__init__(async_mode="aiohttp", logger=False, monitor_clients=False)
        self._settings, self._origins, self._proxies = settings, origins, proxies
        self._binary = binary
        self.sockets: dict[str, Transport] = {}
        self.draining = False
        self.on_tick: Callable[[float], None] = lambda _: None
        self._handshakes = Buckets(settings.handshakes_per_s, settings.handshakes_burst)
        self._addresses = Places(settings.sockets_per_address)

    # -- what python-socketio calls ------------------------------------------------------------------------------

    async def send(self, sid: str, data: str | bytes) -> None:
        if transport := self.sockets.get(sid):
            transport.send("4" + data if isinstance(data, str) else "b" + b64encode(data).decode())

    async def send_packet(self, sid: str, pkt: Any) -> None:
        if transport := self.sockets.get(sid):
            transport.send(pkt.encode(b64=True))

    async def disconnect(self, sid: str | None = None) -> None:
        for transport in [self.sockets[sid]] if sid in self.sockets else [] if sid else list(self.sockets.values()):
            transport.close(1000, "closed by the server")

    def attach(self, app: web.Application, engineio_path: str = "socket.io") -> None:
        path = f"/{engineio_path.strip('/')}"
        for route in (path, path + "/"):
            app.router.add_route("*", route, self.serve)

    # -- requests ------------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One HTTP request of the Engine.IO endpoint."""
        origin = request.headers.get("Origin")
        if not self._origins.allows(origin, request.host):
            return _refusal(4, None)
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={**_cors(origin), "Access-Control-Allow-Methods": "GET,POST"})
        query = request.query
        kind, sid = query.get("transport"), query.get("sid")
        if kind not in ("polling", "websocket"):
            return _refusal(0, origin)
        if query.get("EIO") != "4" and sid is None:
            return _refusal(5, origin)
        if sid is None:
            return await self._open(request, kind, origin)
        transport = self.sockets.get(sid)
        if transport is not None and self._silent(transport, asyncio.get_running_loop().time()):
            # Too late by less than a sweep is too late.
            transport.abort()
        if transport is None or transport.finished:
            return _refusal(1, origin)
        if kind == "websocket":
            return await self._upgrade(request, transport, origin)
        if transport.websocket is not None:
            return _refusal(3, origin)
        match request.method:
            case "GET":
                return await self._poll(request, transport, origin)
            case "POST":
                return await self._post(request, transport, origin)
            case _:
                return _refusal(2, origin)

    async def _open(self, request: web.Request, kind: str, origin: str | None) -> web.StreamResponse:
        if request.method != "GET":
            return _refusal(2, origin)
        if self.draining:
            return _refusal(7, origin)
        if kind == "websocket" and not _wants_websocket(request):
            return _refusal(3, origin)
        transport = self._new_transport(self._address(request.remote, request.headers.get("X-Forwarded-For")))
        if transport is None:
            return _refusal(6, origin)
        try:
            websocket = await self._prepare(request) if kind == "websocket" else None
        except BaseException:
            await self._forget(transport)
            raise
        await self.handlers["connect"](transport.sid, {"aiohttp.request": request})
        if websocket is None:
            return _text(self.opening(transport, kind), origin)
        transport.send(self.opening(transport, kind))
        return await self._run(transport, websocket, upgrade=False)

    def _new_transport(self, address: str) -> Transport | None:
        """None: too many."""
        if not self._handshakes.take(address) or len(self.sockets) >= self._settings.sockets_per_server:
            return None
        if not self._addresses.take(address):
            return None
        transport = Transport(
            secrets.token_urlsafe(15), address, self._message, self._settings.frame_bytes, binary=self._binary
        )
        self.sockets[transport.sid] = transport
        return transport

    def opening(self, transport: Transport, kind: str) -> str:
        """The packet that opens a session."""
        handshake = {
            "sid": transport.sid,
            "upgrades": ["websocket"] if kind == "polling" else [],
            "pingInterval": int(self._settings.ping_interval_s * 1000),
            "pingTimeout": int(self._settings.ping_timeout_s * 1000),
            "maxPayload": self._settings.frame_bytes,
        }
        return "0" + orjson.dumps(handshake).decode()

    # -- websockets that come in through the door ------------------------------------------------------------------

    def enter(self, peer: tuple[str, int] | None, header: Mapping[str, str]) -> Transport | None:
        """A session for a websocket request with this header (names in lower case); None: ``serve`` refuses it."""
        if self.draining or not self._origins.allows(header.get("origin"), header["host"]):
            return None
        return self._new_transport(self._address(peer[0] if peer else None, header.get("x-forwarded-for")))

    async def converse(self, transport: Transport, websocket: web.WebSocketResponse) -> None:
        """Serve a session that ``enter`` gave, and whose opening packet was sent."""
        try:
            await self.handlers["connect"](transport.sid, {})
            await self._run(transport, websocket, upgrade=False)
        finally:
            if transport.sid in self.sockets:
                transport.abort()
                await self._forget(transport)

    async def _upgrade(self, request: web.Request, transport: Transport, origin: str | None) -> web.StreamResponse:
        if not _wants_websocket(request):
            return _refusal(3, origin)
        # One too many is opened and then closed: clients report a refused handshake as a network error.
        return await self._run(transport, await self._prepare(request), upgrade=True)

    async def _run(
        self, transport: Transport, websocket: web.WebSocketResponse, *, upgrade: bool
    ) -> web.WebSocketResponse:
        try:
            await transport.run_websocket(websocket, upgrade=upgrade)
        finally:
            if transport.closed.is_set():
                await self._forget(transport)
            # An error that refers, over its traceback, to the socket that refers to it: only a collection, a long one
            # after many clients left, would free the two and all that belongs to them.
            websocket._exception = None
        return websocket

    async def _prepare(self, request: web.Request) -> web.WebSocketResponse:
        websocket = self.new_websocket()
        await websocket.prepare(request)
        return websocket

    def new_websocket(self) -> web.WebSocketResponse:
        # permessage-deflate costs 90–220 KB per browser connection and a third more CPU.
        return web.WebSocketResponse(
            compress=False, autoping=False, autoclose=False, timeout=1.0, max_msg_size=self._settings.frame_bytes + 1
        )

    async def _poll(self, request: web.Request, transport: Transport, origin: str | None) -> web.Response:
        body = await transport.poll(self._settings.ping_interval_s + self._settings.ping_timeout_s)
        if request.transport is None and body != "6":
            # Its client hung up, and what this answer carries is lost: a later poll would miss it.
            transport.abort()
        if transport.finished:
            await self._forget(transport)
        return _refusal(3, origin) if body is None else _text(body, origin)

    async def _post(self, request: web.Request, transport: Transport, origin: str | None) -> web.Response:
        if request.content_length is not None and request.content_length > self._settings.frame_bytes:
            return await self._cut(transport, origin)
        raw = bytearray()
        try:
            async with asyncio.timeout(self._settings.http_body_timeout_s):
                async for chunk in request.content.iter_any():
                    raw += chunk
                    if len(raw) > self._settings.frame_bytes:
                        return await self._cut(transport, origin)
            body = raw.decode()
        except (OSError, UnicodeDecodeError, web.RequestPayloadError):
            # TimeoutError and a connection cut in the middle of the body are OSErrors.
            return await self._cut(transport, origin)
        accepted = await transport.post(body)
        if transport.finished:
            await self._forget(transport)
        return _text("ok", origin) if accepted else _refusal(3, origin)

    async def _cut(self, transport: Transport, origin: str | None) -> web.Response:
        transport.close(CLOSE_PROTOCOL, "bad post")
        await self._forget(transport)
        return _refusal(3, origin)

    # -- the life of a transport -----------------------------------------------------------------------------------

    async def _message(self, transport: Transport, data: str | bytes) -> None:
        await self.handlers["message"](transport.sid, data)

    async def _forget(self, transport: Transport) -> None:
        """Take a transport out of the table and tell python-socketio, once."""
        if self.sockets.pop(transport.sid, None) is None:
            return
        self._addresses.give_back(transport.address)
        transport.source = None
        await self.handlers["disconnect"](transport.sid, transport.close_reason)

    async def sweep(self) -> None:
        """Heartbeats, deadlines and closed polling sessions, until cancelled: one pass over a flat table."""
        loop = asyncio.get_running_loop()
        interval = min(SWEEP_INTERVAL_S, self._settings.ping_interval_s / 10)
        while True:
            await asyncio.sleep(interval)
            try:
                await self._pass(loop.time())
            except Exception:
                _log.exception("engine.sweep_failed")

    async def _pass(self, now: float) -> None:
        for transport in list(self.sockets.values()):
            if now < transport.due_at and not (transport.writing_since or transport.closed_at):
                continue
            self._check(transport, now)
            if transport.closed.is_set() and now - transport.closed_at > LAST_POLL_S:
                # Its writer may still wait for a peer that takes nothing.
                transport.abort()
                await self._forget(transport)
        self.on_tick(now)
        self._handshakes.sweep()

    def _check(self, transport: Transport, now: float) -> None:
        settings = self._settings
        if self._silent(transport, now):
            transport.abort()
        elif transport.writing_since and now - transport.writing_since > settings.stall_timeout_s:
            transport.abort()
        elif transport.source is None and now - transport.opened_at > settings.connect_timeout_s:
            transport.close(CLOSE_CONNECT_TIMEOUT, "no CONNECT in time")
        elif now - max(transport.heard_at, transport.pinged_at) >= settings.ping_interval_s:
            transport.pinged_at = now
            transport.send("2")
        due = min(max(transport.heard_at, transport.pinged_at), transport.heard_at + settings.ping_timeout_s)
        transport.due_at = due + settings.ping_interval_s
        if transport.source is None:
            transport.due_at = min(transport.due_at, transport.opened_at + settings.connect_timeout_s)

    def _silent(self, transport: Transport, now: float) -> bool:
        return now - transport.heard_at >= self._settings.ping_interval_s + self._settings.ping_timeout_s

    async def drain(self, seconds: float) -> None:
        """Close every transport so that its client reconnects elsewhere at once, spread over `seconds`."""
        self.draining = True
        transports = list(self.sockets.values())
        for position, transport in enumerate(transports, 1):
            transport.close(1012, "draining")
            if position % max(1, len(transports) // 20) == 0:
                await asyncio.sleep(seconds / 20)

    def _address(self, peer: str | None, forwarded: str | None) -> str:
        """The client's address; forwarded headers count only when a trusted proxy sent them."""
        peer = peer or "local"
        if not forwarded or not self._proxies:
            return peer
        for candidate in [peer, *reversed([part.strip() for part in forwarded.split(",")])]:
            try:
                address = ip_address(candidate)
            except ValueError:
                return peer
            if not any(address in network for network in self._proxies):
                return candidate
        return peer


def _wants_websocket(request: web.Request) -> bool:
    return request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket"


def _cors(origin: str | None) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def _text(body: str, origin: str | None) -> web.Response:
    return web.Response(text=body, headers={**_cors(origin), "Cache-Control": "no-store"})


def _refusal(code: int, origin: str | None) -> web.Response:
    status, message = _REFUSALS[code]
    headers = _cors(origin) | ({"Retry-After": "2"} if status in (429, 503) else {})
    return web.json_response({"code": code, "message": message}, status=status, headers=headers)
