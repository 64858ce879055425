"""What an AI block asks of a language model, and what it gets.

Invariant: a block knows no provider, no key and no store. Callers: ``caddie.workflow.blocks.ai``; the implementation is
``caddie.thinking``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from caddie.workflow.runner import Call


@dataclass(frozen=True, slots=True)
class Line:
    """One earlier message of a chat thread."""

    id: str
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A chat thread as a step sees it. message: the one that started the execution; history: what was said before."""

    message: str = ""
    history: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one or more calls of a model."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    calls: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.calls + other.calls,
        )

    def wire(self) -> dict[str, JsonValue]:
        return {
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "cacheReadTokens": self.cache_read_tokens,
            "cacheWriteTokens": self.cache_write_tokens,
            "modelCalls": self.calls,
        }


@dataclass(frozen=True, slots=True)
class Completion:
    """The text a model ended with."""

    text: str
    spent: Spent


class Ai(Protocol):
    """Language models and their tools."""

    @property
    def tools(self) -> Sequence[str]:
        """Names of the tools an agent may be given."""

    async def thread(self, call: Call) -> Thread:
        """The chat thread of the call's execution, empty without one. Raises CaddieError."""

    async def complete(
        self,
        call: Call,
        *,
        system: str,
        prompt: str,
        model: str | None = None,
        temperature: float | None = None,
        tools: Sequence[str] = (),
        history: Sequence[Line] = (),
    ) -> Completion:
        """The model's answer, after as many rounds of tools as it wants within the limits.

        Raises StepError MODEL_LIMIT or MODEL_DECLINED; CaddieError of the model (``caddie.models.model``).
        """
