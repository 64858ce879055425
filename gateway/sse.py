"""Server-sent events on the wire (WHATWG HTML, 9.2): frames, heartbeats, and who may have how many streams open.

Invariant: a stream holds one batch of frames and what its transport takes; a reader that takes nothing for
``stall_timeout_s`` is cut. Whatever ends a stream, its seat is free afterwards and its closing ran exactly once.
Callers: ``gateway.relay`` writes, the surfaces' handlers open, ``gateway.vigil`` revokes, ``gateway.app`` drains and
closes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from prometheus_client import CollectorRegistry, Gauge

from gateway.auth import Principal
from shared.errors import CaddieError
from shared.settings import Settings

#: Proxies cut a connection that says nothing for a minute, some sooner. No blank line after a comment: readers that
#: dispatch empty messages (@microsoft/fetch-event-source) would hand one to the page.
HEARTBEAT_S = 15.0
HEARTBEAT = b": heartbeat\n"
#: What comes first: EventSource would wait three seconds before it reconnects.
RETRY = b"retry: 1000\n"
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
#: A stream that cannot be taken up elsewhere is told so this long before the drain's end.
DRAIN_RESERVE_S = 2.0
#: What is left to do for streams that have ended may take this long when the process stops.
CLOSE_S = 5.0
#: Line ends to Unicode, and to many a client that splits decoded text, though not to the standard: NEL, LS, PS.
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
T = TypeVar("T")


def unbroken(data: bytes) -> bytes:
    """One line of JSON as every client's one line."""
    if not data.isascii():
        for raw, escaped in _LINE_ENDS:
            data = data.replace(raw, escaped)
    return data


def frame(event: bytes, data: bytes, index: int | None = None) -> bytes:
    """One frame. data: one line of JSON; index: what a reader comes back with as Last-Event-ID."""
    data = unbroken(data)
    if index is None:
        return b"event: %b\ndata: %b\n\n" % (event, data)
    return b"event: %b\nid: %d\ndata: %b\n\n" % (event, index, data)


class EventStream(web.StreamResponse):
    """A response whose body is played when its headers have gone, outside the time limit of its handler.

    play: writes the body with ``send`` and ``wait``; closing: runs when all is over, also when nothing was played.
    greeting: what it begins with.
    """

    greeting = RETRY

    def __init__(
        self, streams: Streams, principal: Principal, play: Callable[[EventStream], Awaitable[None]],
        closing: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(headers=HEADERS)
        self.principal = principal
        #: The API key or the login it was opened with has ended.
        self.revoked = False
        self._streams, self._play, self._closing = streams, play, closing
        self._woken = asyncio.Event()
        self._silent = self._closed = False
        self._loop = asyncio.get_running_loop()
        self._wrote_at = self._loop.time()
        self._timer = self._loop.call_at(self._wrote_at + HEARTBEAT_S, self._beat)
        self._out: StreamWriter | None = None
        streams.open.add(self)

    @property
    def draining(self) -> bool:
        return self._streams.draining

    @property
    def cut_off(self) -> bool:
        """The drain is about to end."""
        return self._streams.cut_off

    def wake(self) -> None:
        self._woken.set()

    def revoke(self) -> None:
        """Nothing more is for this reader; one that does not read is cut without a word."""
        self.revoked = True
        self._woken.set()
        out = self._out
        if out is not None and out.protocol.writing_paused and out.transport is not None:
            out.transport.abort()

    async def wait(self) -> bool:
        """Until ``wake``; True when nothing was written for a heartbeat, which is then said."""
        await self._woken.wait()
        self._woken.clear()
        return await self._said_heartbeat()

    async def rest(self, seconds: float) -> None:
        """Wait whatever happens."""
        await asyncio.sleep(seconds)
        await self._said_heartbeat()

    async def _said_heartbeat(self) -> bool:
        if not self._silent:
            return False
        self._silent = False
        await self.send(HEARTBEAT)
        return True

    async def send(self, data: bytes) -> None:
        """Write and wait until the reader has taken enough. Raises ConnectionError: it is gone or takes nothing."""
        self._wrote_at = self._loop.time()
        out = cast(StreamWriter, self._out)
        await out.write(data, drain=False)
        if out.protocol.writing_paused:
            await self._taken(out.drain())

    async def _taken(self, done: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._streams.stall_timeout_s):
                await done
        except TimeoutError:
            if self._out is not None and self._out.transport is not None:
                self._out.transport.abort()
            raise ConnectionResetError("the reader takes nothing") from None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            writer = await super().prepare(request)
        except BaseException:
            self.close()
            raise
        self._out = cast(StreamWriter, writer)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        if self._closed:
            return
        try:
            if self.greeting:
                await self.send(self.greeting)
            else:
                cast(StreamWriter, self._out).send_headers()
            await self._play(self)
            await self._taken(super().write_eof(data))
        finally:
            self.close()

    def close(self) -> None:
        """The stream is over; may be called again."""
        if not self._closed:
            self._closed = True
            self._timer.cancel()
            self._streams.open.discard(self)
            self._closing()

    def _beat(self) -> None:
        now = self._loop.time()
        if now >= self._wrote_at + HEARTBEAT_S:
            self._silent, self._wrote_at = True, now
            self._woken.set()
        self._timer = self._loop.call_at(self._wrote_at + HEARTBEAT_S, self._beat)


class Streams:
    """All streams of a process: their seats, their drain, and what is left to do when one has ended."""

    def __init__(self, settings: Settings, metrics: CollectorRegistry) -> None:
        self.stall_timeout_s = settings.stall_timeout_s
        self.open: set[EventStream] = set()
        gauge = Gauge("caddie_streams_open", "Streams of server-sent events that are open.", registry=metrics)
        gauge.set_function(lambda: len(self.open))
        self.draining = self.cut_off = False
        self._settings = settings
        self._seats: Counter[tuple[int, int]] = Counter()
        self._organisations: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()

    def take_seat(self, org: int, user: int) -> tuple[int, int]:
        """A seat, to be left again. Raises RATE_LIMITED when the user or organisation has too many, UNAVAILABLE."""
        settings, who = self._settings, (org, user)
        for limit, taken, whose in (
            (settings.sockets_per_user, self._seats[who], "user"),
            (settings.sockets_per_organisation, self._organisations[org], "organisation"),
        ):
            if taken >= limit:
                message = f"expected at most {limit} open streams of this {whose}, got one more"
                raise CaddieError("RATE_LIMITED", message, retry_after_s=5)
        if self._organisations.total() >= settings.sockets_per_server or self.draining:
            raise CaddieError("UNAVAILABLE", "expected a server with room for a stream, got a full one: try again")
        self._seats[who] += 1
        self._organisations[org] += 1
        return who

    def leave_seat(self, who: tuple[int, int]) -> None:
        self._seats[who] -= 1
        self._organisations[who[0]] -= 1
        if not self._seats[who]:
            del self._seats[who]
        if not self._organisations[who[0]]:
            del self._organisations[who[0]]

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that must not end with the request that asked for it; ``close`` waits for it."""
        task = asyncio.create_task(work, name="stream-work")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, _app: web.Application) -> None:
        """No new streams; those that can be taken up elsewhere end now, the others shortly before the deadline."""
        self.draining = True
        self._wake_all()
        last = max(0.0, self._settings.drain_timeout_s - DRAIN_RESERVE_S)
        asyncio.get_running_loop().call_later(last, self._cut)

    def _cut(self) -> None:
        self.cut_off = True
        self._wake_all()

    def _wake_all(self) -> None:
        for stream in self.open:
            stream.wake()

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
