"""Following event logs: subscribe, then read, then merge by index. The only code that does so.

A ``Watch`` is the ring of one watched conversation, shared by all its readers in the process (sockets, SSE, tests); a
reader is a cursor: the last index it has. Invariant: a reader that asks for what follows its cursor gets exactly the
next entries of the log, whether they come from the ring or from the stream, or learns that it fell behind retention
or that the log began anew (another epoch).
"""

from __future__ import annotations

import asyncio
from collections import deque
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
_log = structlog.get_logger()


class Behind(Exception):
    """The reader's next event is no longer kept, or the log began anew: it needs the state instead (`resync`)."""


@dataclass(slots=True)
class Slot:
    """One entry of the ring. `frame` is the entry as the socket server sends it, made once for all its readers."""

    index: int
    body: bytes
    frame: bytes = b""


@dataclass(slots=True)
class Watch:
    """The ring of one conversation. `wake` callbacks run when entries were added; they must not block."""

    conversation: str
    events_max: int
    bytes_max: int
    epoch: str = ""
    head: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    wakes: set[Callable[[], None]] = field(default_factory=set)
    controls: set[Callable[[str], None]] = field(default_factory=set)
    readers: int = 0
    silent_ticks: int = 0
    _slots: deque[Slot] = field(default_factory=deque)
    _bytes: int = 0
    _news: bool = False

    @property
    def first(self) -> int:
        """The smallest index in the ring; head + 1 when it is empty."""
        return self.head + 1 - len(self._slots)

    def add(self, entries: Iterable[tuple[int, bytes]]) -> bool:
        """``take`` and ``wake``."""
        whole = self.take(entries)
        self.wake()
        return whole

    def take(self, entries: Iterable[tuple[int, bytes]]) -> bool:
        """Take what follows the head, drop what is known; wakes nobody. False: there is a hole before the entries."""
        for index, body in entries:
            if index <= self.head:
                continue
            if index != self.head + 1:
                return False
            self._slots.append(Slot(index, body))
            self._bytes += len(body)
            self.head = index
            self._news = True
        while len(self._slots) > self.events_max or (self._bytes > self.bytes_max and len(self._slots) > 1):
            self._bytes -= len(self._slots.popleft().body)
        return True

    def restart(self, epoch: str, head: int) -> None:
        """Begin anew at `head`: first use, another epoch, or entries that retention removed."""
        self.epoch, self.head = epoch, head
        self._slots.clear()
        self._bytes = 0
        self.ready.set()
        self._news = True
        self.wake()

    def after(self, cursor: int, limit: int) -> list[Slot] | None:
        """Up to `limit` entries above the cursor; None when the ring no longer holds the first of them."""
        if cursor >= self.head:
            return []
        offset = cursor + 1 - self.first
        if offset < 0:
            return None
        if offset == 0 and limit >= len(self._slots):
            return list(self._slots)
        return [self._slots[position] for position in range(offset, min(offset + limit, len(self._slots)))]

    def wake(self) -> None:
        """Tell the readers, once, of what was taken since the last call."""
        if self._news:
            self._news = False
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

    async def next(self, watch: Watch, cursor: int, epoch: str, limit: int = READ_LIMIT) -> list[Slot]:
        """What follows the cursor, without waiting: from the ring, else from the stream; [] at the head.

        Raises Behind, or CaddieError UNAVAILABLE.
        """
        if epoch != watch.epoch or cursor > watch.head:
            raise Behind
        slots = watch.after(cursor, limit)
        if slots is not None:
            return slots
        entries = await self._log.read(watch.conversation, cursor, limit)
        if epoch != watch.epoch or not entries or entries[0][0] != cursor + 1:
            raise Behind
        # The stream may be ahead of the ring; a cursor must not be, or its next look would take it for a lost one.
        return [Slot(index, body) for index, body in entries if index <= watch.head]

    async def follow(self, conversation: str, after: int) -> AsyncGenerator[list[tuple[int, bytes]], None]:
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
                    if slots := await self.next(watch, cursor, epoch):
                        cursor = slots[-1].index
                        yield [(slot.index, slot.body) for slot in slots]
                    else:
                        await woken.wait()
            finally:
                watch.wakes.discard(woken.set)

    def _received(self, messages: list[tuple[bytes, bytes]]) -> None:
        """All messages of one read: the readers are woken after the last, so each writes once a read."""
        touched: list[Watch] = []
        for channel, payload in messages:
            watch = self._by_channel.get(channel)
            if watch is None:
                continue
            if payload.startswith(b"!"):
                for control in tuple(watch.controls):
                    control(payload[1:].decode())
                continue
            if not watch.ready.is_set():
                # Its head is being read right now and may be older than this message.
                self._suspect(watch)
                continue
            header, *bodies = payload.split(b"\n")
            epoch, first = header.split(b" ")
            watch.silent_ticks = 0
            if epoch.decode() != watch.epoch:
                watch.restart(epoch.decode(), int(first) - 1)
            if not watch.take(enumerate(bodies, int(first))):
                self._suspect(watch)
            touched.append(watch)
        for watch in touched:
            watch.wake()

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
        positions = await self._log.positions([watch.conversation for watch in watches])
        for watch, (index, epoch) in zip(watches, positions, strict=True):
            if not watch.ready.is_set() or epoch != watch.epoch:
                watch.restart(epoch, index)
            else:
                await self.reach(watch, index)

    async def _verify(self) -> None:
        """Pub/sub may lose a message without a trace: compare every silent watch with its stream."""
        while True:
            await asyncio.sleep(VERIFY_TICK_S)
            for watch in self._watches.values():
                watch.silent_ticks += 1
                if watch.silent_ticks >= SILENT_TICKS:
                    watch.silent_ticks = 0
                    self._suspect(watch)
