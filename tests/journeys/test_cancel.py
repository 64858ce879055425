"""Stopping a run: whatever it is doing, whoever asks, however it is named; the end is one event."""

from __future__ import annotations

from uuid import uuid4

from tests.product import GOLDEN, Client, Product, assert_stored_equals_log, until

CANCEL = "/v1/ai/workflow/chat/cancel"


async def talking(product: Product) -> tuple[Client, str]:
    """A client whose run is under way and will not end soon; the run's requestId."""
    await product.pace(5)
    client = await product.client(0)
    request = str(uuid4())
    assert (await client.call("message", {"requestId": request, "text": GOLDEN}))["ok"]
    await until(lambda: client.of("message.delta"))
    return client, request


async def assert_stopped(product: Product, client: Client, runs: int = 1) -> None:
    end = await client.ended(runs)
    assert (end["type"], end["data"]["outcome"]) == ("run.finished", "cancelled")
    await assert_stored_equals_log(product, client.session["conversationId"])
    assert client.indices == list(range(1, len(client.indices) + 1))
    await client.socket.disconnect()


async def test_another_tab_stops_a_running_run_by_its_id(product: Product) -> None:
    client, _ = await talking(product)
    other = Client(await product.session(conversationId=client.session["conversationId"]))
    await other.connect()
    running = (await other.ready())["run"]
    assert (await other.call("cancel", {"runId": running["runId"]}))["ok"]
    await other.ended()
    await other.socket.disconnect()
    await assert_stopped(product, client)


async def test_http_stops_a_running_run(product: Product) -> None:
    client, request = await talking(product)
    status, answer = await product.post(CANCEL, {"requestId": request})
    assert status == 200, answer
    await assert_stopped(product, client)
    status, again = await product.post(CANCEL, {"requestId": request})
    assert status == 200, again
    assert again["data"]["status"] == "finished"


async def test_http_stops_the_active_run_of_a_conversation(product: Product) -> None:
    client, _ = await talking(product)
    conversation = {"conversationId": client.session["conversationId"]}
    assert (await product.post(CANCEL, conversation))[0] == 200
    await assert_stopped(product, client)
    assert (await product.post(CANCEL, conversation))[0] == 404


async def test_a_run_nobody_has_begun_is_stopped_before_it_says_a_word(product: Product) -> None:
    await product.stop("worker")
    client = await product.client(0)
    request = str(uuid4())
    reply = await client.call("message", {"requestId": request, "text": GOLDEN})
    assert (await client.call("cancel", {"requestId": request}))["ok"]
    await product.start("worker")
    end = await client.ended()
    assert end["runId"] == reply["runId"]
    assert not client.of("message.started")
    await assert_stopped(product, client)


async def test_a_waiting_run_is_stopped_and_the_one_before_it_goes_on(product: Product) -> None:
    client, _ = await talking(product)
    second = await client.say("what can you do?", whenBusy="queue")
    third = await client.say("explain the workflow", whenBusy="queue")
    assert (await client.call("cancel", {"runId": second["runId"]}))["ok"]
    assert not [event for event in client.events if event["type"] == "run.finished"]
    assert (await client.call("cancel", {"runId": client.of("run.started")[0]["runId"]}))["ok"]
    await product.pace(0)
    ends = [await client.ended(number) for number in (1, 2, 3)]
    assert [end["data"]["outcome"] for end in ends] == ["cancelled", "cancelled", "completed"]
    assert [end["runId"] for end in ends][1:] == [second["runId"], third["runId"]]
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_a_finished_run_cannot_be_stopped_and_nothing_says_it_was(product: Product) -> None:
    client = await product.client(0)
    reply = await client.say("what can you do?")
    end = await client.ended()
    assert (await client.call("cancel", {"runId": reply["runId"]}))["ok"]
    await client.say("hello")
    await client.ended(2)
    assert end["data"]["outcome"] == "completed"
    assert len(client.of("run.finished")) == 2
    await client.socket.disconnect()


async def test_a_strangers_run_cannot_be_stopped(product: Product) -> None:
    client, _ = await talking(product)
    run_id = client.of("run.started")[0]["runId"]
    stranger = await product.store.accounts.sign_up("Other", f"{uuid4().hex}@example.com", "Eve")
    _, key = await product.store.accounts.create_api_key(stranger.org_id, stranger.id, "tests", ["read", "write"])
    status, _ = await product.post(CANCEL, {"runId": run_id}, key)
    assert status == 404
    elsewhere = await product.client()
    reply = await elsewhere.call("cancel", {"runId": run_id})
    assert (reply["ok"], reply["code"]) == (False, "NOT_FOUND")
    assert not client.of("run.finished")
    await elsewhere.socket.disconnect()
    assert (await client.call("cancel", {"runId": run_id}))["ok"]
    await assert_stopped(product, client)
