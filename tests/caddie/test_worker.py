"""The worker with its real queue: jobs that were never queued, that fail half way, that are handed out again."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

import pytest
from aiohttp import web
from redis.asyncio import Redis

from shared import log as log_module
from shared.registry import Registry
from shared.runs import TurnInput
from shared.settings import Settings
from shared.store.records import RunRecord
from tests.caddie.workflow.blocks.counterparts import receiving
from tests.product import Product, assert_stored_equals_log, running, until


async def submit(product: Product, conversation: str) -> RunRecord:
    """The row alone, as a submitter leaves it that dies before it queues the job."""
    content = TurnInput(text="what can you do?").model_dump(mode="json", exclude_none=True)
    run, _ = await product.store.runs.submit(
        product.org, product.user, conversation, str(uuid4()), "turn", "h", content
    )  # fmt: skip
    return run


async def terminal(product: Product, conversation: str) -> list[str]:
    return [event.type for event in await product.events(conversation) if event.type.startswith("run.f")]


async def test_a_run_whose_submitter_died_is_found_by_the_sweep(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caddie.worker.SWEEP_INTERVAL_S", 0.1)
    monkeypatch.setattr("caddie.worker.ORPHAN_AGE_S", 0.2)
    async with running(settings, ("worker",)) as product:
        await submit(product, "c-1")
        await until(lambda: terminal(product, "c-1"))
        assert await terminal(product, "c-1") == ["run.finished"]
        await assert_stored_equals_log(product, "c-1")


async def test_a_commit_whose_last_word_failed_is_tried_again_without_waiting_for_a_lease(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is over, so no sweep of unfinished rows would ever find it: the job itself must come back."""
    append, failures = log_module.EventLog.append, ["once"]

    async def failing(self: log_module.EventLog, writer: log_module.Writer, bodies: list[tuple[str, bytes]]) -> object:
        if failures and any(operation == "end" for operation, _ in bodies):
            failures.pop()
            raise RuntimeError("broke between commit and append")
        return await append(self, writer, bodies)

    monkeypatch.setattr(log_module.EventLog, "append", failing)
    async with running(settings, ("gateway", "server", "worker")) as product:
        client = await product.client(0, message="what can you do?", requestId=str(uuid4()))
        await client.ended(timeout_s=6)
        assert failures == []
        await assert_stored_equals_log(product, client.session["conversationId"])
        assert client.indices == list(range(1, len(client.indices) + 1))
        await client.socket.disconnect()


async def test_a_worker_that_stops_hands_an_execution_on_between_two_steps(settings: Settings, redis: Redis) -> None:
    """Its effects happen once, nobody is in doubt of one, and no lease has to run out."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await gate.wait()
        return web.Response(text="done")

    allowed = settings.model_copy(update={"outbound_networks": ("127.0.0.0/8",)})
    async with receiving() as receiver, running(allowed, ("gateway", "worker")) as product:
        receiver.answers["/a"] = slow
        post = {"type": "http-request", "payload": {"method": "POST"}}
        nodes = {
            name: {**post, "payload": {"method": "POST", "url": receiver.url(f"/{name}")}, "children": children}
            for name, children in (("a", ["b"]), ("b", ["c"]), ("c", []))
        }
        nodes["root"] = {"type": "manual", "payload": {}, "children": ["a"]}
        body = {"name": "Three", "slug": "three", "definition": {"nodes": nodes}}
        assert (await product.post("/api/v1/workflows/", body))[0] == 201
        _, started = await product.post("/api/v1/executions/", {"workflow": "three"})
        execution = started["execution_id"]
        await begun.wait()
        stopping = asyncio.create_task(product.stop("worker"))
        registry = Registry(redis)

        async def withdrawn() -> bool:
            return not await registry.workers()

        await until(withdrawn)
        gate.set()
        await stopping
        assert [seen.path for seen in receiver.seen] == ["/a"]
        run = await product.store.runs.find(execution)
        assert run is not None and run.status == "suspended"
        await product.start("worker")
        await until(lambda: terminal(product, execution))
        assert Counter(seen.path for seen in receiver.seen) == {"/a": 1, "/b": 1, "/c": 1}
        types = [event.type for event in await product.events(execution)]
        assert types[-1] == "run.finished" and "run.restarted" not in types
