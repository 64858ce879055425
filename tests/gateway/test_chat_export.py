"""A conversation as a file, by cookie and by API key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import orjson
import pytest

from shared.store.records import MessageRecord
from shared.store.tables import now
from tests.gateway.conftest import Client, Gateway
from tests.gateway.signed_in import People, gathered

EXPORT = "/v1/ai/workflow/chat/export"
#: More than one batch.
MESSAGES = 250


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


async def talked(gateway: Gateway, user: int, chat: str, count: int = 2) -> None:
    store = gateway.store
    run, _ = await store.runs.submit(1, user, chat, None, "turn", "h", {"text": "Hi “there”", "model": "gpt-4"})
    await store.runs.claim(run.id, 3)
    messages = [
        MessageRecord(str(uuid4()), "user" if number % 2 == 0 else "assistant", f"Nº {number}\n", now())
        for number in range(count)
    ]
    assert await store.runs.finish(run.id, 1, status="finished", outcome="completed", messages=messages)


async def test_json_lines_hold_every_message_in_order(gateway: Gateway, people: People) -> None:
    ada = await people.member()
    chat = await ada.chat()
    await talked(gateway, ada.id, chat, MESSAGES)
    reply = await ada("GET", f"/api/chats/{chat}/export")
    assert reply.headers["Content-Type"] == "application/jsonl; charset=utf-8"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="Hi-there.jsonl"'
    lines = [orjson.loads(line) for line in reply.body.splitlines()]
    assert lines[0]["type"] == "conversation" and (lines[0]["id"], lines[0]["title"]) == (chat, "Hi “there”")
    assert [line["content"] for line in lines[1:]] == [f"Nº {number}\n" for number in range(MESSAGES)]
    assert {line["modelId"] for line in lines[1:]} == {"gpt-4"}


async def test_markdown_is_for_people(gateway: Gateway, people: People) -> None:
    ada = await people.member()
    chat = await ada.chat(title="A & B")
    await talked(gateway, ada.id, chat)
    reply = await ada("GET", f"/api/chats/{chat}/export?format=markdown")
    assert reply.headers["Content-Type"] == "text/markdown; charset=utf-8"
    text = reply.body.decode()
    assert text.startswith("# A & B\n") and "\n## User · " in text and "\n## Assistant, gpt-4 · " in text


async def test_another_format_is_400(people: People) -> None:
    ada = await people.member()
    refused = await ada("GET", f"/api/chats/{await ada.chat()}/export?format=pdf")
    assert (refused.status, refused.fields) == (400, ["format"])


async def test_an_api_key_exports_its_user_s_conversations(gateway: Gateway, client: Client, people: People) -> None:
    await talked(gateway, 1, "c-1")
    reply = await client.get(f"{EXPORT}?conversationId=c-1")
    assert reply.status == 200 and len(reply.body.splitlines()) == 3
    stranger = await gateway.key()
    for other in (await gateway.colleague(), stranger):
        refused = await other.get(f"{EXPORT}?conversationId=c-1&format=markdown")
        absent = await other.get(f"{EXPORT}?conversationId=c-none")
        assert refused.status == absent.status == 404
        assert {**refused.body, "requestId": ""} == {**absent.body, "requestId": ""}


async def test_head_has_no_body(gateway: Gateway, client: Client) -> None:
    await talked(gateway, 1, "c-1")
    reply = await client("HEAD", f"{EXPORT}?conversationId=c-1")
    assert (reply.status, reply.body) == (200, b"")
