"""The whole product in one process: gateway, Socket.IO server and worker on real ports, with real Valkey and SQLite."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import aiohttp
import socketio
from prometheus_client import CollectorRegistry

import caddie.app
import caddie.worker
import gateway.app
from shared import keys
from shared.connections import open_redis
from shared.events import Event, decode
from shared.fold import State, fold
from shared.log import EventLog
from shared.registry import Registry
from shared.settings import Settings
from shared.store import Store

CHAT = "/v1/ai/workflow/chat/stream"
TERMINAL = ("run.finished", "run.failed")
START_S = 45
GOLDEN = "Every morning at 8 fetch https://example.com/rates, and if the euro is above 1.10 post it to Slack #fx"


async def _gateway(settings: Settings, stop: asyncio.Event) -> None:
    """As ``gateway.app.serve``, with metrics of its own: a test process has many gateways."""
    async with gateway.app.listening(gateway.app.build(settings, CollectorRegistry()), settings):
        await stop.wait()


ROLES = {"gateway": _gateway, "server": caddie.app.serve, "worker": caddie.worker.serve}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], Any], timeout_s: float = 10) -> Any:
    """What `condition` gives (it may be a coroutine function) once it is true. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)


@dataclass
class Client:
    """An unmodified Python Socket.IO client that keeps what it was sent."""

    session: dict[str, Any]
    socket: socketio.AsyncClient = field(default_factory=lambda: socketio.AsyncClient(reconnection=False))
    events: list[dict[str, Any]] = field(default_factory=list)
    offsets: list[str] = field(default_factory=list)
    control: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.socket.on("event", self._event)
        self.socket.on("*", self._control)

    async def _event(self, event: dict[str, Any], offset: str) -> None:
        self.events.append(event)
        self.offsets.append(offset)

    async def _control(self, name: str, *data: Any) -> None:
        self.control.setdefault(name, []).append(data[0] if data else None)

    async def connect(self, last: int | None = None, transports: list[str] | None = None, **auth: Any) -> None:
        auth = {"token": self.session["sessionToken"], **auth}
        if last is not None:
            auth["lastEventIndex"] = last
        await self.socket.connect(
            self.session["socketUrl"], socketio_path=self.session["socketPath"], auth=auth,
            transports=transports or ["websocket"], wait_timeout=10,
        )  # fmt: skip

    async def call(self, command: str, body: Any) -> dict[str, Any]:
        reply: dict[str, Any] = await self.socket.call(command, body, timeout=10)
        return reply

    async def say(self, text: str, **body: Any) -> dict[str, Any]:
        return await self.call("message", {"requestId": str(uuid4()), "text": text, **body})

    @property
    def indices(self) -> list[int]:
        return [event["index"] for event in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def ended(self, runs: int = 1, timeout_s: float = 20) -> dict[str, Any]:
        """The terminal event of the last of `runs` runs seen by this client."""

        def terminal() -> list[dict[str, Any]] | None:
            seen = [event for event in self.events if event["type"] in TERMINAL]
            return seen if len(seen) >= runs else None

        seen: list[dict[str, Any]] = await until(terminal, timeout_s)
        return seen[runs - 1]

    async def ready(self) -> dict[str, Any]:
        ready: list[dict[str, Any]] = await until(lambda: self.control.get("ready"))
        return ready[-1]


@dataclass
class Product:
    """url, api_key: what a stranger needs. The rest looks behind the scenes."""

    settings: Settings
    url: str
    api_key: str
    org: int
    user: int
    store: Store
    log: EventLog
    http: aiohttp.ClientSession
    stops: dict[str, asyncio.Event] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def post(self, path: str, body: Any, key: str | None = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {key or self.api_key}"}
        async with self.http.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {key or self.api_key}"}
        async with self.http.get(self.url + path, headers=headers) as response:
            return response.status, await response.json()

    async def session(self, **body: Any) -> dict[str, Any]:
        """A session as the gateway issues it; a new conversation unless one is named."""
        if not {"message", "conversationId", "requestId", "workflowId"} & body.keys():
            body["conversationId"] = str(uuid4())
        status, answer = await self.post(CHAT, {"agentVersion": "v3", **body})
        assert status == 200, answer
        return answer

    async def client(self, last: int | None = None, **body: Any) -> Client:
        client = Client(await self.session(**body))
        await client.connect(last)
        return client

    async def entries(self, conversation: str) -> list[tuple[int, bytes]]:
        return await self.log.read(keys.conversation_key(self.org, conversation), 0, 100_000)

    async def events(self, conversation: str) -> list[Event]:
        return [decode(index, body) for index, body in await self.entries(conversation)]

    async def folded(self, conversation: str) -> State:
        return fold(await self.events(conversation))

    async def start(self, role: str) -> None:
        self.stops[role] = asyncio.Event()
        self.tasks[role] = asyncio.create_task(ROLES[role](self.settings, self.stops[role]), name=role)

    async def pace(self, words_per_s: float) -> None:
        """Let the offline model talk at this rate from now on."""
        await self.stop("worker")
        self.settings = self.settings.model_copy(update={"offline_words_per_s": words_per_s})
        await self.start("worker")

    async def stop(self, role: str, timeout_s: float = 15) -> None:
        """As SIGTERM does."""
        self.stops.pop(role).set()
        async with asyncio.timeout(timeout_s):
            await self.tasks.pop(role)


class Kept(Protocol):
    """What can be asked for its log and its store."""

    org: int
    store: Store

    async def folded(self, conversation: str) -> State: ...


async def assert_stored_equals_log(product: Kept, conversation: str) -> None:
    """What the log folds to is what the database keeps, and nothing is left open."""

    async def complete() -> State | None:
        """The store has the end of a run a moment before the log."""
        state = await product.folded(conversation)
        return state if state.runId is None else None

    folded: State = await until(complete)
    record = await product.store.conversations.get(product.org, conversation)
    assert record is not None and record.active_run_id is None
    stored = await product.store.conversations.messages(record.pk)
    assert [(message.id, message.role, message.text, message.status) for message in stored] == [
        (message.id, message.role, message.text, message.status) for message in folded.messages
    ]
    assert record.definition == folded.definition
    assert folded.runId is None
    assert {asked.id for asked in await product.store.conversations.inputs(record.pk)} == set(folded.inputs)


def _environment(settings: Settings) -> dict[str, str]:
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {name: getattr(value, "get_secret_value", lambda value=value: value)() for name, value in given.items()}
    return {f"CADDIE_{name.upper()}": str(value) for name, value in plain.items() if value not in (None, ())}


class RoleProcess:
    """A role as the process an operator starts; its log lines go to a file."""

    #: What a role says when it is at work.
    STARTED = {"worker": "worker.started", "server": "server.started", "gateway": "gateway.listening"}
    COMMAND: tuple[str, ...] = ("-m", "caddie")

    def __init__(self, role: str, settings: Settings, name: str = "", **extra: str) -> None:
        self.role, self.log_path = role, Path(settings.state_dir) / f"{name or role}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("CADDIE_", "ANTHROPIC_"))}
        root = str(Path(__file__).resolve().parent.parent)
        self._environment = {**inherited, **_environment(settings), "PYTHONPATH": root, **extra}
        self._directory = settings.state_dir
        self.process: asyncio.subprocess.Process

    async def start(self) -> RoleProcess:
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *self.COMMAND, self.role, env=self._environment, cwd=self._directory, stderr=log,
                stdout=log,
            )  # fmt: skip
        await until(self._started, START_S)
        return self

    def _started(self) -> bool:
        assert self.process.returncode is None, self.logged
        return self.STARTED[self.role] in self.logged

    @property
    def logged(self) -> str:
        return self.log_path.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self, timeout_s: float = 30) -> int:
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


