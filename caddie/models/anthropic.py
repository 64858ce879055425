"""Claude over Anthropic's Messages API, streamed.

Invariant: all four ways a stream can go wrong (error event, dropped connection, clean end without a stop reason,
silence) raise a ``CaddieError``, and no key or prompt reaches a log or an error. The SDK takes seconds to import,
so it is imported by the first call, in a thread. Callers: ``ModelTable``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from caddie.models import failures
from caddie.models.model import (
    AssistantTurn,
    ImagePart,
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
    from anthropic import AsyncAnthropic

PROVIDER = "Anthropic"
CONNECT_S = 5.0
OPEN_S = 60.0
SILENCE_S = 90.0
RETRIES = 2
ARGS_CHARS = 262_144
# The API version 2026-10-21 refuses `temperature` for every model; the one before takes it for these.
TEMPERATURE_VERSION = "2023-06-01"
TEMPERATURE_MODELS = (
    "claude-haiku-4-5",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
    "claude-opus-4-5",
    "claude-opus-4-6",
)
_CACHED = {"type": "ephemeral"}
_STOPS: dict[str, StopReason] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "pause_turn": "end",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "refusal",
}


class AnthropicHost:
    """Owns the one HTTP client of this process to Anthropic; models of any key share it."""

    def __init__(self, base_url: str = "", open_s: float = OPEN_S, silence_s: float = SILENCE_S) -> None:
        self._base_url = base_url or "https://api.anthropic.com"
        self._client: AsyncAnthropic | None = None
        self._lock = asyncio.Lock()
        self.open_s = open_s
        self.silence_s = silence_s

    async def client(self, key: str) -> AsyncAnthropic:
        async with self._lock:
            if self._client is None:
                self._client = await asyncio.to_thread(_connect, self._base_url, key)
        return self._client.with_options(api_key=key)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _connect(base_url: str, key: str) -> AsyncAnthropic:
    import anthropic
    import httpx2

    failures.silenced("anthropic", "httpx2", "httpcore2", "httpx", "httpcore")
    timeout = httpx2.Timeout(SILENCE_S, connect=CONNECT_S)
    http = anthropic.DefaultAioHttpClient(timeout=timeout)
    return anthropic.AsyncAnthropic(
        api_key=key, base_url=base_url, timeout=timeout, max_retries=RETRIES, http_client=http
    )


class AnthropicModel:
    """One Claude model with one key."""

    def __init__(self, host: AnthropicHost, model: str, key: str, temperature: float | None = None) -> None:
        self._host, self._model, self._key, self._temperature = host, model, key, temperature
        if temperature is not None and model.startswith("claude-") and not model.startswith(TEMPERATURE_MODELS):
            known = ", ".join(TEMPERATURE_MODELS)
            raise CaddieError("INVALID", f"expected a model that takes a temperature ({known}), got {model}")

    @property
    def name(self) -> str:
        return f"anthropic/{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        client = await self._host.client(self._key)
        temperature = self._temperature if self._temperature is not None else request.temperature
        extra: dict[str, Any] = {}
        if temperature is not None:
            extra["extra_body"] = {"temperature": temperature}
            extra["extra_headers"] = {"anthropic-version": TEMPERATURE_VERSION}
        try:
            async with asyncio.timeout(self._host.open_s):
                stream = await client.messages.create(model=self._model, stream=True, **_body(request), **extra)
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


def _body(request: ModelRequest) -> dict[str, Any]:
    tools = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in request.tools
    ]
    if tools:
        tools[-1]["cache_control"] = _CACHED
    messages = [_message(turn) for turn in request.turns]
    if messages:
        messages[-1]["content"][-1]["cache_control"] = _CACHED
    body: dict[str, Any] = {"max_tokens": request.max_tokens, "messages": messages}
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, "cache_control": _CACHED}]
    if tools:
        body["tools"] = tools
    return body


def _message(turn: UserTurn | AssistantTurn | ToolTurn) -> dict[str, Any]:
    match turn:
        case UserTurn(text=text, images=images):
            return {"role": "user", "content": [*map(_image, images), {"type": "text", "text": text or "(no text)"}]}
        case AssistantTurn(replay=replay) if replay:
            return {"role": "assistant", "content": [dict(block) for block in replay]}
        case AssistantTurn(text=text, calls=calls):
            said = [{"type": "text", "text": text}] if text else []
            used = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.args or {}} for call in calls]
            return {"role": "assistant", "content": [*said, *used] or [{"type": "text", "text": "(nothing)"}]}
        case ToolTurn(outcomes=outcomes):
            return {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": outcome.id,
                        "content": json.dumps(outcome.value, ensure_ascii=False, default=str),
                        "is_error": not outcome.ok,
                    }
                    for outcome in outcomes
                ],
            }


def _image(image: ImagePart) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


class _Blocks:
    """The content blocks of one answer while they arrive."""

    def __init__(self) -> None:
        self._open: dict[int, dict[str, Any]] = {}
        self._done: dict[int, dict[str, Any]] = {}

    def start(self, index: int, block: Any) -> ModelEvent | None:
        self._open[index] = {**block.model_dump(exclude_none=True), "_json": ""}
        if block.type == "tool_use":
            return ToolCallStarted(id=block.id, name=block.name)
        return TextDelta(block.text) if block.type == "text" and block.text else None

    def delta(self, index: int, delta: Any) -> ModelEvent | None:
        block = self._open.get(index)
        if block is None:
            return None
        match delta.type:
            case "text_delta":
                block["text"] = block.get("text", "") + delta.text
                return TextDelta(delta.text) if delta.text else None
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta.thinking
                return ThinkingDelta(delta.thinking) if delta.thinking else None
            case "signature_delta":
                block["signature"] = delta.signature
            case "input_json_delta":
                block["_json"] = (block["_json"] + delta.partial_json)[: ARGS_CHARS + 1]
        return None

    def stop(self, index: int) -> ModelEvent | None:
        block = self._open.pop(index, None)
        if block is None:
            return None
        raw = block.pop("_json")
        self._done[index] = block
        if block["type"] != "tool_use":
            return None
        args = arguments(raw) if raw else block.get("input") or {}
        block["input"] = args if args is not None else {}
        return ToolCall(id=block["id"], name=block["name"], args=args, raw="" if args is not None else raw[:500])

    @property
    def complete(self) -> bool:
        return not self._open

    def replay(self) -> tuple[dict[str, Any], ...]:
        """The blocks in order, as the API takes them back; empty text blocks are refused there."""
        blocks = (self._done[index] for index in sorted(self._done))
        return tuple(block for block in blocks if block["type"] != "text" or block.get("text"))


def arguments(raw: str) -> dict[str, Any] | None:
    """A tool call's arguments, or None when they are no JSON object of bearable size."""
    if len(raw) > ARGS_CHARS:
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def _read(events: AsyncIterator[Any], silence_s: float) -> AsyncGenerator[ModelEvent, None]:
    blocks, usage, stop, stopped = _Blocks(), StepUsage(), None, False
    while not stopped:
        event = await _next(events, silence_s)
        if event is None:
            break
        made: ModelEvent | None = None
        match event.type:
            case "message_start":
                usage = _usage(event.message.usage, usage)
            case "content_block_start":
                made = blocks.start(event.index, event.content_block)
            case "content_block_delta":
                made = blocks.delta(event.index, event.delta)
            case "content_block_stop":
                made = blocks.stop(event.index)
            case "message_delta":
                stop = event.delta.stop_reason or stop
                usage = _usage(event.usage, usage)
            case "message_stop":
                stopped = True
        if made is not None:
            yield made
    if not stopped or stop is None or not blocks.complete:
        raise failures.unfinished(PROVIDER)
    yield StepEnd(stop_reason=_STOPS.get(stop, "end"), usage=usage, replay=blocks.replay())


