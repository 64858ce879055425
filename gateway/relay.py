"""One run's events from the log into a stream, through a surface's projection. The only loop that does so.

Invariant: the reader gets every frame above its cursor once and in order, then the terminal one; when the log can no
longer give them (retention, a lost log, a terminal event that died with its writer) the surface's stored answer ends
the stream instead. Callers: the handlers of surfaces that stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, Self

from gateway.auth import Principal
from gateway.sse import EventStream, Streams
from shared.errors import CaddieError
from shared.follow import Behind, LogReader, Watch
from shared.log import READ_LIMIT, EventLog

#: What is written at once, so what a slow reader can pin beside the transport's own buffer.
BATCH_BYTES = 65_536
STRIDE_FIRST = 16
#: Redis away: how often it is asked again, and how long a reader waits for it.
RETRY_S = 0.5
PATIENCE_S = 60.0


class Projection(Protocol):
    """A surface's view of a run. ended: the terminal frame was given; seen: index of the run's last event it took."""

    ended: bool
    seen: int

    def take(self, index: int, body: bytes) -> bytes: ...


class Opening:
    """What a stream holds before its first byte: a seat and a watch. Given back on leaving the block, unless `stream`
    was called: then when that stream is over.
    """

    def __init__(self, streams: Streams, reader: LogReader, principal: Principal) -> None:
        self._streams, self._reader, self._principal = streams, reader, principal
        self._leaving: list[Callable[[], None]] = []
        self._handed_over = False

    def __enter__(self) -> Self:
        """Raises RATE_LIMITED or UNAVAILABLE: no seat is free."""
        who = self._streams.take_seat(self._principal.org, self._principal.user)
        self.on_leave(partial(self._streams.leave_seat, who))
        return self

    def __exit__(self, *_: object) -> None:
        if not self._handed_over:
            self._leave()

    def on_leave(self, leave: Callable[[], None]) -> None:
        """Have ``leave`` called when all is over, however it ended."""
        self._leaving.append(leave)

    async def watch(self, conversation: str) -> Watch:
        """The ready ring of a conversation. Raises UNAVAILABLE."""
        watch = self._reader.acquire(conversation)
        self.on_leave(partial(self._reader.release, watch))
        await self._reader.settled(watch)
        return watch

    def stream(self, play: Callable[[EventStream], Awaitable[None]]) -> EventStream:
        """The answer of the handler; nothing may be awaited between this and its return."""
        self._handed_over = True
        return EventStream(self._streams, self._principal, play, self._leave)

    def _leave(self) -> None:
        for leave in reversed(self._leaving):
            leave()


class Relay:
    """Plays one run to one reader.

    settled: the frames that end the stream when the run is over and the log cannot tell so, given the index of the
    run's last event the reader has; None while it is not over. missed: the frame for events that are gone. broke: the
    terminal frame for a CaddieError. survives: the run goes on without this reader.
    """

    def __init__(
        self, log: EventLog, reader: LogReader, watch: Watch, cursor: int, projection: Projection,
        *, settled: Callable[[int], Awaitable[bytes | None]], missed: Callable[[str], bytes],
        broke: Callable[[CaddieError], bytes], survives: bool,
    ) -> None:  # fmt: skip
        self._log, self._reader, self._watch, self._projection = log, reader, watch, projection
        self._cursor, self._epoch = cursor, watch.epoch
        self._begun = cursor
        self._settled, self._missed, self._broke, self._survives = settled, missed, broke, survives
        self._stride = STRIDE_FIRST
        self._since: float | None = None
        self._over = False

    async def recall(self, first: int) -> None:
        """Let the projection see the beginning of what a resuming reader has, from index `first` on."""
        if first > self._cursor:
            return
        try:
            entries = await self._reader.next(self._watch, first - 1, self._epoch)
        except Behind:
            return
        for index, body in entries:
            if index <= self._cursor:
                self._projection.take(index, body)

    async def play(self, stream: EventStream) -> None:
        self._watch.wakes.add(stream.wake)
        try:
            while not (self._projection.ended or self._over):
                if stream.revoked:
                    await stream.send(self._broke(CaddieError("UNAUTHORIZED", "the API key or the login has ended")))
                    return
                if stream.draining and (self._survives or stream.cut_off):
                    await self._leave(stream)
                    return
                frames = await self._next(stream)
                if frames:
                    await stream.send(frames)
        finally:
            self._watch.wakes.discard(stream.wake)

    async def _leave(self, stream: EventStream) -> None:
        """A reader that can come back sees a body without a terminal frame, and does."""
        if not self._survives:
            await stream.send(self._broke(CaddieError("UNAVAILABLE", "the server stops: ask again")))

    async def _next(self, stream: EventStream) -> bytes:
        """The next frames, if any; waits at the head."""
        try:
            try:
                entries = await self._reader.next(self._watch, self._cursor, self._epoch, self._stride)
            except Behind:
                return await self._caught_up(stream)
            if entries:
                self._since = None
                return self._frames(entries)
            return await self._ending() if await stream.wait() else b""
        except CaddieError as error:
            return await self._starved(stream, error)

    def _frames(self, entries: list[tuple[int, bytes]]) -> bytes:
        frames: list[bytes] = []
        size = 0
        for number, (index, body) in enumerate(entries, 1):
            self._cursor = index
            if made := self._projection.take(index, body):
                frames.append(made)
                size += len(made)
                if self._projection.ended:
                    break
            if size >= BATCH_BYTES:
                self._stride = number
                break
        else:
            if len(entries) == self._stride:
                self._stride = min(self._stride * 2, READ_LIMIT)
        return b"".join(frames)

    async def _caught_up(self, stream: EventStream) -> bytes:
        """The events after the cursor are gone: the stored end, or what is left of the log."""
        if ending := await self._ending():
            return ending
        if self._epoch != self._watch.epoch:
            self._epoch, self._cursor = self._watch.epoch, 0
            return self._missed("epoch")
        head = await self._log.head(self._watch.conversation)
        if head.epoch != self._epoch:
            # The ring has not heard yet that the log began anew.
            await stream.rest(RETRY_S)
            return b""
        await self._reader.reach(self._watch, head.index)
        kept = head.oldest - 1
        # When even what should be kept is not there, only the head is left.
        self._cursor = kept if kept > self._cursor else head.index
        return self._missed("retention")

    async def _ending(self) -> bytes:
        ending = await self._settled(max(self._begun, self._projection.seen))
        if ending is None:
            return b""
        self._over = True
        return ending

    async def _starved(self, stream: EventStream, error: CaddieError) -> bytes:
        """Redis or the database is away: the run goes on without them, so a reader can wait a while."""
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        if now - self._since > PATIENCE_S:
            self._over = True
            return self._broke(error)
        await stream.rest(RETRY_S)
        return b""
