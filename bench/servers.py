"""The servers under test, each as the process an operator would start, bound to its own core.

Invariant: every one verifies the same session token at CONNECT (except the C floor, which trusts it), and is alone on
its core. Called by `bench.rounds`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.machine import bound_to
from bench.toolchain import HERE, Toolchain
from bench.valkey import free_port, wait_for_port
from bench.wire import ORGANISATION, room
from shared.store import Store
from shared.tokens import KeyTable, Tokens

ISSUER, AUDIENCE = "caddie", "caddie-socket"
TOKEN_LIFE_S = 3_600
STOP_LIMIT_S = 5.0
#: Rate of the offline model's text in the whole path.
WORDS_PER_S = 50
SESSION_PATH = "/v1/ai/workflow/chat/stream"
#: All clients share one machine, so what is limited per address is raised; every check still runs.
_LIMITS = {
    f"CADDIE_{name}": "1000000000"
    for name in (
        "HANDSHAKES_PER_S",
        "HANDSHAKES_BURST",
        "SOCKETS_PER_ADDRESS",
        "SOCKETS_PER_USER",
        "RATE_PER_MINUTE",
        "RATE_PER_ADDRESS",
        "RATE_RUNS_PER_MINUTE",
    )
}


@dataclass(frozen=True, slots=True)
class Site:
    """Where and with what the servers of one run work."""

    folder: Path
    tools: Toolchain
    redis_port: int
    redis_pid: int
    key: str
    api_key: str
    core: int


@dataclass(frozen=True, slots=True)
class Peer:
    """`wire` names the template of what is published to it; `command` gives argv, `environment` what it needs."""

    name: str
    title: str
    wire: str
    command: Callable[[Site, int], list[str]]
    environment: Callable[[Site, int], Mapping[str, str]]


class Server:
    """One peer's process while the context is open."""

    def __init__(self, peer: Peer, site: Site) -> None:
        self._peer, self._site = peer, site
        self.port, self.pid = free_port(), 0

    def __enter__(self) -> Self:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CADDIE_")}
        with (self._site.folder / f"{self._peer.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._peer.command(self._site, self.port),
                env={**inherited, **self._peer.environment(self._site, self.port)},
                cwd=self._site.folder,
                stdout=log,
                stderr=log,
                preexec_fn=bound_to(self._site.core),
            )
        self.pid = self._process.pid
        wait_for_port(self.port, self._process)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(STOP_LIMIT_S)


def fresh_key() -> str:
    return secrets.token_urlsafe(48)


def write_tokens(site: Site, conns: int, rooms: int) -> Path:
    """One token a line: socket i is user i + 1 and watches conversation i modulo `rooms`."""
    path = site.folder / f"tokens-{conns}-{rooms}"
    if not path.exists():
        tokens = Tokens(KeyTable.parse(_key_table(site.key)), ISSUER, AUDIENCE, TOKEN_LIFE_S)
        scopes = frozenset({"read", "write"})
        lines = [tokens.issue(f"s{i}", ORGANISATION, i + 1, room(i % rooms), scopes)[0] for i in range(conns)]
        path.write_text("\n".join(lines) + "\n")
    return path


def create_account(folder: Path) -> str:
    """Make the database of our servers; the API key of its one user."""
    return asyncio.run(_create_account(_database_url(folder)))


async def _create_account(url: str) -> str:
    await Store.migrate(url)
    store = await Store.open(url)
    try:
        user = await store.accounts.sign_up("Bench", "bench@example.com", "Bench")
        _, key = await store.accounts.create_api_key(user.org_id, user.id, "bench", ["read", "write"])
    finally:
        await store.close()
    return key


def write_request(site: Site) -> Path:
    """A session call as a browser's backend sends it, ready for the wire; the peers ignore the API key."""
    body = (
        '{"agentVersion":"v3","conversationId":"6f1ad3a2-52a8-4b0e-9a34-RRRRRRRRRRRR","timezone":"Europe/Berlin",'
        '"preferredMode":"building","lastEventIndex":0}'
    )
    path = site.folder / "request"
    path.write_text(
        f"POST {SESSION_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {site.api_key}\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        newline="",
    )
    return path


def _database_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'bench.db'}"


