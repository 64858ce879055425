"""Questions nobody answered in time: said in the log, then closed in the database.

Invariant: each is said once, whoever sweeps and however often one dies at it; an answer that came first stands.
Caller: the worker's sweep.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from shared import keys
from shared.events import InputExpired, encode
from shared.log import Entry, EventLog, Writer
from shared.store import Store

_log = structlog.get_logger()


async def expire_inputs(store: Store, log: EventLog) -> None:
    """Expire what is overdue. Raises CaddieError UNAVAILABLE."""
    for asked, conversation in await store.conversations.overdue_inputs(datetime.now(UTC)):
        key = keys.conversation_key(conversation.org_id, conversation.public_id)
        expired = InputExpired(inputId=asked.id)
        # A log that has gone would begin anew for nobody.
        if (await log.head(key)).index:
            # The name stands where a run's id does, so that the log drops a repetition.
            await log.append(Writer(key, f"input-{asked.id}", 1), [(Entry.of(expired).operation, encode(expired))])
        if await store.conversations.close_input(conversation.org_id, asked.id, "expired", None):
            _log.info("input.expired", input_id=asked.id)
