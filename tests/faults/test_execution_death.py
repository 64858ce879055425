"""Workers killed at every node of a workflow: it ends all the same, in order, with nothing done twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from shared.connections import open_redis
from shared.events import ExecutionNode, RunFinished
from shared.executions import Executions
from shared.runs import Runs, open_queue
from shared.settings import Settings
from shared.store.execution_records import ExecutionRecord, ExecutionStart
from shared.store.records import WorkflowRecord
from tests.caddie.workflow.blocks.counterparts import Receiver, receiving
from tests.product import TERMINAL, Product, RoleProcess, running, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]
TAKEOVER_S = 15
ORDER = [
    "root", "look", "label", "send", "seen", "each:0/note", "each:0/check", "each:1/note", "each:1/check", "each",
    "pause", "ask", "count", "sub", "reply",
]  # fmt: skip
#: Where a worker is killed: before or after a step is stored with a status, or while somebody is asked something.
MOMENTS = [
    "root success before", "/look asked", "label success before", "/seen asked", "/check/8 asked",
    "each success before", "pause waiting after", "pause success before", "ask waiting before", "ask waiting after",
    "count success before", "count success after", "sub waiting before", "/child asked", "reply success before",
    "reply success after",
]  # fmt: skip
Hook = Callable[[], Awaitable[None]]


class Mortal(RoleProcess):
    """A worker's process that can be told when to die."""

    COMMAND = ("-m", "tests.faults.mortal")

    @property
    def begun(self) -> bool:
        return hasattr(self, "process")

    def _started(self) -> bool:
        return self.process.returncode is not None or self.STARTED["worker"] in self.logged


@dataclass
class Crew:
    """Three worker processes; one that is killed is replaced. site: who the workflow's steps talk to."""

    product: Product
    executions: Executions
    redis: Any
    queue: Any
    site: Receiver
    processes: list[Mortal] = field(default_factory=list)
    joining: list[asyncio.Task[RoleProcess]] = field(default_factory=list)
    hooks: dict[str, Hook] = field(default_factory=dict)
    killed_at: float = 0.0
    current: ExecutionRecord | None = None
    _moment: str = ""
    _dead: int = 0
    _struck: asyncio.Event = field(default_factory=asyncio.Event)
    _striking: asyncio.Task[None] | None = None

    async def hire(self) -> RoleProcess:
        name = f"worker-{uuid4().hex[:6]}"
        worker = Mortal("worker", self.product.settings, name, CADDIE_OUTBOUND_NETWORKS="127.0.0.0/8")
        # It may take over, and die, before anybody has seen that it has started.
        self.processes.append(worker)
        return await worker.start()

    async def strike(self, execution_id: str) -> None:
        """Kill the process that carries an execution; a new one comes while the other takes over."""
        worker = await until(lambda: self._carrier(execution_id))
        self.killed_at = time.monotonic()
        self.joining.append(asyncio.create_task(self.hire()))
        await worker.kill()
        self._struck.set()

    async def _carrier(self, execution_id: str) -> Mortal | None:
        """By what the queue knows of deliveries that have not been acknowledged."""
        pending = await self.redis.xpending_range(self.queue.stream_key, self.queue.worker_group_name, "-", "+", 100)
        for each in pending:
            found = await self.redis.xrange(self.queue.stream_key, each["message_id"], each["message_id"])
            if found and found[0][1][b"key"].decode() == execution_id:
                name = each["consumer"].decode()
                return next((worker for worker in self._alive() if name in worker.logged), None)
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if hook := self.hooks.pop(request.path, None):
            await hook()
        return web.json_response({"path": request.path})

    def effects(self) -> Counter[tuple[str, str]]:
        """(path, body) of what was posted; each with a key of its own."""
        posted = [each for each in self.site.seen if each.method == "POST"]
        keys = Counter(each.headers["idempotency-key"] for each in posted)
        assert set(keys.values()) <= {1}, keys
        return Counter((each.path, each.body.decode()) for each in posted)

    async def told(self, execution: ExecutionRecord) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for event in await self.product.events(execution.id):
            if isinstance(data := event.data, ExecutionNode):
                found.append((f"{data.path}/{data.nodeId}" if data.path else data.nodeId, data.status))
        return found

    async def start(self, workflow: WorkflowRecord) -> ExecutionRecord:
        product = self.product
        self.site.seen.clear()
        self.current = None
        self.current = await self.executions.start(ExecutionStart(
            product.org, product.user, workflow.id, workflow.version, "manual", "root", input={"name": "Ada"},
            inputs={"name": "Ada"}, request_id=str(uuid4()),
        ))  # fmt: skip
        return self.current

    async def found(self, execution: ExecutionRecord) -> ExecutionRecord:
        found = await self.product.store.executions.get(self.product.org, execution.id)
        assert found is not None
        return found

    async def _reply(self, execution: ExecutionRecord) -> None:
        for asked in await self.product.store.executions.pending_inputs(execution.id):
            await self.executions.answer(self.product.org, self.product.user, asked.id, "approve")

    async def ended(self, execution: ExecutionRecord) -> ExecutionRecord:
        async def over() -> bool:
            await self._reply(execution)
            terminal = any(event.type in TERMINAL for event in await self.product.events(execution.id))
            return terminal and (await self.found(execution)).over

        await until(over, 2 * TAKEOVER_S)
        return await self.found(execution)

    def arm(self, moment: str) -> None:
        """Let the worker that comes to this moment next die of it."""
        self._moment, self._dead, self._struck = moment, self._dead_now(), asyncio.Event()
        if not moment.endswith("asked"):
            file = Path(self.product.settings.state_dir) / "moment"
            file.with_suffix(".new").write_text(moment)
            file.with_suffix(".new").rename(file)
            return

        async def hook() -> None:
            execution = await until(lambda: self.current)
            name = await self._child(execution) if "child" in moment else execution.id
            # With the one who asks, whoever answers is gone, too.
            self._striking = asyncio.create_task(self.strike(name))
            await asyncio.shield(self._striking)

        self.hooks[moment.split()[0]] = hook

    async def death(self) -> None:
        """Until a worker has died of what was armed."""
        assert self.current is not None
        execution, armed = self.current, not self._moment.endswith("asked")

        async def gone() -> bool:
            await self._reply(execution)
            return self._struck.is_set() or (armed and self._dead_now() > self._dead)

        try:
            # With nobody left, a new one has to start first.
            await until(gone, 4 * TAKEOVER_S)
        except TimeoutError:
            raise AssertionError(f"nobody died at {self._moment}: {await self.told(execution)}") from None
        if not self._struck.is_set():
            self.killed_at = time.monotonic()
            self.joining.append(asyncio.create_task(self.hire()))

    def _dead_now(self) -> int:
        return sum(worker.begun and worker.process.returncode is not None for worker in self.processes)

    def _alive(self) -> list[Mortal]:
        return [worker for worker in self.processes if worker.begun and worker.process.returncode is None]

    async def _child(self, execution: ExecutionRecord) -> str:
        page = await self.product.store.executions.list(self.product.org, self.product.user, 10)
        return next(each.id for each in page.items if each.parent_id == execution.id)


