"""The protocol every language model is spoken to with: one request in, one stream of events out.

Invariant: a stream that ends without an exception ends with exactly one ``StepEnd``; everything else is a
``CaddieError`` whose code is MODEL_FAILED, RATE_LIMITED, UNAVAILABLE, FORBIDDEN or INVALID. Closing the
iterator closes the provider's connection. Callers: the agent's turn loop; implementers: the modules beside.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

StopReason = Literal["end", "tool_use", "max_tokens", "refusal"]


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image for the model: base64 of the bytes and their media type."""

    media_type: str
    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserTurn:
    text: str
    images: tuple[ImagePart, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A finished call. `args` is None when the model's arguments were no JSON object; `raw` then holds them."""

    id: str
    name: str
    args: dict[str, Any] | None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """What the model said. `replay`: the provider's own blocks, to be sent back unchanged (signed thinking)."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    replay: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """The answer to one call; `value` is JSON."""

    id: str
    name: str
    ok: bool
    value: Any


@dataclass(frozen=True, slots=True)
class ToolTurn:
    """The answers to all calls of the assistant turn before it."""

    outcomes: tuple[ToolOutcome, ...]


Turns = tuple[UserTurn | AssistantTurn | ToolTurn, ...]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """The turn's facts in structured form. Providers read them as text; the offline model reads this.

    message: what the user wrote, bare. definition: the working workflow at this step. start: the one the turn began
    with. answering: the message answers a question of an earlier turn.
    """

    message: str
    definition: dict[str, Any] | None
    start: dict[str, Any] | None
    now: datetime
    timezone: str
    mode: str
    answering: bool = False


@dataclass(frozen=True, slots=True)
class ModelRequest:
    system: str
    turns: Turns
    tools: tuple[ToolSpec, ...]
    max_tokens: int
    temperature: float | None = None
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class StepUsage:
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class StepEnd:
    stop_reason: StopReason
    usage: StepUsage
    replay: tuple[dict[str, Any], ...] = ()


ModelEvent = TextDelta | ThinkingDelta | ToolCallStarted | ToolCall | StepEnd


class Model(Protocol):
    """One model of one provider."""

    @property
    def name(self) -> str:
        """`provider/model`, as runs record it."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """One model call. Errors: CaddieError, see the module's docstring."""
