"""Writes runs as a worker does, for tests of what the gateway makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from caddie.recorder import Recorder, message_rows, packed
from shared import events
from shared.events import Data
from shared.fold import State
from shared.keys import conversation_key
from shared.log import EventLog, Writer
from shared.store import Store


@dataclass
class Pen:
    """One run of organisation 1."""

    redis: Redis
    store: Store
    conversation: str
    run_id: str
    recorder: Recorder = field(init=False)
    attempt: int = 1

    def __post_init__(self) -> None:
        self.log = EventLog(self.redis, 3_600, 100_000)
        self.writer = Writer(conversation_key(1, self.conversation), self.run_id, self.attempt)
        self.recorder = Recorder(self.log, self.writer, State())

    @property
    def key(self) -> str:
        return self.writer.conversation

    def _id(self, name: str) -> str:
        return f"{self.run_id}:{name}"

    async def begin(self) -> Pen:
        claim = await self.store.runs.claim(self.run_id, 3)
        assert claim is not None
        await self.log.claim(self.writer)
        bodies = self.recorder.bodies(events.MessageUser(messageId=self._id("u"), text="hello"), events.RunStarted())
        await self.recorder.append([("first", bodies[0][1]), bodies[1]])
        return self

    async def write(self, *data: Data) -> None:
        await self.recorder.append(self.recorder.bodies(*data))

    async def say(self, *texts: str, message: str = "m") -> None:
        deltas = [events.MessageDelta(messageId=self._id(message), text=text) for text in texts]
        await self.write(events.MessageStarted(messageId=self._id(message)), *deltas)

    async def said(self, text: str, message: str = "m") -> None:
        await self.write(events.MessageCompleted(messageId=self._id(message), text=text))

    async def end(self, terminal: Data | None = None, *, append: bool = True, **result: Any) -> None:
        """The database first, as the worker does; `append` False: it died before the log had it."""
        terminal = terminal or events.RunFinished(outcome="completed", result=events.RunResult(**result))
        bodies = self.recorder.bodies(terminal)
        finished = isinstance(terminal, events.RunFinished)
        assert await self.store.runs.finish(
            self.run_id, self.attempt, status="finished" if finished else "failed",
            outcome=terminal.outcome if isinstance(terminal, events.RunFinished) else None, terminal=packed(bodies),
            error_code=terminal.code if isinstance(terminal, events.RunFailed) else None,
            error_message=terminal.message if isinstance(terminal, events.RunFailed) else None,
            messages=message_rows(self.recorder.state), first_index=self.recorder.first_index,
            last_index=self.recorder.last_index,
        )  # fmt: skip
        if append:
            await self.recorder.append(bodies)
