"""A stranger's first conversation, over the real wire."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from shared.events import timestamp
from tests.product import CHAT, GOLDEN, Client, Product, assert_stored_equals_log


async def test_a_message_becomes_a_workflow_that_everybody_sees_alike(product: Product) -> None:
    session = await product.session(message=GOLDEN, requestId=str(uuid4()))
    first, second = Client(session), Client(session)
    await first.connect(0)
    await second.connect(0, transports=["polling"])
    end = await first.ended()
    await second.ended()
    assert end["data"]["outcome"] == "completed"
    nodes = end["data"]["result"]["workflow"]["nodes"]
    assert {node["type"] for node in nodes.values()} >= {"cronjob", "http-request", "if", "slack-send-message"}
    assert first.indices == list(range(1, end["index"] + 1))
    assert first.offsets == [str(index) for index in first.indices]
    assert second.events == first.events
    third = Client(session)
    await third.connect(0)
    await third.ended()
    assert third.events == first.events
    for client in (first, second, third):
        await client.socket.disconnect()


async def test_cutting_at_every_index_and_resuming_gives_exactly_the_rest(product: Product) -> None:
    client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
    last = (await client.ended())["index"]

    async def resume(index: int) -> None:
        other = Client(client.session)
        await other.connect(index)
        if index < last:
            await other.ended()
        else:
            await other.ready()
        assert other.indices == list(range(index + 1, last + 1)), index
        await other.socket.disconnect()

    for start in range(0, last + 1, 20):
        await asyncio.gather(*(resume(index) for index in range(start, min(start + 20, last + 1))))
    await client.socket.disconnect()


async def test_the_folded_log_equals_what_is_stored(product: Product) -> None:
    client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
    await client.ended()
    await client.say("also email me at ada@example.com")
    await client.ended(2)
    await client.say("explain the workflow")
    await client.ended(3)
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_fifty_posts_of_one_request_make_one_run_and_one_answer(product: Product) -> None:
    body = {"agentVersion": "v3", "message": "what can you do?", "requestId": str(uuid4()), "conversationId": "c-50"}
    answers = await asyncio.gather(*(product.post(CHAT, body) for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["runId"] for _, answer in answers}) == 1
    client = Client(answers[0][1])
    await client.connect(0)
    await client.ended()
    assert len(client.of("message.user")) == len(client.of("run.started")) == 1
    await client.socket.disconnect()


async def test_a_question_waits_and_one_answer_wins(product: Product) -> None:
    client = await product.client(0, message="post to Slack every hour", requestId=str(uuid4()))
    end = await client.ended()
    assert end["data"]["outcome"] == "waiting"
    asked = client.of("input.requested")[0]["data"]
    replies = await asyncio.gather(
        client.call("answer", {"inputId": asked["inputId"], "value": "#one"}),
        client.call("answer", {"inputId": asked["inputId"], "value": "#two"}),
    )
    assert sorted(reply["ok"] for reply in replies) == [False, True]
    loser = next(reply for reply in replies if not reply["ok"])
    assert (loser["code"], loser["by"]) == ("INPUT_RESOLVED", str(product.user))
    await client.ended(2)
    assert [event["data"]["inputId"] for event in client.of("input.resolved")] == [asked["inputId"]]
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_stopping_ends_the_run_and_keeps_what_was_said(product: Product) -> None:
    slow = product.settings.model_copy(update={"offline_words_per_s": 20})
    await product.stop("worker")
    product.settings = slow
    await product.start("worker")
    client = await product.client(0)
    request = str(uuid4())
    assert (await client.call("message", {"requestId": request, "text": GOLDEN}))["ok"]
    async with asyncio.timeout(10):
        while not client.of("message.delta"):
            await asyncio.sleep(0.01)
    reply = await client.call("cancel", {"requestId": request})
    assert reply["ok"], reply
    end = await client.ended()
    assert end["data"]["outcome"] == "cancelled"
    assert (await client.call("cancel", {"requestId": request}))["ok"]
    await assert_stored_equals_log(product, client.session["conversationId"])
    assert end["ts"] <= timestamp()
    await client.socket.disconnect()
