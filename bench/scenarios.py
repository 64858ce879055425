"""What is measured: for each scenario the load, the servers that take part, and what we want to reach.

Targets are ratios against a peer of the same run, because absolute figures belong to one machine. Called by
`bench.rounds` (the load) and `bench.report` (the targets).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OURS = "caddie"
#: Deliveries that may be under way per conversation in the closed loop.
WINDOW_PER_CONVERSATION = 4
Kind = Literal["delivery", "connect", "request"]


@dataclass(frozen=True, slots=True)
class Target:
    """How many times better than the peer `metric` is wanted to be: at least `least`, better `aim`.

    inverse: the target is a distance, ours divided by theirs, at most. Without a peer our own figure is meant, at most.
    """

    title: str
    metric: str
    against: str | None
    least: float
    aim: float
    inverse: bool = False
    more_is_better: bool = False

    def ratio(self, ours: float, theirs: float) -> float:
        if self.against is None:
            return ours
        return ours / theirs if self.inverse or self.more_is_better else theirs / ours

    def verdict(self, ratio: float) -> str:
        low = self.inverse or self.against is None
        reached = [ratio <= bound if low else ratio >= bound for bound in (self.least, self.aim)]
        return "aim reached" if reached[1] else "reached" if reached[0] else "missed"

    @property
    def wanted(self) -> str:
        sign = "≤" if self.inverse or self.against is None else "≥"
        unit = "" if self.against is None else "×"
        return f"{sign} {self.least:g}{unit} (aim {self.aim:g}{unit})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`metric` is the figure its chart shows; `conns` sockets over `rooms` conversations (0: one each)."""

    name: str
    title: str
    peers: tuple[str, ...]
    metric: str
    unit: str
    kind: Kind = "delivery"
    conns: int = 500
    rooms: int = 0
    rate: int = 0
    durable: bool = False
    deflate: bool = False
    hold_s: float = 0.0
    #: Connects before the measured ones, on the same server: a just-in-time compiler needs them.
    rehearsals: int = 0
    targets: tuple[Target, ...] = field(default=())

    @property
    def ours(self) -> str:
        return self.peers[0]

    @property
    def conversations(self) -> int:
        return self.rooms or self.conns


_CPU = "cpu_us_per_event"
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "saturation-500", "Saturation, 500 conversations with one client each",
            (OURS, "node-redis", "node-streams", "node-ws", "stock", "floor"), _CPU, "CPU µs per delivered event",
            targets=(
                Target("against Node socket.io", _CPU, "node-redis", 4, 5.5),
                Target("against stock python-socketio", _CPU, "stock", 25, 40),
                Target("distance to the C floor", _CPU, "floor", 1.6, 1.1, inverse=True),
            ),
        ),
        Scenario(
            "saturation-2000", "Saturation, 2,000 conversations with one client each", (OURS, "node-redis", "floor"),
            _CPU, "CPU µs per delivered event", conns=2_000,
            targets=(Target("against Node socket.io", _CPU, "node-redis", 2.5, 4),),
        ),
        Scenario(
            "saturation-50", "Saturation, 50 conversations with one client each", (OURS, "node-redis"), _CPU,
            "CPU µs per delivered event", conns=50,
        ),
        Scenario(
            "open-10000", "Equal load, 10,000 events/s to 500 clients", (OURS, "node-redis"), _CPU,
            "CPU µs per delivered event", rate=10_000,
            targets=(
                Target("CPU against Node socket.io", _CPU, "node-redis", 1.6, 2.3),
                Target("p99 publish to receipt", "p99_us", "node-redis", 1.2, 2),
            ),
        ),
        Scenario(
            "open-40000", "Equal load, 40,000 events/s to 500 clients", (OURS, "node-redis"), _CPU,
            "CPU µs per delivered event", rate=40_000,
            targets=(Target("CPU against Node socket.io", _CPU, "node-redis", 2, 3.3),),
        ),
        Scenario(
            "fan-out", "One conversation with 1,000 clients", (OURS, "node-redis"), _CPU, "CPU µs per delivery",
            conns=1_000, rooms=1, targets=(Target("against Node socket.io", _CPU, "node-redis", 1.3, 1.6),),
        ),
        Scenario(
            "durable-500", "Saturation with every event stored before it is published, 500 clients",
            (OURS, "node-streams"), _CPU, "CPU µs per delivered event", durable=True,
        ),
        Scenario(
            "connect", "Connects with a session token, 1,000 clients", (OURS, "node-redis", "node-ws", "stock"),
            "cpu_us_per_connect", "CPU µs per connect", kind="connect", conns=1_000, rehearsals=1,
            targets=(Target("against Node socket.io", "cpu_us_per_connect", "node-redis", 0.8, 2),),
        ),
        Scenario(
            "memory", "Memory of an idle browser connection (deflate offered), 1,000 clients",
            (OURS, "node-redis", "node-ws", "stock"), "kb_per_conn", "KB per connection", kind="connect", conns=1_000,
            deflate=True, hold_s=2.0,
            targets=(Target("KB per connection", "kb_per_conn", None, 34, 12),),
        ),
        Scenario(
            "session", "Session calls, 32 connections", ("gateway", "fastify", "aiohttp"), "cpu_us_per_request",
            "CPU µs per request", kind="request", conns=32,
            targets=(
                Target("requests/s against fastify", "requests_per_s", "fastify", 0.55, 0.75, more_is_better=True),
                Target("requests/s against aiohttp", "requests_per_s", "aiohttp", 2, 2.8, more_is_better=True),
            ),
        ),
    )
}  # fmt: skip
