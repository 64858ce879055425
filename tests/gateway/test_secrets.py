"""Canaries: what a client sends in confidence is found nowhere afterwards."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from prometheus_client import generate_latest

from shared import journal
from shared.settings import Settings
from tests.gateway.conftest import running

API_KEY = "sk-canary-5b1f0c7f7be94e6fa3c2"
MESSAGE = "canary-message-91c2"


@pytest.fixture
def journaled() -> Iterator[io.StringIO]:
    """What the process would log; afterwards logging is as it was."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    journal.configure("gateway", "debug", "json", stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], sys.excepthook, threading.excepthook = handlers, sys.__excepthook__, threading.__excepthook__
    root.setLevel(level)


async def test_no_secret_reaches_logs_metrics_redis_or_the_database(
    settings: Settings, tmp_path: Path, journaled: io.StringIO
) -> None:
    async with running(settings) as gateway:
        await gateway.announce()
        client = await gateway.key("read", "write", "eval")
        reply = await client.chat(message=MESSAGE, apiKeyOverride=API_KEY)
        assert reply.status == 200, reply.body
        token = reply.body["sessionToken"]
        await client.chat(message=MESSAGE, apiKeyOverride=API_KEY + " ")
        await client.chat(message=MESSAGE, apiKeyOverride=API_KEY, surprise=1, definition={"nodes": {API_KEY: {}}})
        await client.get(f"/v1/blocks?token={token}&key={API_KEY}")
        await client.with_key(token).get("/v1/blocks")
        await client.with_key(API_KEY).get("/v1/blocks")
        await client.raw(b'{"apiKeyOverride":"' + API_KEY.encode() + b'",')
        kept: list[object] = []
        await gateway.redis.config_set("rdbcompression", "no")
        for key in await gateway.redis.keys("*"):
            kept += (key, await gateway.redis.dump(key))
        metrics = generate_latest(gateway.metrics).decode()
    files = b"".join(path.read_bytes() for path in tmp_path.glob("caddie.db*"))
    logged = journaled.getvalue()
    assert '"request"' in logged
    for secret in (API_KEY, token, client.key):
        assert secret not in logged and secret not in metrics
        assert secret not in repr(kept) and secret.encode() not in files
    assert MESSAGE not in logged and "?" not in "".join(
        json.loads(line).get("route", "") for line in logged.splitlines()
    )


async def test_what_is_no_http_is_not_quoted_in_the_log(settings: Settings, journaled: io.StringIO) -> None:
    async with running(settings) as gateway:
        host, port = gateway.client.url.removeprefix("http://").split(":")
        for raw in (b"GET / HTTP/1.1\r\ncanary 1: \x01\r\n\r\n", b"canary\r\n\r\n", b"\x16\x03\x01canary\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw)
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
    assert "canary" not in journaled.getvalue()


async def test_metrics_count_by_template_and_never_by_path(settings: Settings) -> None:
    async with running(settings) as gateway:
        client = await gateway.key()
        for path in ("/v1/workflows/canary-one", "/v1/nothing/canary-two", "/v1/workflows/canary-three"):
            await client.get(path)
        text = generate_latest(gateway.metrics).decode()
        assert 'route="/v1/workflows/{workflow}"' in text.replace("[A-Za-z0-9_-]{1,100}", "").replace(":}", "}")
        assert "canary" not in text