@asynccontextmanager
async def running(settings: Settings, roles: tuple[str, ...] = tuple(ROLES)) -> AsyncIterator[Product]:
    """The product until the block ends; `settings` need no ports."""
    ports = {"gateway_port": settings.gateway_port or free_port(), "server_port": settings.server_port or free_port()}
    settings = settings.model_copy(update=ports)
    redis = open_redis(settings.redis_address)
    store = await Store.open(settings.database_address)
    log = EventLog(redis, settings.log_retention_s, settings.log_retention_events)
    user = await store.accounts.sign_up("Acme", f"{uuid4().hex}@example.com", "Ada")
    scopes = ["read", "write", "decide", "eval", "admin"]
    _, key = await store.accounts.create_api_key(user.org_id, user.id, "tests", scopes)
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{settings.gateway_port}"
        product = Product(settings, url, key, user.org_id, user.id, store, log, http)
        try:
            for role in roles:
                await product.start(role)
            await until(lambda: _alive(product, Registry(redis)), START_S)
            yield product
        finally:
            for role in reversed(list(product.tasks)):
                await product.stop(role)
            await store.close()
            await redis.aclose()


async def _alive(product: Product, registry: Registry) -> bool:
    for task in product.tasks.values():
        if task.done():
            task.result()
    needed = [role for role in ("server", "worker") if role in product.tasks]
    alive = [await registry.alive(role) for role in needed]  # type: ignore[arg-type]
    if not all(alive):
        return False
    if "gateway" not in product.tasks:
        return True
    try:
        async with product.http.get(product.url + "/openapi.json") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
