"""Document 004's chat: its answers word for word, and threads that belong to one user and one workflow."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from gateway.limits import Limits
from shared.events import timestamp
from shared.executions import chat_thread
from shared.settings import Settings
from shared.store.execution_records import ExecutionEnding, ExecutionStart
from shared.store.records import MessageRecord, WorkflowRecord
from tests.gateway.conftest import Client, Gateway, running
from tests.gateway.walk import BY_HAND, CHATTY, said, workflow
from tests.valkey import Valkey

SLASHES = ["", "/"]
TWO_TRIGGERS = {
    "nodes": {
        "first": {"type": "manual", "payload": {}},
        "second": {"type": "trigger_chat", "payload": {}},
        "third": {"type": "trigger_chat", "payload": {}},
        "loose": {"type": "log", "payload": {"message": "x"}},
    },
    "triggerNodeIds": ["first", "second", "third"],
}


def chat(slug: str) -> str:
    return f"/api/v1/workflows/{slug}/chat"


async def thread_of(gateway: Gateway, flow: WorkflowRecord, moments: list[datetime], user: int = 1) -> list[str]:
    """A thread with a message at each of these times; their texts."""
    thread = chat_thread(flow.id, user)
    start = ExecutionStart(1, user, flow.id, flow.version, "chat", "root", thread=thread)
    record, _ = await gateway.store.executions.create(start)
    claim = await gateway.store.runs.claim(record.id, 3)
    assert claim is not None
    await gateway.store.executions.begin(record.id, claim.run.attempt)
    texts = [f"message {number}" for number in range(len(moments))]
    messages = tuple(
        MessageRecord(f"{record.id}-{number}", "assistant" if number % 2 else "user", text, moment)
        for number, (text, moment) in enumerate(zip(texts, moments, strict=True))
    )
    assert await gateway.store.runs.finish(
        record.id, claim.run.attempt, status="finished", outcome="completed",
        execution=ExecutionEnding("completed", thread_messages=messages),
    )  # fmt: skip
    return texts


@pytest.mark.parametrize("slash", SLASHES)
async def test_a_message_starts_an_execution(gateway: Gateway, slash: str) -> None:
    flow = await workflow(gateway, slug="my-chatbot")
    text = "Hello, I need help with my order"
    reply = await gateway.client.post(f"{chat('my-chatbot')}{slash}", {"text": text})
    assert reply.status == 200
    assert reply.body == {"execution_id": reply.body["execution_id"], "status": "pending", "response": ""}
    record = await gateway.store.executions.get(1, reply.body["execution_id"])
    assert record is not None and (record.trigger, record.trigger_node, record.workflow_id) == ("chat", "root", flow.id)
    assert record.input == {"text": text, "files": [], "payload": {}}
    history = await gateway.client.get(f"{chat('my-chatbot')}/history{slash}")
    assert history.body["thread_id"] == f"1:{flow.number}" and history.body["has_more"] is False
    (message,) = history.body["messages"]
    assert (message["role"], message["text"]) == ("user", text) and message["timestamp"].endswith("Z")


async def test_the_trigger_may_be_named(gateway: Gateway) -> None:
    flow = await workflow(gateway, TWO_TRIGGERS)
    for wanted, got in ((None, "second"), ("third", "third")):
        reply = await gateway.client.post(chat(flow.slug), {"text": "x", "trigger_node_id": wanted})
        record = await gateway.store.executions.get(1, reply.body["execution_id"])
        assert record is not None and record.trigger_node == got
    for wanted in ("first", "loose", "nothing", ""):
        reply = await gateway.client.post(chat(flow.slug), {"text": "x", "trigger_node_id": wanted})
        assert (reply.status, reply.body) == (404, {"detail": "No chat trigger found."})


async def test_the_words_of_both_404s(gateway: Gateway) -> None:
    plain = await workflow(gateway, BY_HAND)
    reply = await gateway.client.post(chat(plain.slug), {"text": "x"})
    assert (reply.status, reply.body) == (404, {"detail": "No chat trigger found."})
    mine = await workflow(gateway)
    absent = {"detail": "Workflow not found."}
    for client, slug in (
        (gateway.client, "no-such"), (gateway.client, str(mine.number)), (gateway.client, mine.id),
        (gateway.client, "%00"), (await gateway.colleague(), mine.slug), (await gateway.key(), mine.slug),
    ):  # fmt: skip
        for method, path, body in (
            ("POST", "", {"text": "x"}), ("GET", "/history", None), ("DELETE", "/history", None)
        ):  # fmt: skip
            reply = await client(method, chat(slug) + path, body)
            assert (reply.status, reply.body) == (404, absent), (slug, method)


@pytest.mark.parametrize(
    ("body", "kind"),
    [({}, "missing"), ({"text": ""}, "value_error"), ({"text": None}, "value_error"), ({"text": 1}, "value_error"),
     ({"text": "x" * 10_001}, "value_error")],
)  # fmt: skip
async def test_a_missing_or_empty_text_is_422(gateway: Gateway, body: dict[str, Any], kind: str) -> None:
    flow = await workflow(gateway)
    reply = await gateway.client.post(chat(flow.slug), body)
    assert reply.status == 422
    (fault,) = reply.body["detail"]
    assert fault["loc"] == ["body", "text"] and fault["type"] == kind and set(fault) == {"loc", "msg", "type"}
    assert (await gateway.store.executions.list(1, 1)).items == []
    assert (await gateway.client.post(chat(flow.slug), {"text": "x" * 10_000})).status == 200


async def test_without_the_queue_it_is_503_and_nothing_is_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    valkey = Valkey()
    try:
        async with running(settings.model_copy(update={"redis_url": SecretStr(valkey.url)})) as gateway:
            gateway.client = await gateway.key()
            flow = await workflow(gateway)

            async def killed(*_: object) -> None:
                """The limits are counted in Redis, too: it goes away right behind them."""
                valkey.kill()

            monkeypatch.setattr(Limits, "run", killed)
            reply = await gateway.client.post(chat(flow.slug), {"text": "hello"})
            assert reply.status == 503 and reply.headers["Retry-After"] and isinstance(reply.body["detail"], str)
            assert (await gateway.store.executions.list(1, 1)).items == []
            thread = await gateway.store.conversations.get(1, chat_thread(flow.id, 1))
            assert thread is None or not await gateway.store.conversations.messages(thread.pk)
    finally:
        valkey.close()


async def pages(client: Client, slug: str, limit: int) -> list[str]:
    """All texts, read backwards as a client does: before the first message of the page before."""
    texts: list[str] = []
    query = f"?limit={limit}"
    while True:
        page = (await client.get(f"{chat(slug)}/history{query}")).body
        texts = [message["text"] for message in page["messages"]] + texts
        if not page["has_more"]:
            return texts
        assert len(page["messages"]) == limit
        query = f"?limit={limit}&before={quote(page['messages'][0]['timestamp'])}"


@pytest.mark.parametrize("limit", [7, 100])
async def test_a_history_of_a_thousand_messages_is_read_whole(gateway: Gateway, limit: int) -> None:
    flow = await workflow(gateway)
    # Written in the same millisecond, they get times of their own: a page before a time skips none.
    texts = await thread_of(gateway, flow, [datetime(2025, 1, 15, 10, 30, tzinfo=UTC)] * 1_000)
    assert await pages(gateway.client, flow.slug, limit) == texts
    default = (await gateway.client.get(f"{chat(flow.slug)}/history")).body
    assert [message["text"] for message in default["messages"]] == texts[-10:] and default["has_more"]


async def test_before_is_strict_at_every_boundary(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    begun = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
    moments = [begun + timedelta(milliseconds=number) for number in range(5)]
    texts = await thread_of(gateway, flow, moments)
    path = f"{chat(flow.slug)}/history"
    for number, moment in enumerate([*moments, moments[-1] + timedelta(milliseconds=1)]):
        for written in (
            timestamp(moment), timestamp(moment).removesuffix("Z"), timestamp(moment).replace("Z", "+00:00"),
            (moment + timedelta(hours=2)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "+02:00",
        ):  # fmt: skip
            for sent in (quote(written), quote(written, safe="+:")):
                page = (await gateway.client.get(f"{path}?limit=100&before={sent}")).body
                assert [message["text"] for message in page["messages"]] == texts[:number], written
                assert page["has_more"] is False
        page = (await gateway.client.get(f"{path}?limit=1&before={quote(timestamp(moment))}")).body
        assert page["has_more"] is (number > 1)


@pytest.mark.parametrize(
    "before",
    ["", "yesterday", "1", "2025-13-01T00:00:00", "2025-01-15T10:30:00+99:00", "0001-01-01T00:00:00%2B14:00"],
)
async def test_a_time_that_is_none_is_400(gateway: Gateway, before: str) -> None:
    flow = await workflow(gateway)
    reply = await gateway.client.get(f"{chat(flow.slug)}/history?before={before}")
    assert reply.status == 400 and isinstance(reply.body["detail"], str) and "before" in reply.body["detail"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5"])
async def test_a_limit_outside_1_to_100_is_422(gateway: Gateway, limit: str) -> None:
    flow = await workflow(gateway)
    reply = await gateway.client.get(f"{chat(flow.slug)}/history?limit={limit}")
    assert reply.status == 422 and reply.body["detail"][0]["loc"] == ["query", "limit"]


async def test_a_thread_that_was_never_begun_is_empty(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    reply = await gateway.client.get(f"{chat(flow.slug)}/history")
    assert reply.body == {"messages": [], "thread_id": f"1:{flow.number}", "has_more": False}
    assert (await gateway.client("DELETE", f"{chat(flow.slug)}/history")).status == 204


@pytest.mark.parametrize("slash", SLASHES)
async def test_after_delete_nothing_is_remembered(gateway: Gateway, slash: str) -> None:
    flow, other = await workflow(gateway), await workflow(gateway)
    for each in (flow, other):
        await said(gateway, each, "My name is Ada", "Hello Ada")
    reply = await gateway.client("DELETE", f"{chat(flow.slug)}/history{slash}")
    assert reply.status == 204 and reply.body == b""
    assert (await gateway.client.get(f"{chat(flow.slug)}/history")).body["messages"] == []
    thread = await gateway.store.conversations.get(1, chat_thread(flow.id, 1))
    assert thread is None or not await gateway.store.conversations.messages(thread.pk)
    kept = (await gateway.client.get(f"{chat(other.slug)}/history")).body["messages"]
    assert [(each["role"], each["text"]) for each in kept] == [
        ("user", "My name is Ada"), ("assistant", "Hello Ada")
    ]  # fmt: skip
    await said(gateway, flow, "Who am I?", "I do not know")
    again = (await gateway.client.get(f"{chat(flow.slug)}/history")).body["messages"]
    assert [each["text"] for each in again] == ["Who am I?", "I do not know"]


async def test_two_users_never_see_each_other_s_threads(gateway: Gateway) -> None:
    """Each with a workflow of the same name: slugs are free within the organisation once only."""
    colleague = await gateway.colleague()
    caller = await gateway.store.accounts.authenticate(colleague.key)
    assert caller is not None
    mine, theirs = await workflow(gateway, CHATTY), await workflow(gateway, CHATTY, user=caller.user.id)
    assert mine.slug != theirs.slug
    await said(gateway, mine, "mine", "to me")
    await said(gateway, theirs, "theirs", "to them", caller.user.id)
    seen = {}
    for client, flow in ((gateway.client, mine), (colleague, theirs)):
        body = (await client.get(f"{chat(flow.slug)}/history")).body
        seen[body["thread_id"]] = [message["text"] for message in body["messages"]]
    assert seen == {
        f"1:{mine.number}": ["mine", "to me"], f"{caller.user.id}:{theirs.number}": ["theirs", "to them"]
    }  # fmt: skip


async def test_messages_said_at_once_are_all_kept(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    replies = await asyncio.gather(
        *(gateway.client.post(chat(flow.slug), {"text": f"said {number}"}) for number in range(20))
    )
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body["execution_id"] for reply in replies}) == 20
    history = (await gateway.client.get(f"{chat(flow.slug)}/history?limit=100")).body["messages"]
    assert {message["text"] for message in history} == {f"said {number}" for number in range(20)}
    assert sorted(history, key=lambda message: message["timestamp"]) == history
    assert len({message["timestamp"] for message in history}) == 20


async def test_scopes_are_asked_for(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    reader = await gateway.key("read", org=1, user=1)
    assert (await reader.post(chat(flow.slug), {"text": "x"})).status == 403
    assert (await reader("DELETE", f"{chat(flow.slug)}/history")).status == 403
    assert (await reader.get(f"{chat(flow.slug)}/history")).status == 200
    assert (await gateway.client.with_key("").get(f"{chat(flow.slug)}/history")).status == 401
