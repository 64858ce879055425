"""Websocket clients as bare as a protocol object: cheap enough for thousands, free to send any bytes.

Invariant: a client counts every event whose index is not the one after the last as a fault. Callers: the drills here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self

import orjson

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
WAIT_S = 15.0
_EVENT = b'42["event",{"index":'
_ASK = (
    "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
OnEvent = Callable[[int, bytes], None]


def frame(payload: bytes | str, opcode: int = TEXT, *, first: int = 0x80, masked: bool = True) -> bytes:
    """One frame (RFC 6455, section 5.2). `first`: FIN and reserved bits. A mask of zeros changes nothing."""
    data = payload.encode() if isinstance(payload, str) else payload
    mask, size = (0x80, b"\0\0\0\0") if masked else (0, b""), len(data)
    if size < 126:
        length = bytes((mask[0] | size,))
    elif size < 65_536:
        length = bytes((mask[0] | 126,)) + struct.pack("!H", size)
    else:
        length = bytes((mask[0] | 127,)) + struct.pack("!Q", size)
    return bytes((first | opcode,)) + length + mask[1] + data


class Raw(asyncio.Protocol):
    """`on_event` gets each event's index and bytes. code: of the close frame, 0 for an end without one."""

    def __init__(self, on_event: OnEvent | None = None) -> None:
        self.last = self.events = self.faults = 0
        self.code = 0
        self.status = 0
        self.texts: list[str] = []
        self.closed = asyncio.Event()
        self._on_event = on_event
        self._news = asyncio.Event()
        self._buffer = bytearray()
        self._open = False
        self.wire: asyncio.Transport

    async def open(self, port: int, receive_bytes: int = 0, query: str = "") -> Self:
        """Up to the answer to the upgrade: `status` tells. receive_bytes: of the kernel's buffer."""
        raw = socket.socket()
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(raw, ("127.0.0.1", port))
            await loop.create_connection(lambda: self, sock=raw)
        except BaseException:
            raw.close()
            raise
        self.wire.write(_ASK.format(query=query).encode())
        await self.until(lambda: self.status)
        return self

    async def connect(self, port: int, token: str, last: int | None = None, receive_bytes: int = 0) -> Self:
        """Authenticated, up to `ready`."""
        await self.open(port, receive_bytes)
        assert self.status == 101, self.status
        if last is not None:
            self.last = last
        auth = {"token": token} | ({} if last is None else {"lastEventIndex": last})
        self.send("40" + orjson.dumps(auth).decode())
        await self.until(lambda: any(text.startswith('42["ready"') for text in self.texts))
        return self

    def send(self, *packets: str) -> None:
        self.wire.write(b"".join([frame(packet) for packet in packets]))

    async def until(self, condition: Callable[[], object], timeout_s: float = WAIT_S) -> None:
        """Wait for something to arrive. Raises TimeoutError, and ConnectionError when the end comes first."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self.closed.is_set():
                    raise ConnectionResetError(self.code)
                self._news.clear()
                await self._news.wait()

    async def reached(self, index: int) -> None:
        """The event of this index was received."""
        await self.until(lambda: self.last >= index)

    async def end(self) -> int:
        """The close code."""
        async with asyncio.timeout(WAIT_S):
            await self.closed.wait()
        return self.code

    def leave(self) -> None:
        if self._open:
            self.wire.abort()

    # -- asyncio's side ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.wire, self._open = transport, True

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self.status:
            head, found, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not found:
                return
            self.status = int(head[9:12])
            buffer[:] = rest
        if self.status == 101:
            self._frames(buffer)
        self._news.set()

    def _frames(self, buffer: bytearray) -> None:
        position, end = 0, len(buffer)
        while end - position >= 2:
            size, start = buffer[position + 1], position + 2
            if size == 126:
                size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
            if start + size > end:
                break
            self._frame(buffer[position] & 0x0F, bytes(buffer[start : start + size]))
            position = start + size
        del buffer[:position]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if payload.startswith(_EVENT):
            self._event(payload)
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            self.wire.write(frame(payload[:2], CLOSE))
            self.wire.close()
        elif payload == b"2":
            self.send("3")
        elif opcode == TEXT:
            self.texts.append(payload.decode())

    def _event(self, payload: bytes) -> None:
        start = len(_EVENT)
        index = int(payload[start : payload.index(b",", start)])
        # Merged deltas say the first one they stand for.
        mark = payload.rfind(b',"from":')
        first = index if mark < 0 else int(payload[mark + 8 : payload.index(b"}", mark)])
        self.faults += first != self.last + 1
        self.events += 1
        self.last = index
        if self._on_event is not None:
            self._on_event(index, payload)

    def connection_lost(self, error: Exception | None) -> None:
        self._open = False
        self.closed.set()
        self._news.set()
