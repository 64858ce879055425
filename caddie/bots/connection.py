"""One Socket.IO connection over a websocket, from handshake to close.

Invariant: a call ends with its acknowledgement, ``Lost`` or TimeoutError, never later than its limit; after ``listen``
has returned nothing of the connection is left. Caller: ``caddie.bots.tab``, one task per connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Protocol

import aiohttp
from aiohttp import ClientWSTimeout, WSMsgType

from caddie.bots import frames

HANDSHAKE_S = 15.0
ACK_S = 15.0
CLOSE_S = 2.0
#: Nothing at all for this long, not even a ping: the server is gone (its ping interval and timeout are 45 s).
SILENCE_S = 60.0
#: The close code of a connection that ended without one (RFC 6455, section 7.1.5).
NO_CLOSE_FRAME = 1006


class Lost(Exception):
    """The connection ended first. `code` is its close code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"connection lost, code {code}")
        self.code = code


class Refused(Exception):
    """CONNECT_ERROR, with the product's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Listener(Protocol):
    """Who takes what arrives; `resting` is how long to read nothing now, in seconds."""

    @property
    def resting(self) -> float: ...

    def on_event(self, raw: bytes, offset: str) -> None: ...

    def on_control(self, name: str, data: Any) -> None: ...


class Connection:
    """`bytes_read` counts what came in, `pid` is what a recovery names."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        self._websocket = websocket
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._code = 0
        self.bytes_read = 0
        self.pid = ""

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, url: str, path: str, auth: dict[str, Any]) -> Connection:
        """Connected; `ready` comes next. Raises Refused, Lost, Malformed, TimeoutError, aiohttp.ClientError."""
        address = f"{url.rstrip('/')}{path}?EIO=4&transport=websocket"
        async with asyncio.timeout(HANDSHAKE_S):
            websocket = await http.ws_connect(
                address, decode_text=False, max_msg_size=0, timeout=ClientWSTimeout(ws_close=CLOSE_S)
            )
            opened = cls(websocket)
            try:
                await opened._connect(auth)
            except BaseException:
                opened.cut()
                raise
        return opened

    async def _connect(self, auth: dict[str, Any]) -> None:
        frames.read_object(await self._frame(), frames.OPEN)
        await self._websocket.send_str(frames.connect_frame(auth))
        while True:
            frame = await self._frame()
            if frame.startswith(frames.CONNECTED):
                self.pid = str(frames.read_object(frame, frames.CONNECTED).get("pid", ""))
                return
            if frame.startswith(frames.REFUSED):
                error = frames.read_object(frame, frames.REFUSED)
                code = str((error.get("data") or {}).get("code", "UNKNOWN"))
                raise Refused(code, str(error.get("message", "")))

    async def listen(self, listener: Listener) -> int:
        """Hand everything on until the connection ends; its close code. Raises Malformed."""
        try:
            while True:
                if listener.resting > 0:
                    await asyncio.sleep(listener.resting)
                frame = await self._frame()
                if frame.startswith(frames.EVENT_PREFIX):
                    listener.on_event(*frames.split_event(frame))
                elif frame.startswith(frames.EMITTED):
                    emitted = frames.read_emitted(frame)
                    listener.on_control(emitted.name, emitted.data)
                elif frame.startswith(frames.ACKNOWLEDGED):
                    answer = frames.read_acknowledgement(frame)
                    call = self._calls.pop(answer.number, None)
                    if call is not None and not call.done():
                        call.set_result(answer.data)
                elif frame.startswith((frames.DISCONNECTED, frames.CLOSE)):
                    return 1000
        except Lost as lost:
            return lost.code
        finally:
            self.cut()
            for call in self._calls.values():
                if not call.done():
                    call.set_exception(Lost(self._code or NO_CLOSE_FRAME))
            self._calls.clear()

    async def _frame(self) -> bytes:
        """The next frame that is no ping. Raises Lost."""
        while True:
            try:
                message = await self._websocket.receive(SILENCE_S)
            except TimeoutError:
                raise Lost(NO_CLOSE_FRAME) from None
            if message.type is not WSMsgType.TEXT:
                # aiohttp reports 1000 for a stream that just ended; only a close frame has a code.
                self._code = int(message.data) if message.type is WSMsgType.CLOSE else NO_CLOSE_FRAME
                raise Lost(self._code or NO_CLOSE_FRAME)
            frame: bytes = message.data
            self.bytes_read += len(frame)
            if not frame.startswith(frames.PING):
                return frame
            await self._send("3" + frame[1:].decode())

    async def call(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A command's acknowledgement. Raises Lost, TimeoutError."""
        self._number += 1
        number = self._number
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        try:
            async with asyncio.timeout(ACK_S):
                await self._send(frames.command_frame(number, name, body))
                return await answer
        finally:
            self._calls.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()

    async def leave(self) -> None:
        """Say goodbye; what was under way still arrives, then the server closes. Raises Lost."""
        await self._send(frames.LEAVE)

    async def _send(self, frame: str) -> None:
        try:
            async with asyncio.timeout(ACK_S):
                await self._websocket.send_str(frame)
        except (ConnectionError, RuntimeError, aiohttp.ClientError):
            raise Lost(self._code or NO_CLOSE_FRAME) from None

    def cut(self) -> None:
        """Close the TCP connection without a word, as a network that went away does."""
        self._websocket._response.close()

    def abort(self) -> None:
        """Reset the TCP connection: what is on its way is lost, in both directions."""
        raw = self._websocket.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport = self._websocket._writer.transport
        if transport is not None:
            transport.abort()

