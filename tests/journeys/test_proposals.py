"""Proposals from the message to the decision: over HTTP, over sockets, over two gateways and two servers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

import caddie.app
import gateway.app
from shared import keys
from shared.settings import Settings
from tests.product import CHAT, Client, Product, assert_stored_equals_log, free_port, until
from tests.proposed import SEARCH

PASSWORD = "correct horse battery"
ASK = "Add a step to summarize the search results"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass
class Owner:
    """A browser that has signed up, and one workflow of its user."""

    http: aiohttp.ClientSession
    product: Product
    org: int = 0
    user: int = 0
    workflow: str = ""

    async def __call__(self, method: str, path: str, body: Any = None, url: str = "") -> tuple[int, Any]:
        options = {} if body is None else {"json": body}
        async with self.http.request(method, (url or self.product.url) + path, **options) as response:
            return response.status, await response.json()

    async def begin(self) -> Owner:
        account = {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"}
        _, made = await self("POST", "/api/auth/sign-up/email", account)
        self.org, self.user = made["data"]["org"]["id"], made["data"]["user"]["id"]
        stored = await self.product.store.workflows.create(self.org, self.user, "News", definition=SEARCH)
        self.workflow = stored.id
        return self

    async def ask(self, text: str = ASK) -> dict[str, Any]:
        """The pair of messages."""
        status, answer = await self(
            "POST", f"/api/workflows/{self.workflow}/messages", {"content": text, "modelId": "gpt-4"}
        )
        assert status == 201, answer
        pair: dict[str, Any] = answer["data"]
        return pair

    async def proposal(self) -> str:
        return str((await self.ask())["assistantMessage"]["proposal"]["id"])

    async def decide(self, proposal: str, deed: str, url: str = "") -> tuple[int, Any]:
        return await self("POST", f"/api/workflows/{self.workflow}/messages/{deed}", {"proposalId": proposal}, url)

    async def client(self, url: str = "") -> Client:
        """A socket on the workflow's messages; url: of another server."""
        _, made = await self("POST", f"/api/workflows/{self.workflow}/session")
        client = Client(made["data"] | ({"socketUrl": url} if url else {}))
        await client.connect()
        await client.ready()
        return client

    async def versions(self) -> int:
        return len(await self.product.store.workflows.versions(self.org, self.workflow))


@pytest.fixture
async def owner(product: Product) -> AsyncIterator[Owner]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield await Owner(http, product).begin()


