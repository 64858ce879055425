"""What a turn is given: the message, what came before it, the model, what its tools look into, and its limits.

Invariant: nothing of another user is in it. Callers: the desk makes it, ``run_turn`` works on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Protocol

from caddie.agent.library import Library
from caddie.agent.recall import Summary
from caddie.models.model import ImagePart, Model
from shared.events import Image
from shared.fold import FoldedMessage
from shared.runs import TurnInput


@dataclass(frozen=True, slots=True)
class Limits:
    """steps: model calls; tokens: output tokens of the turn; step_tokens: of one call; input_ttl_s: of a question.

    seconds: of the whole turn, None for none. history_tokens: of the earlier messages in a prompt.
    """

    steps: int = 25
    tokens: int = 200_000
    step_tokens: int = 16_000
    input_ttl_s: int = 86_400
    seconds: float | None = None
    history_tokens: int = 24_000


@dataclass(frozen=True, slots=True)
class Steer:
    """What the user added while the turn was running. id: of the message it becomes."""

    id: str
    text: str
    request_id: str | None = None
    images: tuple[Image, ...] = ()
    parts: tuple[ImagePart, ...] = ()


class Inbox(Protocol):
    """Where steering texts arrive."""

    async def take(self) -> Sequence[Steer]:
        """Those not taken yet, oldest first; from now on they are part of this run, also when its worker dies."""


class EmptyInbox:
    async def take(self) -> Sequence[Steer]:
        return ()


async def forget(summary: Summary) -> None:
    """For a conversation whose summary nobody keeps."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything a turn needs. history: without this turn's own message. images: the bytes of this turn's images.

    question: the body of the question this turn answers. failure: what went wrong in the execution to be repaired.
    summary: of the oldest messages of the history; keep: stores a newer one. model_sums_up: whether the model may be
    called for it. ids: makes a fresh UUID. clock: seconds, for durations only.
    """

    input: TurnInput
    history: Sequence[FoldedMessage]
    now: datetime
    timezone: str
    model: Model
    library: Library
    ids: Callable[[], str]
    limits: Limits = Limits()
    images: tuple[ImagePart, ...] = ()
    question: Mapping[str, Any] | None = None
    failure: str = ""
    summary: Summary | None = None
    keep: Callable[[Summary], Awaitable[None]] = forget
    model_sums_up: bool = False
    inbox: Inbox = EmptyInbox()
    clock: Callable[[], float] = monotonic
