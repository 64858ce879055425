"""INSERT … ON CONFLICT DO NOTHING in the dialect of the session.

Invariant: after it the row exists, whoever wrote it. Callers: whatever makes a row that another may have made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shared.store.tables import Base


def insert_new(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows unless one with the same unique value is there; waits for a writer that is about to commit it."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = sqlite.insert(table) if on_sqlite else postgresql.insert(table)
    session.connection().execute(statement.on_conflict_do_nothing(), rows)
