"""What a socket server asks Redis before it lets a session in: was it revoked, and where does its event log stand.

Clients that come at the same time share a round trip, because a round trip costs many times what one client adds to it.
Invariant: an answer was read after its question was put, and nobody waits for longer than two answers of Redis take.
Called by the Socket.IO server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Self

import orjson
import structlog
from redis.asyncio import Redis, RedisCluster

from shared import keys
from shared.connections import redis_errors
from shared.errors import CaddieError
from shared.log import EventLog, Head
from shared.sessions import Revocations, revocation_keys, revoked_by
from shared.tokens import Session

#: Sessions per script call: Redis serves nobody else meanwhile, some 5 µs for each.
TOGETHER = 64
#: Between an answer and the next question; who comes alone does not wait.
PAUSE_S = 0.005
_Question = tuple[Session, asyncio.Future[Any]]
_log = structlog.get_logger()


class Admission:
    """Use as an async context manager: it owns its task."""

    def __init__(self, redis: Redis, revocations: Revocations, log: EventLog) -> None:
        # On a cluster the keys live on different nodes, so each session is looked up by itself.
        self._apart = isinstance(redis, RedisCluster)
        self._revocations, self._event_log = revocations, log
        self._script = redis.register_script((files("shared") / "scripts" / "admit.lua").read_text())
        self._questions: deque[_Question] = deque()
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._answer(), name="admission")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        _refuse(self._questions)

    async def head(self, session: Session) -> Head:
        """Where the log of the session's conversation stands. Raises CaddieError TOKEN_REVOKED, UNAVAILABLE."""
        if self._apart:
            await self._revocations.check(session)
            return await self._event_log.head(keys.conversation_key(session.org, session.conversation))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._questions.append((session, answer))
        self._asked.set()
        times, (index, epoch, run, first, mode), inputs, oldest = await answer
        if revoked_by(session, times):
            raise CaddieError("TOKEN_REVOKED", "the session was revoked")
        return Head(
            index=int(index or 0),
            epoch=(epoch or b"").decode(),
            oldest=int(oldest.split(b"-", 1)[0]) if oldest else 1,
            run_id=run.decode() if run else None,
            first=int(first or 0),
            mode=mode.decode() if mode else None,
            inputs=tuple(orjson.loads(b"{" + body)["data"] for body in inputs),
        )

    async def _answer(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._questions:
                batch = [self._questions.popleft() for _ in range(min(TOGETHER, len(self._questions)))]
                try:
                    await self._ask(batch)
                except CaddieError:
                    # Whoever asked meanwhile would wait for the same.
                    batch += self._questions
                    self._questions.clear()
                except Exception:
                    _log.exception("admission.failed")
                finally:
                    _refuse(batch)
                if len(self._questions) < TOGETHER:
                    await asyncio.sleep(PAUSE_S)

    async def _ask(self, batch: list[_Question]) -> None:
        names = [name for session, _ in batch for name in _names(session)]
        async with redis_errors():
            rows = await self._script(names)
        for (_, answer), row in zip(batch, rows, strict=True):
            if not answer.done():
                answer.set_result(row)


def _refuse(questions: Iterable[_Question]) -> None:
    """Those without an answer get none."""
    for _, answer in questions:
        if not answer.done():
            answer.set_exception(CaddieError("UNAVAILABLE", "the event log is not reachable right now: try again"))


def _names(session: Session) -> tuple[str, ...]:
    conversation = keys.conversation_key(session.org, session.conversation)
    return (*revocation_keys(session), keys.head(conversation), keys.inputs(conversation), keys.log(conversation))
