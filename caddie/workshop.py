"""The composition of what executions of one worker need: blocks, accounts, models, and the way out of the house.

Invariant: everything that goes outside for a user goes through one guarded ``Outbound``. Caller: ``caddie.worker``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from caddie.executing import Workshop
from caddie.models.table import ModelTable
from caddie.outbound import Outbound
from caddie.thinking import Thinking
from caddie.workflow.accounts import Accounts
from caddie.workflow.blocks import ai, http, logic, messages, search, text
from caddie.workflow.mail import Post
from caddie.workflow.trial import Trial
from shared.executions import Executions
from shared.follow import LogReader
from shared.log import EventLog
from shared.seal import Seal
from shared.sensitive import Sensitive
from shared.settings import Settings
from shared.store import Store

#: With as few as a chat needs, one user's slow receivers would hold up everybody's steps.
CONNECTIONS = 512


@dataclass(frozen=True, slots=True)
class Equipped:
    """trial: tries a connector the way a block would use it."""

    workshop: Workshop
    trial: Trial


@asynccontextmanager
async def open_workshop(
    settings: Settings, store: Store, log: EventLog, reader: LogReader, executions: Executions
) -> AsyncIterator[Equipped]:
    """Raises ValueError for unusable settings."""
    seal = Seal.parse(settings.seal_key_text)
    outbound, models = Outbound(settings.outbound_networks, connections=CONNECTIONS), ModelTable(settings)
    accounts, post = Accounts(store.connectors, seal), Post(outbound)
    runners = {
        **logic.RUNNERS,
        **text.RUNNERS,
        **http.runners(outbound, accounts),
        **messages.runners(outbound, accounts, post),
        **search.runners(outbound, accounts, settings.web_search_url),
        **ai.runners(Thinking.of(settings, models, store, outbound)),
    }
    workshop = Workshop(
        store, log, reader, executions, runners, Sensitive(seal), lambda: datetime.now(UTC),
        active_s=settings.run_timeout_s,
    )  # fmt: skip
    try:
        yield Equipped(workshop, Trial(store.connectors, accounts, outbound, post))
    finally:
        await models.close()
        await outbound.close()
