from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared import events
from shared.keys import conversation_key
from shared.log import Entry, EventLog, Writer
from shared.store.records import MessageRecord
from tests.gateway.conftest import Client, Gateway

BASE = "/v1/ai/workflow/chat"
START = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


async def finished_run(gateway: Gateway, conversation: str, count: int, **body: Any) -> str:
    """A run whose worker left `count` messages, a second apart."""
    reply = await gateway.client.chat(message="hello", conversationId=conversation, **body)
    assert reply.status == 200, reply.body
    run_id = str(reply.body["runId"])
    claim = await gateway.store.runs.claim(run_id, 3)
    assert claim is not None
    messages = [
        MessageRecord(str(uuid4()), "user" if i % 2 == 0 else "assistant", f"m{i}", START + timedelta(seconds=i))
        for i in range(count)
    ]
    done = await gateway.store.runs.finish(
        run_id, claim.run.attempt, status="finished", outcome="completed", messages=messages
    )
    assert done
    return run_id


async def history(client: Client, **query: Any) -> Any:
    reply = await client.get(f"{BASE}/history", params={name: str(value) for name, value in query.items()})
    assert reply.status == 200, reply.body
    return reply.data


async def test_history_pages_backwards_without_gap_or_repeat(gateway: Gateway) -> None:
    await finished_run(gateway, "c1", 7)
    seen: list[str] = []
    query: dict[str, Any] = {"conversationId": "c1", "limit": 3}
    for _ in range(3):
        page = await history(gateway.client, **query)
        seen = [message["text"] for message in page["messages"]] + seen
        query |= {"before": page["before"], "beforeId": page["beforeId"]}
    assert seen == [f"m{i}" for i in range(7)]
    assert page["hasMore"] is False and page["before"] is None
    first = (await history(gateway.client, conversationId="c1"))["messages"][0]
    assert first["role"] == "user" and first["createdAt"] == "2026-01-15T10:30:00.000Z"


@pytest.mark.parametrize(
    ("before", "count"),
    [
        ("2026-01-15T10:30:03Z", 3), ("2026-01-15T10:30:03", 3), ("2026-01-15T11:30:03+01:00", 3),
        ("2026-01-15T10:30:00Z", 0), ("2026-01-15", 0), ("2027-01-01T00:00:00.000Z", 7),
    ],
)  # fmt: skip
async def test_before_is_strict_and_utc_unless_it_says_otherwise(gateway: Gateway, before: str, count: int) -> None:
    await finished_run(gateway, "c1", 7)
    assert len((await history(gateway.client, conversationId="c1", before=before))["messages"]) == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "conversationId"), ("conversationId=c1&limit=0", "limit"), ("conversationId=c1&limit=101", "limit"),
        ("conversationId=c1&limit=x", "limit"), ("conversationId=c1&before=yesterday", "before"),
        ("conversationId=c1&before=0001-01-01T00:00:00%2B23:59", "before"),
        ("conversationId=c1&before=1700000000", "before"),
        ("conversationId=a%00b", "conversationId"), ("conversationId=c1&conversationId=c2", "conversationId"),
        ("conversationId=%ff%fe", "conversationId"),
    ],
)  # fmt: skip
async def test_a_wrong_query_is_400_naming_it(client: Client, query: str, field: str) -> None:
    reply = await client.get(f"{BASE}/history?{query}")
    assert reply.status == 400 and reply.fields == [field], reply.body


async def test_history_is_found_by_workflow_and_by_session(gateway: Gateway) -> None:
    workflow = await gateway.store.workflows.create(1, 1, "Mine", "mine")
    await finished_run(gateway, "c1", 2, workflowId="mine", sessionId="s1")
    await finished_run(gateway, "c2", 2)
    for query in (
        {"workflowId": workflow.id},
        {"workflowId": "mine"},
        {"workflowId": workflow.number},
        {"sessionId": "s1"},
    ):
        assert (await history(gateway.client, **query))["conversationId"] == "c1"
    assert (await gateway.client.get(f"{BASE}/history?workflowId=other")).status == 404


