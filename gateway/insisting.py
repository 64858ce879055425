"""Finishing what is done in one place and not yet in the others: the database has it, Redis has to hear of it.

Invariant: a Redis that is away for a moment changes nothing; one that stays away makes the call UNAVAILABLE. Callers:
handlers that go on when their client leaves (``uncut`` in the route table).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.errors import CaddieError

#: Together well inside the time a handler has.
TRIES = 10
PAUSE_S = 1.0
_log = structlog.get_logger()


async def insist(step: Callable[[], Awaitable[None]], name: str) -> None:
    """Do ``step``, again while what it needs is away; it may be repeated. Raises its CaddieError in the end."""
    for left in reversed(range(TRIES)):
        try:
            return await step()
        except CaddieError as error:
            if error.code != "UNAVAILABLE" or not left:
                raise
        _log.warning("step.waits", step=name)
        await asyncio.sleep(PAUSE_S)
