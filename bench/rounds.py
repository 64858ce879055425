"""Runs scenarios: interleaved rounds, a fresh server for every measurement, servers one after another.

Invariant: a measurement with a lost, doubled or reordered event, or a lost socket, is marked as faulty and counts in no
median; an error of one server does not end the run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import bound_to
from bench.scenarios import WINDOW_PER_CONVERSATION, Scenario
from bench.servers import PEERS, Peer, Server, Site, write_request, write_tokens
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


SHORT = Pace(rounds=2, warm_s=1.5, seconds=1.0)
LONG = Pace(rounds=5, warm_s=4.0, seconds=5.0)


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
    return bool(row.get("server_waited", 0) > DISTURBED)


class Runner:
    """`say` hears of every measurement as it is made."""

    def __init__(self, site: Site, valkey: Valkey, load_core: int, pace: Pace, say: Callable[[str], None]) -> None:
        self._site, self._valkey, self._core, self._pace, self._say = site, valkey, load_core, pace, say
        self._templates = self._write_templates()

    def run(self, scenario: Scenario, peers: Sequence[str]) -> Result:
        """Every server once per round; each round begins with another one."""
        result = Result(scenario, {name: [] for name in peers})
        for number in range(self._pace.rounds):
            shift = number % len(peers)
            for name in (*peers[shift:], *peers[:shift]):
                row = self._measured(scenario, PEERS[name])
                result.rounds[name].append(row)
                self._say(f"  {number + 1} {name:<13} {_line(scenario, row)}")
        return result

    def _measured(self, scenario: Scenario, peer: Peer) -> dict[str, Any]:
        if scenario.durable:
            self._valkey.clear()
        else:
            self._valkey.reset(scenario.conversations)
        # An emptied Redis has no scripts either way: FLUSHALL leaves them, a restart would not.
        try:
            with Server(peer, self._site) as server:
                for _ in range(scenario.rehearsals):
                    self._load(scenario, peer, server)
                return self._load(scenario, peer, server)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return {"error": str(error)}

    def _load(self, scenario: Scenario, peer: Peer, server: Server) -> dict[str, Any]:
        program = self._site.tools.requests if scenario.kind == "request" else self._site.tools.load
        command = [str(program), *self._options(scenario, peer, server)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LOAD_LIMIT_S, check=False, preexec_fn=bound_to(self._core)
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-300:] or f"load ended with {done.returncode}")
        row: dict[str, Any] = json.loads(done.stdout)
        return row

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
            options |= {"connect-only": 1, "hold": scenario.hold_s, "deflate": int(scenario.deflate)}
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


def _line(scenario: Scenario, row: dict[str, Any]) -> str:
    if "error" in row:
        return f"failed: {row['error']}"
    shown = f"{row[scenario.metric]:9.2f} {scenario.unit}"
    if "p99_us" in row:
        a_second = row.get("deliveries_per_s", row.get("requests_per_s", 0))
        shown += f", {a_second:,.0f}/s, p50 {row['p50_us']} p99 {row['p99_us']} µs, server {row['server_load']:.0%}"
    if "redis_load" in row:
        shown += f" Redis {row['redis_load']:.0%} client {row['client_load']:.0%}"
    if disturbed(row):
        shown += f"  disturbed {row['server_waited']:.0%}"
    return shown + (f"  FAULTY: {faulty(row)}" if faulty(row) else "")
