"""Bringing a database to the tables of this version.

Invariant: one process migrates at a time, and a migration is applied wholly or not at all.
Callers: `caddie migrate` and `caddie up`, before any other process opens the store; tests.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store.database import AWAY, open_backend, parse_url, unavailable
from shared.store.postgres import PostgresPool
from shared.store.sqlite import SqliteFile, is_locked

FOLDER = Path(__file__).parent / "migrations"
MIGRATION_S = 120
ATTEMPTS = 40
PAUSE_S = 0.25
# Any number that nothing else in the database locks.
ADVISORY_LOCK = 7_205_759_403_792


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to this revision, the newest; waits for another process that is doing it. UNAVAILABLE, INVALID."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        _make_private(parsed.database or "")
    backend = open_backend(parsed)
    try:
        async with asyncio.timeout(MIGRATION_S):
            await _upgrade(backend, revision)
    except TimeoutError:
        raise unavailable("migration deadline") from None
    finally:
        await backend.close()


async def _upgrade(backend: SqliteFile | PostgresPool, revision: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await backend.write(partial(_run, revision=revision))
            return
        except AWAY as error:
            # SQLite's switch to WAL does not wait for other processes, it fails at once.
            if not is_locked(error) or attempt == ATTEMPTS:
                raise unavailable(type(error).__name__) from None
        await asyncio.sleep(PAUSE_S)


def _run(session: Session, revision: str) -> None:
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL statement_timeout = {MIGRATION_S * 1000}"))
        session.execute(text(f"SET LOCAL lock_timeout = {MIGRATION_S * 1000}"))
        session.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _make_private(path: str) -> None:
    """The file holds password hashes and key digests: nobody else reads it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise CaddieError("UNAVAILABLE", f"expected a writable database file, got {error.strerror}") from None
