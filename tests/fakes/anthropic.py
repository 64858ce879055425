"""A stand-in for Anthropic's Messages API on loopback: real HTTP, real SSE frames, scripted answers.

Invariant: one script per request, in order; the last one repeats. Callers: tests of the model seam and of the agent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Ending = Literal["stop", "error", "drop", "no_stop", "no_reason", "hang"]


@dataclass(frozen=True)
class Refusal:
    """An answer before the stream."""

    status: int
    kind: str = "invalid_request_error"
    message: str = "refused"
    retry_after: str | None = None


@dataclass(frozen=True)
class Answer:
    """A streamed answer. calls: (name, arguments), arguments as JSON text to send what is no JSON."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any] | str], ...] = ()
    ending: Ending = "stop"
    error_type: str = "overloaded_error"
    stop_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict)


@dataclass
class Seen:
    headers: dict[str, str]
    body: dict[str, Any]


class FakeAnthropic:
    def __init__(
        self, *scripts: Answer | Refusal, reply: Callable[[dict[str, Any]], Answer | Refusal] | None = None
    ) -> None:
        self._scripts = list(scripts)
        self._reply = reply
        self.seen: list[Seen] = []
        self.disconnected = asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeAnthropic]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/messages", self._messages)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append(Seen({key.lower(): value for key, value in request.headers.items()}, body))
        script = (
            self._reply(body) if self._reply else self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        )
        if not request.headers.get("authorization", "").startswith("Bearer "):
            script = Refusal(401, "authentication_error")
        elif request.headers.get("anthropic-version") == "2026-10-21" and "temperature" in body:
            script = Refusal(400, message="temperature: Extra inputs are not permitted")
        if isinstance(script, Refusal):
            return self._refuse(script)
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "request-id": "req_fake"})
        await response.prepare(request)
        try:
            for frame in _frames(script, body):
                await response.write(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode())
                await asyncio.sleep(0)
            if script.ending == "hang":
                await asyncio.Event().wait()
            if script.ending == "drop":
                assert request.transport is not None
                request.transport.abort()
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise
        return response

    @staticmethod
    def _refuse(script: Refusal) -> web.Response:
        headers = {"request-id": "req_fake"}
        if script.retry_after is not None:
            headers["retry-after"] = script.retry_after
        body = {"type": "error", "error": {"type": script.kind, "message": script.message}, "request_id": "req_fake"}
        return web.json_response(body, status=script.status, headers=headers)


def _frames(script: Answer, body: dict[str, Any]) -> list[dict[str, Any]]:
    usage = {
        "input_tokens": 11,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 7,
        "output_tokens": 1,
        **script.usage,
    }
    message = {"id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"], "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    frames: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, (start, deltas) in enumerate(_blocks(script)):
        frames.append({"type": "content_block_start", "index": index, "content_block": start})
        frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        frames.append({"type": "content_block_stop", "index": index})
    if script.ending == "error":
        return [*frames, {"type": "error", "error": {"type": script.error_type, "message": "it broke"}}]
    if script.ending in ("drop", "hang"):
        return frames
    reason = script.stop_reason or ("tool_use" if script.calls else "end_turn")
    delta = {"stop_reason": None if script.ending == "no_reason" else reason, "stop_sequence": None}
    frames.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 42}})
    return frames if script.ending == "no_stop" else [*frames, {"type": "message_stop"}]


def _blocks(script: Answer) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if script.thinking:
        deltas = [
            {"type": "thinking_delta", "thinking": script.thinking},
            {"type": "signature_delta", "signature": "c2ln"},
        ]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if script.text:
        pieces = [script.text[i : i + 7] for i in range(0, len(script.text), 7)]
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]))
    for number, (name, args) in enumerate(script.calls):
        raw = args if isinstance(args, str) else json.dumps(args)
        pieces = [raw[i : i + 9] for i in range(0, len(raw), 9)]
        start = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
        blocks.append((start, [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces]]))
    return blocks
