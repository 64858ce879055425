"""What a load test measures: counters, latencies, and how sessions and events went over time.

Invariant: memory does not grow with the length of the test. Callers: bots (record), the fleet (sample), the report.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from caddie.bots.histogram import Histogram

POINTS_MAX = 600
#: latency → what it is.
LATENCIES = {
    "issue": "session call over HTTP",
    "connect": "from the TCP connect to ready",
    "first_event": "from sending a message to its first event",
    "event": "from an event's time stamp to its receipt",
    "ack": "a command's round trip",
    "resume": "from the TCP connect to having all that was missed",
}


#: Counters that every report shows, also when nothing was counted; more appear with what happens.
ALWAYS = ("session calls", "connects", "resumes", "recovered", "messages", "answers", "events", "bytes", "drops")


@dataclass(frozen=True, slots=True)
class Point:
    """One stretch of time: when it ended, open connections then, connects, events and their mean latency in it."""

    at_s: float
    open: float
    connects_per_s: float
    events_per_s: float
    latency_ms: float = 0.0


class Timeline:
    """At most ``POINTS_MAX`` points; when they are full, neighbours become one."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._stretch = 1
        self._pending: list[Point] = []

    def add(self, point: Point) -> None:
        self._pending.append(point)
        if len(self._pending) < self._stretch:
            return
        self.points.append(_merged(self._pending))
        self._pending.clear()
        if len(self.points) >= POINTS_MAX:
            self._stretch *= 2
            self.points = [_merged(self.points[n : n + 2]) for n in range(0, len(self.points), 2)]


def _merged(points: list[Point]) -> Point:
    number = len(points)
    return Point(
        points[-1].at_s,
        sum(point.open for point in points) / number,
        sum(point.connects_per_s for point in points) / number,
        sum(point.events_per_s for point in points) / number,
        sum(point.latency_ms for point in points) / number,
    )


def _histograms() -> dict[str, Histogram]:
    return {name: Histogram() for name in LATENCIES}


@dataclass(slots=True)
class Statistics:
    """`open` connections now; `counts` by the names the report prints."""

    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(ALWAYS, 0)))
    latencies: dict[str, Histogram] = field(default_factory=_histograms)
    timeline: Timeline = field(default_factory=Timeline)
    open: int = 0
    open_peak: int = 0
    connects_per_s_peak: float = 0.0
    events_per_s_peak: float = 0.0
    _sampled_at: float = 0.0
    _sampled: tuple[int, int] = (0, 0)
    _summed: tuple[int, float] = (0, 0.0)

    def connected(self) -> None:
        self.open += 1
        self.open_peak = max(self.open_peak, self.open)
        self.counts["connects"] += 1

    def sample(self, at_s: float) -> Point | None:
        """The stretch since the last sample; None when no time has passed."""
        width = at_s - self._sampled_at
        if width <= 0:
            return None
        connects, events = self.counts["connects"], self.counts["events"]
        count, sum_s = self.latencies["event"].count, self.latencies["event"].sum_s
        latency_ms = 1000 * (sum_s - self._summed[1]) / (count - self._summed[0]) if count > self._summed[0] else 0.0
        self._summed = count, sum_s
        point = Point(
            at_s, self.open, (connects - self._sampled[0]) / width, (events - self._sampled[1]) / width, latency_ms
        )
        self._sampled_at, self._sampled = at_s, (connects, events)
        self.connects_per_s_peak = max(self.connects_per_s_peak, point.connects_per_s)
        self.events_per_s_peak = max(self.events_per_s_peak, point.events_per_s)
        self.timeline.add(point)
        return point
