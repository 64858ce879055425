"""Appending to event logs: what is waiting to be appended goes to Redis together.

A round trip costs many times what one more append in it costs. Invariants: the appends of a conversation keep their
order; each is all or nothing and has its own answer, so a writer that is refused, or whose events Redis cannot take,
spoils nothing for the others; nobody waits for longer than two answers of Redis take. Called by the event log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis, RedisCluster

from shared import keys
from shared.connections import redis_errors
from shared.errors import CaddieError

#: Appends and bytes per script call: Redis serves nobody else meanwhile, some 10 µs for each append.
TOGETHER = 64
TOGETHER_BYTES = 262_144
#: Between an answer and the next call while appends are waiting; who comes alone does not wait.
PAUSE_S = 0.002
_REFUSALS = (b"FENCED", b"ENDED")


@dataclass(slots=True)
class Writer:
    """The right of one attempt to append. `seq` makes a repeated append harmless."""

    conversation: str
    run_id: str
    attempt: int
    seq: int = 0
    #: KEYS of the script, and the channel.
    keys: tuple[str, str, str, str] = field(init=False, repr=False)
    channel: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name = self.conversation
        self.keys = keys.head(name), keys.log(name), keys.inputs(name), keys.run(name, self.run_id)
        self.channel = keys.channel(name)


@dataclass(slots=True)
class _Append:
    writer: Writer
    bodies: Sequence[tuple[str, bytes]]
    size: int
    answer: asyncio.Future[tuple[int, bool]]


class Appends:
    """`await appends(writer, bodies)`; sends while something is waiting, in a task of its own."""

    def __init__(self, redis: Redis, retention_s: int, retention_events: int) -> None:
        # On a cluster the keys live on different nodes, so each append goes by itself.
        self._apart = isinstance(redis, RedisCluster)
        self._retention = retention_s, retention_events
        self._script = redis.register_script((files("shared") / "scripts" / "append.lua").read_text())
        self._waiting: deque[_Append] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, writer: Writer, bodies: Sequence[tuple[str, bytes]]) -> tuple[int, bool]:
        """(index of the last, cancel asked for). Raises CaddieError FENCED, UNAVAILABLE."""
        answer: asyncio.Future[tuple[int, bool]] = asyncio.get_running_loop().create_future()
        append = _Append(writer, bodies, sum([len(body) for _, body in bodies]), answer)
        if self._apart:
            await self._send([append])
        else:
            self._waiting.append(append)
            if self._sending is None:
                # The context of the run that came first would outlive it.
                self._sending = asyncio.create_task(self._send_waiting(), name="appends", context=Context())
        return await answer

    async def _send_waiting(self) -> None:
        taken: list[_Append] = []
        try:
            await asyncio.sleep(0)  # what else this turn of the loop brings may come along
            while self._waiting:
                taken = self._taken()
                await self._send(taken)
                if self._waiting:
                    await asyncio.sleep(PAUSE_S)
        finally:
            self._sending = None
            for append in (*taken, *self._waiting):
                append.answer.cancel()
            self._waiting.clear()

    def _taken(self) -> list[_Append]:
        """The next, at least one, without those that were given up."""
        taken: list[_Append] = []
        size = 0
        while self._waiting and len(taken) < TOGETHER:
            size += self._waiting[0].size
            if taken and size > TOGETHER_BYTES:
                break
            append = self._waiting.popleft()
            if not append.answer.done():
                taken.append(append)
        return taken

    async def _send(self, taken: list[_Append]) -> None:
        if not taken:
            return
        names: list[str] = []
        arguments: list[Any] = [*self._retention, uuid4().hex[:12]]
        for append in taken:
            writer = append.writer
            names += writer.keys
            arguments += (writer.channel, writer.run_id, writer.attempt, writer.seq, len(append.bodies))
            for each in append.bodies:
                arguments += each
        try:
            async with redis_errors():
                rows = await self._script(names, arguments)
        except Exception as error:
            rows = [error] * len(taken)
        for append, row in zip(taken, rows, strict=True):
            _answer(append, row)


def _answer(append: _Append, row: Any) -> None:
    """row: what the script says, or why it could not be asked."""
    if isinstance(row, list):
        append.writer.seq += len(append.bodies)
    if append.answer.done():
        return
    if isinstance(row, list):
        append.answer.set_result((row[0], bool(row[1])))
    elif isinstance(row, Exception):
        append.answer.set_exception(row)
    elif row in _REFUSALS:
        append.answer.set_exception(CaddieError("FENCED", "the run belongs to another attempt, or has ended"))
    else:
        error = CaddieError("UNAVAILABLE", "the event log is not reachable right now: try again")
        error.__cause__ = RuntimeError(row.decode("utf-8", "replace"))
        append.answer.set_exception(error)