@asynccontextmanager
async def seconds(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """(address of a second gateway, of a second server)."""
    settings = settings.model_copy(update={"gateway_port": free_port(), "server_port": free_port()})
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        app = gateway.app.build(settings, CollectorRegistry())
        await stack.enter_async_context(gateway.app.listening(app, settings))
        server = asyncio.create_task(caddie.app.serve(settings, stop))
        try:
            yield f"http://127.0.0.1:{settings.gateway_port}", f"http://127.0.0.1:{settings.server_port}"
        finally:
            stop.set()
            await server


async def test_the_document_s_sample_works_verbatim(owner: Owner, product: Product, tmp_path: Path) -> None:
    """With curl and a cookie file; host and workflow are this machine's."""
    jar, json_type = str(tmp_path / "cookies.txt"), ("-H", "Content-Type: application/json")

    async def curl(*arguments: str) -> tuple[str, Any]:
        process = await asyncio.create_subprocess_exec("curl", "-sS", "-i", *arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        head, _, body = out.decode().replace("\r\n", "\n").partition("\n\n")
        return head, json.loads(body)

    login = json.dumps({"email": "ada@example.org", "password": PASSWORD})
    await curl("-X", "POST", f"{product.url}/api/auth/sign-in/email", *json_type, "-c", jar, "--data", login)
    head, answer = await curl(
        "-X", "POST", f"{product.url}/api/workflows/{owner.workflow}/messages", "-H", "Accept: application/json",
        *json_type, "-b", jar, "--data",
        '{\n    "content": "Add a step to summarize the search results",\n    "modelId": "gpt-4"\n  }',
    )  # fmt: skip
    assert head.startswith("HTTP/1.1 201 Created") and "Content-Type: application/json" in head.splitlines()
    assert list(answer) == ["data"] and list(answer["data"]) == ["userMessage", "assistantMessage"]
    asked, answered = answer["data"].values()
    assert list(asked) == ["id", "workflowId", "role", "content", "createdAt"]
    assert list(answered) == ["id", "workflowId", "role", "content", "proposal", "createdAt"]
    assert (asked["workflowId"], asked["role"], asked["content"]) == (owner.workflow, "user", ASK)
    assert (answered["workflowId"], answered["role"]) == (owner.workflow, "assistant") and answered["content"]
    assert TIME.fullmatch(asked["createdAt"]) and TIME.fullmatch(answered["createdAt"])
    proposal = answered["proposal"]
    assert list(proposal)[:3] == ["id", "status", "changes"] and proposal["status"] == "pending"
    (change,) = proposal["changes"]
    assert list(change)[:2] == ["type", "step"] and change["type"] == "add_step"
    assert list(change["step"])[:3] == ["id", "toolId", "inputs"] and change["step"]["toolId"] == "summarize"
    assert change["step"]["inputs"]["text"].startswith("{{step-1.")


async def test_a_message_changes_nothing_until_it_is_applied(owner: Owner, product: Product) -> None:
    pair = await owner.ask()
    assert await owner.versions() == 1
    proposal = pair["assistantMessage"]["proposal"]
    status, applied = await owner.decide(proposal["id"], "apply")
    assert (status, await owner.versions()) == (200, 2)
    ids = [step["id"] for step in applied["data"]["workflow"]["steps"]]
    assert ids == ["root", "step-1", proposal["changes"][0]["step"]["id"]]
    _, listed = await owner("GET", f"/api/workflows/{owner.workflow}/messages")
    shown = listed["data"]["messages"]
    assert [each["id"] for each in shown] == [pair["userMessage"]["id"], pair["assistantMessage"]["id"]]
    assert shown[1]["content"] == pair["assistantMessage"]["content"]
    assert shown[1]["proposal"]["status"] == "applied"


async def test_an_answer_without_a_change_has_no_proposal(owner: Owner) -> None:
    pair = await owner.ask("What does this workflow do?")
    assert list(pair["assistantMessage"]) == ["id", "workflowId", "role", "content", "createdAt"]


async def test_messages_sent_at_once_are_answered_one_after_the_other(owner: Owner) -> None:
    pairs = await asyncio.gather(*(owner.ask(f"{ASK} {n}") for n in range(3)))
    assert sorted(pair["userMessage"]["content"] for pair in pairs) == [f"{ASK} {n}" for n in range(3)]
    assert len({pair["assistantMessage"]["id"] for pair in pairs}) == 3


async def test_a_proposal_made_over_http_is_decided_from_a_socket(owner: Owner, product: Product) -> None:
    watcher = await owner.client()
    proposal = await owner.proposal()
    await watcher.ended()
    (created,) = watcher.of("proposal.created")
    assert created["data"]["proposal"]["id"] == proposal and not watcher.of("node")
    finished = watcher.of("run.finished")[0]
    assert created["index"] == finished["index"] - 1 and created["runId"] == finished["runId"]
    assert finished["data"]["result"]["type"] == "message" and "workflow" not in finished["data"]["result"]
    ack = await watcher.call("decide", {"proposalId": proposal, "decision": "apply"})
    assert ack == {"ok": True, "proposalId": proposal, "status": "applied", "version": 2, "rebased": False}
    (applied,) = await until(lambda: watcher.of("proposal.applied"))
    assert applied["data"] == {"proposalId": proposal, "by": str(owner.user), "version": 2}
    again = await watcher.call("decide", {"proposalId": proposal, "decision": "reject"})
    assert (again["ok"], again["code"], again["by"]) == (False, "VERSION_CONFLICT", str(owner.user))
    status, refused = await owner.decide(proposal, "apply")
    assert (status, refused["data"]["by"]) == (400, str(owner.user))
    await watcher.socket.disconnect()


async def test_a_proposal_made_over_a_socket_is_decided_over_http(owner: Owner, product: Product) -> None:
    client, other = await owner.client(), await owner.client()
    assert (await client.say(ASK))["ok"]
    await client.ended()
    proposal = client.of("proposal.created")[0]["data"]["proposal"]
    assert proposal["status"] == "pending" and proposal["summary"]
    status, _ = await owner.decide(proposal["id"], "reject")
    assert status == 200
    for each in (client, other):
        (rejected,) = await until(lambda each=each: each.of("proposal.rejected"))  # type: ignore[misc]
        assert rejected["data"] == {"proposalId": proposal["id"], "by": str(owner.user)}
        await each.socket.disconnect()
    assert await owner.versions() == 1


async def test_the_conversation_keeps_no_definition_and_log_and_store_agree(owner: Owner, product: Product) -> None:
    await owner.decide(await owner.proposal(), "apply")
    product.org = owner.org
    _, session = await owner("POST", f"/api/workflows/{owner.workflow}/session")
    await assert_stored_equals_log(product, session["data"]["conversationId"])


async def test_one_of_fifty_deciders_on_two_gateways_and_two_servers_wins(owner: Owner, product: Product) -> None:
    proposal = await owner.proposal()
    async with seconds(product.settings) as (gateway_url, server_url):
        sockets = [await owner.client(server_url if n % 2 else "") for n in range(4)]

        async def by_socket(n: int) -> tuple[str | None, Any]:
            ack = await sockets[n % 4].call(
                "decide", {"proposalId": proposal, "decision": "apply" if n % 3 else "reject"}
            )
            if not ack["ok"]:
                assert ack["code"] == "VERSION_CONFLICT"
            return (ack["status"] if ack["ok"] else None), ack.get("by")

        async def by_http(n: int) -> tuple[str | None, Any]:
            status, answer = await owner.decide(proposal, "apply" if n % 3 else "reject", gateway_url if n % 2 else "")
            assert status in (200, 400)
            if status == 200:
                return answer["data"]["proposal"]["status"], None
            return None, answer["data"]["by"]

        answers = await asyncio.gather(*(by_socket(n) if n % 2 else by_http(n // 2) for n in range(50)))
        won = [status for status, _ in answers if status]
        assert len(won) == 1
        assert [by for status, by in answers if not status] == [str(owner.user)] * 49
        assert await owner.versions() == (2 if won == ["applied"] else 1)
        for each in sockets:
            await until(lambda each=each: each.of(f"proposal.{won[0]}"))  # type: ignore[misc]
            assert len(each.of("proposal.applied") + each.of("proposal.rejected")) == 1
            await each.socket.disconnect()


async def test_a_canvas_that_shows_the_workflow_hears_that_it_has_changed(owner: Owner, product: Product) -> None:
    _, key = await product.store.accounts.create_api_key(owner.org, owner.user, "canvas", ["read", "write"])
    status, session = await product.post(CHAT, {"agentVersion": "v3", "workflowId": owner.workflow}, key)
    assert status == 200
    await owner.ask()
    _, history = await product.get(f"/v1/ai/workflow/chat/history?workflowId={owner.workflow}", key)
    assert (history["data"]["conversationId"], history["data"]["messages"]) == (session["conversationId"], [])
    canvas = Client(session)
    await canvas.connect()
    await canvas.ready()
    proposal = await owner.proposal()
    refused = await canvas.call("decide", {"proposalId": proposal, "decision": "apply"})
    assert (refused["code"], refused["scopeNeeded"]) == ("FORBIDDEN", "decide")
    await owner.decide(proposal, "apply")
    (applied,) = await until(lambda: canvas.of("proposal.applied"))
    assert applied["data"]["version"] == 2 and not canvas.of("proposal.created")
    await canvas.socket.disconnect()


async def test_a_session_of_another_conversation_decides_nothing(owner: Owner, product: Product) -> None:
    proposal = await owner.proposal()
    _, key = await product.store.accounts.create_api_key(owner.org, owner.user, "x", ["read", "write", "decide"])
    for client in (
        await product.client(conversationId="elsewhere"),
        Client((await product.post(CHAT, {"agentVersion": "v3", "conversationId": "mine"}, key))[1]),
    ):
        if not client.socket.connected:
            await client.connect()
        refused = await client.call("decide", {"proposalId": proposal, "decision": "apply"})
        assert (refused["ok"], refused["code"]) == (False, "NOT_FOUND")
        for wrong in ({"proposalId": proposal}, {"proposalId": proposal, "decision": "accept"}, {"decision": "apply"},
                      {"proposalId": proposal, "decision": "apply", "changes": ["0"]}):  # fmt: skip
            assert (await client.call("decide", wrong))["code"] == "INVALID"
        await client.socket.disconnect()
    assert await owner.versions() == 1


@pytest.mark.parametrize("surface", ["/api", "/v1"])
async def test_a_deleted_workflow_leaves_no_messages_and_no_log_and_ends_its_sessions(
    owner: Owner, product: Product, surface: str
) -> None:
    await owner.ask()
    client = await owner.client()
    thread = client.session["conversationId"]
    key = keys.conversation_key(owner.org, thread)
    assert await product.store.conversations.get(owner.org, thread) and await product.log.read(key, 0)
    headers = {}
    if surface == "/v1":
        _, secret = await product.store.accounts.create_api_key(owner.org, owner.user, "test", ["write"])
        headers["Authorization"] = f"Bearer {secret}"
    path = f"{product.url}{surface}/workflows/{owner.workflow}"
    async with owner.http.delete(path, headers=headers) as response:
        assert response.status == 204
    assert await product.store.conversations.get(owner.org, thread) is None
    assert await product.log.read(key, 0) == [] and (await product.log.head(key)).index == 0
    await until(lambda: not client.socket.connected)
