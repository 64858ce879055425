"""What reaches a run under way from outside: the wish that it end, and what the user adds to it.

Invariant: a message is only a hint, that comes again every ``POLL_S`` at the latest; what the user said is in the
store. Callers: the attempt, which owns both for its run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from caddie.agent.assignment import Steer
from caddie.patience import patiently
from shared.errors import CaddieError
from shared.events import Image
from shared.follow import LogReader
from shared.log import EventLog
from shared.runs import TurnInput
from shared.store import Store
from shared.store.records import Json, RunRecord

#: How often a run looks for a wish that no message told it of.
POLL_S = 2.0
_MESSAGES = uuid5(NAMESPACE_URL, "caddie:user-message")


def message_id(run_id: str) -> str:
    """Of the user's message that made this run, the same in every attempt and wherever it is taken in."""
    return str(uuid5(_MESSAGES, run_id))


class Inbox:
    """Steers of one attempt. waiting: whether one may be there already."""

    def __init__(self, store: Store, run: RunRecord, *, waiting: bool) -> None:
        self._store, self._run = store, run
        # A second attempt begins anew, also with what the first had taken in.
        self._waiting = waiting or run.attempt > 1
        self._given: set[str] = set()

    def knock(self) -> None:
        """A steer waits in the store."""
        self._waiting = True

    async def take(self) -> Sequence[Steer]:
        """Those not given yet, waiting for a store that is away as long as patience lasts. Raises UNAVAILABLE."""
        if not self._waiting:
            return ()
        self._waiting = False
        rows = await patiently(self._taken, self._run.id)
        fresh = [row for row in rows if row[0] not in self._given]
        self._given.update(row[0] for row in fresh)
        return [_steer(*row) for row in fresh]

    async def _taken(self) -> Sequence[tuple[str, str | None, Json]]:
        """Everything the run has taken in, also what an earlier attempt did, or a call whose answer was lost."""
        await self._store.steers.take(self._run.id, self._run.attempt)
        return await self._store.steers.taken(self._run.id)


def _steer(run_id: str, request_id: str | None, given: Json) -> Steer:
    content = TurnInput.model_validate(given)
    images = tuple(Image(url=image.url, mediaType=image.mediaType) for image in content.images)
    return Steer(message_id(run_id), content.text, request_id, images)


async def watch(
    log: EventLog, reader: LogReader, conversation: str, run_id: str, cancelled: asyncio.Event, inbox: Inbox
) -> None:
    """Until the run is cancelled, or this task is."""

    def heard(control: str) -> None:
        if control == f"cancel {run_id}":
            cancelled.set()
        elif control == f"steer {run_id}":
            inbox.knock()

    watched = reader.acquire(conversation)
    watched.controls.add(heard)
    try:
        while not cancelled.is_set():
            await asyncio.sleep(POLL_S)
            try:
                cancel, steer = await log.wishes(conversation, run_id)
            except CaddieError:
                continue
            if cancel:
                cancelled.set()
            if steer:
                inbox.knock()
    finally:
        watched.controls.discard(heard)
        reader.release(watched)
