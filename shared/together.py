"""Questions that are put at the same time are asked together.

A round trip costs many times what one more question in it costs. What comes while one is under way makes up the next;
who comes alone does not wait. Invariant: an answer was looked up after its question was put, and a question that its
asker has given up is not asked. Callers: rate limits and session calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import CaddieError

WAITING_MAX = 10_000
Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """`ask` answers questions in their order; an answer that is an exception is raised to its asker alone."""

    def __init__(self, name: str, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]], most: int) -> None:
        self._name, self._ask, self._most = name, ask, most
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, question: Q) -> A:
        """The answer. Raises what `ask` raises or gives for it, and UNAVAILABLE when too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            raise CaddieError("UNAVAILABLE", f"expected fewer than {WAITING_MAX} waiting calls, got one more")
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_waiting(), name=self._name)
        return await future

    async def close(self) -> None:
        """Whoever still waits is cancelled."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()

    async def _ask_waiting(self) -> None:
        taken: list[tuple[Q, asyncio.Future[A]]] = []
        try:
            while self._waiting:
                await asyncio.sleep(0)  # what else this turn of the loop brings may come along
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
                taken = [(question, future) for question, future in taken if not future.done()]
                await self._answer(taken)
        finally:
            self._asking = None
            for _, future in taken:
                future.cancel()

    async def _answer(self, taken: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        if not taken:
            return
        answers: Sequence[A | Exception]
        try:
            answers = await self._ask([question for question, _ in taken])
        except Exception as error:
            answers = [error] * len(taken)
        for (_, future), answer in zip(taken, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