async def test_nobody_else_sees_a_conversation(gateway: Gateway) -> None:
    await finished_run(gateway, "c1", 2, sessionId="s1")
    for client in (await gateway.colleague(), await gateway.key()):
        for path in ("history?conversationId=c1", "history?sessionId=s1", "snapshot?conversationId=c1"):
            assert (await client.get(f"{BASE}/{path}")).status == 404
        assert (await client.get(f"{BASE}/sessions")).data == {"sessions": [], "cursor": None}
        assert (await client.post(f"{BASE}/cancel", {"conversationId": "c1"})).status == 404


async def test_conversations_are_listed_last_changed_first(gateway: Gateway) -> None:
    for name in ("c1", "c2", "c3"):
        await finished_run(gateway, name, 1, sessionId=f"s-{name}")
    first = (await gateway.client.get(f"{BASE}/sessions?limit=2")).data
    second = (await gateway.client.get(f"{BASE}/sessions?limit=2&cursor={first['cursor']}")).data
    assert [entry["conversationId"] for entry in first["sessions"] + second["sessions"]] == ["c3", "c2", "c1"]
    assert second["cursor"] is None
    only = (await gateway.client.get(f"{BASE}/sessions?sessionId=s-c2")).data["sessions"]
    assert [(entry["conversationId"], entry["isActive"]) for entry in only] == [("c2", False)]
    assert (await gateway.client.get(f"{BASE}/sessions?cursor=nonsense")).status == 400


async def test_the_snapshot_says_where_a_conversation_stands(gateway: Gateway) -> None:
    run_id = (await gateway.client.chat(message="hello", conversationId="c1")).body["runId"]
    before = (await gateway.client.get(f"{BASE}/snapshot?conversationId=c1")).data
    assert (before["isActive"], before["runId"], before["lastEventIndex"], before["pendingInterrupt"]) == (
        True,
        run_id,
        0,
        None,
    )
    log = EventLog(gateway.redis, 3600, 1000)
    writer = Writer(conversation_key(1, "c1"), run_id, 1)
    question = events.InputRequested(inputId="i1", body={"text": "Which?"}, expiresAt=events.timestamp())
    entries = [Entry.of(events.ModeSelected(mode="planning", reason="asked")), Entry.of(question)]
    await log.claim(writer)
    await log.append(writer, [(entry.operation, events.encode(entry.data, run_id)) for entry in entries])
    after = (await gateway.client.get(f"{BASE}/snapshot?conversationId=c1")).data
    assert (after["mode"], after["lastEventIndex"]) == ("planning", 2) and after["epoch"]
    assert after["pendingInterrupt"]["inputId"] == "i1"


@pytest.mark.parametrize("named", ["conversationId", "runId", "requestId", "all"])
async def test_a_run_is_cancelled_by_any_of_its_names(gateway: Gateway, named: str) -> None:
    request_id = str(uuid4())
    body = (await gateway.client.chat(message="hello", conversationId="c1", requestId=request_id)).body
    names = {"conversationId": "c1", "runId": body["runId"], "requestId": request_id}
    reply = await gateway.client.post(f"{BASE}/cancel", names if named == "all" else {named: names[named]})
    assert reply.status == 200 and reply.data["runId"] == body["runId"]
    run = await gateway.store.runs.get(1, body["runId"])
    assert run is not None and run.cancel_requested


async def test_what_cannot_be_cancelled_is_404_or_400(gateway: Gateway) -> None:
    await finished_run(gateway, "c1", 1)
    cancel = f"{BASE}/cancel"
    assert (await gateway.client.post(cancel, {})).fields == ["conversationId"]
    assert (await gateway.client.post(cancel, {"requestId": "x"})).fields == ["requestId"]
    for body in (
        {"conversationId": "c1"},
        {"runId": str(uuid4())},
        {"requestId": str(uuid4())},
        {"conversationId": "no"},
    ):
        assert (await gateway.client.post(cancel, body)).status == 404
