"""The composition of what executions of one worker need: blocks, accounts, models, and the way out of the house.

Invariant: all of it goes outside by the worker's one ``Reach``. Caller: ``caddie.worker``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from caddie.executing import Workshop
from caddie.reach import Reach
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


@dataclass(frozen=True, slots=True)
class Equipped:
    """trial: tries a connector the way a block would use it."""

    workshop: Workshop
    trial: Trial


def equip(
    settings: Settings, store: Store, log: EventLog, reader: LogReader, executions: Executions, reach: Reach
) -> Equipped:
    """Raises ValueError for unusable settings."""
    seal = Seal.parse(settings.seal_key_text)
    outbound = reach.outbound
    accounts, post = Accounts(store.connectors, seal), Post(outbound)
    runners = {
        **logic.RUNNERS,
        **text.RUNNERS,
        **http.runners(outbound, accounts),
        **messages.runners(outbound, accounts, post),
        **search.runners(outbound, accounts, settings.web_search_url),
        **ai.runners(Thinking.of(settings, reach.models, store, outbound)),
    }
    workshop = Workshop(
        store, log, reader, executions, runners, Sensitive(seal), lambda: datetime.now(UTC),
        active_s=settings.run_timeout_s,
    )  # fmt: skip
    return Equipped(workshop, Trial(store.connectors, accounts, outbound, post))