@pytest.fixture
async def crew(settings: Settings) -> AsyncIterator[Crew]:
    settings = settings.model_copy(update={"run_lease_s": 2.0})
    redis = open_redis(settings.redis_address)
    async with running(settings, ()) as product, receiving() as site, open_queue(settings.redis_address) as queue:
        executions = Executions(product.store, Runs(product.store, product.log, queue))
        crew = Crew(product, executions, redis, queue, site)
        for path in ("/look", "/send", "/seen", "/note", "/check/7", "/check/8", "/child"):
            site.answers[path] = crew.answer
        await asyncio.gather(*(crew.hire() for _ in range(3)))
        try:
            yield crew
        finally:
            await asyncio.gather(*crew.joining, return_exceptions=True)
            await asyncio.gather(*(worker.kill() for worker in crew.processes if worker.begun))
            await redis.aclose()


async def stored(crew: Crew) -> WorkflowRecord:
    """A workflow of all kinds of blocks, in a row."""
    product, url = crew.product, crew.site.url
    child: dict[str, Any] = {
        "root": {"type": "manual", "children": ["post"]},
        "post": {"type": "send-webhook", "payload": {"url": url("/send"), "body": "child"}, "children": ["child"]},
        "child": {"type": "http-request", "payload": {"url": url("/child")}},
    }
    sub = await product.store.workflows.create(product.org, product.user, "Sub", definition={"nodes": child})
    blocks: dict[str, Any] = {
        "root": {"type": "manual"},
        "look": {"type": "http-request", "payload": {"url": url("/look")}},
        "label": {"type": "format", "payload": {"template": "{{root.name}} {{look.body.path}}"}},
        "send": {"type": "send-webhook", "payload": {"url": url("/send"), "body": "{{label.text}}"}},
        "seen": {"type": "http-request", "payload": {"url": url("/seen")}},
        "each": {"type": "for-each", "payload": {"items": [7, 8]}, "loopBody": ["note"]},
        "pause": {"type": "delay", "payload": {"seconds": 1}},
        "ask": {"type": "human_confirmation", "payload": {"message": "Go on?"}},
        "count": {"type": "set-variable", "payload": {"name": "n", "operation": "increment", "value": 1}},
        "sub": {"type": "trigger-workflow", "payload": {"workflow": sub.slug}},
        "reply": {"type": "reply_chat", "payload": {"text": "{{each.count}} notes, number {{count.value}}"}},
    }
    names = list(blocks)
    for name, after in zip(names, names[1:], strict=False):
        blocks[name]["children"] = [after]
    blocks["note"] = {
        "type": "send-webhook",
        "payload": {"url": url("/note"), "body": {"item": "{{$item}}"}},
        "children": ["check"],
    }
    blocks["check"] = {"type": "http-request", "payload": {"url": url("/check/{{$item}}")}}
    definition = {
        "nodes": blocks, "variableDefs": [{"name": "n", "type": "number", "lifetime": "persist", "default": 0}],
    }  # fmt: skip
    return await product.store.workflows.create(product.org, product.user, "Chain", definition=definition)


