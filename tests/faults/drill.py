"""One real server process under attack: tokens, events and clients for the drills.

Invariant: every client that a drill made is gone when it ends. Fixture: `drills` in ``tests/faults/conftest.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared import keys
from shared.events import MessageDelta, encode
from shared.log import Entry, EventLog, Writer
from shared.tokens import Tokens
from tests.faults.raw import OnEvent, Raw
from tests.residue import ServerProcess

ORGANISATION, USER = 1, 1
ALL = frozenset({"read", "write", "decide"})
#: Sockets that connect at the same time: more than the server has connections to Redis, which it makes once and keeps.
AT_ONCE = 100


@dataclass
class Drill:
    server: ServerProcess
    tokens: Tokens
    log: EventLog
    clients: list[Raw] = field(default_factory=list)
    _writers: dict[str, Writer] = field(default_factory=dict)
    _pings: int = 0

    @property
    def port(self) -> int:
        return self.server.settings.server_port

    def token(self, conversation: str = "c0", user: int = USER) -> str:
        return self.tokens.issue("s1", ORGANISATION, user, conversation, ALL, None)[0]

    def raw(self, on_event: OnEvent | None = None) -> Raw:
        self.clients.append(Raw(on_event))
        return self.clients[-1]

    async def opened(self) -> Raw:
        """A client that has not said who it is."""
        return await self.raw().open(self.port)

    async def connected(self, conversation: str = "c0", last: int | None = None) -> Raw:
        return await self.raw().connect(self.port, self.token(conversation), last)

    async def many(self, conversations: Sequence[str]) -> list[Raw]:
        """An authenticated client for each."""
        clients: list[Raw] = []
        for start in range(0, len(conversations), AT_ONCE):
            part = conversations[start : start + AT_ONCE]
            clients += await asyncio.gather(*[self.connected(conversation) for conversation in part])
        return clients

    async def say(self, *texts: str, conversation: str = "c0") -> int:
        """Append a delta for each text; the last index."""
        key = keys.conversation_key(ORGANISATION, conversation)
        writer = self._writers.setdefault(key, Writer(key, "r1", 1))
        entries = [Entry.of(MessageDelta(messageId="m", text=text)) for text in texts]
        return (await self.log.append(writer, [(entry.operation, encode(entry.data, "r1")) for entry in entries]))[0]

    async def warm(self) -> None:
        """Fill what fills once, then note what the server holds."""
        clients = await self.many(["warm"] * AT_ONCE)
        await self.say("warm", conversation="warm")
        await asyncio.gather(*[client.reached(1) for client in clients])
        self.leave()
        await self.left()
        await self.server.base()

    def leave(self) -> None:
        """All clients at once, without a word."""
        for client in self.clients:
            client.leave()
        self.clients.clear()

    async def left(self, sockets: int = 0) -> None:
        """Until the server has no more than `sockets`."""
        async with asyncio.timeout(10):
            while (await self.server.held())["sockets"] > sockets:
                await asyncio.sleep(0.02)

    async def ping(self, client: Raw) -> float:
        """Seconds until the server answers this client's ping."""
        self._pings += 1
        answer, began = f"3h{self._pings}", time.perf_counter()
        client.send(f"2h{self._pings}")
        await client.until(lambda: answer in client.texts)
        client.texts.clear()
        return time.perf_counter() - began

    @asynccontextmanager
    async def beside(self, conversation: str = "beside") -> AsyncIterator[list[float]]:
        """Three honest readers while the block runs; gives the answer times of their pings, which grow meanwhile."""
        first = await self.say("start", conversation=conversation)
        honest = [await self.connected(conversation, first) for _ in range(3)]
        times: list[float] = []
        over = asyncio.Event()

        async def live() -> None:
            while not over.is_set():
                await self.say("on", "and on", conversation=conversation)
                times.extend(await asyncio.gather(*[self.ping(client) for client in honest]))
                await asyncio.sleep(0.01)

        task = asyncio.create_task(live())
        try:
            yield times
        finally:
            over.set()
            await task
        head = await self.say("end", conversation=conversation)
        for client in honest:
            await client.reached(head)
            assert (client.faults, client.events) == (0, head - first)
            client.leave()
