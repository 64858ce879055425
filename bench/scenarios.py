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
Kind = Literal["delivery", "connect", "request", "publish", "talk"]


@dataclass(frozen=True, slots=True)
class Target:
    """How many times better than the peer `metric` is wanted to be: at least `least`, better `aim`.

    inverse: the target is a distance, ours divided by theirs, at most. Without a peer our own figure is meant, at most.
    least: None is only reported beside its aim. base: the peer's figure is taken from this other scenario.
    """

    title: str
    metric: str
    against: str | None
    least: float | None
    aim: float
    inverse: bool = False
    more_is_better: bool = False
    base: str | None = None

    def ratio(self, ours: float, theirs: float) -> float:
        if self.against is None:
            return ours
        return ours / theirs if self.inverse or self.more_is_better else theirs / ours

    def verdict(self, ratio: float) -> str:
        if self._within(ratio, self.aim):
            return "aim reached"
        if self.least is None:
            return "aim missed"
        return "reached" if self._within(ratio, self.least) else "missed"

    def _within(self, ratio: float, bound: float) -> bool:
        return ratio <= bound if self._low else ratio >= bound

    @property
    def _low(self) -> bool:
        return self.inverse or self.against is None

    @property
    def wanted(self) -> str:
        sign, unit = "≤" if self._low else "≥", "" if self.against is None else "×"
        if self.least is None:
            return f"aim {sign} {self.aim:g}{unit}"
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
    #: Idle for as long as the run's pace says, with samples on the way; measured once.
    idle: bool = False
    #: What a short run leaves out: it has to end within three minutes.
    long_only: bool = False
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


def _session(conns: int) -> Scenario:
    """A closed loop: each connection sends its next call when it has the answer."""
    sides = (("fastify", 0.55, 0.75), ("aiohttp", 2, 2.8))
    return Scenario(
        f"session-{conns}", f"Session calls, {conns} connections", ("gateway", "fastify", "aiohttp"),
        "cpu_us_per_request", "CPU µs per request", kind="request", conns=conns, long_only=True,
        targets=tuple(
            Target(f"{title} against {peer}", metric, peer, least, aim, more_is_better=True)
            for title, metric in (("requests/s", "requests_per_s"), ("requests per CPU second", "requests_per_cpu_s"))
            for peer, least, aim in sides
        ),
    )  # fmt: skip


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
            targets=(
                Target("against Node socket.io", _CPU, "node-redis", 2.5, 4),
                Target("cost against N: 2,000 to 50", _CPU, OURS, None, 3, inverse=True, base="saturation-50"),
            ),
        ),
        Scenario(
            "saturation-50", "Saturation, 50 conversations with one client each", (OURS, "node-redis"), _CPU,
            "CPU µs per delivered event", conns=50, long_only=True,
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
            "CPU µs per delivered event", rate=40_000, long_only=True,
            targets=(Target("CPU against Node socket.io", _CPU, "node-redis", 2, 3.3),),
        ),
        Scenario(
            "fan-out", "One conversation with 1,000 clients", (OURS, "node-redis"), _CPU, "CPU µs per delivery",
            conns=1_000, rooms=1, targets=(Target("against Node socket.io", _CPU, "node-redis", 1.3, 1.6),),
        ),
        Scenario(
            "durable-500", "Saturation with every event stored before it is published, 500 clients",
            (OURS, "node-streams"), _CPU, "CPU µs per delivered event", durable=True, long_only=True,
        ),
        Scenario(
            "publish", "Durable publish: stored in a stream and published, one producer",
            ("batches", "recorder", "single", "redis-py"), "cpu_us_per_event", "CPU µs of the producer per event",
            kind="publish", long_only=True,
            targets=(
                Target("against redis-py one by one", _CPU, "redis-py", 10, 20),
                Target("CPU of Redis against redis-py", "redis_us_per_event", "redis-py", None, 1),
            ),
        ),
        Scenario(
            "whole-path", "Offline model to browser-like client, 200 conversations at 50 words/s each", ("product",),
            "cpu_us_per_delta", "CPU µs of worker and server per delta", kind="talk", conns=200, long_only=True,
            targets=(
                Target("CPU µs per delivered delta", "cpu_us_per_delta", None, None, 60),
                Target("added p99, ms", "p99_ms", None, None, 20),
                Target("words behind the model's rate, %", "behind_percent", None, None, 10),
            ),
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
            "idle-5000", "5,000 idle browser connections, ten minutes (short run: 30 s)", (OURS, "node-redis"),
            "idle_us_per_conn_s", "CPU µs per connection and second", kind="connect", conns=5_000, idle=True,
            deflate=True, long_only=True,
            targets=(
                Target("KB per connection at the end", "kb_per_conn", None, 34, 12),
                Target("growth after the first sample, %", "drift_percent", None, 5, 1),
            ),
        ),
        *(_session(conns) for conns in (16, 64)),
    )
}  # fmt: skip
