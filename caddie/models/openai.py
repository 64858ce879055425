"""Any host that speaks OpenAI's chat completions, streamed; also local ones. Needs the extra `openai`.

Invariant: as in ``anthropic``: every broken ending raises a ``CaddieError``, no key or prompt in logs or errors.
Callers: ``ModelTable``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from caddie.models import failures
from caddie.models.anthropic import ARGS_CHARS, CONNECT_S, OPEN_S, RETRIES, SILENCE_S, arguments
from caddie.models.model import (
    AssistantTurn,
    ModelEvent,
    ModelRequest,
    StepEnd,
    StepUsage,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallStarted,
    ToolTurn,
    UserTurn,
)
from shared.errors import CaddieError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PROVIDER = "the OpenAI-compatible host"
# Local hosts take any key, the client library insists on one.
NO_KEY = "no-key-configured-here"
_STOPS: dict[str, StopReason] = {
    "stop": "end",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}


class OpenAIHost:
    """Owns the one HTTP client of this process to the host; models of any key share it."""

    def __init__(self, base_url: str = "", open_s: float = OPEN_S, silence_s: float = SILENCE_S) -> None:
        self.base_url = base_url
        self._client: AsyncOpenAI | None = None
        self._lock = asyncio.Lock()
        self.open_s = open_s
        self.silence_s = silence_s

    async def client(self, key: str) -> AsyncOpenAI:
        async with self._lock:
            if self._client is None:
                self._client = await asyncio.to_thread(_connect, self.base_url, key)
        return self._client.with_options(api_key=key)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _connect(base_url: str, key: str) -> AsyncOpenAI:
    try:
        import httpx2
        import openai
    except ImportError:
        raise CaddieError("INVALID", "expected the extra `openai` to be installed, got none") from None
    failures.silenced("openai", "httpx2", "httpcore2", "httpx", "httpcore")
    timeout = httpx2.Timeout(SILENCE_S, connect=CONNECT_S)
    url = base_url or "https://api.openai.com/v1"
    return openai.AsyncOpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=RETRIES)


class OpenAIModel:
    """One model of the host with one key."""

    def __init__(self, host: OpenAIHost, model: str, key: str, temperature: float | None = None) -> None:
        self._host, self._model, self._key, self._temperature = host, model, key, temperature

    @property
    def name(self) -> str:
        return f"openai/{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        client = await self._host.client(self._key)
        body = _body(request, self._temperature, hosted=not self._host.base_url)
        try:
            async with asyncio.timeout(self._host.open_s):
                stream = await client.chat.completions.create(model=self._model, stream=True, **body)
        except TimeoutError:
            raise failures.silent(PROVIDER, self._host.open_s) from None
        except Exception as error:
            raise _refused(error) from None
        try:
            async with aclosing(_read(aiter(stream), self._host.silence_s)) as events:
                async for event in events:
                    yield event
        finally:
            await stream.close()


def _body(request: ModelRequest, temperature: float | None, hosted: bool) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    for turn in request.turns:
        messages.extend(_messages(turn))
    body: dict[str, Any] = {"messages": messages, "stream_options": {"include_usage": True}}
    # The maker's own models refuse the old name, other hosts know only it.
    body["max_completion_tokens" if hosted else "max_tokens"] = request.max_tokens
    if request.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.schema}}
            for t in request.tools
        ]
    chosen = temperature if temperature is not None else request.temperature
    if chosen is not None:
        body["temperature"] = chosen
    return body


def _messages(turn: UserTurn | AssistantTurn | ToolTurn) -> list[dict[str, Any]]:
    match turn:
        case UserTurn(text=text, images=()):
            return [{"role": "user", "content": text}]
        case UserTurn(text=text, images=images):
            urls = [f"data:{image.media_type};base64,{image.data}" for image in images]
            parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]
        case AssistantTurn(text=text, calls=calls):
            message: dict[str, Any] = {"role": "assistant", "content": text or None}
            if calls:
                message["tool_calls"] = [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": json.dumps(call.args or {})},
                    }
                    for call in calls
                ]
            elif not text:
                message["content"] = "(nothing)"
            return [message]
        case ToolTurn(outcomes=outcomes):
            return [
                {
                    "role": "tool",
                    "tool_call_id": o.id,
                    "content": json.dumps({"ok": o.ok, "value": o.value}, default=str),
                }
                for o in outcomes
            ]


class _Calls:
    """Tool calls while their pieces arrive."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, str]] = {}

    def delta(self, piece: Any) -> ModelEvent | None:
        fresh = piece.index not in self._calls
        call = self._calls.setdefault(piece.index, {"id": "", "name": "", "json": ""})
        call["id"] = piece.id or call["id"] or f"call_{piece.index}"
        if piece.function is not None:
            call["name"] = piece.function.name or call["name"]
            call["json"] = (call["json"] + (piece.function.arguments or ""))[: ARGS_CHARS + 1]
        return ToolCallStarted(id=call["id"], name=call["name"]) if fresh else None

    def finished(self) -> list[ToolCall]:
        made = []
        for _, call in sorted(self._calls.items()):
            args = arguments(call["json"] or "{}")
            raw = "" if args is not None else call["json"][:500]
            made.append(ToolCall(id=call["id"], name=call["name"], args=args, raw=raw))
        return made


