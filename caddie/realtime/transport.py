"""One Engine.IO session (protocol version 4): long polling, websocket, and the upgrade between them.

It holds a bounded outbox of control packets and asks its ``source`` (the authenticated connection) for data when there
is room on the wire, so a reader that takes nothing costs an outbox and a cursor. Invariant: exactly one consumer drains
it at a time — the pending poll, or the websocket's writer — control packets first; a closed transport is in no table,
has no task and no TCP connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
import structlog
from aiohttp import web

from caddie.realtime.inbound import Inbound
from caddie.realtime.packets import Violation, packet_frame, websocket_frame
from shared.errors import CLOSE_OVERLOADED

OUTBOX_MAX = 256
#: Bytes taken from the source for one write: large enough to amortise, small enough to bound a slow reader.
PULL_BYTES = 131_072
PULL_PACKETS = 500
POLL_PACKETS_MAX = 512
#: python-engineio's client refuses a polling body of more than 16 packets.
POLL_ANSWER_PACKETS = 16
CLOSE_TIMEOUT_S = 1.0
#: A write that took this long marks the reader as lagging: its adjacent deltas are merged.
LAG_S = 0.5
SEPARATOR = "\x1e"
_log = structlog.get_logger()


class Source(Protocol):
    """Where data comes from: at most `count` packets of about `size` bytes together, [] when there is nothing new."""

    async def pull(self, size: int, count: int, lagging: bool) -> list[bytes]: ...

    def frames_nowait(self, size: int) -> bytes | None:
        """All of it as websocket frames, without waiting; None when it is more than `size`, or not in memory."""
        ...


class Transport:
    """`on_message` gets each Socket.IO packet as text and, where `binary` is allowed, each attachment as bytes."""

    def __init__(
        self, sid: str, address: str, on_message: Callable[[Transport, str | bytes], Awaitable[None]],
        max_bytes: int, *, binary: bool = False,
    ) -> None:  # fmt: skip
        self.sid, self.address = sid, address
        self.session: dict[str, object] = {}
        self.source: Source | None = None
        self.websocket: web.WebSocketResponse | None = None
        self.closed = asyncio.Event()
        self.closed_at = 0.0
        self.close_code = 0
        self.close_reason = ""
        now = asyncio.get_running_loop().time()
        self.opened_at = self.heard_at = self.pinged_at = now
        #: Until then the sweep has nothing to do for it, unless it is closed or being written to; what is heard of it
        #: meanwhile puts its deadlines off.
        self.due_at = 0.0
        #: When the write that is under way began; 0 while nothing is being written.
        self.writing_since = 0.0
        self.connect_attempts = 0
        self._inbound = Inbound(on_message, max_bytes, binary=binary)
        self._outbox: deque[str] = deque()
        self._wake = asyncio.Event()
        self._poll_over = asyncio.Event()
        self._poll_over.set()
        self._posting = self._upgrading = False
        self._lagging = False
        #: Where the websocket's writer writes while it waits, with nothing queued and nothing to end; else None.
        self._idle: Any = None

    # -- towards the client ------------------------------------------------------------------------------------

    def send(self, packet: str) -> None:
        """Queue an Engine.IO packet; a reader that lets control packets pile up is cut."""
        if self.closed.is_set():
            return
        if len(self._outbox) >= OUTBOX_MAX:
            self.close(CLOSE_OVERLOADED, "control outbox full")
            return
        channel = self._idle
        if channel is None or channel.protocol._paused:
            self._outbox.append(packet)
            self._rouse()
            return
        try:
            channel.transport.write(packet_frame(packet))
        except Exception:
            if not channel.transport.is_closing():
                raise
            self.close(1006, "transport close")

    @property
    def finished(self) -> bool:
        """Closed, and nothing left that a last poll could fetch (a refusal, say)."""
        return self.closed.is_set() and not self._outbox

    @property
    def _polling(self) -> bool:
        return not self._poll_over.is_set()

    def wake(self) -> None:
        """The source has something new. An idle websocket takes it at once: waking its writer costs more than that."""
        channel, source = self._idle, self.source
        if channel is None or source is None or channel.protocol._paused:
            self._wake.set()
            return
        try:
            frames = source.frames_nowait(PULL_BYTES)
            if frames:
                channel.transport.write(frames)
            elif frames is None:
                self._wake.set()
        except Exception:
            if channel.transport.is_closing():
                # uvloop raises at a closed connection, some turns before the reading task hears of its end.
                self.close(1006, "transport close")
                return
            _log.exception("transport.pull_failed", sid=self.sid)
            self.close(CLOSE_OVERLOADED, "reading failed")

    def _rouse(self) -> None:
        """Give the writer something that comes before data."""
        self._idle = None
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """End the session; what is in the outbox is still sent, within a second."""
        if not self.closed.is_set():
            self.close_code, self.close_reason = code, reason
            self.closed_at = asyncio.get_running_loop().time()
            self.closed.set()
            self._rouse()

    def abort(self) -> None:
        """End the session now; for a peer that does not take anything."""
        self._outbox.clear()
        self.close(CLOSE_OVERLOADED, "aborted")
        if self.websocket is not None:
            _abort_tcp(self.websocket)

    async def _next(self, count: int, channel: Any = None) -> tuple[list[str], list[bytes]]:
        """Control or data packets to write now; both empty: closed and drained. Meanwhile ``wake`` may write."""
        while True:
            self._wake.clear()
            if self._outbox:
                return [self._outbox.popleft() for _ in range(min(count, len(self._outbox)))], []
            if self.closed.is_set():
                return [], []
            if data := await self._pull(count):
                return [], data
            if not self._wake.is_set():
                self._idle = channel
                try:
                    await self._wake.wait()
                finally:
                    self._idle = None

    async def _pull(self, count: int) -> list[bytes]:
        if self.source is None:
            return []
        try:
            return await self.source.pull(PULL_BYTES, count, self._lagging)
        except Exception:
            # Nothing else would ever read for this client again: it has to come back.
            _log.exception("transport.pull_failed", sid=self.sid)
            self.close(CLOSE_OVERLOADED, "reading failed")
            return []

    # -- long polling ------------------------------------------------------------------------------------------

    async def poll(self, timeout_s: float) -> str | None:
        """The body of one GET; None when it is one too many, which ends the session."""
        if self._polling:
            self.close(1002, "overlapping polls")
            return None
        if self._upgrading or self.websocket is not None:
            return "6"
        self._poll_over.clear()
        try:
            async with asyncio.timeout(timeout_s):
                control, data = await self._next(POLL_ANSWER_PACKETS)
        except TimeoutError:
            return "6"
        finally:
            self._poll_over.set()
        if not control and not data:
            return "1"
        return SEPARATOR.join([*control, *(packet.decode() for packet in data)])

    async def post(self, body: str) -> bool:
        """The packets of one POST; False when they are malformed or overlap another POST, which ends the session."""
        if self._posting or self.websocket is not None:
            self.close(1002, "overlapping posts")
            return False
        self._posting = True
        try:
            packets = body.split(SEPARATOR)
            if len(packets) > POLL_PACKETS_MAX:
                raise Violation("post: too many packets")
            for packet in packets:
                if self.closed.is_set():
                    break
                await self._inbound.packet(self, packet)
        except Violation as violation:
            self.close(violation.code, violation.reason)
            return False
        finally:
            self._posting = False
        return True

    # -- websocket ---------------------------------------------------------------------------------------------

    async def run_websocket(self, websocket: web.WebSocketResponse, *, upgrade: bool) -> None:
        """Serve a prepared websocket until either side ends it. Leaves no task and no TCP connection behind."""
        if upgrade and not await self._probe(websocket):
            await self._end(websocket)
            return
        self.websocket = websocket
        self._upgrading = False
        writer = asyncio.create_task(self._write(websocket), name=f"writer-{self.sid}")
        try:
            await self._inbound.frames(self, websocket)
        except Violation as violation:
            self.close(violation.code, violation.reason)
            await self._inbound.frames(self, websocket)
        finally:
            self.close(1006, "transport close")
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await writer
            except (TimeoutError, ConnectionError, RuntimeError):
                pass
            finally:
                if not writer.done():
                    writer.cancel()
                    await asyncio.gather(writer, return_exceptions=True)
                _abort_tcp(websocket)

    async def _probe(self, websocket: web.WebSocketResponse) -> bool:
        """The upgrade handshake: 2probe, 3probe, a NOOP to end the pending poll, 5. On failure the old way stays."""
        if self._upgrading or self.websocket is not None:
            # Two upgrades at once would end with two writers.
            return False
        self._upgrading = True
        try:
            async with asyncio.timeout(10):
                if await websocket.receive_str() != "2probe":
                    raise Violation("upgrade: expected a probe")
                await websocket.send_str("3probe")
                self._outbox.append("6")
                self._wake.set()
                if await websocket.receive_str() != "5":
                    raise Violation("upgrade: expected UPGRADE")
                # A client that does not wait for its poll to end would have two consumers.
                await self._poll_over.wait()
        except (TimeoutError, TypeError, ConnectionError, RuntimeError, Violation, aiohttp.WSMessageTypeError):
            self._upgrading = False
            return False
        if "6" in self._outbox:
            self._outbox.remove("6")
        return not self.closed.is_set()

    async def _write(self, websocket: web.WebSocketResponse) -> None:
        """What goes out goes out here, or in ``wake`` while this waits: whole frames, one after the other."""
        loop = asyncio.get_running_loop()
        channel = websocket._writer
        assert channel is not None, "the websocket is prepared"
        while True:
            control, data = await self._next(PULL_PACKETS, channel)
            if not control and not data:
                break
            frames = [packet_frame(packet) for packet in control] + [websocket_frame(packet) for packet in data]
            self.writing_since = began = loop.time()
            channel.transport.write(b"".join(frames))
            if channel.protocol._paused:
                await channel.protocol._drain_helper()
            self.writing_since = 0.0
            self._lagging = loop.time() - began > LAG_S
        if channel.transport.is_closing():
            return
        # A peer that does not answer the close frame ends the reading this way.
        loop.call_later(CLOSE_TIMEOUT_S, _abort_tcp, websocket)
        if not websocket.closed:
            # 1006 is never sent (RFC 6455, section 7.4.1): it says that the peer went first.
            code = 1000 if self.close_code == 1006 else self.close_code
            await channel.close(code, self.close_reason.encode()[:120])

    async def _end(self, websocket: web.WebSocketResponse) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await websocket.close()
        except (TimeoutError, ConnectionError, RuntimeError):
            pass
        finally:
            _abort_tcp(websocket)


def _abort_tcp(websocket: web.WebSocketResponse) -> None:
    """A peer that does not answer the closing handshake would keep the connection for ever."""
    channel = websocket._writer
    if channel is not None and channel.transport is not None:
        channel.transport.abort()
