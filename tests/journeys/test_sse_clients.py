"""Unmodified clients of server-sent events: httpx-sse, curl -N, and npm's eventsource and fetch-event-source."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any
from uuid import uuid4

import httpx
import httpx_sse
import pytest

from shared import keys
from tests.journeys.test_node_client import NODE, ROOT, SCRIPT
from tests.product import CHAT, GOLDEN, Product, assert_stored_equals_log, until
from tests.proxy import Cable
from tests.sse import SseClient

MODULES = ROOT / "gateway" / "web" / "node_modules"
CURL = shutil.which("curl")


def request(**members: Any) -> dict[str, Any]:
    body = {"message": GOLDEN, "requestId": str(uuid4()), "conversationId": str(uuid4()), "agentVersion": "v2"}
    return body | members


async def shown(product: Product, body: dict[str, Any]) -> list[tuple[str, int | None, Any]]:
    """What a reader of the whole run sees."""
    client = SseClient(product.http, product.url + CHAT, product.api_key)
    frames = await client.whole({"agentVersion": "v2", "requestId": body["requestId"]})
    return [(frame.event, frame.index, frame.data) for frame in frames]


async def cutting(product: Product, conversation: str, cable: Cable, times: int) -> None:
    """Pull the cable whenever a connected client has seen some more of the run."""

    async def head() -> int:
        return (await product.log.head(keys.conversation_key(product.org, conversation))).index

    for _ in range(times):
        await until(lambda: cable._writers)
        said = await head()

        async def more(said: int = said) -> bool:
            return await head() >= said + 4

        await until(more)
        cable.pull()
        await until(lambda: not cable._writers)
        cable.plug_in()


async def test_httpx_sse_reads_a_run_and_comes_back_to_it(product: Product) -> None:
    body = request()
    headers = {"Authorization": f"Bearer {product.api_key}"}
    seen: list[tuple[str, int | None, Any]] = []
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        while not seen or seen[-1][0] != "done":
            last = {"Last-Event-ID": str(seen[-1][1])} if seen else {}
            async with httpx_sse.aconnect_sse(client, "POST", product.url + CHAT, json=body, headers=last) as source:
                async for event in source.aiter_sse():
                    seen.append((event.event, int(event.id), event.json()))
                    if len(seen) in (5, 12, 20):
                        break
    assert seen == await shown(product, body)
    await assert_stored_equals_log(product, body["conversationId"])


@pytest.mark.skipif(CURL is None, reason="needs curl")
async def test_curl_shows_frames_while_they_come(product: Product) -> None:
    await product.pace(60)
    body = request(agentVersion="v1")
    process = await asyncio.create_subprocess_exec(
        str(CURL), "-sN", "-X", "POST", product.url + CHAT, "-H", f"Authorization: Bearer {product.api_key}",
        "-H", "Content-Type: application/json", "-d", json.dumps(body), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(30):
        first = await process.stdout.readuntil(b"event: chunk\n")
        assert await product.store.runs.active(product.org, body["conversationId"]) is not None
        rest = await process.stdout.read()
        assert await process.wait() == 0
    assert first.startswith(b"retry: 1000\n")
    lines = (first + rest).decode().splitlines()
    assert lines[-4].startswith("event: done") and lines[-1] == ""
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert data == [value for _, _, value in await shown(product, body)]


@pytest.mark.skipif(NODE is None, reason="needs node: `make test` brings one")
@pytest.mark.parametrize("library", ["eventsource", "@microsoft/fetch-event-source"])
async def test_npm_clients_come_back_by_themselves(product: Product, library: str) -> None:
    if not (MODULES / library / "package.json").exists():
        pytest.skip("needs gateway/web/node_modules: `make test` installs them")
    await product.pace(25)
    body = request()
    cable = Cable(product.settings.gateway_port)
    port = await cable.open()
    try:
        if library == "eventsource":
            status, _ = await product.post(CHAT, {**body, "agentVersion": "v3"})
            assert status == 200
        task = {
            "client": str(ROOT / "gateway" / "web" / "package.json"), "library": library, "key": product.api_key,
            "url": f"http://127.0.0.1:{port}{CHAT}", "query": f"?requestId={body['requestId']}", "body": body,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            str(NODE), str(SCRIPT.with_name("sse.mjs")), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        driving = asyncio.create_task(process.communicate(json.dumps(task).encode()))
        await cutting(product, body["conversationId"], cable, 2)
        try:
            async with asyncio.timeout(30):
                out, errors = await driving
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        await cable.close()
    assert process.returncode == 0, (errors.decode(), out.decode()[-2000:])
    seen = json.loads(out)
    assert [(frame["event"], frame["id"], frame["data"]) for frame in seen["frames"]] == await shown(product, body)
    # EventSource asks once more after `done`, and 204 is the word that makes it stop.
    assert set(seen["statuses"]) == ({200, 204} if library == "eventsource" else {200})
    assert seen["opened"] >= 3
