"""The seam between the executor and the blocks: what a block is given, and how it answers or fails.

Invariant: a block sees its own step only, with its payload filled in; what it gives back is JSON. Callers: the
executor, every module of ``caddie.workflow.blocks``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from shared.workflows import Connector

#: `instant`: pure, computed at once, and again after a crash. `repeatable`: asks outside, changes nothing there.
#: `effect`: changes something outside, so that it runs at most once per step.
Kind = Literal["instant", "repeatable", "effect"]
Result = dict[str, JsonValue]


class StepError(Exception):
    """Why a step failed. code: UPPER_SNAKE, shown to clients; message: expected and got, without secrets.

    retryable: trying again may help, and, for an effect, nothing has left the machine yet. retry_after_s: not sooner.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retryable, self.retry_after_s = code, message, retryable, retry_after_s


@dataclass(frozen=True, slots=True)
class Origin:
    """The execution a step belongs to. thread: the conversation whose earlier messages an agent remembers."""

    execution_id: str
    org: int
    user: int
    workflow_id: str
    depth: int = 0
    thread: str | None = None


def _no_secret(text: str) -> None:
    """Nobody masks."""


@dataclass(frozen=True, slots=True)
class Call:
    """One step of a block.

    payload: expressions filled in, secrets open. step_id: a UUID, the same in every attempt, for receivers that drop
    repetitions. parents: results of the nodes that led here, in the order of the definition. hide: takes each secret
    the block opens, to be masked in whatever it says. last_try: no other follows, so that an answer which asks to come
    back later is the result. path: the iterations it belongs to.
    """

    node_id: str
    type: str
    payload: Mapping[str, JsonValue]
    step_id: str
    origin: Origin
    connector: Connector | None = None
    parents: tuple[JsonValue, ...] = ()
    hide: Callable[[str], None] = _no_secret
    last_try: bool = True
    path: str = ""


def no_retries(payload: Mapping[str, JsonValue]) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Runner:
    """How one block type runs. `work` gives the result or raises StepError.

    compute: of a block that is done at once and never waits, its work as a plain function.
    time_s: the longest one try may take; the payload's own `timeoutSeconds` belongs to the block.
    retries: further tries after a retryable failure, with a pause that doubles from one second.
    """

    work: Callable[[Call], Awaitable[Result]]
    kind: Callable[[Mapping[str, JsonValue]], Kind] = field(default=lambda payload: "effect")
    time_s: float = 130.0
    retries: Callable[[Mapping[str, JsonValue]], int] = no_retries
    compute: Callable[[Call], Result] | None = None


def instant(work: Callable[[Call], Result]) -> Runner:
    """A runner of a pure function, which must not block."""

    async def run(call: Call) -> Result:
        return work(call)

    return Runner(run, kind=lambda payload: "instant", time_s=10.0, compute=work)
