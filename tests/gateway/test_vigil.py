"""Streams end with the API key or the login they were opened with, whichever gateway ended it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway import vigil
from gateway.vigil import Vigil
from shared.errors import CaddieError
from tests.gateway.conftest import PATH, Gateway
from tests.gateway.pen import Pen
from tests.gateway.signed_in import People, gathered
from tests.product import until
from tests.sse import SseClient

#: What is promised, and the time a busy machine takes.
SOON_S = 2 + 3


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


def request() -> dict[str, Any]:
    return {"agentVersion": "v1", "message": "hello", "requestId": str(uuid4()), "conversationId": str(uuid4())}


async def pen_of(gateway: Gateway, run: Any) -> Pen:
    return await Pen(gateway.redis, gateway.store, run.conversation, run.id).begin()


async def test_a_stream_ends_with_its_api_key_and_others_go_on(gateway: Gateway) -> None:
    made, secret = await gateway.store.accounts.create_api_key(1, 1, "ci", ["read", "write"])
    http, url = gateway.client.http, gateway.client.url + PATH
    own, other = request(), request()
    async with (
        SseClient(http, url, secret).open(own) as stream,
        SseClient(http, url, gateway.client.key).open(other) as kept,
    ):
        pen = await pen_of(gateway, await until(lambda: gateway.store.runs.by_request(1, own["requestId"])))
        await pen.say("Hello")
        await stream.take(1)
        # By another process: nothing in this one hears of it.
        await gateway.store.accounts.disable_api_key(1, made.id)
        async with asyncio.timeout(SOON_S):
            *_, last = await stream.rest()
        assert (last.event, last.data["code"]) == ("error", "UNAUTHORIZED")
        await until(lambda: gateway.metrics.get_sample_value("caddie_streams_open") == 1)
        pen = await pen_of(gateway, await until(lambda: gateway.store.runs.by_request(1, other["requestId"])))
        await pen.end()
        assert (await kept.rest())[-1].event == "done"
    run = await gateway.store.runs.by_request(1, own["requestId"])
    assert run is not None and not run.over and not run.cancel_requested


async def test_a_chat_s_stream_ends_with_the_login(gateway: Gateway, people: People) -> None:
    person = await people.member()
    chat, browser = await person.chat(), person.browser
    headers = {"Sec-Fetch-Site": "same-origin"}
    path = f"{browser.url}/api/chats/{chat}/messages/stream"
    async with browser.http.post(path, json=person.message(), headers=headers) as response:
        found = await gateway.store.runs.active(person.org, chat)
        assert response.status == 200 and found is not None
        assert (await person("POST", "/api/auth/sign-out")).status == 204
        async with asyncio.timeout(SOON_S):
            body = await response.text()
    assert body.count('"type":"error"') == 1 and '"error":"Unauthorized"' in body


async def test_a_reader_that_takes_nothing_is_cut_without_a_word(gateway: Gateway) -> None:
    made, secret = await gateway.store.accounts.create_api_key(1, 1, "ci", ["read", "write"])
    body, client = request(), SseClient(gateway.client.http, gateway.client.url + PATH, secret)
    async with client.open(body) as stream:
        run = await until(lambda: gateway.store.runs.by_request(1, body["requestId"]))
        pen = await pen_of(gateway, run)
        for _ in range(80):
            await pen.say("x" * 200_000)
        await gateway.store.accounts.disable_api_key(1, made.id)
        async with asyncio.timeout(SOON_S):
            await until(lambda: gateway.metrics.get_sample_value("caddie_streams_open") == 0)
        with pytest.raises(aiohttp.ClientError):
            await stream.rest()


def test_many_ids_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigil, "IDS_MAX", 2)
    parts = list(vigil.batched({1, 2, 3, 4, 5}))
    assert [len(part) for part in parts] == [2, 2, 1] and set().union(*parts) == {1, 2, 3, 4, 5}
    assert list(vigil.batched(set[int]())) == []


async def test_a_database_that_is_away_cuts_nobody_and_ends_no_vigil(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def look(self: Vigil) -> None:
        nonlocal asked
        asked += 1
        raise CaddieError("UNAVAILABLE", "away")

    monkeypatch.setattr(vigil, "POLL_S", 0.01)
    monkeypatch.setattr(Vigil, "look", look)
    await until(lambda: asked > 1)
