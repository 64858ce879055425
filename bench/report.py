"""Results as text and JSON: every round, medians, ratios against the targets.

Invariant: a ratio is made of medians of the same run; a target whose figures are missing is shown as not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.rounds import DISTURBED, Pace, Result
from bench.scenarios import WINDOW_PER_CONVERSATION, Target
from bench.servers import PEERS

METHOD = (
    "Every measurement starts a fresh server, bound to one core; load client and Redis share the other.",
    "Rounds are interleaved: each round measures every server once and begins with another one. Medians of rounds.",
    "CPU is the process clock of the server, all its threads, divided by what clients received while it was read.",
    "Each socket is a websocket that proved a session token; each event is one Redis command in the server's own form.",
    f"Closed loop: {WINDOW_PER_CONVERSATION} deliveries under way per client. Open loop: a fixed rate of events.",
    "Every index has to reach every client once and in order; a measurement where one did not counts as faulty.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """One target and what this run says about it; ratio is None when it could not be measured."""

    scenario: str
    target: Target
    ratio: float | None

    @property
    def verdict(self) -> str:
        return "not measured" if self.ratio is None else self.target.verdict(self.ratio)

    @property
    def shown(self) -> str:
        if self.ratio is None:
            return "–"
        return f"{self.ratio:.1f}" if self.target.against is None else f"{self.ratio:.2f}×"


def compared(results: Sequence[Result]) -> list[Compared]:
    return [
        Compared(result.scenario.name, target, _ratio(result, target))
        for result in results
        for target in result.scenario.targets
    ]


def _ratio(result: Result, target: Target) -> float | None:
    ours = result.median(result.scenario.ours, target.metric)
    theirs = result.median(target.against, target.metric) if target.against else ours
    return target.ratio(ours, theirs) if ours and theirs else None


def medians(result: Result) -> dict[str, dict[str, float]]:
    """server → metric → median."""
    found: dict[str, dict[str, float]] = {}
    for peer, rows in result.rounds.items():
        names = [name for name in (rows[0] if rows else {}) if name not in ("conns", "rooms", "error")]
        values = {name: result.median(peer, name) for name in names}
        found[peer] = {name: value for name, value in values.items() if value is not None}
    return found


def as_json(results: Sequence[Result], pace: Pace, date: str, machine: dict[str, object],
            versions: dict[str, str]) -> dict[str, Any]:  # fmt: skip
    return {
        "date": date,
        "machine": machine,
        "versions": versions,
        "method": list(METHOD),
        "pace": {"rounds": pace.rounds, "warm_s": pace.warm_s, "seconds": pace.seconds},
        "scenarios": {
            result.scenario.name: {
                "title": result.scenario.title,
                "rounds": result.rounds,
                "medians": medians(result),
                "faults": result.faults,
                "disturbances": result.disturbances,
            }
            for result in results
        },
        "targets": [
            {
                "scenario": row.scenario, "target": row.target.title, "wanted": row.target.wanted, "got": row.ratio,
                "verdict": row.verdict,
            }
            for row in compared(results)
        ],
    }  # fmt: skip


def median_table(result: Result) -> list[str]:
    """One line per server: the scenario's figure, its ratio to ours, and the rounds it is the median of."""
    scenario, lines = result.scenario, []
    ours = result.median(scenario.ours, scenario.metric)
    for peer in result.rounds:
        value = result.median(peer, scenario.metric)
        if value is None:
            lines.append(f"{PEERS[peer].title:<40} not measured")
            continue
        ratio = f"{value / ours:6.2f}×" if ours else "      –"
        rounds = " ".join(f"{number:.2f}" for number in result.values(peer, scenario.metric))
        lines.append(f"{PEERS[peer].title:<40}{value:10.2f}  {ratio}   ({rounds})")
    return lines


def disturbances(results: Sequence[Result]) -> list[str]:
    """A warning when the cores were not the benchmark's own."""
    rows = sum(len(rows) for result in results for rows in result.rounds.values())
    found = sum(result.disturbances for result in results)
    if not found:
        return []
    return [f"{found} of {rows} measurements were disturbed: the server waited for its core over {DISTURBED:.0%} of it"]


def target_table(results: Sequence[Result]) -> list[str]:
    return [
        f"{row.scenario:<16}{row.target.title:<36}{row.shown:>8}   wanted {row.target.wanted:<22} {row.verdict}"
        for row in compared(results)
    ]
