"""Waiting for the end of a run, for surfaces that answer with it whole.

Invariant: the answer is what the database holds, where a run ends before its log says so; the log only tells when to
look, so that a lost one costs time and never the answer. Callers: the chat and the workflow message routes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from shared.errors import ERRORS, CaddieError
from shared.events import TERMINAL
from shared.follow import Behind, LogReader, Watch
from shared.keys import conversation_key
from shared.store import Store
from shared.store.records import RunRecord

#: The longest wait of a request; its run goes on.
ANSWER_S = 120.0
#: How often the database is asked when the log is silent.
ASK_S = 2.0
_MARKS = tuple(b'"type":"%b"' % name.encode() for name in TERMINAL)


async def ended(store: Store, reader: LogReader, run: RunRecord, limit_s: float = ANSWER_S) -> RunRecord:
    """The run when it has finished. Raises what made it fail, RUN_TIMEOUT with data ``{"runId"}``, UNAVAILABLE."""
    try:
        async with asyncio.timeout(limit_s):
            found = await _over(store, reader, run)
    except TimeoutError:
        message = f"expected an answer within {limit_s:g} s, got none yet: the run goes on"
        raise CaddieError("RUN_TIMEOUT", message, data={"runId": run.id}) from None
    if found.status == "failed":
        code = found.error_code if found.error_code in ERRORS else "RUN_FAILED"
        raise CaddieError(code or "RUN_FAILED", found.error_message or "the run failed", data={"runId": run.id})
    return found


async def _over(store: Store, reader: LogReader, run: RunRecord) -> RunRecord:
    async with reader.watch(conversation_key(run.org_id, run.conversation)) as watch:
        woken = asyncio.Event()
        watch.wakes.add(woken.set)
        try:
            cursor = watch.head
            while True:
                now = await store.runs.get(run.org_id, run.id)
                if now is None:
                    raise CaddieError("NOT_FOUND", "expected a run that is kept, got one that was deleted")
                if now.over:
                    return now
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASK_S):
                        cursor = await _terminal(reader, watch, cursor, woken)
        finally:
            watch.wakes.discard(woken.set)


async def _terminal(reader: LogReader, watch: Watch, cursor: int, woken: asyncio.Event) -> int:
    """The index up to which the log was looked at, once it says that some run is over, or cannot say."""
    while True:
        woken.clear()
        try:
            entries = await reader.next(watch, cursor, watch.epoch)
        except Behind:
            return watch.head
        for index, body in entries:
            cursor = index
            if body.startswith(_MARKS):
                return cursor
        if not entries:
            await woken.wait()
