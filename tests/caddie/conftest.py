"""Attempts of runs with a scripted agent, on a real log and a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from caddie.attempt import Attempts, Job
from shared import keys
from shared.connections import open_redis
from shared.errors import CaddieError
from shared.events import (
    Data,
    Event,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    RunFinished,
    RunResult,
    decode,
)
from shared.fold import State, fold
from shared.follow import LogReader
from shared.log import EventLog, Writer
from shared.runs import TurnInput
from shared.settings import Settings
from shared.store import Store
from shared.store.records import Claim, RunRecord

TALK = (
    MessageStarted(messageId="m"),
    MessageDelta(messageId="m", text="Hello "),
    MessageDelta(messageId="m", text="you."),
    MessageCompleted(messageId="m", text="Hello you."),
)
DONE = RunFinished(outcome="completed", result=RunResult(message="Hello you."))


@dataclass
class Scripted:
    """Says what it is told, each message under an id of its own; an exception in the script is raised.

    `steps` are called before the event of their number; `hold` there never comes back.
    """

    script: Sequence[Data | Exception] = (*TALK, DONE)
    steps: dict[int, Any] = field(default_factory=dict)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    turns: int = 0

    def model_name(self, content: TurnInput) -> str:
        return "scripted/test"

    async def work(self, job: Job) -> AsyncGenerator[Data, None]:
        self.turns += 1
        self.begun.set()
        own = f"{job.claim.run.id[:8]}-{job.claim.run.attempt}-"
        for number, event in enumerate(self.script):
            if step := self.steps.get(number):
                await step()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, MessageStarted | MessageDelta | MessageCompleted):
                event = event.model_copy(update={"messageId": own + event.messageId})
            if isinstance(event, RunFinished) and job.state.definition != job.state.before:
                result = event.result.model_copy(update={"workflow": job.state.definition})
                event = event.model_copy(update={"result": result})
            yield event


async def hold() -> None:
    await asyncio.Event().wait()


class Frail(EventLog):
    """Cannot append a run's last word `failures` times; `error` is what it says."""

    failures = 0
    error: Exception = RuntimeError("the process died here")

    async def append(self, writer: Writer, bodies: Sequence[tuple[str, bytes]]) -> tuple[int, bool]:
        if self.failures and any(operation == "end" for operation, _ in bodies):
            self.failures -= 1
            raise self.error
        return await super().append(writer, bodies)


@dataclass
class Rig:
    settings: Settings
    store: Store
    redis: Redis
    log: Frail
    reader: LogReader
    org: int
    user: int
    queued: list[str] = field(default_factory=list)

    def attempts(self, agent: Scripted, log: EventLog | None = None, timeout_s: float = 20) -> Attempts:
        async def enqueue(run_id: str) -> None:
            self.queued.append(run_id)

        async def execute(claim: Claim) -> None:
            raise AssertionError("no execution was submitted here")

        return Attempts(
            self.store, log or self.log, self.reader, agent, enqueue, execute, attempts_max=3, timeout_s=timeout_s
        )  # fmt: skip

    async def submit(self, conversation: str = "c-1", text: str = "hi", **more: Any) -> RunRecord:
        content = TurnInput(text=text, **more).model_dump(mode="json", exclude_none=True)
        run, _ = await self.store.runs.submit(
            self.org, self.user, conversation, str(uuid4()), "turn", "h", content, when_busy="queue"
        )
        return run

    async def status(self, run: RunRecord) -> str:
        found = await self.store.runs.find(run.id)
        assert found is not None
        return found.status

    async def events(self, conversation: str = "c-1") -> list[Event]:
        entries = await self.log.read(keys.conversation_key(self.org, conversation), 0, 100_000)
        return [decode(index, body) for index, body in entries]

    async def types(self, conversation: str = "c-1") -> list[str]:
        return [event.type for event in await self.events(conversation)]

    async def folded(self, conversation: str) -> State:
        return fold(await self.events(conversation))


@asynccontextmanager
async def rigged(settings: Settings) -> AsyncIterator[Rig]:
    redis = open_redis(settings.redis_address)
    store = await Store.open(settings.database_address)
    log = Frail(redis, 3_600, 20_000)
    user = await store.accounts.sign_up("Acme", f"{uuid4().hex}@example.com", "Ada")
    try:
        async with LogReader(log, settings.redis_address) as reader:
            yield Rig(settings, store, redis, log, reader, user.org_id, user.id)
    finally:
        await store.close()
        await redis.aclose()


@pytest.fixture
async def rig(settings: Settings) -> AsyncIterator[Rig]:
    async with rigged(settings) as rig:
        yield rig


async def fails_with(code: str, work: Any) -> CaddieError:
    with pytest.raises(CaddieError) as caught:
        await work
    assert caught.value.code == code
    return caught.value
