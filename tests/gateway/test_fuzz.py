"""Generated requests: whatever comes in, the answer is a documented one and never a fault of ours."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.routes.chat_request import ChatRequest
from gateway.table import TABLE
from shared.settings import Settings
from shared.store import Store
from tests.gateway.conftest import Client, Gateway, running
from tests.postgres import running_postgres

ATOMS: list[Any] = [
    None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 0.5, 1e308, "", "x", "v3", "v1", "hello", "é\u202e\U0001f600",
    "a" * 300, "9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d", "UTC", "planning", "root", "{{root.x}}", "{{", "' OR 1=1 --",
    "../../x",    "data:image/png;base64,AAAA", "\x7f\x1b[0m", "%00", "1", "-1", "999999999999",
]  # fmt: skip
NAMES = [
    *ChatRequest.model_fields, "slug", "version", "note", "scopes", "nodes", "root", "type", "payload", "children",
    "triggerNodeIds", "variableDefs", "inputSchema", "base64", "ipfsUrl", "runId", "branch", "loopBody", "connector",
]  # fmt: skip


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.random()
    if depth > 4 or kind < 0.5:
        return rng.choice(ATOMS)
    if kind < 0.7:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(6))}


def path_of(rng: random.Random, template: str) -> str:
    parts = [
        rng.choice(["1", "root", "9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d", "a-b", "%20", "0", "999999999"])
        for _ in range(2)
    ]
    for part in parts:
        start, end = template.find("{"), template.find("}")
        template = template[:start] + part + template[end + 1 :] if start >= 0 else template
    return template


async def send(client: Client, cookie: str, rng: random.Random) -> int:
    # After a sign-out every cookie route would answer 401 and nothing else.
    entry = rng.choice([entry for _, entry in TABLE if not entry.open and entry.name != "sign_out"])
    path, body = path_of(rng, entry.template), None
    if entry.body is not None:
        fields = rng.sample(list(entry.body.model_fields), k=rng.randrange(min(6, len(entry.body.model_fields)) + 1))
        body = {name: value(rng) for name in fields}
        if rng.random() < 0.5:
            body |= {"message": "hello", "name": "x", "definition": {"nodes": {"root": value(rng)}}}
    query = {
        name: str(rng.choice(ATOMS)) for name in (entry.query.model_fields if entry.query else ()) if rng.random() < 0.5
    }
    headers = {"Cookie": f"caddie={cookie}"} if entry.cookie else {}
    reply = await client(entry.method, path, body, params=query, headers=headers)
    documented = {*entry.answers, 400, 401, 403, 404, 409, 415, 422, 429, 501, 503}
    assert reply.status in documented, (entry.method, path, query, body, reply.status, reply.body)
    if reply.status >= 400 and entry.template.startswith(("/api/v1/", "/hooks/")):
        assert reply.body["detail"] and set(reply.body) <= {"detail"}
    elif reply.status >= 400 and entry.cookie:
        assert reply.body["error"] and reply.body["message"]
    elif reply.status >= 400:
        assert reply.body["code"] // 1000 == reply.status and reply.body["message"]
    # A visitor's 401 is about a guessed password, not about who calls.
    return 0 if entry.visitor and reply.status == 401 else reply.status


async def fuzz(gateway: Gateway, seed: int) -> None:
    await gateway.key()  # the one a generated DELETE /v1/keys/1 finds
    client = await gateway.key("read", "write", "decide", "eval", "admin")
    rng = random.Random(seed)
    user = await gateway.store.accounts.user(2)
    assert user is not None
    cookie = await gateway.store.logins.open(user, "fuzz")
    statuses = Counter([await send(client, cookie, rng) for _ in range(200)])
    right, wrong = statuses[200], statuses[400] + statuses[422]
    assert right > 10 and wrong > 20 and statuses[404] > 5 and not statuses[401], statuses


@pytest.mark.parametrize("seed", range(3))
async def test_no_request_is_a_fault(gateway: Gateway, seed: int) -> None:
    await fuzz(gateway, seed)


async def test_no_request_is_a_fault_on_postgres(settings: Settings) -> None:
    with running_postgres() as server:
        url = server.create("gateway")
        await Store.migrate(url)
        async with running(settings.model_copy(update={"database_url": SecretStr(url)})) as gateway:
            await gateway.announce()
            await fuzz(gateway, 7)
            reply = await (await gateway.key()).chat(message="hello")
            assert reply.status == 200, reply.body
