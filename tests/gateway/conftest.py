"""A real gateway on a loopback port, with a real Valkey, a SQLite file and what lives in the registry."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from gateway.app import build, listening
from shared.registry import Record, Registry
from shared.settings import Settings
from shared.store import Store

PATH = "/v1/ai/workflow/chat/stream"
SOCKET_URL = "http://127.0.0.1:9/"


@dataclass
class Reply:
    status: int
    headers: Any
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def fields(self) -> list[str]:
        return [detail["field"] for detail in self.body["details"]]


@dataclass
class Client:
    """Speaks to one gateway with one API key."""

    http: aiohttp.ClientSession
    url: str
    key: str

    async def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers |= options.pop("headers", {})
        if json is not None:
            options["json"] = json
        async with self.http.request(method, self.url + path, headers=headers, **options) as response:
            kind = response.content_type
            if kind == "text/event-stream":
                # Nobody works here: it would not end. See tests/sse.py for what reads frames.
                return Reply(response.status, response.headers, None)
            body = await response.read()
            return Reply(
                response.status, response.headers, await response.json() if kind == "application/json" else body
            )

    async def get(self, path: str, **options: Any) -> Reply:
        return await self("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Reply:
        return await self("POST", path, json, **options)

    async def chat(self, _headers: dict[str, str] | None = None, **body: Any) -> Reply:
        return await self("POST", PATH, body, headers=_headers or {})

    async def raw(self, content: bytes, path: str = PATH, content_type: str = "application/json") -> Reply:
        return await self("POST", path, data=content, headers={"Content-Type": content_type})

    def with_key(self, key: str) -> Client:
        return Client(self.http, self.url, key)


@dataclass
class Gateway:
    """One running gateway and the same store and Redis it uses."""

    settings: Settings
    store: Store
    redis: Redis
    metrics: CollectorRegistry
    client: Client

    async def key(self, *scopes: str, org: int | None = None, user: int | None = None) -> Client:
        """A client with a new key of an existing user, or of a new one in a new organisation."""
        if user is None:
            owner = await self.store.accounts.sign_up("Elsewhere", f"user{time.monotonic_ns()}@example.org", "Someone")
            org, user = owner.org_id, owner.id
        assert org is not None
        _, secret = await self.store.accounts.create_api_key(org, user, "test", scopes or ("read", "write", "decide"))
        return self.client.with_key(secret)

    async def colleague(self) -> Client:
        """Another user of the first organisation."""
        user = await self.store.accounts.create_user(1, f"user{time.monotonic_ns()}@example.org", "Colleague")
        return await self.key(org=1, user=user.id)

    async def announce(self) -> None:
        registry = Registry(self.redis)
        await registry.announce(Record(id="s1", role="server", url=SOCKET_URL))
        await registry.announce(Record(id="w1", role="worker"))


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        metrics = CollectorRegistry()
        port = await stack.enter_async_context(listening(build(settings, metrics), settings))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        store = await Store.open(settings.database_address)
        stack.push_async_callback(store.close)
        redis: Redis = Redis.from_url(settings.redis_address)
        stack.push_async_callback(redis.aclose)
        client = Client(http, f"http://127.0.0.1:{port}", "")
        yield Gateway(settings, store, redis, metrics, client)


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    async with running(settings) as found:
        client = await found.key()
        found.client = client
        await found.announce()
        yield found


@pytest.fixture
def client(gateway: Gateway) -> Client:
    return gateway.client
