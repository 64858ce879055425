"""Secrets, everywhere one can enter, are found nowhere afterwards: logs, Redis, the database, metrics, events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import socketio
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.seal import Seal
from shared.settings import Settings
from shared.tokens import KeyTable
from tests.fakes.anthropic import Answer, FakeAnthropic, Refusal
from tests.journeys.conftest import Deploy, Deployed
from tests.product import CHAT, Client, Product, until

CONFIGURED = "sk-ant-canary-configured-7f3a9c"
OVERRIDE = "sk-ant-canary-override-51d0be"
PASSWORD = "canary-password-c0ffee-1234"
SENSITIVE = "canary-sensitive-8c1f0e"
#: A workflow whose owner has named what is secret in it.
WORKFLOW = {
    "nodes": {
        "root": {"type": "manual", "children": ["call"]},
        "call": {"type": "http-request", "payload": {"url": "https://example.com", "headers": {"X-Mine": SENSITIVE}}},
    },
    "sensitivePropKeys": ["X-Mine"],
}
GUESSED = "caddie_canaryguessed0123456789abcdef0123456789"


def host_reply(body: dict[str, Any]) -> Answer | Refusal:
    """A host that repeats the key in its error, as hosts do."""
    text = str(body["messages"][-1])
    return Refusal(400, message=f"bad key {OVERRIDE} and {CONFIGURED}") if "odd" in text else Answer("Hello.")


@pytest.fixture
def secretive(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "log_level": "debug",
            "token_keys": SecretStr(KeyTable.generate()),
            "seal_key": SecretStr(Seal.generate()),
            "anthropic_api_key": SecretStr(CONFIGURED),
            "bootstrap_password": SecretStr(PASSWORD),
            "model": "claude",
        }
    )


async def test_no_canary_is_found_anywhere(secretive: Settings, deploy: Deploy, redis: Redis, tmp_path: Path) -> None:
    async with FakeAnthropic(reply=host_reply).running() as fake:
        async with deploy(secretive.model_copy(update={"anthropic_base_url": fake.url})) as deployed:
            product = deployed.product
            tokens, events = await converse(product)
            await misuse(product, tokens[0])
            found_keys = {request.headers.get("authorization", "") for request in fake.seen}
            places = {
                "logs": deployed.logged.encode(),
                "redis": await everything(redis),
                "database": database(tmp_path),
                "metrics": (await deployed.metrics()).encode(),
                "events": json.dumps(events).encode(),
            }
            secrets = [CONFIGURED, OVERRIDE, PASSWORD, GUESSED, SENSITIVE, product.api_key, *tokens]
            secrets += own_secrets(secretive)
            # A token's parts are as good as the token.
            secrets += [token.rpartition(".")[2] for token in tokens]
            leaks = [(place, secret) for place, text in places.items() for secret in secrets if secret.encode() in text]
            assert leaks == []
            # The test sees what it looks at: the ids are there, and the keys did reach the host.
            assert tokens and all(len(text) > 500 for text in places.values())
            assert all(SENSITIVE not in str(request.body) for request in fake.seen)
            assert any("example.com" in str(request.body) for request in fake.seen)
            assert any(OVERRIDE in header for header in found_keys)
            assert any(CONFIGURED in header for header in found_keys)
            await stopped_quietly(deployed, secrets)


async def converse(product: Product) -> tuple[list[str], list[dict[str, Any]]]:
    """Turns that use the configured key and an override, and ones whose host repeats them."""
    tokens, events = [], []
    for text in ("hello", "an odd question"):
        for override in ({}, {"apiKeyOverride": OVERRIDE, "modelOverride": "claude"}):
            client = await product.client(0, message=text, requestId=str(uuid4()), definition=WORKFLOW, **override)
            await client.ended()
            await client.say(f"{text} by socket")
            await client.ended(2)
            tokens.append(client.session["sessionToken"])
            events += client.events
            assert (await client.call("refresh", {"token": (await product.session(
                conversationId=client.session["conversationId"]))["sessionToken"]}))["ok"]  # fmt: skip
            await client.socket.disconnect()
    return tokens, events


async def misuse(product: Product, token: str) -> None:
    """Secrets where they do not belong."""
    bodies = [
        json.dumps({"agentVersion": "v3", "message": "x", "apiKeyOverride": OVERRIDE + " "}),
        json.dumps({"agentVersion": "v3", "password": PASSWORD, "message": {"apiKeyOverride": OVERRIDE}}),
        json.dumps({"agentVersion": OVERRIDE, "requestId": product.api_key, "conversationId": token}),
        '{"apiKeyOverride":"' + OVERRIDE + '",',
        '{"password":"' + PASSWORD + '"\x00}',
    ]
    keys = [product.api_key, GUESSED, token, OVERRIDE, ""]
    async with aiohttp.ClientSession() as http:
        for key in keys:
            for body in bodies:
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                async with http.post(product.url + CHAT, data=body.encode(), headers=headers) as response:
                    assert response.status >= 400
            for path in ("/v1/keys", "/v1/nothing", "/v1/blocks", "/health", f"/v1/workflows/{OVERRIDE}", "/ws/"):
                query = {"token": token, "api_key": product.api_key, "password": PASSWORD}
                headers = {"Authorization": f"Basic {key}", "X-API-Key": key, "Cookie": f"session={token}"}
                async with http.get(product.url + path, params=query, headers=headers) as response:
                    await response.read()
    session = await product.session()
    handshakes: tuple[Any, ...] = (
        {"token": token[:-4] + "AAAA"}, {"token": product.api_key}, {"sessionToken": OVERRIDE}, PASSWORD
    )  # fmt: skip
    for auth in handshakes:
        client = socketio.AsyncClient(reconnection=False)
        url = f"{session['socketUrl']}?token={token}&apiKey={OVERRIDE}"
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(url, socketio_path=session["socketPath"], auth=auth, transports=["websocket"])
        await client.disconnect()
    client = Client(session)
    await client.connect()
    message = {"requestId": product.api_key, "text": {"key": OVERRIDE}}
    wrong: tuple[Any, ...] = ({"token": token + "x"}, message, OVERRIDE)
    for body in wrong:
        for command in ("refresh", "message", "answer"):
            reply = await client.call(command, body)
            assert not reply["ok"]
            assert OVERRIDE not in str(reply)
    await client.socket.disconnect()


async def everything(redis: Redis) -> bytes:
    """Every key and value, read as what it is; a dump would be compressed."""
    kept: list[Any] = []
    for key in await redis.keys("*"):
        found: Any = await redis.type(key)
        kind = found.decode()
        reads: dict[str, Any] = {
            "string": lambda key=key: redis.get(key),
            "hash": lambda key=key: redis.hgetall(key),
            "list": lambda key=key: redis.lrange(key, 0, -1),
            "set": lambda key=key: redis.smembers(key),
            "zset": lambda key=key: redis.zrange(key, 0, -1, withscores=True),
            "stream": lambda key=key: redis.xrange(key),
        }
        kept += [key, await reads[kind]()]
    assert kept
    return repr(kept).encode()


def database(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("caddie.db*"))


def own_secrets(settings: Settings) -> list[str]:
    table = json.loads(settings.token_key_table)
    keys = [value if isinstance(value, str) else value["key"] for value in table.values()]
    return [*keys, settings.seal_key_text]


async def stopped_quietly(deployed: Deployed, secrets: list[str]) -> None:
    """Shutting down says nothing more than running did."""
    for role in ("gateway", "worker", "server"):
        assert await deployed.roles[role].stop() == 0
    await until(lambda: "worker.stopped" in deployed.logged)
    assert not [secret for secret in secrets if secret in deployed.logged]
