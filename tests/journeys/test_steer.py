"""Speaking while the agent works: taken in by the run, or a run of its own, through every process."""

from __future__ import annotations

from uuid import uuid4

from tests.product import GOLDEN, Client, Product, assert_stored_equals_log, until

MORE = "also email the rates to ada@example.com"


async def talking(product: Product, words_per_s: float = 40) -> tuple[Client, str]:
    """A client whose run says its first words slowly; the run's id."""
    await product.pace(words_per_s)
    client = await product.client(0)
    reply = await client.say(GOLDEN)
    await until(lambda: client.of("message.delta"))
    return client, reply["runId"]


async def assert_both_are_built(product: Product, client: Client) -> None:
    end = await client.ended()
    assert end["data"]["outcome"] == "completed", end
    built = {node["type"] for node in end["data"]["result"]["workflow"]["nodes"].values()}
    assert {"slack-send-message", "send-email"} <= built
    told = client.of("message.user")
    assert [event["data"]["text"] for event in told] == [GOLDEN, MORE] and len({event["runId"] for event in told}) == 1
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_a_message_from_another_tab_is_taken_in(product: Product) -> None:
    client, run_id = await talking(product)
    other = Client(await product.session(conversationId=client.session["conversationId"]))
    await other.connect()
    body = {"requestId": str(uuid4()), "text": MORE, "whenBusy": "steer"}
    replies = [await other.call("message", body) for _ in range(2)]
    assert [reply["runId"] for reply in replies] == [run_id, run_id] and all(reply["ok"] for reply in replies)
    await other.socket.disconnect()
    await assert_both_are_built(product, client)


async def test_a_message_to_a_run_nobody_has_begun_is_taken_in(product: Product) -> None:
    await product.stop("worker")
    client = await product.client(0)
    first = await client.say(GOLDEN)
    assert (await client.say(MORE, whenBusy="steer"))["runId"] == first["runId"]
    await product.start("worker")
    await assert_both_are_built(product, client)


async def test_an_interrupting_message_is_answered_at_once(product: Product) -> None:
    client, run_id = await talking(product, 5)
    reply = await client.say("what can you do?", whenBusy="interrupt")
    assert reply["ok"] and reply["runId"] != run_id
    first = await client.ended()
    assert (first["runId"], first["data"]["outcome"]) == (run_id, "cancelled") and first["data"]["result"]["message"]
    await product.pace(0)
    second = await client.ended(2)
    assert (second["runId"], second["data"]["outcome"]) == (reply["runId"], "completed")
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()
