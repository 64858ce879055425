"""PostgreSQL through a pool of asynchronous connections.

Invariant: every wait is bounded: for a connection, a statement, a lock. Caller: ``Database``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, event
from sqlalchemy import exc as sql
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from shared.errors import CaddieError

POOL_WAIT_S = 5
LOCK_MS = 5_000
STATEMENT_MS = 10_000
#: Transactions that would wait for one another for ever: PostgreSQL undoes one of them, and it is made again.
DEADLOCKS_MAX = 3
DEADLOCK = "40P01"
T = TypeVar("T")


class PostgresPool:
    """`write` and `read` are one transaction each and raise what SQLAlchemy raises."""

    def __init__(self, url: URL, options: dict[str, Any]) -> None:
        # No prepared statements: PgBouncer in transaction mode hands each transaction another server connection.
        connect = {"connect_timeout": 5, "prepare_threshold": None, "tcp_user_timeout": STATEMENT_MS}
        try:
            self._engine = create_async_engine(
                url, pool_pre_ping=True, pool_recycle=1800, pool_size=5, max_overflow=10, pool_timeout=POOL_WAIT_S,
                connect_args=connect, **options,
            )  # fmt: skip
        except ModuleNotFoundError:
            raise CaddieError("INVALID", "expected the extra caddie[postgres] for this URL, got no driver") from None
        event.listen(self._engine.sync_engine, "connect", _prepare)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False, autoflush=False)

    async def write(self, work: Callable[[Session], T]) -> T:
        """What `work` gives, once it is committed."""
        for left in reversed(range(DEADLOCKS_MAX)):
            try:
                async with self._sessions.begin() as session:
                    return await session.run_sync(work)
            except sql.OperationalError as error:
                if not left or getattr(error.orig, "sqlstate", None) != DEADLOCK:
                    raise
        raise AssertionError("unreachable")

    async def read(self, work: Callable[[Session], T]) -> T:
        """What `work` gives."""
        return await self.write(work)

    async def close(self) -> None:
        await self._engine.dispose()


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET statement_timeout = {STATEMENT_MS}")
    cursor.execute(f"SET lock_timeout = {LOCK_MS}")
    cursor.execute("SET idle_in_transaction_session_timeout = 30000")
    cursor.close()
    connection.commit()
