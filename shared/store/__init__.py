"""The durable store: what outlives the event log, in SQLite or PostgreSQL.

Invariant: only records leave this package, and every look-up names the organisation it may see.
Callers: the composition roots open one ``Store`` per process and hand it down.
"""

from __future__ import annotations

from shared.store.accounts import Accounts
from shared.store.blobs import Blobs
from shared.store.connectors import Connectors
from shared.store.conversations import Conversations
from shared.store.database import Database
from shared.store.erasure import Erasure
from shared.store.executions import Executions
from shared.store.logins import Logins
from shared.store.members import Members
from shared.store.migration import migrate
from shared.store.proposals import Proposals
from shared.store.runs import Runs
from shared.store.sessions import Sessions
from shared.store.steers import Steers
from shared.store.summaries import Summaries
from shared.store.triggers import Triggers
from shared.store.workflows import Workflows

__all__ = ["Store", "migrate"]


class Store:
    """The repositories over one database. ``await Store.open(url)``; close it when the process ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.accounts = Accounts(database)
        self.conversations = Conversations(database)
        self.runs = Runs(database)
        self.executions = Executions(database)
        self.triggers = Triggers(database)
        self.connectors = Connectors(database)
        self.proposals = Proposals(database)
        self.steers = Steers(database)
        self.summaries = Summaries(database)
        self.workflows = Workflows(database)
        self.sessions = Sessions(database)
        self.logins = Logins(database)
        self.members = Members(database)
        self.erasure = Erasure(database)
        self.blobs = Blobs(database)

    @classmethod
    async def open(cls, url: str) -> Store:
        """Connects lazily: a database that is away now is UNAVAILABLE at the first use. INVALID for a bad URL."""
        return cls(Database(url))

    @staticmethod
    async def migrate(url: str) -> None:
        """Bring the database at ``url`` to this version's tables; safe from several processes at once."""
        await migrate(url)

    async def ping(self) -> None:
        """UNAVAILABLE when the database does not answer."""
        await self._database.ping()

    async def close(self) -> None:
        await self.sessions.open.close()
        await self._database.close()
