"""The same product on PostgreSQL: what must be atomic is atomic there too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.postgres import Postgres
from tests.product import CHAT, GOLDEN, Client, Product, assert_stored_equals_log, running


@pytest.fixture
async def product(settings: Settings, postgres: Postgres, postgres_template: str) -> AsyncIterator[Product]:
    name = f"t{uuid4().hex}"
    url = SecretStr(postgres.create(name, postgres_template))
    async with running(settings.model_copy(update={"database_url": url})) as product:
        yield product
    postgres.drop(name)


async def test_a_conversation_is_stored_as_its_log_says(product: Product) -> None:
    client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
    assert (await client.ended())["data"]["result"]["type"] == "workflow"
    await client.say("also email me at ada@example.com")
    await client.ended(2)
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_parallel_posts_of_one_request_make_one_run(product: Product) -> None:
    body = {"agentVersion": "v3", "message": "what can you do?", "requestId": str(uuid4()), "conversationId": "c"}
    answers = await asyncio.gather(*(product.post(CHAT, body) for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["runId"] for _, answer in answers}) == 1
    client = Client(answers[0][1])
    await client.connect(0)
    await client.ended()
    assert len(client.of("run.started")) == 1
    await client.socket.disconnect()
