"""What a client sends on one transport: websocket frames and Engine.IO packets, counted before they are looked at.

Invariant: whatever arrives, and however fast, costs others nothing they notice: all of it is counted, a client above
its rate is cut, and between frames that came in one read other sockets get their turn.
Caller: ``transport``, for a websocket and for the bodies of POSTs.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from aiohttp import WSMsgType, web

from caddie.realtime.buckets import Bucket
from caddie.realtime.packets import Violation
from shared.errors import CLOSE_RATE

#: Packets of a client a second, and at once: its commands, a pong now and then, all that one POST may hold.
PACKETS_PER_S, PACKETS_BURST = 100, 1_024
#: Frames read before others get their turn: aiohttp hands out what has arrived without ever waiting.
FRAMES_AT_ONCE = 64
#: Frames of a closed client that are dropped while it looks for the close frame, before it is cut off.
DROPPED_MAX = 4_096
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


class Line(Protocol):
    """The transport, as this module needs it."""

    heard_at: float
    closed: asyncio.Event
    websocket: web.WebSocketResponse | None

    def send(self, packet: str) -> None: ...
    def close(self, code: int, reason: str) -> None: ...


AnyLine = TypeVar("AnyLine", bound=Line)


class Inbound(Generic[AnyLine]):
    """`on_message` gets each Socket.IO packet as text and, where `binary` is allowed, each attachment as bytes.

    It does not keep the transport that owns it: a cycle would leave every closed client to the garbage collector.
    """

    def __init__(
        self, on_message: Callable[[AnyLine, str | bytes], Awaitable[None]], max_bytes: int, *, binary: bool
    ) -> None:
        self._on_message, self._max_bytes, self._binary = on_message, max_bytes, binary
        self._bucket = Bucket(PACKETS_PER_S, PACKETS_BURST)
        self._loop = asyncio.get_running_loop()

    async def frames(self, line: AnyLine, websocket: web.WebSocketResponse) -> None:
        """Until the peer's close frame. What comes after ours is dropped, not left unread: closing a TCP connection
        with unread bytes resets it, and a reset may take the close frame with it, so the client would not know why.

        Raises Violation.
        """
        read = dropped = 0
        while True:
            message = await websocket.receive()
            read += 1
            if read % FRAMES_AT_ONCE == 0:
                await asyncio.sleep(0)
            if message.type in _ENDS:
                return
            if line.closed.is_set():
                dropped += 1
                if dropped > DROPPED_MAX:
                    return
            elif message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                await self._frame(line, message.data)
            else:
                self._count(line)
                if message.type is WSMsgType.PING:
                    await websocket.pong(message.data)

    async def _frame(self, line: AnyLine, data: str | bytes) -> None:
        if len(data) > self._max_bytes:
            raise Violation("frame too large", 1009)
        if isinstance(data, str):
            await self.packet(line, data)
        else:
            self._count(line)
            await self._attachment(line, data)

    async def packet(self, line: AnyLine, packet: str) -> None:
        """One Engine.IO packet. Raises Violation."""
        self._count(line)
        match packet[:1]:
            case "4":
                await self._on_message(line, packet[1:])
            case "3" | "6":
                pass
            case "2":
                line.send("3" + packet[1:64])
            case "1":
                if line.websocket is None:
                    # Ends the session's poll with a NOOP, also one that is still on its way.
                    line.send("6")
                line.close(1000, "client close")
            case "b" if self._binary:
                try:
                    attachment = b64decode(packet[1:], validate=True)
                except ValueError:
                    raise Violation("engine packet: expected base64, got something else") from None
                await self._attachment(line, attachment)
            case _:
                raise Violation("engine packet: expected a type 1–6, got something else")

    async def _attachment(self, line: AnyLine, attachment: bytes) -> None:
        if not self._binary:
            raise Violation("expected text frames, got binary")
        await self._on_message(line, attachment)

    def _count(self, line: AnyLine) -> None:
        """Anything a client sends is a sign of life, and counts. Raises Violation."""
        line.heard_at = self._loop.time()
        if not self._bucket.take():
            raise Violation("too many packets", CLOSE_RATE)
