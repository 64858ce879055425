"""A product that follows the protocol except for one thing: what the bots are there to find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from tests.product import free_port

Frames = list[str]
TS = "2026-01-01T00:00:00.000Z"


def event(index: int, kind: str, run: str, **data: Any) -> str:
    body = {"index": index, "type": kind, "ts": TS, "runId": run, "data": data}
    return "42" + orjson.dumps(["event", body, str(index)]).decode()


def turn(request: str, first: int = 1) -> Frames:
    """The events of one faultless run."""
    run = f"run-{request}"
    return [
        event(first, "message.user", run, messageId="u", text="hello", images=[], requestId=request),
        event(first + 1, "run.started", run, requestId=request),
        event(first + 2, "message.started", run, messageId=f"m{first}"),
        event(first + 3, "message.delta", run, messageId=f"m{first}", text="Good "),
        event(first + 4, "message.delta", run, messageId=f"m{first}", text="day"),
        event(first + 5, "message.completed", run, messageId=f"m{first}", text="Good day"),
        event(first + 6, "run.finished", run, outcome="completed"),
    ]


class Faulty:
    """`spoil` turns the frames of a faultless run into what is sent; a number closes with that code."""

    def __init__(self, spoil: Callable[[Frames], list[str | int]]) -> None:
        self._spoil = spoil
        self.url = ""
        self.spoken = 0

    async def _session(self, request: web.Request) -> web.Response:
        body = await request.json()
        session = {"sessionToken": "t", "socketUrl": self.url, "socketPath": "/socket.io/", "lastEventIndex": 0}
        return web.json_response(session | {"conversationId": body["conversationId"]})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await websocket.send_str('0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
        async for message in websocket:
            if message.type is not WSMsgType.TEXT:
                continue
            await self._packet(websocket, message.data)
        return websocket

    async def _packet(self, websocket: web.WebSocketResponse, packet: str) -> None:
        if packet.startswith("40"):
            after = orjson.loads(packet[2:]).get("lastEventIndex", 0)
            ready = {"epoch": "e", "head": after, "replay": {"from": after + 1, "to": after, "complete": True}}
            await websocket.send_str('40{"sid":"s","pid":"p"}')
            await websocket.send_str("42" + orjson.dumps(["ready", ready]).decode())
        elif packet.startswith("41"):
            await websocket.close()
        elif packet.startswith("42"):
            number, _, rest = packet[2:].partition("[")
            name, body = orjson.loads("[" + rest)
            reply = {"ok": True, "runId": f"run-{body.get('requestId', 'x')}"}
            await websocket.send_str(f"43{number}" + orjson.dumps([reply]).decode())
            if name == "message":
                await self._run(websocket, body["requestId"])

    async def _run(self, websocket: web.WebSocketResponse, request: str) -> None:
        frames = turn(request, self.spoken + 1)
        self.spoken += len(frames)
        for frame in self._spoil(frames):
            if isinstance(frame, int):
                await websocket.close(code=frame)
                return
            await websocket.send_str(frame)


@asynccontextmanager
async def faulty(spoil: Callable[[Frames], list[str | int]]) -> AsyncIterator[Faulty]:
    product = Faulty(spoil)
    app = web.Application()
    app.router.add_post("/v1/ai/workflow/chat/stream", product._session)
    app.router.add_get("/socket.io/", product._socket)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    try:
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        product.url = f"http://127.0.0.1:{port}"
        yield product
    finally:
        async with asyncio.timeout(5):
            await runner.cleanup()
