"""Results as text and JSON: every round, medians, ratios against the targets.

Invariant: a ratio is made of medians of the same run; a target whose figures are missing is shown as not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.rounds import DISTURBED, Pace, Result
from bench.scenarios import SCENARIOS, WINDOW_PER_CONVERSATION, Target
from bench.servers import PEERS

METHOD = (
    "Every measurement starts a fresh server, bound to one core; load client and Redis share the other.",
    "Rounds are interleaved: each round measures every server once and begins with another one. Medians of rounds.",
    "CPU is the process clock of the server, all its threads, divided by what clients received while it was read.",
    "Each socket is a websocket that proved a session token; each event is one Redis command in the server's own form.",
    "Latency runs from the publish call to the read that brought the event; open loops publish each at its own time.",
    "Durable publish: the producer is measured in a process of its own; all encode and store the same event.",
    "Whole path: latency from the event's `ts` (milliseconds, set by the worker) to the read; answers of 700 words.",
    f"Closed loop: {WINDOW_PER_CONVERSATION} deliveries under way per client. Open loop: a fixed rate of events.",
    "Every index has to reach every client once and in order; a measurement where one did not counts as faulty.",
)  # fmt: skip

#: Figures a scenario's page shows in a table, where they were measured.
FIGURES = {
    "deliveries_per_s": "deliveries/s", "events_per_s": "events/s", "requests_per_s": "requests/s",
    "requests_per_cpu_s": "requests per CPU second", "p50_us": "p50 µs", "p99_us": "p99 µs",
    "late_p99_us": "published late, p99 µs",
    "redis_us_per_event": "Redis, CPU µs per event", "worker_us_per_delta": "worker, CPU µs",
    "server_us_per_delta": "server, CPU µs", "redis_us_per_delta": "Redis, CPU µs",
    "words_per_delta": "words per delta", "behind_percent": "behind the rate, %",
    "kb_per_conn": "KB per connection", "drift_percent": "growth, %",
    "idle_us_per_conn_s": "idle, CPU µs per second", "cpu_later_to_earlier": "CPU, second half to first",
}  # fmt: skip


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
    named = {result.scenario.name: result for result in results}
    return [
        Compared(result.scenario.name, target, _ratio(result, named.get(target.base or result.scenario.name), target))
        for result in results
        for target in result.scenario.targets
    ]


def _ratio(result: Result, base: Result | None, target: Target) -> float | None:
    ours = result.median(result.scenario.ours, target.metric)
    if target.against is None:
        return ours
    theirs = base.median(target.against, target.metric) if base else None
    return target.ratio(ours, theirs) if ours and theirs else None


def medians(result: Result) -> dict[str, dict[str, float]]:
    """server → metric → median."""
    found: dict[str, dict[str, float]] = {}
    for peer, rows in result.rounds.items():
        left_out = ("conns", "rooms", "error", "samples")
        names = [name for name in (rows[0] if rows else {}) if name not in left_out]
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


def figure_table(result: Result) -> tuple[list[str], list[list[str]]]:
    """(column titles, a row per server) of the figures beside the one the chart shows."""
    found = medians(result)
    names = [
        name
        for name in FIGURES
        if name != result.scenario.metric and any(values.get(name) for values in found.values())
    ]
    rows = [
        [PEERS[peer].title, *(_plain(values[name]) if name in values else "–" for name in names)]
        for peer, values in found.items()
    ]
    return [FIGURES[name] for name in names], rows


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def scenario_list() -> list[str]:
    """Every scenario with its servers and targets; a star marks what a short run leaves out."""
    lines = []
    for scenario in SCENARIOS.values():
        lines.append(f"{scenario.name + ('*' if scenario.long_only else ''):<17} {scenario.title}")
        lines.append(f"{'':<18}{', '.join(scenario.peers)}")
        lines += [f"{'':<18}{target.title}: {target.wanted}" for target in scenario.targets]
    return [*lines, "* only with --long or --only"]


def disturbances(results: Sequence[Result]) -> list[str]:
    """A warning when the cores were not the benchmark's own."""
    rows = sum(len(rows) for result in results for rows in result.rounds.values())
    found = sum(result.disturbances for result in results)
    if not found:
        return []
    return [f"{found} of {rows} measurements were disturbed: the server waited for its core over {DISTURBED:.0%} of it"]


def target_table(results: Sequence[Result]) -> list[str]:
    return [
        f"{row.scenario:<16}{row.target.title:<41}{row.shown:>8}   wanted {row.target.wanted:<22} {row.verdict}"
        for row in compared(results)
    ]
