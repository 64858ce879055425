"""The echo server in this process, and clients as bare as those of the official protocol suites."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from caddie.realtime.echo import limits, serving
from caddie.realtime.engine import Engine
from tests.product import until

WAIT_S = 10.0
ENGINE, SOCKET = "engine.io", "socket.io"


class Socket:
    """A websocket: texts and attachments as they come, nothing answered by itself."""

    def __init__(self, wire: ClientWebSocketResponse) -> None:
        self.wire = wire

    async def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            if isinstance(packet, str):
                await self.wire.send_str(packet)
            else:
                await self.wire.send_bytes(packet)

    async def receive(self) -> Any:
        """A text or an attachment. Raises ConnectionError at the end."""
        message = await self.wire.receive(timeout=WAIT_S)
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise ConnectionResetError(str(message.type))
        return message.data

    async def closed(self) -> bool:
        """Reads up to the end."""
        try:
            while True:
                await self.receive()
        except ConnectionError:
            return True

    async def handshaken(self) -> Self:
        assert (await self.receive()).startswith("0{")
        return self

    async def upgraded(self) -> Self:
        await self.send("2probe")
        assert await self.receive() == "3probe"
        await self.send("5")
        return self


@dataclass
class Session:
    """A long-polling session."""

    address: str
    http: aiohttp.ClientSession

    async def get(self) -> tuple[int, str]:
        async with self.http.get(self.address) as response:
            return response.status, await response.text()

    async def post(self, body: str) -> tuple[int, str]:
        async with self.http.post(self.address, data=body.encode()) as response:
            return response.status, await response.text()


@dataclass
class Echo:
    base: str
    http: aiohttp.ClientSession
    engines: dict[str, Engine] = field(default_factory=dict)

    async def polling(self, path: str) -> None:
        """Until the only session of the endpoint has a poll pending."""
        (transport,) = self.engines[path].sockets.values()
        await until(lambda: transport._polling)

    async def status(self, method: str, path: str, query: str) -> int:
        async with self.http.request(method, f"{self.base}/{path}/?{query}") as response:
            return response.status

    async def handshake(self, path: str) -> dict[str, Any]:
        async with self.http.get(f"{self.base}/{path}/?EIO=4&transport=polling") as response:
            text = await response.text()
            assert response.status == 200 and text.startswith("0"), (response.status, text)
        return dict(orjson.loads(text[1:]))

    async def session(self, path: str) -> Session:
        sid = (await self.handshake(path))["sid"]
        return Session(f"{self.base}/{path}/?EIO=4&transport=polling&sid={sid}", self.http)

    async def socket(self, path: str, query: str = "EIO=4&transport=websocket") -> Socket:
        """Connected on the level of the websocket only."""
        return Socket(await self.http.ws_connect(f"{self.base}/{path}/?{query}"))

    async def upgrade(self, session: Session) -> Socket:
        return Socket(await self.http.ws_connect(session.address.replace("=polling", "=websocket")))

    async def connected(self) -> Socket:
        """In the main namespace of Socket.IO."""
        socket = await (await self.socket(SOCKET)).handshaken()
        await socket.send("40")
        assert (await socket.receive()).startswith('40{"sid":"')
        assert await socket.receive() == '42["auth",{}]'
        return socket


@asynccontextmanager
async def _echoing(ping_interval_s: float, ping_timeout_s: float) -> AsyncIterator[Echo]:
    timeout = aiohttp.ClientTimeout(WAIT_S)
    async with serving(limits(ping_interval_s, ping_timeout_s), "127.0.0.1", 0) as (port, engines):
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield Echo(f"http://127.0.0.1:{port}", http, engines)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """With the heartbeat of the product."""
    async with _echoing(25, 20) as echo:
        yield echo


@pytest.fixture
async def quick() -> AsyncIterator[Echo]:
    """With the heartbeat of the official suites."""
    async with _echoing(0.3, 0.2) as echo:
        yield echo
