"""The stock python-socketio client with its own reconnection, while the server under it goes and comes back."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import socketio

from tests.product import GOLDEN, Product, assert_stored_equals_log, until


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
async def test_a_client_goes_on_where_it_was_when_the_server_restarts(product: Product, transports: list[str]) -> None:
    await product.pace(40)
    session = await product.session(message=GOLDEN, requestId=str(uuid4()))
    client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2, randomization_factor=0)
    events: list[dict[str, Any]] = []
    connects: list[int] = []

    def credentials() -> dict[str, Any]:
        return {"token": session["sessionToken"], "lastEventIndex": events[-1]["index"] if events else 0}

    async def connected() -> None:
        connects.append(len(events))

    async def event(data: dict[str, Any], _offset: str) -> None:
        events.append(data)

    client.on("connect", connected)
    client.on("event", event)
    await client.connect(
        session["socketUrl"], socketio_path=session["socketPath"], auth=credentials, transports=transports
    )
    for restarts, index in enumerate((5, 25)):
        await until(partial(_reached, events, index))
        await product.stop("server")
        await product.start("server")
        await until(partial(_reached, connects, restarts + 2))
    await until(lambda: any(event["type"] == "run.finished" for event in events), 20)
    assert [event["index"] for event in events] == list(range(1, len(events) + 1))
    reply = await client.call("message", {"requestId": str(uuid4()), "text": "explain the workflow"}, timeout=10)
    assert reply["ok"]
    await until(lambda: sum(event["type"] == "run.finished" for event in events) == 2, 20)
    assert [event["index"] for event in events] == list(range(1, len(events) + 1))
    await assert_stored_equals_log(product, session["conversationId"])
    await client.disconnect()
    await asyncio.sleep(0)


def _reached(seen: list[Any], count: int) -> bool:
    return len(seen) >= count