async def assert_done_once(crew: Crew, execution: ExecutionRecord, number: int) -> None:
    """number: of the executions of this workflow so far."""
    found = await crew.found(execution)
    assert (found.status, found.error_code, found.error_message) == ("completed", None, None)
    assert crew.effects() == Counter(
        {("/send", '"Ada /look"'): 1, ("/send", '"child"'): 1, **{("/note", f'{{"item":{n}}}'): 1 for n in (7, 8)}}
    )
    assert [name for name, status in await crew.told(execution) if status == "success"] == ORDER
    events = await crew.product.events(execution.id)
    assert [event.index for event in events] == list(range(1, len(events) + 1))
    kinds = Counter(event.type for event in events)
    assert kinds["run.started"] == kinds["run.finished"] == 1
    # A question may have been answered before anybody lived to tell of it.
    assert kinds["input.requested"] == kinds["input.resolved"] <= 1
    assert isinstance(events[-1].data, RunFinished) and kinds["run.failed"] == 0
    assert (await crew.product.store.executions.variables(found.workflow_id))["n"] == number
    said = [(each.role, each.text) for each in (await crew.product.folded(execution.id)).messages]
    assert said == [("assistant", f"2 notes, number {number}")]


async def test_a_worker_killed_at_any_node_leaves_an_execution_that_ends_once(crew: Crew) -> None:
    workflow = await stored(crew)
    for number, moment in enumerate(MOMENTS, 1):
        crew.arm(moment)
        execution = await crew.start(workflow)
        await crew.death()
        await crew.ended(execution)
        # The delay takes some of it.
        assert time.monotonic() - crew.killed_at < TAKEOVER_S + 1, moment
        await assert_done_once(crew, execution, number)


async def test_an_execution_whose_worker_dies_at_every_node_in_turn_ends_once(crew: Crew) -> None:
    workflow = await stored(crew)
    crew.arm(MOMENTS[0])
    execution = await crew.start(workflow)
    for moment in MOMENTS[1:]:
        await crew.death()
        # Nobody takes over within a lease.
        crew.arm(moment)
    await crew.death()
    found = await crew.ended(execution)
    await assert_done_once(crew, execution, 1)
    assert found.attempt >= len(MOMENTS) - 1 and len(crew.joining) == len(MOMENTS)


#: (moment, node in doubt, steps that have succeeded, effects that have arrived)
DOUBTS = [("send success before", "send", 3, 1), ("label success after", "send", 3, 0), ("/note asked", "note", 5, 2)]


async def test_a_step_in_doubt_ends_the_execution_as_such(crew: Crew) -> None:
    """Done and not stored, stored and not done, on its way: nobody can tell them apart afterwards."""
    workflow = await stored(crew)
    for moment, node, before, effects in DOUBTS:
        crew.arm(moment)
        execution = await crew.start(workflow)
        await crew.death()
        found = await crew.ended(execution)
        assert (found.status, found.error_code, found.error_node) == ("failed", "IN_DOUBT", node)
        assert sum(crew.effects().values()) == effects
        told = await crew.told(execution)
        assert [name for name, status in told if status == "success"] == ORDER[:before]
        assert (("each:0/" if node == "note" else "") + node, "failed") in told
        kinds = Counter(event.type for event in await crew.product.events(execution.id))
        assert (kinds["run.failed"], kinds["run.finished"]) == (1, 0)
        assert (await crew.product.store.executions.variables(found.workflow_id)).get("n", 0) == 0