async def _next(events: AsyncIterator[Any], silence_s: float) -> Any:
    """The next event, or None at the stream's end."""
    try:
        async with asyncio.timeout(silence_s):
            return await anext(events, None)
    except TimeoutError:
        raise failures.silent(PROVIDER, silence_s) from None
    except Exception as error:
        raise _broken(error) from None


def _usage(found: Any, before: StepUsage) -> StepUsage:
    """Cumulative counts: a later event's number replaces an earlier one."""
    return StepUsage(
        input_tokens=_count(found, "input_tokens", before.input_tokens),
        output_tokens=_count(found, "output_tokens", before.output_tokens),
        cache_read_tokens=_count(found, "cache_read_input_tokens", before.cache_read_tokens),
        cache_write_tokens=_count(found, "cache_creation_input_tokens", before.cache_write_tokens),
    )


def _count(found: Any, name: str, before: int) -> int:
    value = getattr(found, name, None)
    return value if isinstance(value, int) else before


def _refused(error: Exception) -> CaddieError:
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        wait = failures.retry_after(error.response.headers.get("retry-after"))
        return failures.by_status(PROVIDER, error.status_code, error.type, wait)
    if isinstance(error, anthropic.APIConnectionError):
        return failures.unreachable(PROVIDER)
    return CaddieError("MODEL_FAILED", f"the call to {PROVIDER} failed ({type(error).__name__})", retryable=False)


def _broken(error: Exception) -> CaddieError:
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return failures.mid_stream(PROVIDER, error.type)
    if isinstance(error, httpx2.TimeoutException):
        return failures.silent(PROVIDER, SILENCE_S)
    # A dropped connection is no APIError: the transport's own exception comes through.
    if isinstance(error, httpx2.TransportError | anthropic.APIConnectionError | OSError):
        return failures.dropped(PROVIDER)
    return CaddieError("MODEL_FAILED", f"{PROVIDER} sent what is no event ({type(error).__name__})", retryable=True)
