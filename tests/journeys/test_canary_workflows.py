"""Secrets of workflows that run, echoed by everybody they are shown to, are found nowhere afterwards in any form."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import html
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from aiohttp import web
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.seal import Seal
from shared.settings import Settings
from shared.tokens import KeyTable
from tests.journeys.conftest import Deploy, Deployed
from tests.journeys.test_canary import database, everything, own_secrets, stopped_quietly
from tests.product import Product, until

SENSITIVE = 'canary-sensitive/8c1f"0e+&<x>=='
BEARER = "canary-bearer-51d0be7f/aa+b=="
SLACK = "services/T0CANARY/B0CANARY/canaryslack77f3"
PASSWORD = "canary-smtp-c0ffee-1234"
SIGNING = "canary-signing-9d2e41b7"
GIVEN = "canary-given-3b7750aa"
SECRETS = {
    "sensitive": SENSITIVE, "bearer": BEARER, "slack": SLACK, "smtp": PASSWORD, "signing": SIGNING,
}  # fmt: skip


def forms(secret: str) -> Iterator[bytes]:
    """The secret as it is, and as others write it."""
    escaped = json.dumps(secret)[1:-1]
    texts = {secret, escaped, json.dumps(escaped)[1:-1], html.escape(secret), quote(secret), quote_plus(secret)}
    texts |= {quote(secret, safe=""), quote(secret, safe="").lower(), secret[:14], secret[-12:]}
    for text in texts:
        yield text.encode()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + secret.encode()).decode()
        part = coded[4:-4]
        yield part.encode()
        yield part.replace("+", "-").replace("/", "_").encode()


async def echo(request: web.Request) -> web.Response:
    """A receiver that gives back all it was told, in every form it knows."""
    body = await request.text()
    told = {"headers": dict(request.headers), "query": dict(request.query), "body": body, "path": request.path}
    told["coded"] = {
        name: [base64.b64encode(f"{name}: {value}".encode()).decode(), quote(value), html.escape(value)]
        for name, value in request.headers.items()
    }
    whole = json.dumps(told)
    if request.path == "/page":
        page = f"<h1>Bad key {html.escape(request.headers.get('X-Mine', ''))}</h1>{html.escape(whole)}"
        return web.Response(text=page, status=500, content_type="text/html")
    status = 403 if request.path.startswith("/services") else 200
    said = request.headers.get("X-Mine", "") + request.headers.get("Authorization", "")
    return web.Response(text=whole, status=status, content_type="application/json", headers={"X-Said": said})


async def grumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A mail server that repeats what it is told in its refusals."""
    writer.write(b"220 mail.test\r\n")
    try:
        while line := (await reader.readline()).strip():
            if line.upper().startswith(b"EHLO"):
                writer.write(b"250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n")
            elif line.upper().startswith(b"QUIT"):
                break
            else:
                writer.write(b"535 5.7.8 I do not like " + line + b"\r\n")
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def outside() -> AsyncIterator[tuple[str, int]]:
    """Address of the receiver, port of the mail server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mail = await asyncio.start_server(grumble, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", mail.sockets[0].getsockname()[1]
    finally:
        mail.close()
        await runner.cleanup()


def inner() -> dict[str, Any]:
    return {
        "nodes": {
            "root": {"type": "manual", "payload": {}, "children": ["say"]},
            "say": {"type": "format", "payload": {"template": "{{root.k}}"}},
        }
    }


def outer(url: str, child: str) -> dict[str, Any]:
    key = "{{$nodes.call.payload.headers.X-Mine}}"
    names = ["call", "page", "slack", "mail", "given"]
    errors = " ".join(f"{{{{$nodes.{name}.error}}}}" for name in names)
    return {
        "nodes": {
            "root": {"type": "webhook", "payload": {"secret": SIGNING}, "children": names},
            "call": {
                "type": "http-request", "connector": {"type": "http", "id": "main"}, "children": ["all"],
                "payload": {
                    "url": f"{url}/echo?own={quote(SENSITIVE, safe='')}", "method": "POST",
                    "headers": {"X-Mine": SENSITIVE}, "body": {"mine": key},
                },
            },
            "page": {
                "type": "http-request", "children": ["all"],
                "payload": {"url": f"{url}/page", "headers": {"X-Mine": SENSITIVE}},
            },
            "given": {
                "type": "http-request", "children": ["all"],
                "payload": {"url": f"{url}/echo", "headers": {"Authorization": "Bearer {{root.headers.x-given}}"}},
            },
            "slack": {
                "type": "slack-send-message", "connector": {"type": "slack", "id": "main"}, "children": ["all"],
                "payload": {"channel": "#c", "text": "hello"},
            },
            "mail": {
                "type": "send-email", "connector": {"type": "smtp", "id": "main"}, "children": ["all"],
                "payload": {"to": "a@example.com", "subject": "s", "text": "t"},
            },
            "all": {
                "type": "format", "children": ["each", "keep", "child", "say"],
                "payload": {"template": f"{{{{call.body}}}} {{{{call.headers}}}} {{{{page.body}}}} {key} {errors}"},
            },
            "each": {
                "type": "for-each", "payload": {"items": [key, "{{all.text}}", "{{page.body}}"]}, "loopBody": ["one"],
            },
            "one": {"type": "log", "payload": {"message": "{{$item}}"}},
            "keep": {"type": "set-variable", "payload": {"name": "kept", "value": key}},
            "child": {"type": "trigger-workflow", "payload": {"workflow": child, "input": {"k": key}}},
            "say": {"type": "reply_chat", "payload": {"text": f"{key} {{{{all.text}}}}"}, "children": ["ask"]},
            "ask": {"type": "human_confirmation", "payload": {"message": f"Use {key}?"}, "children": ["last"]},
            "last": {"type": "format", "payload": {"template": f"{{{{all.text}}}} {key} {{{{ask}}}}"}},
        },
        "variableDefs": [{"name": "kept", "type": "text", "lifetime": "persist"}],
        "sensitivePropKeys": ["X-Mine", "Authorization", "url"],
    }  # fmt: skip


async def test_no_secret_of_a_workflow_is_found_anywhere(
    settings: Settings, deploy: Deploy, redis: Redis, tmp_path: Path
) -> None:
    secretive = settings.model_copy(
        update={
            "log_level": "debug", "token_keys": SecretStr(KeyTable.generate()),
            "seal_key": SecretStr(Seal.generate()), "outbound_networks": "127.0.0.0/8",
        }
    )  # fmt: skip
    async with outside() as (url, mail), deploy(secretive) as deployed:
        product = deployed.product
        answers, hook = await run_it(product, url, mail)
        places = {
            "logs": deployed.logged.encode(), "redis": await everything(redis), "metrics": await scraped(deployed),
            "answers": "\n".join(answers).encode(), "database": database(tmp_path),
        }  # fmt: skip
        leaks = [
            (place, name, form)
            for name, secret in SECRETS.items()
            for form in set(forms(secret))
            for place, text in places.items()
            if form in text
        ]
        assert leaks == []
        # What a delivery brings is shown as it came; a member that takes it as a secret is not.
        assert not [place for place in ("logs", "metrics") if GIVEN.encode() in places[place]]
        # Its owner sees the address of the webhook, and the database keeps it as it does the address of a chat.
        shown = {"answers", "database"}
        kept = [product.api_key, hook, *own_secrets(secretive)]
        assert not [place for place in places.keys() - shown for each in kept if each.encode() in places[place]]
        assert product.api_key.encode() not in places["database"] + places["answers"]
        assert all(len(text) > 500 for text in places.values()) and b"***" in places["answers"]
        await stopped_quietly(deployed, [*SECRETS.values(), GIVEN, *kept])


async def run_it(product: Product, url: str, mail: int) -> tuple[list[str], str]:
    """Everything the owner can see of it, and the secret part of the webhook's address."""
    answers: list[str] = []
    configs: dict[str, dict[str, Any]] = {
        "http": {"bearer": BEARER}, "slack": {"webhookUrl": f"{url}/{SLACK}"},
        "smtp": {
            "host": "127.0.0.1", "port": mail, "security": "none", "username": "ada", "password": PASSWORD,
            "from": "a@example.com",
        },
    }  # fmt: skip
    for kind, config in configs.items():
        status, made = await product.post("/v1/connectors", {"type": kind, "name": "main", "config": config})
        assert status == 201, made
        answers.append(json.dumps([made, await product.post(f"/v1/connectors/{made['data']['id']}/test", {})]))
    for slug, definition in (("inner", inner()), ("outer", outer(url, "inner"))):
        status, made = await product.post("/api/v1/workflows/", {"name": slug, "slug": slug, "definition": definition})
        assert status == 201, made
        answers.append(json.dumps(made))
    hook = next(each["webhook_path"] for each in made["triggers"] if each.get("webhook_path"))
    body = b'{"hello": "world"}'
    signature = "sha256=" + hmac.new(SIGNING.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-Given": GIVEN, "Content-Type": "application/json"}
    async with product.http.post(product.url + hook, data=body, headers=headers) as response:
        assert response.status == 202, await response.text()
        execution = (await response.json())["execution_id"]
    for wrong in ("sha256=" + SIGNING, SIGNING):
        async with product.http.post(product.url + hook, data=body, headers={"X-Hub-Signature-256": wrong}) as response:
            assert response.status == 401
            answers.append(await response.text())
    answers += await watched(product, execution)
    for path in (
        f"/api/v1/executions/{execution}/", "/api/v1/executions/", "/api/v1/workflows/outer/", "/v1/workflows",
        "/v1/connectors", "/v1/conversations", f"/v1/conversations/{execution}", f"/v1/runs/{execution}",
    ):  # fmt: skip
        status, found = await product.get(path)
        assert path.startswith("/v1/") or status == 200, (path, found)
        answers.append(json.dumps(found))
    detail = json.loads(answers[-8])
    assert detail["status"] == "completed", detail
    assert not [entry for entry in detail["logs"] if GIVEN in str(entry) and entry["node_id"] != "root"]
    return answers, hook.rpartition("/")[2]


async def watched(product: Product, execution: str) -> list[str]:
    """What the socket tells, with the key in its address; the question is answered on the way."""
    told: list[str] = []
    async with product.http.ws_connect(f"{product.url}/ws/?token={product.api_key}") as socket:
        await socket.send_json({"type": "subscribe", "channel": f"execution:{execution}"})
        path = f"/api/v1/executions/{execution}/"
        async with asyncio.timeout(40):
            async for message in socket:
                told.append(message.data)
                kind = json.loads(message.data).get("type")
                if kind == "execution_interrupted":
                    await until(lambda: _waiting(product, path))
                    told.append(json.dumps((await product.get(path))[1]))
                    status, answer = await product.post(f"{path}resume/", {"approved": True})
                    assert status == 200, answer
                if kind in ("execution_completed", "execution_failed"):
                    break
    return told


async def _waiting(product: Product, path: str) -> bool:
    return bool((await product.get(path))[1]["status"] == "waiting")


async def scraped(deployed: Deployed) -> bytes:
    return (await deployed.metrics()).encode()
