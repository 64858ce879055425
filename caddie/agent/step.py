"""One call of the model: its stream as events of the log.

Invariant: the deltas of a message, put together, are the text of its ``message.completed``, also when time runs out;
closing the iterator closes the model's connection. Callers: the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from caddie.models.model import (
    Model,
    ModelEvent,
    ModelRequest,
    StepEnd,
    StepUsage,
    TextDelta,
    ThinkingDelta,
    ToolCall,
)
from shared.errors import CaddieError
from shared.events import Data, MessageCompleted, MessageDelta, MessageStarted, Thinking

THINKING_CHARS = 400
CALLS = 64
#: What a model may say in one message; a provider that ignores its limit of tokens is cut here.
TEXT_CHARS = 200_000


@dataclass(slots=True)
class Said:
    """What a step amounts to. ended None: time ran out."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    ended: StepEnd | None = None

    @property
    def usage(self) -> StepUsage:
        return self.ended.usage if self.ended else StepUsage()

    @property
    def stop_reason(self) -> str:
        return self.ended.stop_reason if self.ended else "time"


async def step(
    model: Model, request: ModelRequest, said: Said, ids: Callable[[], str], deadline: float | None
) -> AsyncGenerator[Data, None]:
    """The events of the call; the rest goes into ``said``. deadline: of the event loop's clock.

    Raises CaddieError: see ``caddie.models.model``.
    """
    message_id, thought = "", ""
    async with aclosing(model.stream(request)) as stream:
        limit = _Deadline(deadline)
        try:
            while (event := await limit.next(stream)) is not None:
                if thought and (len(thought) >= THINKING_CHARS or not isinstance(event, ThinkingDelta)):
                    yield Thinking(text=thought)
                    thought = ""
                match event:
                    case ThinkingDelta(text=text):
                        thought += text
                    case TextDelta(text=text):
                        # A message does not begin with white space: some models send a line break before a tool call.
                        text = (text if message_id else text.lstrip())[: TEXT_CHARS - len(said.text)]
                        if text and not message_id:
                            message_id = ids()
                            yield MessageStarted(messageId=message_id)
                        if text:
                            said.text += text
                            yield MessageDelta(messageId=message_id, text=text)
                    case ToolCall() if len(said.calls) < CALLS:
                        said.calls.append(event)
                    case StepEnd():
                        said.ended = event
            if said.ended is None:
                message = "expected the model to say why it stopped, got the end of its answer"
                raise CaddieError("MODEL_FAILED", message, retryable=True)
        except TimeoutError:
            said.calls.clear()
        finally:
            limit.drop()
    if message_id:
        yield MessageCompleted(messageId=message_id, text=said.text)


class _Deadline:
    """Cuts a wait that lasts until `at` (the event loop's clock); never whoever reads what came of it.

    One timer for a whole answer: ``asyncio.timeout`` around each of its words would set and drop as many.
    """

    def __init__(self, at: float | None) -> None:
        self._timer = None if at is None else asyncio.get_running_loop().call_at(at, self._pass)
        self._waiting: asyncio.Task[Any] | None = None
        self._passed = self._struck = False

    def drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _pass(self) -> None:
        self._passed = True
        if self._waiting is not None:
            self._struck = True
            self._waiting.cancel()

    async def next(self, stream: AsyncIterator[ModelEvent]) -> ModelEvent | None:
        """The next event, None at the end. Raises TimeoutError."""
        if self._passed:
            raise TimeoutError
        task = self._waiting = asyncio.current_task()
        assert task is not None, "events are waited for in a task"
        cancelled = task.cancelling()
        try:
            return await anext(stream, None)
        except asyncio.CancelledError:
            if self._struck and task.cancelling() <= cancelled + 1:
                raise TimeoutError from None
            # Somebody else wants the task's end, too.
            raise
        finally:
            self._waiting = None
            if self._struck:
                task.uncancel()
