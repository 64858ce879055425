"""INSERT … ON CONFLICT DO NOTHING in the dialect of the session.

Invariant: after it the row exists, whoever wrote it. Callers: conversations and blobs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from shared.store.tables import Base


async def insert_new(session: AsyncSession, table: type[Base], values: dict[str, Any]) -> None:
    """Insert a row unless one with the same unique value is there; waits for a writer that is about to commit it."""
    if session.get_bind().dialect.name == "sqlite":
        await session.execute(sqlite.insert(table).values(**values).on_conflict_do_nothing())
    else:
        await session.execute(postgresql.insert(table).values(**values).on_conflict_do_nothing())
