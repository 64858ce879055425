"""Several turns in one conversation: queued messages, questions left open, answered late or elsewhere."""

from __future__ import annotations

from uuid import uuid4

from tests.product import GOLDEN, Client, Product, assert_stored_equals_log, until

QUESTION = "post to Slack every hour"


async def asked(product: Product, **body: object) -> tuple[Client, dict[str, object]]:
    client = await product.client(0, message=QUESTION, requestId=str(uuid4()), **body)
    end = await client.ended()
    assert end["data"]["outcome"] == "waiting"
    return client, client.of("input.requested")[0]["data"]


async def test_a_second_message_is_refused_while_a_run_is_active(product: Product) -> None:
    await product.pace(20)
    client = await product.client(0)
    first = await client.say(GOLDEN)
    reply = await client.say("hello")
    assert (reply["ok"], reply["code"]) == (False, "RUN_BUSY")
    assert (await client.call("cancel", {"runId": first["runId"]}))["ok"]
    await client.ended()
    await client.socket.disconnect()


async def test_queued_messages_run_in_the_order_they_came(product: Product) -> None:
    await product.pace(60)
    client = await product.client(0)
    texts = [GOLDEN, "explain the workflow", "also email me at ada@example.com"]
    replies = [await client.say(text, whenBusy="queue") for text in texts]
    assert all(reply["ok"] for reply in replies)
    await client.ended(3)
    assert [event["data"]["text"] for event in client.of("message.user")] == texts
    assert [event["runId"] for event in client.of("run.started")] == [reply["runId"] for reply in replies]
    kinds = [event["type"] for event in client.events if event["type"] in ("run.started", "run.finished")]
    assert kinds == ["run.started", "run.finished"] * 3
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_a_message_instead_of_an_answer_closes_the_question(product: Product) -> None:
    client, question = await asked(product)
    assert (await client.say("what can you do?"))["ok"]
    await client.ended(2)
    assert [event["data"]["inputId"] for event in client.of("input.expired")] == [question["inputId"]]
    reply = await client.call("answer", {"inputId": question["inputId"], "value": "#late"})
    assert (reply["ok"], reply["code"]) == (False, "INPUT_RESOLVED")
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_an_answer_after_the_questions_time_is_told_so(product: Product) -> None:
    await product.stop("worker")
    product.settings = product.settings.model_copy(update={"input_ttl_s": 0})
    await product.start("worker")
    client, question = await asked(product)
    reply = await client.call("answer", {"inputId": question["inputId"], "value": "#late"})
    assert (reply["ok"], reply["code"]) == (False, "INPUT_RESOLVED")
    await client.say("hello")
    await client.ended(2)
    assert client.of("input.expired")
    await assert_stored_equals_log(product, client.session["conversationId"])
    await client.socket.disconnect()


async def test_another_tab_sees_the_question_and_answers_it(product: Product) -> None:
    client, question = await asked(product)
    await client.socket.disconnect()
    other = await product.client(conversationId=client.session["conversationId"])
    ready = await other.ready()
    assert [entry["inputId"] for entry in ready["inputs"]] == [question["inputId"]]
    for runs, value in ((1, "#general"), (2, "the hour has struck")):
        reply = await other.call("answer", {"inputId": question["inputId"], "value": value})
        assert reply["ok"], reply
        end = await other.ended(runs)
        if end["data"]["outcome"] == "waiting":
            question = other.of("input.requested")[-1]["data"]
    assert end["data"]["outcome"] == "completed"
    assert "#general" in str(end["data"]["result"]["workflow"])
    assert "the hour has struck" in str(end["data"]["result"]["workflow"])
    assert len(other.of("input.resolved")) == 2
    await assert_stored_equals_log(product, client.session["conversationId"])
    await other.socket.disconnect()


async def test_a_finished_run_makes_a_version_of_the_conversations_workflow(product: Product) -> None:
    workflow = await product.store.workflows.create(
        product.org, product.user, "Rates", definition={"nodes": {}}
    )
    client = await product.client(0, workflowId=workflow.id, message=GOLDEN, requestId=str(uuid4()))
    end = await client.ended()
    saved = await product.store.workflows.get(product.org, workflow.id)
    assert saved is not None
    assert saved.version == workflow.version + 1
    assert saved.definition == end["data"]["result"]["workflow"]
    # A new conversation of the same workflow begins with what is saved.
    other = await product.client(0, workflowId=workflow.id, conversationId=str(uuid4()))
    await other.say("also email me at ada@example.com")
    grown = (await other.ended())["data"]["result"]["workflow"]
    assert grown["nodes"].items() >= {key: grown["nodes"][key] for key in saved.definition["nodes"]}.items()
    assert len(grown["nodes"]) > len(saved.definition["nodes"])
    again = await product.store.workflows.get(product.org, workflow.id)
    assert again is not None and (again.version, again.definition) == (workflow.version + 2, grown)
    for each in (client, other):
        await assert_stored_equals_log(product, each.session["conversationId"])
        await each.socket.disconnect()


async def test_the_canvas_a_session_was_opened_with_is_what_its_turns_work_on(product: Product) -> None:
    first = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
    built = (await first.ended())["data"]["result"]["workflow"]
    await first.socket.disconnect()
    client = await product.client(0, conversationId=str(uuid4()), definition=built)
    await client.say("also email me at ada@example.com")
    grown = (await client.ended())["data"]["result"]["workflow"]
    assert set(built["nodes"]) <= set(grown["nodes"])
    assert len(grown["nodes"]) > len(built["nodes"])
    record = await product.store.conversations.get(product.org, client.session["conversationId"])
    assert record is not None and record.definition == grown
    await client.socket.disconnect()


async def test_posting_an_ended_request_again_leads_to_its_events(product: Product) -> None:
    body = {"message": "what can you do?", "requestId": str(uuid4()), "conversationId": str(uuid4())}
    client = Client(await product.session(**body))
    await client.connect(0)
    await client.ended()
    again = await product.session(**body)
    assert again["runId"] == client.session["runId"]
    late = Client(again)
    await late.connect(again["lastEventIndex"])
    await until(lambda: late.of("run.finished"))
    assert late.events == client.events
    for each in (client, late):
        await each.socket.disconnect()
