"""Runs scenarios: interleaved rounds, a fresh server for every measurement, servers one after another.

Invariant: a measurement with a lost, doubled or reordered event, or a lost socket, is marked as faulty and counts in no
median; an error of one server does not end the run.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.machine import answer_of
from bench.scenarios import WINDOW_PER_CONVERSATION, Scenario
from bench.servers import PEERS, Peer, Server, Site, write_request, write_tokens
from bench.talk import Talk
from bench.valkey import Valkey
from bench.wire import FIRST_INDEX, templates

_FAULTS = ("lost", "duplicates", "reordered", "lost_sockets", "failed")
LOAD_LIMIT_S = 90.0
#: Share of the time a server waited for its core above which a measurement is called disturbed.
DISTURBED = 0.05


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run takes; `rounds` measurements of each server per scenario."""

    rounds: int
    warm_s: float
    seconds: float
    idle_s: float = 30.0


SHORT = Pace(rounds=2, warm_s=1.5, seconds=1.0)
LONG = Pace(rounds=5, warm_s=4.0, seconds=5.0, idle_s=600.0)
#: Each half of an idle time this long has several heartbeats.
HEARTBEATS_S = 200
#: Samples of an idle server, evenly spaced.
IDLE_SAMPLES = 10


@dataclass(slots=True)
class Result:
    """All measurements of one scenario: server → one dict per round, as the load client printed it."""

    scenario: Scenario
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def values(self, peer: str, metric: str) -> list[float]:
        return [row[metric] for row in self.rounds.get(peer, ()) if metric in row and not faulty(row)]

    def median(self, peer: str, metric: str) -> float | None:
        values = self.values(peer, metric)
        return statistics.median(values) if values else None

    @property
    def disturbances(self) -> int:
        return sum(disturbed(row) for rows in self.rounds.values() for row in rows)

    @property
    def faults(self) -> list[str]:
        return [f"{peer}: {faulty(row)}" for peer, rows in self.rounds.items() for row in rows if faulty(row)]


def faulty(row: dict[str, Any]) -> str:
    """What is wrong with a measurement; empty: nothing."""
    if "error" in row:
        return str(row["error"])
    return ", ".join(f"{row[name]} {name}" for name in _FAULTS if row.get(name))


def disturbed(row: dict[str, Any]) -> bool:
    """Whether the server's main thread waited for its core, for other programs or for threads of its own."""
    return bool(_waited(row) > DISTURBED)


def _waited(row: dict[str, Any]) -> float:
    return float(max(row.get("server_waited", 0), row.get("worker_waited", 0)))


