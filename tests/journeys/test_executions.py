"""Document 004 from end to end: its samples word for word, the socket, a question, a cancel, a memory cleared."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.gateway.walk import Spectator, told
from tests.journeys.test_samples import said
from tests.product import Product, until

SEND = """curl -X POST http://localhost:8000/api/v1/workflows/my-chatbot/chat/ \\
  -H "Authorization: Bearer <api_key>" \\
  -H "Content-Type: application/json" \\
  -d '{"text": "Hello, I need help with my order"}'"""
READ = """curl "http://localhost:8000/api/v1/workflows/my-chatbot/chat/history?limit=20" \\
  -H "Authorization: Bearer <api_key>\""""
CLEAR = """curl -X DELETE http://localhost:8000/api/v1/workflows/my-chatbot/chat/history \\
  -H "Authorization: Bearer <api_key>\""""
CHATBOT = {
    "nodes": {
        "root": {"type": "trigger_chat", "payload": {}, "children": ["shout"]},
        "shout": {"type": "format", "payload": {"template": "You said: {{root.text}}"}, "children": ["reply"]},
        "reply": {"type": "reply_chat", "payload": {"text": "{{shout.text}}"}},
    }
}
ASKING = {
    "nodes": {
        "root": {"type": "manual", "payload": {}, "children": ["ask"]},
        "ask": {"type": "human_confirmation", "payload": {"message": "Go on?"}, "children": ["note"]},
        "note": {"type": "log", "payload": {"message": "{{ask.approved}}"}},
    }
}
REMEMBERING = {
    "nodes": {
        "root": {"type": "trigger_chat", "payload": {}, "children": ["agent"]},
        "agent": {"type": "agent", "payload": {"prompt": "Answer: {{root.text}}"}, "children": ["reply"]},
        "reply": {"type": "reply_chat", "payload": {"text": "{{agent.text}}"}},
    }
}


async def make(product: Product, definition: dict[str, Any], slug: str = "my-chatbot") -> dict[str, Any]:
    status, made = await product.post("/api/v1/workflows/", {"name": "Bot", "slug": slug, "definition": definition})
    assert status == 201, made
    return made


@asynccontextmanager
async def watching(product: Product, channel: str) -> AsyncIterator[Spectator]:
    async with product.http.ws_connect(f"{product.url}/ws/?token={product.api_key}") as socket:
        me = Spectator(socket)
        await me.subscribe(channel)
        yield me


def sample(product: Product, text: str) -> str:
    return text.replace("http://localhost:8000", product.url).replace("<api_key>", product.api_key)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_samples_work_word_for_word(product: Product) -> None:
    made = await make(product, CHATBOT)
    sent = json.loads(await said(product, sample(product, SEND), "sh", "-s"))
    assert set(sent) == {"execution_id", "status", "response"} and (sent["status"], sent["response"]) == ("pending", "")
    async with watching(product, f"execution:{sent['execution_id']}") as me:
        end = (await me.ended())[-1]
    assert end["type"] == "execution_completed"
    history = json.loads(await said(product, sample(product, READ), "sh", "-s"))
    assert history["thread_id"] == f"{product.user}:{made['number']}" and history["has_more"] is False
    assert [(message["role"], message["text"]) for message in history["messages"]] == [
        ("user", "Hello, I need help with my order"),
        ("assistant", "You said: Hello, I need help with my order"),
    ]
    assert await said(product, sample(product, CLEAR), "sh", "-s") == ""
    assert json.loads(await said(product, sample(product, READ), "sh", "-s"))["messages"] == []


