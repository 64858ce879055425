"""Where TCP connections come in: the usual websocket handshake is answered here, anything else is aiohttp's.

A whole HTTP request of aiohttp costs three times as much as all that a websocket needs of it, in time and in memory for
as long as the socket lives. Invariant: what is answered here would have got the same answer from aiohttp; a request
with anything unusual about it, and every one that has to be refused, is handed over as it came. Frames are read and
written by aiohttp's own websocket on both ways. Called by ``caddie.app``.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import Any

from aiohttp import web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import WebSocketReader, WebSocketWriter

from caddie.realtime.engine import Engine
from caddie.realtime.packets import packet_frame
from caddie.realtime.transport import Transport

#: A request that does not fit is aiohttp's.
HEAD_BYTES_MAX = 4_096
FIELDS_MAX = 64
QUEUE_BYTES = 65_536
_ACCEPT_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIELD = re.compile(rb"([A-Za-z0-9-]{1,64}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*")
_KEY = re.compile("[A-Za-z0-9+/]{21}[AQgw]==")
#: With one of these the handshake is not the usual one.
_UNUSUAL = frozenset({"content-length", "transfer-encoding", "expect", "sec-websocket-protocol"})


def usual_handshake(head: bytes, start: bytes) -> dict[str, str] | None:
    """The header of a websocket request that begins with `start` and is nothing out of the ordinary; else None."""
    if not head.startswith(start) or len(head) > HEAD_BYTES_MAX or head.find(b"\r\n\r\n") != len(head) - 4:
        return None
    lines = head[len(start) : -4].split(b"\r\n")
    if len(lines) > FIELDS_MAX:
        return None
    header: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name = field[1].decode().lower()
        if name in header or name in _UNUSUAL:
            return None
        header[name] = field[2].decode()
    usual = (
        header.get("upgrade", "").lower() == "websocket"
        and header.get("connection", "").lower() in ("upgrade", "keep-alive, upgrade")
        and header.get("sec-websocket-version") == "13"
        and _KEY.fullmatch(header.get("sec-websocket-key", ""))
        and header.get("host")
    )
    return header if usual else None


class Entrance:
    """Makes the protocol of each connection; `server` is aiohttp's."""

    def __init__(self, engine: Engine, server: Callable[[], asyncio.Protocol], path: str, patience_s: float) -> None:
        self.engine, self.server, self.patience_s = engine, server, patience_s
        self.start = f"GET /{path.strip('/')}/?EIO=4&transport=websocket HTTP/1.1\r\n".encode()
        self.doors: set[Door] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def __call__(self) -> Door:
        return Door(self)

    async def close(self) -> None:
        """Cut what is still open."""
        for door in list(self.doors):
            door.abort()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Door(BaseProtocol):
    """One connection, until it is aiohttp's or for as long as the websocket lives."""

    def __init__(self, entrance: Entrance) -> None:
        super().__init__(asyncio.get_running_loop())
        self._entrance = entrance
        # There is no HTTP parser that would have to pause.
        self._upgraded = True
        self._reader: WebSocketReader | None = None
        #: The stream of frames broke off; who reads them hears why, and closes.
        self._deaf = False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._late = self._loop.call_later(self._entrance.patience_s, self.abort)
        self._entrance.doors.add(self)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()
        self._entrance.doors.discard(self)
        if self._reader is not None:
            self._reader.feed_eof()
            self._reader = None

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._reader is None:
            self._first(data)
        else:
            self._deaf = self._reader.feed_data(data)[0]

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _first(self, data: bytes) -> None:
        self._stop_waiting()
        tcp, engine = self.transport, self._entrance.engine
        if tcp is None:
            return
        header = usual_handshake(data, self._entrance.start)
        session = engine.enter(tcp.get_extra_info("peername"), header) if header else None
        if header is None or session is None:
            self._hand_over(tcp, data)
            return
        accept = b64encode(sha1(header["sec-websocket-key"].encode() + _ACCEPT_KEY).digest())
        tcp.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n%b" % (accept, packet_frame(engine.opening(session, "websocket")))
        )
        websocket = self._websocket(tcp, engine)
        task = self._loop.create_task(self._serve(session, websocket), name=f"socket-{session.sid}")
        self._entrance.tasks.add(task)
        task.add_done_callback(self._entrance.tasks.discard)

    def _hand_over(self, tcp: asyncio.Transport, data: bytes) -> None:
        handler = self._entrance.server()
        self.transport = None
        self._entrance.doors.discard(self)
        tcp.set_protocol(handler)
        handler.connection_made(tcp)
        handler.data_received(data)

    def _websocket(self, tcp: asyncio.Transport, engine: Engine) -> web.WebSocketResponse:
        """What ``prepare`` makes of a request."""
        websocket: Any = engine.new_websocket()
        websocket._loop = self._loop
        websocket._writer = WebSocketWriter(self, tcp)
        websocket._reader = WebSocketDataQueue(self, QUEUE_BYTES, loop=self._loop)
        websocket._parser = self._reader = WebSocketReader(websocket._reader, websocket._max_msg_size, False, True)
        websocket._req = websocket._payload_writer = self
        return websocket  # type: ignore[no-any-return]

    async def drain(self) -> None:
        """What the websocket asks of a payload writer."""
        await self._drain_helper()

    async def _serve(self, session: Transport, websocket: Any) -> None:
        try:
            await self._entrance.engine.converse(session, websocket)
        finally:
            # They refer to each other: only a collection would free them.
            websocket._req = websocket._payload_writer = websocket._parser = None
