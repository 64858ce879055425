"""Broken promises, counted by kind; the first of them are kept with their place.

Invariant: every fault counts, however many there are; memory stays bounded. Callers: whoever checks something.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

FIRST_MAX = 100
#: kind → what was promised instead.
PROMISES = {
    "gap": "no index is skipped",
    "duplicate": "an index reaches a connection once",
    "inversion": "events come in index order",
    "offset": "the offset string equals the index",
    "content": "every tab sees the same event at an index",
    "terminal": "a run has exactly one terminal event",
    "unended": "an accepted run ends",
    "tail": "every tab reaches the conversation's newest event",
    "text": "the deltas add up to the completed text",
    "idempotence": "one requestId is one run",
    "close": "no connection is closed without need",
    "error": "no request fails without need",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """where: conversation and connection."""

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.message}"


@dataclass(slots=True)
class Faults:
    """`first`: the first ``FIRST_MAX``, in the order they were found."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[Fault] = field(default_factory=list)

    def add(self, kind: str, where: str, message: str) -> None:
        """Count a fault; `kind` is a key of ``PROMISES``."""
        assert kind in PROMISES, kind
        self.counts[kind] += 1
        if len(self.first) < FIRST_MAX:
            self.first.append(Fault(kind, where, message))

    @property
    def total(self) -> int:
        return self.counts.total()
