"""The offline model on the common protocol: decides, then streams its words at a set rate.

Invariant: no network, no clock, no chance; the same request gives the same events. Callers: ``ModelTable``.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

from caddie.models.model import (
    AssistantTurn,
    ModelEvent,
    ModelRequest,
    StepEnd,
    StepUsage,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    ToolTurn,
)
from caddie.models.offline import assistant, tasks
from caddie.models.offline.dialogue import decide

# English runs at about four characters a token.
TOKEN_CHARS = 4
#: Longer messages are read in a thread.
LONG_CHARS = 300


class OfflineModel:
    """words_per_s: rate of its text, 0 is as fast as it can. sleep: for tests that do not wait."""

    def __init__(self, words_per_s: float = 0, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._pause_s = 1 / words_per_s if words_per_s > 0 else 0.0
        self._sleep = sleep

    @property
    def name(self) -> str:
        return "offline/offline"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        step = tasks.meant(request)
        decided = tasks.decide if step else assistant.decide if assistant.meant(request) else decide
        if step or (request.context is not None and len(request.context.message) > LONG_CHARS):
            # Made to be hard to read, such a text takes seconds; the other runs of this process have leases to renew.
            reply = await asyncio.to_thread(decided, request)
        else:
            reply = decided(request)
        for word in re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", reply.text):
            # Also without a rate: a long answer does not hold the loop of 500 other runs.
            await self._sleep(0 if step else self._pause_s)
            yield TextDelta(word)
        stem = f"{len(request.turns)}-{hashlib.sha256(repr(request.turns).encode()).hexdigest()[:12]}"
        for number, (name, args) in enumerate(edit.call() for edit in reply.calls):
            call_id = f"call-{stem}-{number}"
            yield ToolCallStarted(id=call_id, name=name)
            yield ToolCall(id=call_id, name=name, args=args)
        written = len(reply.text) + sum(len(str(call.args)) for call in reply.calls)
        usage = StepUsage(input_tokens=_read(request) // TOKEN_CHARS, output_tokens=written // TOKEN_CHARS)
        yield StepEnd(stop_reason="tool_use" if reply.calls else "end", usage=usage)


def _read(request: ModelRequest) -> int:
    count = len(request.system)
    for turn in request.turns:
        match turn:
            case ToolTurn(outcomes=outcomes):
                count += sum(len(str(outcome.value)) for outcome in outcomes)
            case AssistantTurn(text=text):
                count += len(text)
            case _:
                count += len(turn.text)
    return count