class Runner:
    """`say` hears of every measurement as it is made."""

    def __init__(self, site: Site, valkey: Valkey, load_core: int, pace: Pace, say: Callable[[str], None]) -> None:
        self._site, self._valkey, self._core, self._pace, self._say = site, valkey, load_core, pace, say
        self._templates = self._write_templates()

    def run(self, scenario: Scenario, peers: Sequence[str]) -> Result:
        """Every server once per round; each round begins with another one."""
        result = Result(scenario, {name: [] for name in peers})
        for number in range(1 if scenario.idle else self._pace.rounds):
            shift = number % len(peers)
            for name in (*peers[shift:], *peers[:shift]):
                row = self._measured(scenario, PEERS[name])
                result.rounds[name].append(row)
                self._say(f"  {number + 1} {name:<13} {_line(scenario, row)}")
        return result

    def _measured(self, scenario: Scenario, peer: Peer) -> dict[str, Any]:
        if scenario.durable or scenario.kind in ("publish", "talk"):
            self._valkey.clear()
        else:
            self._valkey.reset(scenario.conversations)
        # An emptied Redis has no scripts either way: FLUSHALL leaves them, a restart would not.
        try:
            if scenario.kind == "publish":
                return self._published(peer)
            if scenario.kind == "talk":
                return Talk(self._site, self._core).measured(scenario.conns, self._pace.warm_s, self._pace.seconds)
            with Server(peer, self._site) as server:
                for _ in range(scenario.rehearsals):
                    self._load(scenario, peer, server)
                row = self._load(scenario, peer, server)
                return row | growth(row) if scenario.idle else row
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return {"error": str(error)}

    def _load(self, scenario: Scenario, peer: Peer, server: Server) -> dict[str, Any]:
        program = self._site.tools.requests if scenario.kind == "request" else self._site.tools.load
        limit_s = LOAD_LIMIT_S + (self._pace.idle_s if scenario.idle else 0)
        return answer_of([str(program), *self._options(scenario, peer, server)], self._core, limit_s)

    def _published(self, peer: Peer) -> dict[str, Any]:
        """The producer is what is measured, so it has the server's core."""
        pace = _words({"warm": self._pace.warm_s, "seconds": self._pace.seconds})
        environment = dict(peer.environment(self._site, 0))
        return answer_of([*peer.command(self._site, 0), *pace], self._site.core, LOAD_LIMIT_S, environment)

    def _options(self, scenario: Scenario, peer: Peer, server: Server) -> list[str]:
        if scenario.kind == "request":
            return _words(
                {"port": server.port, "pid": server.pid, "conns": scenario.conns, "seconds": self._pace.seconds,
                 "warm": self._pace.warm_s, "request": write_request(self._site)}
            )  # fmt: skip
        rooms = scenario.conversations
        durable = scenario.durable and peer.wire == "caddie"
        options: dict[str, object] = {
            "port": server.port, "pid": server.pid, "conns": scenario.conns, "rooms": rooms,
            "tokens": write_tokens(self._site, scenario.conns, rooms),
        }  # fmt: skip
        if scenario.kind == "connect":
            hold_s = self._pace.idle_s if scenario.idle else scenario.hold_s
            sample_s = hold_s / IDLE_SAMPLES if scenario.idle else hold_s
            options |= {"connect-only": 1, "hold": hold_s, "sample": sample_s, "deflate": int(scenario.deflate)}
        else:
            options |= {
                "redis-port": self._valkey.port, "redis-pid": self._valkey.pid,
                "template": self._templates["caddie-append" if durable else peer.wire],
                "window": WINDOW_PER_CONVERSATION * scenario.conns, "rate": scenario.rate,
                "warm": self._pace.warm_s, "seconds": self._pace.seconds, "first": 0 if durable else FIRST_INDEX,
            }  # fmt: skip
        return _words(options)

    def _write_templates(self) -> dict[str, Path]:
        paths = {}
        for name, raw in templates(self._valkey.load_append_script()).items():
            paths[name] = self._site.folder / f"template-{name}"
            paths[name].write_bytes(raw)
        return paths


def _words(options: dict[str, object]) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def growth(row: dict[str, Any]) -> dict[str, Any]:
    """How much memory grew after the first sample, in percent of what the connections take; CPU likewise, as a ratio.

    The first tenth is left out: what connecting leaves behind is freed then. Halves of a short time are not compared,
    because heartbeats come all together.
    """
    samples = row["samples"]
    first, last = samples[0], samples[-1]
    held = max(first["rss_kb"] - row["memory_before_kb"], 1)
    spent = [after["cpu_ms"] - before["cpu_ms"] for before, after in pairwise(samples)]
    half = len(spent) // 2
    grown = {"drift_percent": max(last["rss_kb"] - first["rss_kb"], 0) * 100 / held}
    if half and sum(spent[:half]) and last["at_s"] > HEARTBEATS_S:
        grown["cpu_later_to_earlier"] = sum(spent[-half:]) / sum(spent[:half])
    return grown


def _line(scenario: Scenario, row: dict[str, Any]) -> str:
    if "error" in row:
        return f"failed: {row['error']}"
    shown = f"{row[scenario.metric]:9.2f} {scenario.unit}"
    if "p99_us" in row:
        a_second = row.get("deliveries_per_s", row.get("requests_per_s", 0))
        shown += f", {a_second:,.0f}/s, p50 {row['p50_us']} p99 {row['p99_us']} µs, server {row['server_load']:.0%}"
    if "redis_us_per_event" in row:
        shown += f", {row['events_per_s']:,}/s, Redis {row['redis_us_per_event']:.1f} µs per event"
    if "words_per_delta" in row:
        shown += f", {row['words_per_delta']:.2f} words each, worker {row['worker_load']:.0%}"
        shown += f", {row['behind_percent']:.0f} % behind the rate"
    if "drift_percent" in row:
        shown += f", {row['kb_per_conn']:.1f} KB each, grew {row['drift_percent']:.1f} %"
    if "client_load" in row:
        shown += f" Redis {row['redis_load']:.0%} client {row['client_load']:.0%}"
    if disturbed(row):
        shown += f"  disturbed {_waited(row):.0%}"
    return shown + (f"  FAULTY: {faulty(row)}" if faulty(row) else "")