async def test_a_workflow_s_channel_tells_of_each_of_its_executions(product: Product) -> None:
    await make(product, CHATBOT)
    async with watching(product, "workflow:my-chatbot") as me:
        sent = [
            (await product.post("/api/v1/workflows/my-chatbot/chat/", {"text": f"number {number}"}))[1]["execution_id"]
            for number in range(5)
        ]
        await me.until("execution_completed", count=5)
        for number, execution in enumerate(sent):
            mine = [message for message in me.messages if message.get("execution_id") == execution]
            names = told(mine)
            assert names[0] == "execution_started" and names[-1] == "execution_completed"
            assert {"root success", "shout success", "reply success", "chat_message"} <= set(names)
            (chat,) = [message for message in mine if message["type"] == "chat_message"]
            assert chat["data"]["text"] == f"You said: number {number}"
    for execution in sent:
        async with watching(product, f"execution:{execution}") as late:
            again = told(await late.ended())
        assert again == [
            name for name in told([message for message in me.messages if message.get("execution_id") == execution])
        ]


async def test_a_question_waits_for_its_answer(product: Product) -> None:
    await make(product, ASKING, "asking")
    status, begun = await product.post("/api/v1/executions/", {"workflow": "asking"})
    assert status == 201 and begun["status"] == "pending"
    path = f"/api/v1/executions/{begun['execution_id']}/"
    async with watching(product, f"execution:{begun['execution_id']}") as me:
        *_, question = await me.until("execution_interrupted")
        assert question["data"]["node_id"] == "ask" and question["data"]["text"] == "Go on?"

        async def waiting() -> bool:
            return (await product.get(path))[1]["status"] == "waiting"

        await until(waiting)
        status, _ = await product.post(f"{path}resume/", {"approved": True, "comment": "please"})
        assert status == 200
        names = told(await me.ended())
        assert "ask success" in names and names[-1] == "execution_completed"
    _, detail = await product.get(path)
    assert detail["status"] == "completed" and detail["waiting"] == []
    logs = {log["node_id"]: log for log in detail["logs"]}
    assert logs["ask"]["output"]["approved"] is True and logs["ask"]["output"]["comment"] == "please"
    assert (await product.post(f"{path}resume/", {"approved": True}))[0] == 409


async def test_an_execution_that_waits_is_cancelled(product: Product) -> None:
    await make(product, ASKING, "asking")
    _, begun = await product.post("/api/v1/executions/", {"workflow": "asking"})
    path = f"/api/v1/executions/{begun['execution_id']}/"
    async with watching(product, f"execution:{begun['execution_id']}") as me:
        await me.until("execution_interrupted")
        assert (await product.post(f"{path}cancel/", {}))[0] == 200
        assert (await me.ended())[-1]["type"] == "execution_cancelled"
    assert (await product.post(f"{path}cancel/", {}))[1]["status"] == "cancelled"


async def test_what_was_cleared_is_not_remembered(product: Product) -> None:
    await make(product, REMEMBERING, "remembering")
    path = "/api/v1/workflows/remembering/chat"

    async def ask(text: str) -> str:
        _, sent = await product.post(f"{path}/", {"text": text})
        async with watching(product, f"execution:{sent['execution_id']}") as me:
            end = (await me.ended())[-1]
        assert end["type"] == "execution_completed", end
        return str(end["data"].get("response"))

    await ask("My name is Quintessa.")
    assert "Quintessa" in await ask("What is my name?")
    headers = {"Authorization": f"Bearer {product.api_key}"}
    async with product.http.delete(f"{product.url}{path}/history", headers=headers) as response:
        assert response.status == 204
    assert "Quintessa" not in await ask("What is my name?")


async def test_a_browser_s_socket_needs_nothing_but_the_url(product: Product) -> None:
    """No header of ours: what `new WebSocket(url)` sends."""
    await make(product, CHATBOT)
    _, sent = await product.post("/api/v1/workflows/my-chatbot/chat/", {"text": "hi"})
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(
            f"{product.url}/ws?token={product.api_key}", origin="https://elsewhere.example"
        ) as socket:
            me = Spectator(socket)
            await me.subscribe(f"execution:{sent['execution_id']}")
            async with asyncio.timeout(20):
                assert (await me.ended())[-1]["data"]["response"] == "You said: hi"
