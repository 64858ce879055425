"""Latencies in fixed memory: counts in buckets that grow by 4.4 % each, from 10 µs to some 20 minutes.

Invariant: a percentile is off by less than a bucket's width; minimum and maximum are exact. Caller: the statistics.
"""

from __future__ import annotations

import math
from array import array

STEPS = 16
FLOOR_S = 1e-5
BUCKETS = 27 * STEPS


class Histogram:
    """Of seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum_s = math.inf
        self.maximum_s = 0.0
        self.sum_s = 0.0
        self._buckets = array("Q", [0] * BUCKETS)

    def add(self, seconds: float) -> None:
        seconds = max(seconds, 0.0)
        self.count += 1
        self.sum_s += seconds
        self.minimum_s = min(self.minimum_s, seconds)
        self.maximum_s = max(self.maximum_s, seconds)
        place = int(STEPS * math.log2(seconds / FLOOR_S)) if seconds > FLOOR_S else 0
        self._buckets[min(place, BUCKETS - 1)] += 1

    @property
    def mean_s(self) -> float:
        return self.sum_s / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Seconds that `percent` % of the values do not exceed; 0 when there are none."""
        if not self.count:
            return 0.0
        wanted = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for place, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                middle = FLOOR_S * 2 ** ((place + 0.5) / STEPS)
                return min(max(middle, self.minimum_s), self.maximum_s)
        return self.maximum_s

    def bars(self) -> list[tuple[float, float, int]]:
        """(from, to, count) of the buckets between the smallest and the largest value, in seconds, four in one."""
        filled = [place // 4 for place, count in enumerate(self._buckets) if count]
        if not filled:
            return []
        return [
            (
                FLOOR_S * 2 ** (group * 4 / STEPS),
                FLOOR_S * 2 ** ((group + 1) * 4 / STEPS),
                sum(self._buckets[group * 4 : group * 4 + 4]),
            )
            for group in range(filled[0], filled[-1] + 1)
        ]

    def summary_ms(self) -> dict[str, float | int]:
        """count, min, mean, p50, p95, p99, max; milliseconds, rounded to a hundredth."""
        if not self.count:
            return {"count": 0}
        values = {
            "min": self.minimum_s, "mean": self.mean_s, "p50": self.percentile(50), "p95": self.percentile(95),
            "p99": self.percentile(99), "max": self.maximum_s,
        }  # fmt: skip
        return {"count": self.count} | {name: round(value * 1000, 2) for name, value in values.items()}
