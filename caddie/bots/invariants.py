"""What is promised of the events of a conversation, checked event by event.

A ``Reader`` is one tab across its reconnects (or one connection of a transcript), a ``Conversation`` what all its
readers share. Invariant: each broken promise is one fault, not one for every event after it. Callers: the bots, while
they run, and ``caddie.bots.verify`` on a transcript; both feed the same code.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from caddie.bots.faults import Faults

TERMINAL = ("run.finished", "run.failed")
DELTA = "message.delta"
#: Hashes compared per conversation, 8 bytes each; the product keeps 20,000 events by default.
COMPARED_MAX = 200_000
#: Skipped indices remembered per reader, to tell a late event from a repeated one.
SKIPPED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Sight:
    """One event as one reader saw it. start: first index it stands for; digest: hash of its bytes, never 0."""

    index: int
    start: int
    type: str
    run: str | None
    digest: int


@dataclass(slots=True)
class Conversation:
    """What is the same for all readers: events by index, runs and their ends."""

    name: str
    faults: Faults
    head: int = 0
    epoch: str = ""
    #: run → index of its terminal event, 0 when that was in a log that is lost.
    ends: dict[str, int] = field(default_factory=dict)
    #: Accepted or begun, and not ended.
    open_runs: set[str] = field(default_factory=set)
    _digests: array[int] = field(default_factory=lambda: array("Q"))

    def begin_epoch(self, epoch: str) -> bool:
        """The log's life as a reader was told; True when it is another than before."""
        if not epoch:
            return False
        changed = bool(self.epoch) and epoch != self.epoch
        if changed:
            self.head, self._digests = 0, array("Q")
            self.ends = dict.fromkeys(self.ends, 0)
        self.epoch = epoch
        return changed

    def accept(self, run: str) -> None:
        """A command was acknowledged with this run."""
        if run not in self.ends:
            self.open_runs.add(run)

    def take(self, sight: Sight, where: str) -> None:
        self.head = max(self.head, sight.index)
        if sight.start == sight.index:
            self._compare(sight, where)
        if sight.run is None:
            return
        if sight.type in TERMINAL:
            self._end(sight.run, sight.index, where)
        elif sight.type == "run.started":
            self.accept(sight.run)

    def _compare(self, sight: Sight, where: str) -> None:
        index = sight.index
        if index >= COMPARED_MAX:
            return
        if index >= len(self._digests):
            self._digests.extend([0] * (index + 1 - len(self._digests)))
        known = self._digests[index]
        if known and known != sight.digest:
            self.faults.add("content", where, f"index {index}: expected {known:016x}, got {sight.digest:016x}")
        self._digests[index] = known or sight.digest

    def _end(self, run: str, index: int, where: str) -> None:
        known = self.ends.setdefault(run, index)
        if known == 0:
            self.ends[run] = index
        elif known != index:
            self.faults.add("terminal", where, f"run {run}: expected its end at index {known}, got another at {index}")
        self.open_runs.discard(run)

    def finish(self) -> None:
        """Nothing more will come: what is open stays open."""
        for run in sorted(self.open_runs):
            self.faults.add("unended", self.name, f"run {run}: expected a terminal event, got none")


@dataclass(slots=True)
class Reader:
    """One tab's place in the log. last: the newest index it has, None before its first event or connect."""

    conversation: Conversation
    where: str
    last: int | None = None
    _skipped: set[int] = field(default_factory=set)

    def begin(self, after: int) -> None:
        """Connected: the next event has to be `after` + 1."""
        self.last = after
        self._skipped.clear()

    def take(self, sight: Sight, offset: str | None = None) -> bool:
        """Account for one event; False when this reader had it already."""
        faults, where = self.conversation.faults, self.where
        if offset is not None and offset != str(sight.index):
            faults.add("offset", where, f"expected the offset {sight.index}, got {offset[:40]}")
        if sight.start > sight.index or (sight.start < sight.index and sight.type != DELTA):
            faults.add("gap", where, f"from: expected at most {sight.index}, and of deltas only, got {sight.start}")
        expected = sight.start if self.last is None else self.last + 1
        if sight.start < expected:
            return self._late(sight, expected)
        if sight.start > expected:
            faults.add("gap", where, f"expected index {expected}, got {sight.start} ({sight.type})")
            self._skipped.update(range(expected, min(sight.start, expected + SKIPPED_MAX - len(self._skipped))))
        self.last = sight.index
        self.conversation.take(sight, where)
        return True

    def _late(self, sight: Sight, expected: int) -> bool:
        kind = "inversion" if sight.start in self._skipped else "duplicate"
        self.conversation.faults.add(
            kind, self.where, f"expected index {expected}, got {sight.start} to {sight.index} ({sight.type})"
        )
        self._skipped.difference_update(range(sight.start, sight.index + 1))
        if kind == "duplicate" and sight.index < expected:
            return False
        self.last = max(self.last or 0, sight.index)
        self.conversation.take(sight, self.where)
        return True

    def finish(self) -> None:
        """Nothing more will come: this reader should have all there is."""
        if self.last is not None and self.last < self.conversation.head:
            self.conversation.faults.add("tail", self.where, f"expected {self.conversation.head}, got {self.last}")
