"""A server that only echoes, for the official Engine.IO and Socket.IO protocol suites.

`python -m caddie.realtime.echo --port 3000` serves `/engine.io/` (messages come back as they are) and `/socket.io/`
(namespaces `/` and `/custom`). It has the engine, the transport and the strict reading of the product, but neither its
tokens nor its events; unlike the product it takes binary. A development tool: nothing in the product imports it, and
it reads no environment.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio
import structlog
import uvloop
from aiohttp import web
from socketio.packet import CONNECT_ERROR

from caddie.realtime import packets
from caddie.realtime.engine import Engine, Origins
from caddie.realtime.packets import Violation
from shared import journal
from shared.settings import Settings

NAMESPACES = ("/", "/custom")
ATTACHMENTS_MAX = 8
#: What the suites expect, in seconds and bytes.
PING_INTERVAL_S, PING_TIMEOUT_S = 0.3, 0.2
PAYLOAD_BYTES = 1_000_000
CONNECT_TIMEOUT_S = 1.0
#: Older editions of the suite miss a frame that arrives together with the one before.
GREETING_DELAY_S = 0.005
_BINARY_HEAD = re.compile(r"[56]([0-9])-")
_log = structlog.get_logger()


class Nothing:
    """A source without data: who has one counts as connected."""

    async def pull(self, size: int, count: int, lagging: bool) -> list[bytes]:
        return []

    def frames_nowait(self, size: int) -> bytes:
        return b""


class MessageEcho:
    """Engine.IO alone: every message, text or binary, goes back."""

    def __init__(self, settings: Settings) -> None:
        self.engine = Engine(settings=settings, origins=Origins(frozenset({"*"})), binary=True)
        self.engine.on("connect", self._connect)
        self.engine.on("message", self._message)
        self.engine.on("disconnect", self._disconnect)

    async def _connect(self, sid: str, _: dict[str, Any]) -> None:
        self.engine.sockets[sid].source = Nothing()

    async def _message(self, sid: str, data: str | bytes) -> None:
        await self.engine.send(sid, data)

    async def _disconnect(self, sid: str, reason: str) -> None:
        _log.debug("echo.left", sid=sid, reason=reason)


class EventEcho(socketio.AsyncServer):  # type: ignore[misc]
    """Socket.IO: `auth` after CONNECT, `message` → `message-back`, `message-with-ack` → its arguments as the answer."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            async_handlers=False, always_connect=True, json=packets.Json, logger=False, namespaces=list(NAMESPACES),
            settings=settings, origins=Origins(frozenset({"*"})), binary=True,
        )  # fmt: skip
        self.engine: Engine = self.eio
        for namespace in NAMESPACES:
            self._serve(namespace)

    def _engineio_server_class(self) -> Callable[..., Engine]:
        return Engine

    def _serve(self, namespace: str) -> None:
        async def connect(sid: str, _: dict[str, Any], auth: Any = None) -> None:
            await asyncio.sleep(GREETING_DELAY_S)
            await self.emit("auth", auth or {}, to=sid, namespace=namespace)

        async def message(sid: str, *arguments: Any) -> None:
            await self.emit("message-back", arguments, to=sid, namespace=namespace)

        async def message_with_ack(_: str, *arguments: Any) -> tuple[Any, ...]:
            return arguments

        self.on("connect", connect, namespace)
        self.on("message", message, namespace)
        self.on("message-with-ack", message_with_ack, namespace)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """The library believes what clients send: malformed packets are stopped here. Raises Violation."""
        if isinstance(data, bytes) is not (eio_sid in self._binary_packet):
            raise Violation("expected attachments exactly after a packet that announced them")
        if isinstance(data, str):
            _check(data)
        try:
            await super()._handle_eio_message(eio_sid, data)
        except (ValueError, IndexError, TypeError) as error:
            # Placeholders that name no attachment, attachments before CONNECT.
            raise Violation(f"binary packet: {error}") from error

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        namespace = namespace or "/"
        transport = self.engine.sockets[eio_sid]
        if namespace not in NAMESPACES:
            refusal = self.packet_class(CONNECT_ERROR, data={"message": "Invalid namespace"}, namespace=namespace)
            transport.send("4" + refusal.encode())
            return
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            raise Violation("too many CONNECT packets")
        transport.source = Nothing()
        await super()._handle_connect(eio_sid, namespace, data)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._binary_packet.pop(eio_sid, None)
        await super()._handle_eio_disconnect(eio_sid, reason)


def _check(text: str) -> None:
    """Raises Violation. A binary packet is an event or an acknowledgement with a number of attachments in front."""
    if head := _BINARY_HEAD.match(text):
        if not 1 <= int(head[1]) <= ATTACHMENTS_MAX:
            raise Violation(f"binary packet: expected 1 to {ATTACHMENTS_MAX} attachments, got {head[1]}")
        text = {"5": "2", "6": "3"}[text[0]] + text[head.end() :]
    packets.read(text)


def limits(ping_interval_s: float, ping_timeout_s: float) -> Settings:
    """The suites' own limits, whatever the environment says."""
    return Settings.model_construct(
        ping_interval_s=ping_interval_s, ping_timeout_s=ping_timeout_s, frame_bytes=PAYLOAD_BYTES,
        connect_timeout_s=CONNECT_TIMEOUT_S, handshakes_per_s=1_000.0, handshakes_burst=10_000,
    )  # fmt: skip


@asynccontextmanager
async def serving(settings: Settings, host: str, port: int) -> AsyncIterator[tuple[int, dict[str, Engine]]]:
    """Both echoes on one port; gives the port and the engines by their path."""
    engines = {"engine.io": MessageEcho(settings).engine, "socket.io": EventEcho(settings).engine}
    app = web.Application()
    for path, engine in engines.items():
        engine.attach(app, path)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    sweeps = [asyncio.create_task(engine.sweep(), name=f"sweep-{path}") for path, engine in engines.items()]
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1], engines
    finally:
        for engine in engines.values():
            await engine.disconnect()
        await runner.cleanup()
        for sweep in sweeps:
            sweep.cancel()
        await asyncio.gather(*sweeps, return_exceptions=True)


async def run(settings: Settings, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM. Raises OSError when the port is taken."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, host, port) as (bound, _):
        _log.info("echo.started", url=f"http://{host}:{bound}")
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m caddie.realtime.echo", description="Echo for the protocol suites")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--ping-interval", type=float, default=PING_INTERVAL_S, metavar="SECONDS")
    parser.add_argument("--ping-timeout", type=float, default=PING_TIMEOUT_S, metavar="SECONDS")
    options = parser.parse_args()
    journal.configure("echo", "info", "console")
    try:
        uvloop.run(run(limits(options.ping_interval, options.ping_timeout), options.host, options.port))
    except OSError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
