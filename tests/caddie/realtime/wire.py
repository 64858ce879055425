"""Bare Engine.IO clients for tests: they send what they are told, also what no library would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import ClientWebSocketResponse, WSMsgType

from tests.product import until

SEPARATOR = "\x1e"
WAIT_S = 10.0


def connect_packet(**auth: Any) -> str:
    return "40" + orjson.dumps(auth).decode()


def command_packet(name: str, body: Any, number: int | str = "") -> str:
    return f"42{number}" + orjson.dumps([name, body]).decode()


@dataclass
class Log:
    """What a client was sent, sorted by kind. Packets of events keep their size."""

    packets: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    control: dict[str, list[Any]] = field(default_factory=dict)
    acks: dict[int, dict[str, Any]] = field(default_factory=dict)
    connected: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def take(self, packet: str) -> None:
        self.packets.append(packet)
        if packet.startswith("40"):
            self.connected = orjson.loads(packet[2:])
        elif packet.startswith("44"):
            self.error = orjson.loads(packet[packet.index("{") :])
        elif packet.startswith("42"):
            name, *data = orjson.loads(packet[2:])
            if name == "event":
                self.events.append(data[0])
            else:
                self.control.setdefault(name, []).append(data[0])
        elif packet.startswith("43"):
            start = packet.index("[")
            self.acks[int(packet[2:start])] = orjson.loads(packet[start:])[0]

    @property
    def indices(self) -> list[int]:
        return [event["index"] for event in self.events]

    @property
    def text(self) -> str:
        return "".join(event["data"]["text"] for event in self.events if event["type"] == "message.delta")


class Wire(Log):
    """A websocket. ``closed`` waits for the end and gives its close code."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        super().__init__()
        self.base, self.http = base, http
        self.socket: ClientWebSocketResponse
        self.sid = ""

    async def open(self, query: str = "EIO=4&transport=websocket", **options: Any) -> Self:
        self.socket = await self.http.ws_connect(f"{self.base}?{query}", max_msg_size=0, **options)
        if "sid=" not in query:
            self.sid = orjson.loads((await self.receive())[1:])["sid"]
        return self

    async def send(self, *packets: str) -> None:
        for packet in packets:
            await self.socket.send_str(packet)

    async def receive(self) -> str:
        """One packet. Raises ConnectionError at the end."""
        message = await self.socket.receive(timeout=WAIT_S)
        if message.type is not WSMsgType.TEXT:
            raise ConnectionResetError(str(message.type))
        self.take(message.data)
        return str(message.data)

    async def read_until(self, condition: Any) -> Any:
        """Receive, answering pings, until `condition()` holds; gives what it gave."""
        async with asyncio.timeout(WAIT_S * 2):
            while not (value := condition()):
                if await self.receive() == "2":
                    await self.send("3")
            return value

    async def connect(self, token: str, **auth: Any) -> dict[str, Any]:
        """CONNECT; the `ready`."""
        await self.send(connect_packet(token=token, **auth))
        ready: list[dict[str, Any]] = await self.read_until(lambda: self.control.get("ready"))
        return ready[0]

    async def call(self, name: str, body: Any) -> dict[str, Any]:
        number = len(self.acks) + 1
        await self.send(command_packet(name, body, number))
        reply: dict[str, Any] = await self.read_until(lambda: self.acks.get(number))
        return reply

    async def closed(self) -> int | None:
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    await self.receive()
        except ConnectionError:
            return self.socket.close_code

    async def leave(self) -> None:
        await self.socket.close()


class Polling(Log):
    """A long-polling session."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        super().__init__()
        self.base, self.http = base, http
        self.sid = ""

    @property
    def url(self) -> str:
        return f"{self.base}?EIO=4&transport=polling&sid={self.sid}"

    async def open(self) -> Self:
        async with self.http.get(f"{self.base}?EIO=4&transport=polling") as response:
            text = await response.text()
            assert response.status == 200, (response.status, text)
            self.sid = orjson.loads(text[1:])["sid"]
        return self

    async def get(self) -> tuple[int, list[str]]:
        async with self.http.get(self.url, timeout=aiohttp.ClientTimeout(WAIT_S)) as response:
            packets = (await response.text()).split(SEPARATOR)
            if response.status == 200:
                for packet in packets:
                    self.take(packet)
            return response.status, packets

    async def post(self, *packets: str, data: Any = None) -> int:
        body = SEPARATOR.join(packets).encode() if data is None else data
        async with self.http.post(self.url, data=body, timeout=aiohttp.ClientTimeout(WAIT_S)) as response:
            await response.read()
            return response.status

    async def connect(self, token: str, **auth: Any) -> dict[str, Any]:
        assert await self.post(connect_packet(token=token, **auth)) == 200

        async def ready() -> Any:
            await self.get()
            return self.control.get("ready")

        return (await until(ready))[0]  # type: ignore[no-any-return]
