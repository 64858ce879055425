"""A chat of a signed-in user, over HTTP and over the socket, with the offline model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from shared.runs import answer_id
from shared.settings import Settings
from tests.fakes.anthropic import Answer, FakeAnthropic, Refusal
from tests.product import GOLDEN, Client, Product, assert_stored_equals_log, running, until

PASSWORD = "correct horse battery"


@dataclass
class Visitor:
    """A browser that has signed up; every request carries its cookie."""

    http: aiohttp.ClientSession
    url: str
    user: str = ""
    org: int = 0

    async def sign_up(self, email: str) -> Visitor:
        made = await self("POST", "/api/auth/sign-up/email", {"email": email, "password": PASSWORD, "name": "Ada"})
        self.user, self.org = made["data"]["user"]["uuid"], made["data"]["org"]["id"]
        return self

    async def __call__(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        options = {} if body is None else {"json": body}
        async with self.http.request(method, self.url + path, **options) as response:
            assert response.status == status or (status is None and response.status < 300), await response.text()
            return await response.json() if response.content_type == "application/json" else await response.text()

    async def chat(self, **body: Any) -> str:
        return str((await self("POST", "/api/chats", body))["data"]["id"])

    def message(self, content: str, **members: Any) -> dict[str, Any]:
        return {"content": content, "modelId": "gpt-4", "userId": self.user, **members}

    async def stream(self, chat: str, content: str) -> list[dict[str, Any]]:
        async with self.http.post(
            f"{self.url}/api/chats/{chat}/messages/stream", json=self.message(content)
        ) as response:
            assert response.status == 200, await response.text()
            return frames_of(await response.text())


def frames_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def ids_of(text: str) -> list[int]:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


def text_of(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["delta"] for frame in frames if frame["type"] == "content")


@pytest.fixture
async def visitor(product: Product) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield await Visitor(http, product.url).sign_up("ada@example.org")


async def test_a_calculation_is_streamed_with_its_tool(visitor: Visitor) -> None:
    chat = await visitor.chat()
    frames = await visitor.stream(chat, "What is 12 * 7?")
    kinds = [frame["type"] for frame in frames]
    assert kinds[:3] == ["start", "tool_call", "tool_result"] and kinds[-1] == "end"
    assert frames[1] == {"type": "tool_call", "toolName": "calculator", "toolArgs": {"expression": "12 * 7"}}
    assert frames[2]["result"] == {"expression": "12 * 7", "result": "84"}
    assert text_of(frames) == "12 * 7 = 84"
    listed = (await visitor("GET", f"/api/chats/{chat}/messages"))["data"]["messages"]
    assert [(each["role"], each["content"], each["modelId"]) for each in listed] == [
        ("user", "What is 12 * 7?", "gpt-4"), ("assistant", "12 * 7 = 84", "gpt-4"),
    ]  # fmt: skip
    assert frames[0]["messageId"] == frames[-1]["messageId"] == listed[1]["id"]


async def test_the_document_s_sample_request_works_verbatim(product: Product, tmp_path: Path) -> None:
    """With curl and a cookie file; host, chat and user are this machine's."""
    await product.pace(200)
    jar, base = tmp_path / "cookies.txt", product.url

    async def curl(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "curl", "-sS", "-i", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err
        return out.decode()

    json_type = ("-H", "Content-Type: application/json")
    login = '{"email":"curl@example.org","password":"correct horse battery","name":"Curl"}'
    signed = await curl("-X", "POST", f"{base}/api/auth/sign-up/email", *json_type, "-c", str(jar), "--data", login)
    user = json.loads(signed.splitlines()[-1])["data"]["user"]["id"]
    made = await curl("-X", "POST", f"{base}/api/chats", *json_type, "-b", str(jar), "--data", "{}")
    chat = json.loads(made.splitlines()[-1])["data"]["id"]
    body = '{\n    "content": "Explain quantum computing",\n    "modelId": "gpt-4",\n    "userId": "user-123"\n  }'
    body = body.replace("user-123", str(user))
    streamed = await curl(
        "-X", "POST", f"{base}/api/chats/{chat}/messages/stream", "-H", "Accept: text/event-stream", *json_type,
        "-b", str(jar), "--data", body,
    )  # fmt: skip
    head, _, rest = streamed.replace("\r\n", "\n").partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert {"Content-Type: text/event-stream", "Cache-Control: no-cache", "Connection: keep-alive"} <= set(
        head.splitlines()
    )
    frames = frames_of(rest)
    assert frames[0]["type"] == "start" and frames[-1] == {"type": "end", "messageId": frames[0]["messageId"]}
    assert len(frames) > 10 and "Explain quantum computing" in text_of(frames)
    assert {frame["type"] for frame in frames} == {"start", "content", "end"}


async def test_a_socket_and_a_stream_of_one_chat_say_the_same(visitor: Visitor, product: Product) -> None:
    await product.pace(200)
    chat = await visitor.chat()
    client = Client((await visitor("POST", f"/api/chats/{chat}/session"))["data"])
    await client.connect(0)
    frames = await visitor.stream(chat, "hello")
    await client.ended()
    deltas = [event["data"]["text"] for event in client.of("message.delta")]
    assert [frame["delta"] for frame in frames if frame["type"] == "content"] == deltas
    assert frames[0]["messageId"] == client.of("message.completed")[0]["data"]["messageId"]
    # And the other way round: said by socket, read as a stream.
    assert (await client.say("What is 2 + 2?"))["ok"]
    await client.ended(2)
    async with visitor.http.get(f"{visitor.url}/api/chats/{chat}/messages/stream") as response:
        again = await response.text()
    assert text_of(frames_of(again)) == "2 + 2 = 4"
    assert ids_of(again)[-1] == client.events[-1]["index"]
    run = client.events[-1]["runId"]
    assert frames_of(again)[0]["messageId"] == answer_id(run)
    product.org = visitor.org
    await assert_stored_equals_log(product, chat)
    await client.socket.disconnect()


async def test_a_broken_stream_is_taken_up_where_it_broke(visitor: Visitor, product: Product) -> None:
    await product.pace(100)
    chat = await visitor.chat()
    url = f"{visitor.url}/api/chats/{chat}/messages/stream"
    seen = b""
    async with visitor.http.post(url, json=visitor.message("hello")) as response:
        async for chunk in response.content.iter_any():
            seen += chunk
            if seen.count(b"content") > 5:
                break
    first = seen[: seen.rindex(b"\n\n") + 2].decode()
    async with visitor.http.get(url, headers={"Last-Event-ID": str(ids_of(first)[-1])}) as response:
        rest = await response.text()
    whole = frames_of(first) + frames_of(rest)
    assert [frame["type"] for frame in whole].count("start") == 1
    stored = (await visitor("GET", f"/api/chats/{chat}/messages"))["data"]["messages"][-1]
    assert text_of(whole) == stored["content"] and whole[-1] == {"type": "end", "messageId": stored["id"]}


async def test_a_chat_knows_the_time_and_the_user_s_workflows(visitor: Visitor, product: Product) -> None:
    chat = await visitor.chat()
    frames = await visitor.stream(chat, "What time is it in Tokyo?")
    assert frames[1]["toolArgs"] == {"timezone": "Asia/Tokyo"} and "Asia/Tokyo" in text_of(frames)
    user = await product.store.accounts.user_by_uuid(visitor.user)
    assert user is not None
    nodes = {"root": {"type": "manual"}, "post": {"type": "slack-send-message"}}
    await product.store.workflows.create(visitor.org, user.id, "Rates to Slack", definition={"nodes": nodes})
    await product.store.workflows.create(visitor.org, user.id, "Invoices")
    await product.store.workflows.create(product.org, product.user, "Slack of a stranger")
    frames = await visitor.stream(chat, "Which of my workflows use Slack?")
    found = next(frame["result"]["workflows"] for frame in frames if frame["type"] == "tool_result")
    assert [each["name"] for each in found] == ["Rates to Slack"]
    assert "Rates to Slack" in text_of(frames) and "stranger" not in text_of(frames)


async def test_a_page_of_this_machine_is_not_read(visitor: Visitor, product: Product) -> None:
    chat = await visitor.chat()
    frames = await visitor.stream(chat, f"Read {product.url}/health")
    assert [frame["type"] for frame in frames[:3]] == ["start", "tool_call", "tool_result"]
    assert "expected an address of the public internet" in frames[2]["result"]["error"]
    assert "could not read that page" in text_of(frames)


async def test_the_whole_answer_and_a_cancelled_one(visitor: Visitor, product: Product) -> None:
    chat = await visitor.chat()
    whole = await visitor("POST", f"/api/chats/{chat}/messages", visitor.message("What is 6 * 7?"), 201)
    assert whole["data"]["assistantMessage"]["content"] == "6 * 7 = 42"
    await product.pace(20)
    asking = asyncio.create_task(visitor("POST", f"/api/chats/{chat}/messages", visitor.message("hello"), 201))
    await until(lambda: _talking(product, visitor, chat))
    assert (await visitor("POST", f"/api/chats/{chat}/messages/cancel"))["data"]["runId"]
    answer = (await asking)["data"]["assistantMessage"]
    assert answer["status"] == "cancelled"


async def _talking(product: Product, visitor: Visitor, chat: str) -> bool:
    entries = await product.log.read(f"{visitor.org}:{chat}", 0)
    return bool(entries) and b'"message.delta"' in entries[-1][1]


async def test_deleting_a_chat_under_way_leaves_no_log(visitor: Visitor, product: Product) -> None:
    await product.pace(20)
    chat = await visitor.chat()
    client = Client((await visitor("POST", f"/api/chats/{chat}/session"))["data"])
    await client.connect(0)
    assert (await client.say("hello"))["ok"]
    await until(lambda: _talking(product, visitor, chat))
    await visitor("DELETE", f"/api/chats/{chat}", status=204)
    await until(lambda: not client.socket.connected)
    await visitor("GET", f"/api/chats/{chat}", status=404)
    assert await product.log.read(f"{visitor.org}:{chat}", 0) == []
    assert client.control["ended"][0]["reason"] == "revoked"


async def test_a_builder_conversation_is_begun_by_cookie_alone(visitor: Visitor, product: Product) -> None:
    chat = await visitor.chat(kind="builder")
    client = Client((await visitor("POST", f"/api/chats/{chat}/session", {"timezone": "Europe/Berlin"}))["data"])
    await client.connect(0)
    assert (await client.say(GOLDEN))["ok"]
    end = await client.ended()
    assert end["data"]["result"]["type"] == "workflow" and len(end["data"]["result"]["workflow"]["nodes"]) == 4
    await client.socket.disconnect()
    listed = (await visitor("GET", "/api/chats?kind=builder"))["data"]["chats"]
    assert [(each["id"], each["title"][:13]) for each in listed] == [(chat, "Every morning")]


async def test_signing_out_ends_the_socket(visitor: Visitor) -> None:
    chat = await visitor.chat()
    client = Client((await visitor("POST", f"/api/chats/{chat}/session"))["data"])
    await client.connect(0)
    await client.ready()
    await visitor("POST", "/api/auth/sign-out", status=204)
    await until(lambda: not client.socket.connected, 5)
    assert client.control["ended"][0]["reason"] == "revoked"


async def test_a_chosen_model_and_its_tools_work_on_claude_too(settings: Settings) -> None:
    script = (Answer("Let me see.", "Thinking.", (("calculator", {"expression": "6*7"}),)), Answer("It is 42."))
    async with FakeAnthropic(*script).running() as fake:
        keyed = settings.model_copy(update={"anthropic_api_key": SecretStr("sk-ant-test-0123456789abcdef"),
                                            "anthropic_base_url": fake.url})  # fmt: skip
        async with running(keyed) as product, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            visitor = await Visitor(http, product.url).sign_up("ada@example.org")
            chat = await visitor.chat()
            async with http.post(
                f"{visitor.url}/api/chats/{chat}/messages/stream", json=visitor.message("6*7?", modelId="claude")
            ) as response:
                frames = frames_of(await response.text())
            assert text_of(frames) == "Let me see.\n\nIt is 42." and frames[-1]["type"] == "end"
            assert next(f for f in frames if f["type"] == "tool_result")["result"]["result"] == "42"
            listed = (await visitor("GET", f"/api/chats/{chat}/messages"))["data"]["messages"]
            assert [each["modelId"] for each in listed] == ["claude", "claude"]
            assert len(listed) == 2 and len(fake.seen) == 2


async def test_a_model_that_fails_is_one_error_frame_and_a_status(settings: Settings) -> None:
    async with FakeAnthropic(Refusal(400, message="odd"), Refusal(400, message="odd")).running() as fake:
        keyed = settings.model_copy(update={"anthropic_api_key": SecretStr("sk-ant-test-0123456789abcdef"),
                                            "anthropic_base_url": fake.url})  # fmt: skip
        async with running(keyed) as product, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            visitor = await Visitor(http, product.url).sign_up("ada@example.org")
            chat = await visitor.chat()
            body = visitor.message("hi", modelId="claude")
            async with http.post(f"{visitor.url}/api/chats/{chat}/messages/stream", json=body) as response:
                frames = frames_of(await response.text())
            assert [frame["type"] for frame in frames] == ["start", "error"] and frames[-1]["message"]
            async with http.post(f"{visitor.url}/api/chats/{chat}/messages", json=body) as response:
                assert response.status in (400, 502) and set(await response.json()) >= {"error", "message"}
