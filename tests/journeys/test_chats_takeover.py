"""A worker dies in the middle of a chat's answer: another one ends it, and its reader gets it whole."""

from __future__ import annotations

import asyncio

import aiohttp

from shared.settings import Settings
from tests.journeys.conftest import Deploy
from tests.journeys.test_chats import Visitor, frames_of, text_of
from tests.product import RoleProcess


async def test_a_reader_gets_the_whole_answer_of_a_worker_that_died(settings: Settings, deploy: Deploy) -> None:
    slow = settings.model_copy(update={"offline_words_per_s": 8, "run_lease_s": 1})
    async with (
        deploy(slow) as deployed,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        product = deployed.product
        visitor = await Visitor(http, product.url).sign_up("ada@example.org")
        chat = await visitor.chat()
        url, seen = f"{visitor.url}/api/chats/{chat}/messages/stream", b""
        async with http.post(url, json=visitor.message("hello")) as response:
            async for chunk in response.content.iter_any():
                seen += chunk
                if seen.count(b'"content"') >= 5:
                    break
            await deployed.roles["worker"].kill()
            heir = RoleProcess("worker", product.settings.model_copy(update={"offline_words_per_s": 0}), "heir")
            await heir.start()
            try:
                async with asyncio.timeout(30):
                    seen += await response.read()
            finally:
                await heir.kill()
        frames = frames_of(seen.decode())
        starts = [place for place, frame in enumerate(frames) if frame["type"] == "start"]
        assert len(starts) == 2 and frames[-1]["type"] == "end"
        assert len({frame["messageId"] for frame in frames if "messageId" in frame}) == 1
        stored = (await visitor("GET", f"/api/chats/{chat}/messages"))["data"]["messages"]
        assert text_of(frames[starts[-1] :]) == stored[-1]["content"] and len(stored) == 2
