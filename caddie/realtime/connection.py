"""An authenticated socket: a session, a cursor into its conversation's ring, and nothing else.

Invariant: the client gets every index above its cursor once and in order; data is taken from the ring only when the
transport has room for it, so a slow reader holds no events.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from caddie.realtime.buckets import Bucket
from caddie.realtime.packets import emit_packet, event_frame, event_packet
from caddie.realtime.transport import Transport
from shared.errors import CLOSE_REVOKED, CLOSE_SESSION_OVER, CaddieError
from shared.events import timestamp
from shared.fold import merge_deltas
from shared.follow import Behind, Entry, LogReader, Watch
from shared.log import Head
from shared.tokens import Session

EXPIRING_S = 60
HEAD_INTERVAL_S = 15.0
LIMIT_EVENTS = 500
STRIDE_FIRST = 16
Snapshot = Callable[[Session], Awaitable[tuple[dict[str, Any], Head]]]


class Connection:
    """`snapshot` gives the state a reader gets instead of events that are gone."""

    def __init__(
        self, sid: str, transport: Transport, session: Session, watch: Watch, reader: LogReader, snapshot: Snapshot,
        bucket: Bucket,
        patience: Bucket,
    ) -> None:  # fmt: skip
        self.sid, self.transport, self.session, self.watch = sid, transport, session, watch
        self.bucket = bucket
        #: What it may still be refused; a client that does not slow down is cut.
        self.patience = patience
        self.cursor, self.epoch = watch.head, watch.epoch
        self._reader, self._snapshot = reader, snapshot
        #: Events asked for at once; 500 large ones from the stream would be memory that a slow reader pins.
        self._stride = STRIDE_FIRST
        self._head_at = 0.0
        #: When ``tick`` has something to do.
        self.due_at = 0.0
        self._warned_for = 0
        #: Redis or the database did not answer; a ring with nothing new would not wake this reader again.
        self._starved = False

    def begin(self, cursor: int, epoch: str) -> None:
        """Start to read; -1 stands for a place that no longer exists."""
        self.cursor, self.epoch = cursor, epoch
        self.watch.wakes.add(self.transport.wake)
        self.transport.source = self
        self.transport.wake()

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Send a control message; it overtakes waiting events."""
        self.transport.send(emit_packet(name, data))

    def rewind(self, after: int) -> None:
        self.cursor = after
        self.transport.wake()

    async def pull(self, size: int, count: int, lagging: bool) -> list[bytes]:
        """The next packets, at most `count` and about `size` bytes; [] at the head."""
        while True:
            cursor = self.cursor
            if cursor < 0:
                return await self._resync()
            limit = min(self._stride, LIMIT_EVENTS if lagging else count)
            try:
                entries = await self._reader.next(self.watch, cursor, self.epoch, limit)
            except Behind:
                return await self._resync()
            except CaddieError:
                self._starved, self.due_at = True, 0.0
                return []
            if self.cursor == cursor:
                break
        entries = self._fitting(entries, size, limit)
        if lagging and len(entries) > 1:
            return self._merged(entries, count)
        if entries:
            self.cursor = entries[-1][0]
        return [event_packet(index, body) for index, body in entries]

    def frames_nowait(self, size: int) -> bytes | None:
        """All that follows the cursor as websocket frames, for a reader that keeps up. None: ``pull`` has to do it."""
        watch, cursor = self.watch, self.cursor
        head = watch.head
        count = head - cursor
        if self.epoch != watch.epoch or not 0 <= count <= len(watch.bodies):
            return None
        if count == 0:
            return b""
        shown_after, shown_to, frames = watch.shown
        if shown_after != cursor or shown_to != head:
            if count == 1:
                frames = event_frame(head, watch.bodies[-1])
            else:
                bodies = watch.bodies[-count:]
                if sum(map(len, bodies)) > size:
                    return None
                frames = b"".join([event_frame(index, body) for index, body in enumerate(bodies, cursor + 1)])
            if watch.readers > 1:
                watch.shown = cursor, head, frames
        self.cursor = head
        return frames

    def _fitting(self, entries: list[Entry], size: int, limit: int) -> list[Entry]:
        """What about `size` bytes hold; the next read asks for as many, or for more when all of it went."""
        for number, (_, body) in enumerate(entries, 1):
            size -= len(body)
            if size <= 0:
                self._stride = number
                return entries[:number]
        if len(entries) == limit:
            self._stride = min(self._stride * 2, LIMIT_EVENTS)
        return entries

    def _merged(self, entries: list[Entry], count: int) -> list[bytes]:
        packets = []
        for _, last, body in merge_deltas(entries)[:count]:
            packets.append(event_packet(last, body))
            self.cursor = last
        return packets

    async def _resync(self) -> list[bytes]:
        try:
            state, head = await self._snapshot(self.session)
            await self._reader.reach(self.watch, head.index)
        except CaddieError:
            self._starved, self.due_at = True, 0.0
            return []
        if head.epoch != self.watch.epoch:
            # The log began anew and the ring has not heard of it yet: state and events would not belong together.
            self._starved, self.due_at = True, 0.0
            return []
        self.epoch, self.cursor = self.watch.epoch, head.index
        return [emit_packet("resync", {**state, "epoch": self.epoch, "head": head.index}).encode()]

    def tick(self, now: float) -> None:
        """The deadlines of the token, the regular `head`, another try after a failed read."""
        if self._starved:
            self._starved = False
            self.transport.wake()
        left = self.session.expires_at - time.time()
        if left <= 0:
            self.end("expired")
        elif left <= EXPIRING_S and self._warned_for != self.session.expires_at:
            self._warned_for = self.session.expires_at
            self.emit("expiring", {"expiresAt": timestamp_of(self.session.expires_at)})
        if now - self._head_at >= HEAD_INTERVAL_S:
            if self._head_at:
                self.emit("head", {"index": max(self.cursor, 0), "epoch": self.epoch})
            self._head_at = now
        left -= EXPIRING_S if left > EXPIRING_S else 0
        self.due_at = min(now + left, self._head_at + HEAD_INTERVAL_S)

    def end(self, reason: str) -> None:
        """The session is over: `expired` (a new token helps) or `revoked` (it does not)."""
        self.emit("ended", {"reason": reason})
        self.transport.close(CLOSE_REVOKED if reason == "revoked" else CLOSE_SESSION_OVER, f"session {reason}")

    def release(self) -> None:
        self.watch.wakes.discard(self.transport.wake)
        self._reader.release(self.watch)


def timestamp_of(unix_s: float) -> str:
    return timestamp(datetime.fromtimestamp(unix_s, UTC))
