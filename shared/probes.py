"""Questions that any worker answers while the asker waits: does this connector work?

Only ids go through the queue, and only the outcome comes back, under a key that expires. Invariant: an asker waits no
longer than ``ANSWER_S``, and what nobody waits for any more is not tried. Callers: the gateway asks, workers serve.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from docket import Docket
from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared import keys
from shared.connections import redis_errors
from shared.errors import CaddieError

#: Name of the queue's task; its arguments are ids and the time until which somebody waits.
PROBE = "probe"
ANSWER_S = 15.0
#: Of that, what a worker may take for the trial itself.
TRIAL_S = 12.0
ENQUEUE_S = 1.0
KEPT_S = 60
FIRST_LOOK_S, LOOK_S = 0.02, 0.25


class Outcome(BaseModel):
    """What came of a trial, in words without secrets."""

    model_config = ConfigDict(frozen=True)
    ok: bool
    message: str


class Probes:
    """`redis` carries the outcomes, `queue` the questions."""

    def __init__(self, redis: Redis, queue: Docket) -> None:
        self._redis, self._queue = redis, queue

        async def probe(probe_id: str, org: int, user: int, connector_id: str, until: float) -> None:
            """Only the task's name and arguments travel; ``serve`` puts the real one in its place."""

        queue.register(probe, [PROBE])

    async def ask(self, org: int, user: int, connector_id: str) -> Outcome:
        """Raises CaddieError UNAVAILABLE."""
        probe_id, until = uuid4().hex, time.time() + ANSWER_S
        try:
            async with asyncio.timeout(ENQUEUE_S):
                await self._queue.add(PROBE, key=f"{PROBE}-{probe_id}")(probe_id, org, user, connector_id, until)
        except (RedisError, OSError) as error:
            raise CaddieError("UNAVAILABLE", "the queue is not reachable right now: try again") from error
        pause_s = FIRST_LOOK_S
        while time.time() < until:
            await asyncio.sleep(pause_s)
            pause_s = min(LOOK_S, pause_s * 1.5)
            async with redis_errors():
                found = await self._redis.get(keys.probe(probe_id))
            if found is not None:
                return Outcome.model_validate_json(found)
        raise CaddieError("UNAVAILABLE", f"expected a worker to answer within {ANSWER_S:g} s, got none: try again")

    def serve(self, trial: Callable[[int, int, str], Awaitable[Outcome]]) -> None:
        """Answer with ``trial`` of organisation, user and connector; before the queue's loop begins."""

        async def probe(probe_id: str, org: int, user: int, connector_id: str, until: float) -> None:
            if time.time() > until:
                return
            outcome = await trial(org, user, connector_id)
            async with redis_errors():
                await self._redis.set(keys.probe(probe_id), outcome.model_dump_json(), ex=KEPT_S)

        self._queue.register(probe, [PROBE])