def _caddie(site: Site, port: int) -> dict[str, str]:
    """The settings of either role of ours; `PYTHONPATH` because it starts in a folder of its own."""
    return {
        "PYTHONPATH": str(HERE.parent),
        "CADDIE_STATE_DIR": str(site.folder),
        "CADDIE_REDIS_URL": f"redis://127.0.0.1:{site.redis_port}/0",
        "CADDIE_DATABASE_URL": _database_url(site.folder),
        "CADDIE_TOKEN_KEYS": _key_table(site.key),
        "CADDIE_SEAL_KEY": base64.b64encode(bytes(32)).decode(),
        "CADDIE_SERVER_PORT": str(port),
        "CADDIE_GATEWAY_PORT": str(port),
        "CADDIE_SOCKET_URL": "http://127.0.0.1:9/",
        **_LIMITS,
    }


def _key_table(key: str) -> str:
    return f'{{"bench": "{key}"}}'


def _foreign(site: Site, port: int) -> dict[str, str]:
    return {
        "NODE_ENV": "production", "NODE_PATH": str(site.tools.node_modules), "REDIS_PORT": str(site.redis_port),
        "TOKEN_KEY": site.key, "TOKEN_ISSUER": ISSUER, "TOKEN_AUDIENCE": AUDIENCE,
    }  # fmt: skip


def _node(script: str, *words: str) -> Callable[[Site, int], list[str]]:
    return lambda site, port: [str(site.tools.node), str(HERE / "peers" / script), *words, str(port)]


def _python(script: str) -> Callable[[Site, int], list[str]]:
    return lambda site, port: [sys.executable, str(HERE / "peers" / script), str(port)]


def _role(name: str) -> Callable[[Site, int], list[str]]:
    return lambda site, port: [sys.executable, "-m", "caddie", name]


def _producer(kind: str) -> Callable[[Site, int], list[str]]:
    return lambda site, port: [sys.executable, "-m", "bench.producer", kind, str(site.redis_port), str(site.redis_pid)]


def _worker(site: Site, port: int) -> dict[str, str]:
    """Its admin port shows that it has started."""
    return {**_caddie(site, port), "CADDIE_ADMIN_PORT": str(port), "CADDIE_OFFLINE_WORDS_PER_S": str(WORDS_PER_S)}


def _floor(site: Site, port: int) -> list[str]:
    return [str(site.tools.floor), str(port), str(site.redis_port)]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("caddie", "Caddie", "caddie", _role("server"), _caddie),
        Peer("node-redis", "Node socket.io, redis-adapter", "node-redis", _node("delivery.cjs", "redis"), _foreign),
        Peer(
            "node-streams", "Node socket.io, redis-streams-adapter", "node-streams", _node("delivery.cjs", "streams"),
            _foreign,
        ),
        Peer("node-ws", "Node ws, no Socket.IO server", "plain", _node("delivery.cjs", "ws"), _foreign),
        Peer("stock", "python-socketio, Redis manager", "stock", _python("stock.py"), _foreign),
        Peer("floor", "C, one send() per event", "plain", _floor, _foreign),
        Peer("gateway", "Caddie's gateway", "", _role("gateway"), _caddie),
        Peer("worker", "Caddie's worker", "", _role("worker"), _worker),
        # Three processes, started by bench.talk; the command here is the first of them.
        Peer("product", "Caddie: gateway, server, worker", "", _role("server"), _caddie),
        Peer("batches", "Caddie's log, 64 events a step", "", _producer("batches"), _caddie),
        Peer("recorder", "Caddie's recorder with its state, 64", "", _producer("recorder"), _caddie),
        Peer("single", "Caddie's log, one event a step", "", _producer("single"), _caddie),
        Peer("redis-py", "redis-py, XADD and PUBLISH awaited", "", _producer("redis-py"), _caddie),
        Peer("fastify", "fastify, zod, fast-jwt", "", _node("session.cjs"), _foreign),
        Peer("aiohttp", "aiohttp, pydantic, PyJWT", "", _python("session.py"), _foreign),
    )
}  # fmt: skip
NODE_PEERS = frozenset({"node-redis", "node-streams", "node-ws", "fastify"})
