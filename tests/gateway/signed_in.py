"""Browsers that are signed in, for tests of the cookie's surface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.gateway.conftest import Gateway, Reply
from tests.gateway.test_identity import PASSWORD, Browser


@dataclass
class Person:
    """A signed-in user and the browser."""

    browser: Browser
    id: int
    uuid: str
    org: int

    async def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> Reply:
        return await self.browser(method, path, json, **headers)

    async def chat(self, **body: Any) -> str:
        made = await self("POST", "/api/chats", body)
        assert made.status == 201, made.body
        return str(made.data["id"])

    def message(self, content: str = "hello", **members: Any) -> dict[str, Any]:
        return {"content": content, "modelId": "gpt-4", "userId": str(self.id), **members}


class People:
    """Makes users and signs them in; each has a browser of its own."""

    def __init__(self, gateway: Gateway, sessions: list[aiohttp.ClientSession]) -> None:
        self._gateway, self._sessions, self._count = gateway, sessions, 0

    def browser(self) -> Browser:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._sessions.append(session)
        return Browser(session, self._gateway.client.url)

    async def member(self, org: int = 1, role: str = "member") -> Person:
        """A user of an organisation; of the first one unless told otherwise."""
        self._count += 1
        email, browser = f"person{self._count}@example.org", self.browser()
        await self._gateway.store.accounts.create_user(org, email, "Person", PASSWORD, role)  # type: ignore[arg-type]
        return self._person(browser, await browser.sign_in(email))

    async def stranger(self) -> Person:
        """The owner of another organisation."""
        self._count += 1
        browser = self.browser()
        return self._person(browser, await browser.sign_up(f"stranger{self._count}@example.org"))

    @staticmethod
    def _person(browser: Browser, reply: Reply) -> Person:
        user, org = reply.data["user"], reply.data["org"]
        return Person(browser, user["id"], user["uuid"], org["id"])


@asynccontextmanager
async def gathered(gateway: Gateway) -> AsyncIterator[People]:
    sessions: list[aiohttp.ClientSession] = []
    try:
        yield People(gateway, sessions)
    finally:
        for session in sessions:
            await session.close()
