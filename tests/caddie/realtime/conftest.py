"""A Socket.IO server without gateway and worker: tests issue tokens and append events themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import caddie.app
from caddie.realtime import engine
from caddie.realtime.server import SocketServer
from shared import events, keys
from shared.follow import LogReader
from shared.log import Entry, Writer
from shared.sessions import Revocations
from shared.settings import Settings
from shared.tokens import KeyTable, Tokens
from tests.caddie.realtime.wire import Polling, Wire
from tests.product import Product, running, until

ALL = frozenset({"read", "write", "decide"})
CONVERSATION = "c1"


@dataclass
class Edge:
    """The server under test, and what goes on inside it."""

    product: Product
    server: SocketServer
    reader: LogReader
    tokens: Tokens
    revocations: Revocations
    http: aiohttp.ClientSession
    base: dict[str, int] = field(default_factory=dict)
    writers: dict[str, Writer] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.product.settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.server_port}/socket.io/"

    def token(
        self, conversation: str = CONVERSATION, scopes: frozenset[str] = ALL, ttl_s: int | None = None,
        session: str = "s1", org: int | None = None, user: int | None = None,
    ) -> str:  # fmt: skip
        org, user = org or self.product.org, user or self.product.user
        return self.tokens.issue(session, org, user, conversation, scopes, ttl_s)[0]

    def session(self, **claims: Any) -> dict[str, Any]:
        """What the gateway would answer, for an unmodified client."""
        url = self.url.removesuffix("/socket.io/")
        return {"sessionToken": self.token(**claims), "socketUrl": url, "socketPath": "/socket.io/"}

    def wire(self) -> Wire:
        return Wire(self.url, self.http)

    def polling(self) -> Polling:
        return Polling(self.url, self.http)

    async def connected(self, last: int | None = None, **claims: Any) -> Wire:
        wire = await self.wire().open()
        await wire.connect(self.token(**claims), **({} if last is None else {"lastEventIndex": last}))
        return wire

    async def append(self, *data: events.Data | Entry, conversation: str = CONVERSATION, run: str = "r1") -> int:
        """The index of the last one."""
        key = keys.conversation_key(self.product.org, conversation)
        writer = self.writers.setdefault(f"{key}:{run}", Writer(key, run, 1))
        entries = [item if isinstance(item, Entry) else Entry.of(item) for item in data]
        bodies = [(entry.operation, events.encode(entry.data, run)) for entry in entries]
        return (await self.product.log.append(writer, bodies))[0]

    async def say(self, count: int, size: int = 4, batch: int = 100, conversation: str = CONVERSATION) -> int:
        """Append that many deltas of one message; their text is numbers padded to `size`."""
        last = 0
        for first in range(0, count, batch):
            words = [f"{number:0{size}d} " for number in range(first, min(first + batch, count))]
            data = [events.MessageDelta(messageId="m", text=word) for word in words]
            last = await self.append(*data, conversation=conversation)
        return last

    def residue(self) -> dict[str, int]:
        """Everything that a socket occupies while it is open."""
        server, manager = self.server, self.server.manager
        return {
            "sockets": len(server.engine.sockets), "connections": len(server.connections),
            "watched": self.reader.watched, "users": len(server._users), "organisations": len(server._organisations),
            "addresses": len(server.engine._addresses), "environ": len(server.environ), "rooms": len(manager.rooms),
            "sids": len(manager.eio_to_sid), "callbacks": len(manager.callbacks),
            "pending": len(manager.pending_connect) + len(manager.pending_disconnect),
            "tasks": len(asyncio.all_tasks()), "tcp": _accepted(self.settings.server_port),
        }  # fmt: skip

    async def nothing_left(self, timeout_s: float = 8) -> None:
        """No more than before the first client; open client connections must be closed by then."""

        def left() -> dict[str, int]:
            return {name: count for name, count in self.residue().items() if count > self.base[name]}

        try:
            await until(lambda: not left(), timeout_s)
        except TimeoutError:
            assert not left(), [str(task.get_coro()) for task in asyncio.all_tasks()]


def _accepted(port: int) -> int:
    """TCP connections the server holds: established, or closed by the peer only (proc(5), net/tcp)."""
    count = 0
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        local, _, state = line.split()[1:4]
        count += int(local.rpartition(":")[2], 16) == port and state in ("01", "08")
    return count


Edges = Callable[..., Any]


@pytest.fixture
def edges(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Edges:
    """`async with edges(sockets_per_user=2) as edge`: a server with other settings."""
    caught: list[tuple[SocketServer, LogReader]] = []
    # Closed sessions are swept sooner than in life, so that a test need not wait for it.
    monkeypatch.setattr(engine, "SWEEP_INTERVAL_S", 0.05)
    monkeypatch.setattr(engine, "LAST_POLL_S", 0.5)
    monkeypatch.setattr(caddie.app, "observe", lambda server, reader: caught.append((server, reader)))

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Edge]:
        changed = settings.model_copy(update=changes)
        async with running(changed, roles=("server",)) as product, aiohttp.ClientSession() as http:
            tokens = Tokens(
                KeyTable.parse(changed.token_key_table), changed.token_issuer, changed.token_audience,
                changed.token_ttl_s,
            )  # fmt: skip
            server, reader = caught[-1]
            edge = Edge(product, server, reader, tokens, Revocations(product.log._redis), http)
            edge.base = edge.residue()
            yield edge

    return start


@pytest.fixture
async def edge(edges: Edges) -> AsyncIterator[Edge]:
    """Clients of a test leave at its end, and the server must forget them."""
    async with edges() as edge:
        yield edge
        await edge.http.close()
        await edge.nothing_left()
