"""What a test found, as one value: for machines as JSON, for people as a table.

Invariant: both are made from the same `Summary`. Callers: ``caddie.bots.command`` and the HTML report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caddie.bots.bench import Bench
from caddie.bots.faults import PROMISES
from caddie.bots.statistics import LATENCIES

CLOCK_NOTE = "event latency compares the product's clock with this machine's: true only if both run on one machine"
LIMITS_NOTE = (
    "limits of the product made bots wait; a load test from one key and address needs higher"
    " CADDIE_RATE_PER_MINUTE, CADDIE_RATE_RUNS_PER_MINUTE, CADDIE_RATE_PER_ADDRESS, CADDIE_SOCKETS_PER_USER"
)
COLUMNS = ("count", "min", "mean", "p50", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class Summary:
    """`ok`: no invariant is broken."""

    bench: Bench
    elapsed_s: float

    @property
    def ok(self) -> bool:
        return self.bench.faults.total == 0

    @property
    def notes(self) -> list[str]:
        waited = any("told to wait" in name for name in self.bench.statistics.counts)
        return [CLOCK_NOTE, *([LIMITS_NOTE] if waited else [])]

    @property
    def rates(self) -> dict[str, float]:
        """What happened, per second."""
        statistics = self.bench.statistics
        return {
            "connectsPerSecondPeak": round(statistics.connects_per_s_peak, 1),
            "eventsPerSecondPeak": round(statistics.events_per_s_peak, 1),
            "eventsPerSecondMean": round(statistics.counts["events"] / self.elapsed_s, 1) if self.elapsed_s else 0.0,
            "openPeak": statistics.open_peak,
        }

    def as_json(self) -> dict[str, Any]:
        """Documented in docs/operations.md."""
        options, statistics, faults = self.bench.options, self.bench.statistics, self.bench.faults
        return {
            "ok": self.ok,
            "url": options.url,
            "sessions": options.sessions,
            "durationS": options.duration_s,
            "rampS": options.ramp_s,
            "chaos": options.chaos,
            "seed": options.seed,
            "elapsedS": round(self.elapsed_s, 2),
            "rates": self.rates,
            "latencyMs": {name: histogram.summary_ms() for name, histogram in statistics.latencies.items()},
            "counts": dict(sorted(statistics.counts.items())),
            "invariants": {kind: faults.counts[kind] for kind in PROMISES},
            "faults": [{"kind": fault.kind, "where": fault.where, "message": fault.message} for fault in faults.first],
            "notes": self.notes,
        }

    def as_text(self) -> str:
        """The table at the end of a test."""
        options, statistics, faults = self.bench.options, self.bench.statistics, self.bench.faults
        lines = [
            f"{options.sessions} sessions, {options.duration_s:g} s{', chaos' if options.chaos else ''},"
            f" seed {options.seed}; it took {self.elapsed_s:.1f} s",
            "",
            "latency, ms" + " " * 7 + "".join(f"{column:>10}" for column in COLUMNS),
        ]
        for name, histogram in statistics.latencies.items():
            values = histogram.summary_ms()
            cells = [f"{values[column]:,}" if column in values else "–" for column in COLUMNS]
            lines.append(f"  {name:<16}" + "".join(f"{cell:>10}" for cell in cells) + f"   {LATENCIES[name]}")
        lines.append("")
        lines += [f"  {words(name):<44}{value:>14,}" for name, value in self.rates.items()]
        lines += [f"  {name:<44}{value:>14,}" for name, value in sorted(statistics.counts.items())]
        lines += ["", "invariants"]
        for kind, promise in PROMISES.items():
            count = faults.counts[kind]
            lines.append(f"  {'ok    ' if not count else 'BROKEN'} {kind:<12}{count:>6}   {promise}")
        if faults.first:
            lines += ["", f"the first {min(len(faults.first), 20)} of {faults.total}"]
            lines += [f"  {fault}" for fault in faults.first[:20]]
        return "\n".join([*lines, "", *(f"note: {note}" for note in self.notes)]) + "\n"


def words(name: str) -> str:
    """`eventsPerSecondPeak` as `events per second peak`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
