"""A stand-in for an OpenAI-compatible host on loopback: chat completions, streamed, scripted.

Invariant: one script per request, in order; the last one repeats. Callers: tests of the model seam.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.fakes.anthropic import Answer, Refusal, Seen


class FakeOpenAI:
    def __init__(self, *scripts: Answer | Refusal) -> None:
        self._scripts = list(scripts)
        self.seen: list[Seen] = []
        self.disconnected = asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeOpenAI]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._completions)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append(Seen({key.lower(): value for key, value in request.headers.items()}, body))
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, Refusal):
            headers = {"retry-after": script.retry_after} if script.retry_after else {}
            error = {"error": {"message": script.message, "type": script.kind, "code": None}}
            return web.json_response(error, status=script.status, headers=headers)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            for chunk in _chunks(script, body):
                await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
                await asyncio.sleep(0)
            if script.ending == "hang":
                await asyncio.Event().wait()
            if script.ending == "drop":
                assert request.transport is not None
                request.transport.abort()
            elif script.ending in ("stop", "no_reason"):
                await response.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise
        return response


def _chunks(script: Answer, body: dict[str, Any]) -> list[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
        }

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": script.text[i : i + 7]}) for i in range(0, len(script.text), 7)]
    for number, (name, args) in enumerate(script.calls):
        raw = args if isinstance(args, str) else json.dumps(args)
        head = {
            "index": number,
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        chunks.append(chunk({"tool_calls": [head]}))
        pieces = [raw[i : i + 9] for i in range(0, len(raw), 9)]
        chunks += [chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}) for piece in pieces]
    if script.ending == "error":
        return [*chunks, {"error": {"message": "it broke", "type": "server_error"}}]
    if script.ending in ("drop", "hang", "no_stop", "no_reason"):
        return chunks
    chunks.append(chunk({}, script.stop_reason or ("tool_calls" if script.calls else "stop")))
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    return [*chunks, {**chunk({}), "choices": [], "usage": usage}]
