"""Waiting for what a run cannot do without: Redis for its events, the database for its end.

Invariant: only UNAVAILABLE is waited out, and not longer than ``PATIENCE_S``; the steps given here may be repeated.
Callers: the recorder and the attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from shared.errors import CaddieError

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 1.0
#: How long an attempt waits before it gives up; the queue then gives the run to another.
PATIENCE_S = 60.0
T = TypeVar("T")
_log = structlog.get_logger()


async def patiently(step: Callable[[], Awaitable[T]], run_id: str) -> T:
    """What `step` gives, again and again while what it needs is away. Raises its CaddieError in the end."""
    loop = asyncio.get_running_loop()
    deadline, delay = loop.time() + PATIENCE_S, RETRY_FIRST_S
    while True:
        try:
            return await step()
        except CaddieError as error:
            if error.code != "UNAVAILABLE" or loop.time() > deadline:
                raise
        _log.warning("run.waits", run_id=run_id)
        await asyncio.sleep(delay)
        delay = min(delay * 2, RETRY_LAST_S)
