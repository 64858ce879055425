"""Redis that dies in the middle of an execution and comes back, with its data and without."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from aiohttp import web

from shared.events import ExecutionNode
from shared.settings import Settings
from tests.caddie.workflow.blocks.counterparts import receiving
from tests.product import running, until
from tests.valkey import Valkey

pytestmark = pytest.mark.faults
ITEMS = 30
AWAY_S = 12.0


@pytest.mark.parametrize("lost", [False, True], ids=["with its data", "without"])
async def test_a_redis_that_was_away_costs_an_execution_time_and_no_effect(
    frail: Settings, own_valkey: Valkey, lost: bool
) -> None:
    done: list[str] = []

    async def take(request: web.Request) -> web.StreamResponse:
        done.append(request.query["n"])
        await asyncio.sleep(0.05)
        return web.Response(text="taken")

    allowed = frail.model_copy(update={"outbound_networks": ("127.0.0.0/8",)})
    async with receiving() as receiver, running(allowed, ("gateway", "worker")) as product:
        receiver.answers["/do"] = take
        post = {"method": "POST", "url": receiver.url("/do") + "?n={{$item}}"}
        nodes = {
            "root": {"type": "manual", "payload": {}, "children": ["each"]},
            "each": {"type": "for-each", "payload": {"items": list(range(ITEMS))}, "loopBody": ["do"]},
            "do": {"type": "http-request", "payload": post},
        }
        body = {"name": "Many", "slug": "many", "definition": {"nodes": nodes}}
        assert (await product.post("/api/v1/workflows/", body))[0] == 201
        _, started = await product.post("/api/v1/executions/", {"workflow": "many"})
        execution = started["execution_id"]
        await until(lambda: len(done) > 5)
        own_valkey.kill()
        if lost:
            for path in own_valkey.folder.glob("appendonlydir/*"):
                path.unlink()
        await asyncio.sleep(AWAY_S)
        own_valkey.start()

        async def over() -> bool:
            found = await product.store.executions.get(product.org, execution)
            return found is not None and found.over

        await until(over, 40)

        async def told() -> bool:
            return (await product.events(execution))[-1].type == "run.finished"

        await until(told, 20)
        found = await product.store.executions.get(product.org, execution)
        assert found is not None and found.status == "completed" and found.output["count"] == ITEMS
        assert Counter(done) == {str(number): 1 for number in range(ITEMS)}
        events = await product.events(execution)
        assert [event.index for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events].count("run.finished") == 1
        ends = Counter(
            (event.data.path, event.data.nodeId)
            for event in events
            if isinstance(event.data, ExecutionNode) and event.data.status == "success"
        )
        assert max(ends.values()) == 1 and (lost or len(ends) == ITEMS + 2)