async def _read(chunks: AsyncIterator[Any], silence_s: float) -> AsyncGenerator[ModelEvent, None]:
    calls, usage, stop = _Calls(), StepUsage(), None
    while (chunk := await _next(chunks, silence_s)) is not None:
        usage = _usage(chunk.usage, usage)
        for choice in chunk.choices or ():
            stop = choice.finish_reason or stop
            if choice.delta is None:
                continue
            if reasoning := getattr(choice.delta, "reasoning_content", None):
                yield ThinkingDelta(str(reasoning))
            if choice.delta.content:
                yield TextDelta(choice.delta.content)
            for piece in choice.delta.tool_calls or ():
                started = calls.delta(piece)
                if started is not None:
                    yield started
    if stop is None:
        raise failures.unfinished(PROVIDER)
    finished = calls.finished()
    for call in finished:
        yield call
    reason = _STOPS.get(stop, "end")
    yield StepEnd(stop_reason="tool_use" if finished and reason == "end" else reason, usage=usage)


async def _next(chunks: AsyncIterator[Any], silence_s: float) -> Any:
    """The next chunk, or None at the stream's end."""
    try:
        async with asyncio.timeout(silence_s):
            return await anext(chunks, None)
    except TimeoutError:
        raise failures.silent(PROVIDER, silence_s) from None
    except Exception as error:
        raise _broken(error) from None


def _usage(found: Any, before: StepUsage) -> StepUsage:
    if found is None:
        return before
    details = getattr(found, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or 0
    return StepUsage(
        input_tokens=max(0, (found.prompt_tokens or 0) - cached),
        output_tokens=found.completion_tokens or 0,
        cache_read_tokens=cached,
    )


def _refused(error: Exception) -> CaddieError:
    import openai

    if isinstance(error, openai.APIStatusError):
        wait = failures.retry_after(error.response.headers.get("retry-after"))
        return failures.by_status(PROVIDER, error.status_code, error.type, wait)
    if isinstance(error, openai.APIConnectionError):
        return failures.unreachable(PROVIDER)
    return CaddieError("MODEL_FAILED", f"the call to {PROVIDER} failed ({type(error).__name__})", retryable=False)


def _broken(error: Exception) -> CaddieError:
    import httpx2
    import openai

    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return failures.silent(PROVIDER, SILENCE_S)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError | OSError):
        return failures.dropped(PROVIDER)
    if isinstance(error, openai.APIError):
        return failures.mid_stream(PROVIDER, error.type)
    return CaddieError("MODEL_FAILED", f"{PROVIDER} sent what is no event ({type(error).__name__})", retryable=True)
