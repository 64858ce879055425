"""`python -m bench.executions`: what running workflows costs the worker, per node, and whether it grows with size.

A worker process is alone on one core; this process starts the executions, answers their requests and shares the other
core with a Valkey without persistence. CPU is the worker's exact process clock, all threads, less what it takes when
idle; each figure is the lowest of the rounds for CPU, the median for times. Called by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from docket import Docket

from bench import machine
from bench.producer import clock_of
from bench.valkey import Valkey, free_port
from shared.connections import open_redis
from shared.executions import Executions
from shared.log import EventLog
from shared.registry import Registry
from shared.runs import Runs, open_queue
from shared.seal import Seal
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, ExecutionStart
from shared.store.records import WorkflowRecord
from shared.tokens import KeyTable

IDLE_S = 3.0
START_S, END_S = 30.0, 120.0
TOGETHER = 200
Nodes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of workflow. nodes: runs of nodes, the trigger among them."""

    name: str
    nodes: int
    blocks: Nodes


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one shape, one execution at a time."""

    shape: Shape
    cpu_us_per_node: float
    seconds: float

    @property
    def cpu_ms(self) -> float:
        return self.cpu_us_per_node * self.shape.nodes / 1_000


def chain(nodes: int) -> Shape:
    """Behind the trigger, blocks that are done at once, one behind the other, each with the text of the one before."""
    blocks: Nodes = {"root": {"type": "manual", "children": ["n1"]}}
    for number in range(1, nodes):
        template = "step {{root.n}}" if number == 1 else f"{{{{n{number - 1}.text}}}}"
        blocks[f"n{number}"] = {"type": "format", "payload": {"template": template}, "children": [f"n{number + 1}"]}
    blocks[f"n{nodes - 1}"].pop("children")
    return Shape(f"chain of {nodes} instant nodes", nodes, blocks)


def loop(iterations: int) -> Shape:
    body: Nodes = {
        "a": {"type": "format", "payload": {"template": "{{$item}} of {{root.n}}"}, "children": ["b"]},
        "b": {"type": "regex", "payload": {"text": "{{a.text}}", "pattern": "[0-9]+"}, "children": ["c"]},
        "c": {"type": "merge", "payload": {"values": ["{{b.match}}", "{{$index}}"]}},
    }
    each = {"type": "for-each", "payload": {"items": list(range(iterations))}, "loopBody": ["a"]}
    blocks = {"root": {"type": "manual", "children": ["each"]}, "each": each, **body}
    return Shape(f"loop of {iterations} × 3 instant nodes", 3 * iterations + 2, blocks)


def effects(length: int, url: str) -> Shape:
    blocks: Nodes = {"root": {"type": "manual", "children": ["n0"]}}
    for number in range(length):
        payload = {"url": url, "body": {"n": "{{root.n}}"}}
        blocks[f"n{number}"] = {"type": "send-webhook", "payload": payload, "children": [f"n{number + 1}"]}
    blocks[f"n{length - 1}"].pop("children")
    return Shape(f"chain of {length} posts to a local receiver", length + 1, blocks)


def everyday(url: str) -> Shape:
    """Ten nodes as workflows have them: a request, a decision, some texts, a post."""
    condition = {"field": "n", "op": "gt", "right": 1}
    payloads: Nodes = {
        "look": ("http-request", {"url": url}, ["some"]),
        "some": ("filter", {"items": "{{look.body.items}}", "conditions": [condition]}, ["any"]),
        "any": ("if", {"conditions": [{"left": "{{some.count}}", "op": "gt", "right": 0}]}, ["names", "none"]),
        "names": ("pluck", {"items": "{{some.items}}", "field": "name"}, ["text"]),
        "none": ("log", {"message": "none"}, []),
        "text": ("format", {"template": "{{some.count}}: {{names.text}}"}, ["post", "note"]),
        "post": ("send-webhook", {"url": url, "body": {"text": "{{text.text}}"}}, ["both"]),
        "note": ("log", {"message": "{{text.text}}"}, ["both"]),
        "both": ("merge", {"mode": "first"}, []),
    }
    blocks: Nodes = {"root": {"type": "manual", "children": ["look"]}}
    for name, (block, payload, children) in payloads.items():
        blocks[name] = {"type": block, "payload": payload, "children": children}
    blocks["names"]["branch"], blocks["none"]["branch"] = "then", "else"
    return Shape("ten everyday nodes", len(blocks), blocks)


@dataclass(slots=True)
class Bench:
    """One worker and its surroundings."""

    pid: int
    store: Store
    executions: Executions
    org: int
    user: int
    url: str
    idle: float = 0.0

    async def calm(self) -> None:
        """What the worker takes when there is nothing to do."""
        before = clock_of(self.pid)
        await asyncio.sleep(IDLE_S)
        self.idle = (clock_of(self.pid) - before) / IDLE_S

    async def workflow(self, shape: Shape) -> WorkflowRecord:
        return await self.store.workflows.create(self.org, self.user, "Bench", definition={"nodes": shape.blocks})

    async def start(self, workflow: WorkflowRecord) -> ExecutionRecord:
        return await self.executions.start(ExecutionStart(
            self.org, self.user, workflow.id, workflow.version, "manual", "root", input={"n": 7}, inputs={"n": 7},
            request_id=str(uuid4()),
        ))  # fmt: skip

    async def ended(self, execution: ExecutionRecord) -> ExecutionRecord:
        """Raises TimeoutError; RuntimeError unless it has completed."""
        async with asyncio.timeout(END_S):
            while True:
                found = await self.store.executions.get(self.org, execution.id)
                if found is not None and found.over:
                    if found.status != "completed":
                        raise RuntimeError(f"expected a completed execution, got {found.error_message}")
                    return found
                await asyncio.sleep(0.05)

    async def cost(self, shape: Shape, rounds: int, times: int = 4) -> Cost:
        workflow = await self.workflow(shape)
        await self.ended(await self.start(workflow))
        spent, took = [], []
        for _ in range(rounds):
            began, before = asyncio.get_running_loop().time(), clock_of(self.pid)
            done = [await self.ended(await self.start(workflow)) for _ in range(times)]
            passed = asyncio.get_running_loop().time() - began
            spent.append((clock_of(self.pid) - before - passed * self.idle) / times)
            took += [seconds(each) for each in done]
        return Cost(shape, min(spent) * 1e6 / shape.nodes, statistics.median(took))

    async def together(self, shape: Shape, count: int) -> tuple[float, list[float]]:
        """(seconds until all have ended, from creation to end of each)"""
        workflow = await self.workflow(shape)
        await self.ended(await self.start(workflow))
        begun = await asyncio.gather(*(self.start(workflow) for _ in range(count)))
        done = [await self.ended(each) for each in begun]
        first = min(each.created_at for each in done)
        last = max(each.finished_at for each in done if each.finished_at)
        waits = [(each.finished_at - each.created_at).total_seconds() for each in done if each.finished_at]
        return (last - first).total_seconds(), sorted(waits)


def seconds(done: ExecutionRecord) -> float:
    assert done.started_at is not None and done.finished_at is not None
    return (done.finished_at - done.started_at).total_seconds()


@asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.json_response({"items": [{"n": number, "name": f"item {number}"} for number in range(4)]})

    app = web.Application()
    app.router.add_route("*", "/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/"
    await runner.cleanup()


@asynccontextmanager
async def benched(folder: Path, redis_port: int, core: int, profile: Path | None) -> AsyncIterator[Bench]:
    database, redis_url = f"sqlite:///{folder}/caddie.db", f"redis://127.0.0.1:{redis_port}/0"
    await Store.migrate(database)
    given = {
        "DATABASE_URL": database, "REDIS_URL": redis_url, "TOKEN_KEYS": KeyTable.generate(), "MODEL": "offline",
        "SEAL_KEY": Seal.generate(), "STATE_DIR": str(folder), "OUTBOUND_NETWORKS": "127.0.0.0/8",
        "LOG_LEVEL": "warning",
    }  # fmt: skip
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CADDIE_", "ANTHROPIC_"))}
    environment = {**inherited, **{f"CADDIE_{name}": value for name, value in given.items()}}
    profiled = ["-m", "cProfile", "-o", str(profile)] if profile else []
    store, redis = await Store.open(database), open_redis(redis_url)
    user = await store.accounts.sign_up("Bench", "bench@example.com", "Bench")
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, *profiled, "-m", "caddie", "worker"], env=environment, cwd=Path.cwd(),
        preexec_fn=machine.bound_to(core),
    )  # fmt: skip
    try:
        async with receiver() as url, open_queue(redis_url) as queue:
            async with asyncio.timeout(START_S):
                while not await Registry(redis).alive("worker"):
                    await asyncio.sleep(0.05)
            executions = _executions(store, EventLog(redis, 3_600, 20_000), queue)
            bench = Bench(process.pid, store, executions, user.org_id, user.id, url)
            await bench.calm()
            yield bench
    finally:
        process.terminate()
        process.wait(30)
        await store.close()
        await redis.aclose()


def _executions(store: Store, log: EventLog, queue: Docket) -> Executions:
    return Executions(store, Runs(store, log, queue))


async def measure(rounds: int, profile: Path | None) -> list[str]:
    worker_core, load_core = machine.cores()
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="caddie-bench-") as name:
        folder = Path(name)
        with Valkey(folder, load_core) as valkey:
            async with benched(folder, valkey.port, worker_core, profile) as bench:
                return await _lines(bench, rounds)


async def _lines(bench: Bench, rounds: int) -> list[str]:
    pairs = [(chain(250), chain(500)), (loop(50), loop(100)), (effects(25, bench.url), effects(50, bench.url))]
    lines = ["| workflow | CPU µs per node | CPU ms | seconds | nodes per second |", "|---|---|---|---|---|"]
    ratios = ["", "| twice the size | CPU per node |", "|---|---|"]
    for small, large in pairs:
        costs = [await bench.cost(shape, rounds) for shape in (small, large)]
        for each in costs:
            lines.append(_row(each))
        ratios.append(f"| {large.name} | {costs[1].cpu_us_per_node / costs[0].cpu_us_per_node:.2f}× |")
    shape = everyday(bench.url)
    single = await bench.cost(shape, rounds)
    results = [await bench.together(shape, TOGETHER) for _ in range(rounds)]
    took = statistics.median(passed for passed, _ in results)
    p50, p99 = (statistics.median(waits[int(len(waits) * share)] for _, waits in results) for share in (0.5, 0.99))
    lines.append(_row(single))
    return [
        *lines, *ratios, "",
        f"{TOGETHER} executions of {shape.name} at once: {TOGETHER / took:.0f} executions and "
        f"{TOGETHER * shape.nodes / took:.0f} nodes per second; from start to end p50 {p50:.2f} s, p99 {p99:.2f} s.",
        f"An idle worker takes {bench.idle * 1_000:.1f} ms of CPU a second.",
    ]  # fmt: skip


def _row(cost: Cost) -> str:
    rate = cost.shape.nodes / cost.seconds
    return f"| {cost.shape.name} | {cost.cpu_us_per_node:.0f} | {cost.cpu_ms:.1f} | {cost.seconds:.3f} | {rate:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.executions", description="What running workflows costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", type=Path, help="run the worker under cProfile and write its figures here")
    options = parser.parse_args()
    lines = asyncio.run(measure(options.rounds, options.profile))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
