"""Following event logs: subscribe, then read, then merge by index. The only code that does so.

A ``Watch`` is the ring of one watched conversation, shared by all its readers in the process (sockets, SSE, tests); a
reader is a cursor: the last index it has. Invariant: a reader that asks for what follows its cursor gets exactly the
next entries of the log, whether they come from the ring or from the stream, or learns that it fell behind retention
or that the log began anew (another epoch).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Self

import structlog

from shared import keys
from shared.errors import CaddieError
from shared.log import READ_LIMIT, EventLog
from shared.subscriber import Subscriber

#: A watch that heard nothing in two ticks (2 s) compares its head with the stream's.
VERIFY_TICK_S = 1.0
SILENT_TICKS = 2
#: Watches compared in one round trip: after a reconnect all of them are suspected.
COMPARED_AT_ONCE = 256
SUBSCRIBE_TIMEOUT_S = 2.0
#: A full ring loses this part of its bounds at once.
TRIMMED_PART = 64
#: (index, body)
Entry = tuple[int, bytes]
_NOTHING = (0, 0, b"")
_log = structlog.get_logger()


class Behind(Exception):
    """The reader's next event is no longer kept, or the log began anew: it needs the state instead (`resync`)."""


@dataclass(slots=True)
class Watch:
    """The ring of one conversation. `wake` callbacks run when entries were added; they must not block."""

    conversation: str
    events_max: int
    bytes_max: int
    epoch: str = ""
    head: int = 0
    #: The ring: the bodies of the newest entries, oldest first; the last has the index `head`.
    bodies: list[bytes] = field(default_factory=list)
    #: (cursor, head, frames): what the socket server made for one reader, for the others at the same cursor.
    shown: tuple[int, int, bytes] = _NOTHING
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    wakes: set[Callable[[], None]] = field(default_factory=set)
    controls: set[Callable[[str], None]] = field(default_factory=set)
    readers: int = 0
    silent_ticks: int = 0
    #: The epoch as it stands in front of published batches.
    mark: bytes = b""
    _bytes: int = 0
    #: The head the readers were last told of.
    _told: int = 0

    @property
    def first(self) -> int:
        """The smallest index in the ring; head + 1 when it is empty."""
        return self.head + 1 - len(self.bodies)

    def add(self, entries: Iterable[Entry]) -> bool:
        """``take`` and ``wake``."""
        whole = self.take(entries)
        self.wake()
        return whole

    def take(self, entries: Iterable[Entry]) -> bool:
        """Take what follows the head, drop what is known; wakes nobody. False: there is a hole before the entries."""
        for index, body in entries:
            if index <= self.head:
                continue
            if index != self.head + 1:
                return False
            self.push(body)
        return True

    def push(self, body: bytes) -> None:
        """Take the entry after the head."""
        self.head += 1
        self.silent_ticks = 0
        self.bodies.append(body)
        self._bytes += len(body)
        if self._bytes > self.bytes_max or len(self.bodies) > self.events_max:
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest, a few more than one: each time costs a move of the whole list."""
        drop = max(0, len(self.bodies) - self.events_max + self.events_max // TRIMMED_PART)
        size = self._bytes - sum(map(len, self.bodies[:drop]))
        while size > self.bytes_max - self.bytes_max // TRIMMED_PART and drop < len(self.bodies) - 1:
            size -= len(self.bodies[drop])
            drop += 1
        if self.first + drop > self._told + 1:
            # One read may hold more than a ring: readers that keep up must not find themselves behind it.
            self.wake()
        del self.bodies[:drop]
        self._bytes = size

    def restart(self, epoch: str, head: int) -> None:
        """Begin anew at `head`: first use, another epoch, or entries that retention removed."""
        self.epoch, self.mark, self.head = epoch, epoch.encode(), head
        self.bodies.clear()
        self.shown = _NOTHING
        self._bytes, self._told = 0, -1
        self.ready.set()
        self.wake()

    def after(self, cursor: int, limit: int) -> list[Entry] | None:
        """Up to `limit` entries above the cursor; None when the ring no longer holds the first of them."""
        if cursor >= self.head:
            return []
        start = cursor + 1 - self.first
        return None if start < 0 else list(enumerate(self.bodies[start : start + limit], cursor + 1))

    def wake(self) -> None:
        """Tell the readers, once, of what was taken since the last call."""
        if self._told == self.head:
            return
        self._told = self.head
        if len(self.wakes) == 1:
            (wake,) = self.wakes
            wake()
            return
        for wake in tuple(self.wakes):
            wake()


class LogReader:
    """All watches of a process over one connection. Use as an async context manager: it owns its two tasks."""

    def __init__(self, log: EventLog, redis_url: str, ring_events: int = 2_048, ring_bytes: int = 1_048_576) -> None:
        self._log = log
        self._ring_events, self._ring_bytes = ring_events, ring_bytes
        self._watches: dict[str, Watch] = {}
        self._by_channel: dict[bytes, Watch] = {}
        self._suspects: dict[str, Watch] = {}
        self._suspicion = asyncio.Event()
        self._subscriber = Subscriber(redis_url, self._received, self._subscribed, self._lost_connection)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._subscriber.run(), name="log-subscriber"),
            asyncio.create_task(self._repair(), name="log-repair"),
            asyncio.create_task(self._verify(), name="log-verify"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def watched(self) -> int:
        return len(self._watches)

    @property
    def connected(self) -> bool:
        return self._subscriber.connected

    def acquire(self, conversation: str) -> Watch:
        """The conversation's ring, for one more reader; `release` it. Wait for ``watch.ready`` before reading."""
        watch = self._watches.get(conversation)
        if watch is None:
            watch = self._watches[conversation] = Watch(conversation, self._ring_events, self._ring_bytes)
            channel = keys.channel(conversation).encode()
            self._by_channel[channel] = watch
            self._subscriber.subscribe(channel)
        watch.readers += 1
        return watch

    def release(self, watch: Watch) -> None:
        watch.readers -= 1
        if watch.readers == 0:
            channel = keys.channel(watch.conversation).encode()
            del self._watches[watch.conversation], self._by_channel[channel]
            self._suspects.pop(watch.conversation, None)
            self._subscriber.unsubscribe(channel)

    @asynccontextmanager
    async def watch(self, conversation: str) -> AsyncIterator[Watch]:
        """A ready ring while the block runs. Raises CaddieError UNAVAILABLE when Redis does not answer."""
        watch = self.acquire(conversation)
        try:
            await self.settled(watch)
            yield watch
        finally:
            self.release(watch)

    async def settled(self, watch: Watch) -> None:
        """Wait until the ring is subscribed and knows its head. Raises CaddieError UNAVAILABLE."""
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await watch.ready.wait()
        except TimeoutError:
            raise CaddieError("UNAVAILABLE", "the event log is not reachable right now: try again") from None

    async def reach(self, watch: Watch, index: int) -> None:
        """Make the ring hold what the stream holds up to `index` without waiting for pub/sub. Raises UNAVAILABLE."""
        epoch = watch.epoch
        while watch.head < index:
            entries = await self._log.read(watch.conversation, watch.head)
            if not entries or watch.epoch != epoch:
                break
            if entries[0][0] > watch.head + 1:
                watch.restart(watch.epoch, entries[0][0] - 1)
            watch.add(entries)

    async def next(self, watch: Watch, cursor: int, epoch: str, limit: int = READ_LIMIT) -> list[Entry]:
        """What follows the cursor, without waiting: from the ring, else from the stream; [] at the head.

        Raises Behind, or CaddieError UNAVAILABLE.
        """
        if epoch != watch.epoch or cursor > watch.head:
            raise Behind
        held = watch.after(cursor, limit)
        if held is not None:
            return held
        entries = await self._log.read(watch.conversation, cursor, limit)
        if epoch != watch.epoch or not entries or entries[0][0] != cursor + 1:
            raise Behind
        # The stream may be ahead of the ring; a cursor must not be, or its next look would take it for a lost one.
        return [entry for entry in entries if entry[0] <= watch.head]

    async def follow(self, conversation: str, after: int) -> AsyncGenerator[list[Entry], None]:
        """Batches of (index, body) from `after` on, past and live alike, for ever. Raises Behind, UNAVAILABLE."""
        async with self.watch(conversation) as watch:
            # The cursor may come from a reader that was ahead of this process's ring.
            await self.reach(watch, after)
            epoch, cursor = watch.epoch, after
            woken = asyncio.Event()
            watch.wakes.add(woken.set)
            try:
                while True:
                    woken.clear()
                    if entries := await self.next(watch, cursor, epoch):
                        cursor = entries[-1][0]
                        yield entries
                    else:
                        await woken.wait()
            finally:
                watch.wakes.discard(woken.set)

    def _received(self, messages: list[list[bytes]]) -> None:
        """All messages of one read: the readers are woken after the last, so each writes once a read."""
        touched: list[Watch] = []
        for _, channel, payload in messages:
            watch = self._by_channel.get(channel)
            if watch is None:
                continue
            # Nearly always it is one event, the next; the comparison says so without reading numbers.
            header, _, body = payload.rpartition(b"\n")
            if header == b"%b %d" % (watch.mark, watch.head + 1):
                watch.push(body)
            else:
                self._heard(watch, payload)
            touched.append(watch)
        for watch in touched:
            watch.wake()

    def _heard(self, watch: Watch, payload: bytes) -> None:
        """A control message, or any batch: of several events, known ones, later ones, those of another epoch."""
        if payload.startswith(b"!"):
            for control in tuple(watch.controls):
                control(payload[1:].decode())
            return
        if not watch.ready.is_set():
            # Its head is being read right now and may be older than this message.
            self._suspect(watch)
            return
        header, *bodies = payload.split(b"\n")
        epoch, first = header.split(b" ")
        watch.silent_ticks = 0
        if epoch != watch.mark:
            watch.restart(epoch.decode(), int(first) - 1)
        if not watch.take(enumerate(bodies, int(first))):
            self._suspect(watch)

    def _subscribed(self, channel: bytes) -> None:
        if watch := self._by_channel.get(channel):
            self._suspect(watch)

    def _lost_connection(self) -> None:
        for watch in self._watches.values():
            self._suspect(watch)

    def _suspect(self, watch: Watch) -> None:
        self._suspects[watch.conversation] = watch
        self._suspicion.set()

    async def _repair(self) -> None:
        """Bring suspected watches up to their stream's head."""
        while True:
            await self._suspicion.wait()
            self._suspicion.clear()
            while self._suspects:
                await self._repair_some()

    async def _repair_some(self) -> None:
        """A method of its own: locals of a loop that waits would keep the rings of readers that have gone."""
        suspects = list(islice(self._suspects.values(), COMPARED_AT_ONCE))
        for watch in suspects:
            del self._suspects[watch.conversation]
        try:
            await self._compare(suspects)
        except CaddieError:
            for watch in suspects:
                if self._watches.get(watch.conversation) is watch:
                    self._suspect(watch)
            await asyncio.sleep(0.1)

    async def _compare(self, watches: list[Watch]) -> None:
        marks = await self._log.marks([watch.conversation for watch in watches])
        for watch, mark in zip(watches, marks, strict=True):
            # Nearly always nothing has moved; the comparison says so without reading numbers.
            if mark == b"%b %d" % (watch.mark, watch.head):
                continue
            epoch, index = mark.split(b" ")
            if not watch.ready.is_set() or epoch != watch.mark:
                watch.restart(epoch.decode(), int(index))
            else:
                await self.reach(watch, int(index))

    async def _verify(self) -> None:
        """Pub/sub may lose a message without a trace: compare every silent watch with its stream."""
        while True:
            await asyncio.sleep(VERIFY_TICK_S)
            self._suspect_silent()

    def _suspect_silent(self) -> None:
        for watch in self._watches.values():
            watch.silent_ticks += 1
            if watch.silent_ticks >= SILENT_TICKS:
                watch.silent_ticks = 0
                self._suspect(watch)
