"""The stock python-socketio client with its own reconnection, while the server under it goes and comes back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import socketio

from tests.product import GOLDEN, Product, assert_stored_equals_log, until


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
async def test_a_client_goes_on_where_it_was_when_the_server_restarts(product: Product, transports: list[str]) -> None:
    await product.stop("worker")
    product.settings = product.settings.model_copy(
        update={"offline_words_per_s": 40, "server_port": int((await product.session())["socketUrl"].rpartition(":")[2])}
    )
    await product.start("worker")
    session = await product.session(message=GOLDEN, requestId=str(uuid4()))
    client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2, randomization_factor=0)
    events: list[dict[str, Any]] = []
    connects = 0

    def credentials() -> dict[str, Any]:
        return {"token": session["sessionToken"], "lastEventIndex": events[-1]["index"] if events else 0}

    async def connected() -> None:
        nonlocal connects
        connects += 1

    async def event(data: dict[str, Any], _offset: str) -> None:
        events.append(data)

    client.on("connect", connected)
    client.on("event", event)
    await client.connect(
        session["socketUrl"], socketio_path=session["socketPath"], auth=credentials, transports=transports
    )
    for index in (5, 25):
        await until(lambda index=index: len(events) >= index)
        await product.stop("server")
        await product.start("server")
        await until(lambda index=index: connects == (2 if index == 5 else 3))
    await until(lambda: any(event["type"] == "run.finished" for event in events), 20)
    assert [event["index"] for event in events] == list(range(1, len(events) + 1))
    reply = await client.call("message", {"requestId": str(uuid4()), "text": "explain the workflow"}, timeout=10)
    assert reply["ok"]
    await until(lambda: sum(event["type"] == "run.finished" for event in events) == 2, 20)
    assert [event["index"] for event in events] == list(range(1, len(events) + 1))
    await assert_stored_equals_log(product, session["conversationId"])
    await client.disconnect()
    await asyncio.sleep(0)
