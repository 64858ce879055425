"""The live progress: one line that is written over on a terminal, else a line every ten seconds.

Invariant: it goes to stderr only, so that stdout holds the report. Caller: the fleet, once a second.
"""

from __future__ import annotations

from typing import TextIO

from caddie.bots.bench import Bench
from caddie.bots.statistics import Point

LINE_EVERY_S = 10.0
_CLEAR = "\r\x1b[2K"


class Progress:
    """Writes to `out`."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._live = out, out.isatty()
        self._next_s = LINE_EVERY_S

    def show(self, point: Point, bench: Bench) -> None:
        if not self._live and point.at_s < self._next_s:
            return
        self._next_s += LINE_EVERY_S
        self._out.write(f"{_CLEAR if self._live else ''}{line(point, bench)}{'' if self._live else chr(10)}")
        self._out.flush()

    def clear(self) -> None:
        if self._live:
            self._out.write(_CLEAR)
            self._out.flush()


def line(point: Point, bench: Bench) -> str:
    """How it goes now."""
    statistics, phase = bench.statistics, bench.shift.phase
    waits = sum(count for name, count in statistics.counts.items() if "told to wait" in name)
    parts = [
        f"{point.at_s:4.0f} s {phase.name.lower()}",
        f"{point.open:.0f} open",
        f"{point.events_per_s:,.0f} events/s",
        f"p99 {statistics.latencies['event'].percentile(99) * 1000:.0f} ms",
        f"{len(bench.faults.first) and bench.faults.total} broken",
    ]
    return " · ".join(parts + ([f"{waits} waits"] if waits else []))
