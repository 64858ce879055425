"""Workflows that run, over every surface: the chat of document 002, Socket.IO, the agent after a consent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.journeys.test_chats import Visitor, frames_of
from tests.product import Client, Product, assert_stored_equals_log, until

STEPS = {
    "root": {"type": "trigger_chat", "children": ["find"]},
    "find": {
        "type": "regex", "payload": {"text": "{{root.text}}", "pattern": "[0-9]+"}, "titleOverride": "Find the number",
        "children": ["reply", "tell"],
    },
    "reply": {"type": "reply_chat", "payload": {"text": "Your number is {{find.match}}."}},
    "tell": {"type": "log", "payload": {"message": "{{find.match}}"}},
}  # fmt: skip
ASKING = {
    "root": {"type": "manual", "children": ["ok"]},
    "ok": {"type": "human_confirmation", "payload": {"message": "Really {{root.what}}?"}, "children": ["done"]},
    "done": {"type": "format", "payload": {"template": "approved: {{ok.approved}}"}},
}  # fmt: skip


@pytest.fixture
async def visitor(product: Product) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield await Visitor(http, product.url).sign_up("ada@example.org")


async def test_a_chat_runs_a_workflow_on_its_message(product: Product, visitor: Visitor) -> None:
    made = await visitor("POST", "/api/workflows", {"userId": visitor.user, "name": "Numbers"})
    workflow = made["data"]["id"]
    await product.store.workflows.update(visitor.org, workflow, user_id=1, definition={"nodes": STEPS})
    chat = await visitor.chat()
    body = visitor.message("order 4711 please", workflowId=workflow)
    async with visitor.http.post(f"{visitor.url}/api/chats/{chat}/messages/stream", json=body) as response:
        assert response.status == 200
        frames = frames_of(await response.text())
    assert [frame["type"] for frame in frames] == [
        "start", "tool_call", "tool_result", "tool_call", "tool_result", "content", "tool_call", "tool_result", "end",
    ]  # fmt: skip
    assert frames[1] == {
        "type": "tool_call", "toolName": "regex",
        "toolArgs": {"nodeId": "find", "input": {"text": "order 4711 please", "pattern": "[0-9]+"}},
    }  # fmt: skip
    assert frames[2]["result"]["match"] == "4711"
    assert "".join(frame["delta"] for frame in frames if frame["type"] == "content") == "Your number is 4711."
    assert frames[0]["messageId"] == frames[-1]["messageId"]
    listed = (await visitor("GET", f"/api/chats/{chat}/messages"))["data"]["messages"]
    assert [(each["role"], each["content"]) for each in listed] == [
        ("user", "order 4711 please"), ("assistant", "Your number is 4711."),
    ]  # fmt: skip
    assert listed[1]["id"] == frames[0]["messageId"]
    whole = await visitor("POST", f"/api/chats/{chat}/messages", visitor.message("and 42", workflowId=workflow))
    assert whole["data"]["assistantMessage"]["content"] == "Your number is 42."


async def test_an_execution_is_followed_and_answered_over_a_socket(product: Product) -> None:
    status, made = await product.post(
        "/api/v1/workflows/", {"name": "Ask", "slug": "ask", "definition": {"nodes": ASKING}}
    )
    assert status == 201, made
    status, started = await product.post("/api/v1/executions/", {"workflow": "ask", "inputs": {"what": "send it"}})
    assert status == 201, started
    execution = started["execution_id"]
    client = await product.client(last=0, conversationId=execution)
    asked: dict[str, Any] = (await until(lambda: client.of("input.requested")))[0]
    assert asked["data"]["body"]["text"] == "Really send it?"
    refused = await client.say("hello")
    assert not refused["ok"] and refused["code"] == "INVALID"
    await until(lambda: _status(product, execution, "waiting"))
    answered = await client.call("answer", {"inputId": asked["data"]["inputId"], "value": "approve"})
    assert answered["ok"], answered
    ended = await client.ended()
    assert ended["data"]["result"]["output"] == {"text": "approved: true"}
    again = await client.call("answer", {"inputId": asked["data"]["inputId"], "value": "decline"})
    assert (again["ok"], again["code"]) == (False, "INPUT_RESOLVED")
    assert client.indices == list(range(1, len(client.indices) + 1))
    await client.socket.disconnect()
    late = await product.client(last=0, conversationId=execution)
    await late.ended()
    assert late.events == client.events
    await late.socket.disconnect()
    await assert_stored_equals_log(product, execution)


async def test_an_execution_that_waits_outlives_its_worker_and_is_cancelled(product: Product) -> None:
    nodes = {"root": {"type": "manual", "children": ["w"]}, "w": {"type": "delay", "payload": {"seconds": 86_400}}}
    await product.post("/api/v1/workflows/", {"name": "Wait", "slug": "wait", "definition": {"nodes": nodes}})
    _, started = await product.post("/api/v1/executions/", {"workflow": "wait"})
    execution = started["execution_id"]
    await until(lambda: _status(product, execution, "waiting"))
    await product.stop("worker")
    await product.start("worker")
    status, cancelled = await product.post(f"/api/v1/executions/{execution}/cancel/", {})
    assert status == 200, cancelled
    await until(lambda: _status(product, execution, "cancelled"))


async def test_the_agent_runs_the_workflow_it_has_built_after_a_yes(product: Product) -> None:
    client = await product.client()
    await client.say("When I start it by hand, log “hello world”")
    await client.ended()
    await client.say("run it now")
    await client.ended(2)
    asked = client.of("input.requested")[-1]["data"]
    assert "Shall I run the workflow now?" in asked["body"]["text"]
    answered = await client.call("answer", {"inputId": asked["inputId"], "value": "run"})
    assert answered["ok"], answered
    ended = await client.ended(3)
    ran = [event["data"] for event in client.of("tool.finished") if event["data"]["name"] == "run_workflow"][-1]
    assert ran["ok"] and ran["result"]["status"] == "completed", ran
    assert ended["data"]["outcome"] == "completed" and "It ran to its end" in ended["data"]["result"]["message"]
    status, listed = await product.get("/api/v1/executions/")
    assert status == 200 and listed["executions"][0]["execution_id"] == ran["result"]["executionId"]
    await client.socket.disconnect()


async def test_ten_executions_side_by_side_each_have_their_own_log(product: Product) -> None:
    nodes = {
        "root": {"type": "manual", "children": ["a"]},
        "a": {"type": "format", "payload": {"template": "{{root.n}}"}},
    }
    await product.post("/api/v1/workflows/", {"name": "Many", "slug": "many", "definition": {"nodes": nodes}})

    async def one(number: int) -> None:
        _, started = await product.post("/api/v1/executions/", {"workflow": "many", "inputs": {"n": number}})
        client: Client = await product.client(last=0, conversationId=started["execution_id"])
        ended = await client.ended()
        assert ended["data"]["result"]["output"] == {"text": str(number)}
        await client.socket.disconnect()

    await asyncio.gather(*(one(number) for number in range(10)))


async def test_an_unknown_conversation_that_looks_like_an_execution_stays_an_ordinary_one(product: Product) -> None:
    client = await product.client(conversationId=str(uuid4()))
    assert (await client.say("hello"))["ok"]
    await client.ended()
    await client.socket.disconnect()


async def _status(product: Product, execution: str, wanted: str) -> bool:
    found = await product.store.executions.get(product.org, execution)
    return found is not None and found.status == wanted
