from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.errors import CaddieError
from shared.store import Store
from shared.store.database import Database, parse_url
from tests.postgres import Postgres


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite:///:memory:", "sqlite+aiosqlite://"])
async def test_a_url_of_no_known_database_is_refused(url: str) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await Store.open(url)


def test_a_bare_url_gets_the_driver() -> None:
    assert parse_url("postgres://h/d").drivername == "postgresql+psycopg"
    assert parse_url("sqlite:////x.db").drivername == "sqlite+aiosqlite"


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql://u:canary@127.0.0.1:9/x"])
async def test_a_database_that_is_away_is_unavailable_and_tells_nothing(url: str) -> None:
    store = await Store.open(url)
    with pytest.raises(CaddieError, match="UNAVAILABLE") as caught:
        await store.ping()
    assert caught.value.retryable and caught.value.__cause__ is None and caught.value.__suppress_context__
    assert "canary" not in str(caught.value) and "SELECT" not in str(caught.value)
    await store.close()


async def test_an_error_inside_a_transaction_undoes_it(url: str) -> None:
    database = Database(url)
    with pytest.raises(KeyError):
        async with database.transaction() as session:
            await session.execute(
                text("INSERT INTO organisations (uuid, name, created_at) VALUES ('u', 'n', '2026-01-01')")
            )
            raise KeyError
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM organisations")) == 0
    await database.close()


async def test_a_cancelled_transaction_leaves_the_pool_usable(url: str) -> None:
    database = Database(url)
    entered = asyncio.Event()

    async def hold() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            entered.set()
            await asyncio.Event().wait()

    for _ in range(20):
        entered.clear()
        task = asyncio.ensure_future(hold())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await database.ping()
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))
    await database.close()


async def test_the_callers_own_timeout_is_not_taken_for_the_databases(url: str) -> None:
    database = Database(url)
    with pytest.raises(TimeoutError):
        async with database.reading():
            raise TimeoutError
    await database.close()


async def test_sqlite_is_in_wal_mode_with_foreign_keys(sqlite_template: Path) -> None:
    database = Database(f"sqlite:///{sqlite_template}")
    async with database.reading() as session:
        found = [
            await session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 1, 5000]
    await database.close()


async def test_a_missing_sqlite_file_is_not_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        await database.ping()
    assert not (tmp_path / "x.db").exists()
    await database.close()


async def test_a_sqlite_file_that_stays_locked_is_unavailable_to_writers_only(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.database.BUSY_MS", 50)
    path = shutil.copy(sqlite_template, tmp_path / "x.db")
    database = Database(f"sqlite:///{path}")
    await database.ping()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CaddieError, match="UNAVAILABLE"):
            async with database.transaction() as session:
                await session.execute(text("SELECT 1"))
        await database.ping()
    await database.close()


async def test_postgres_connections_that_were_cut_are_replaced(postgres: Postgres) -> None:
    database = Database(postgres.create("cut"))
    cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'cut'"
    await database.ping()
    postgres.execute(cut)
    await database.ping()
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            postgres.execute(cut)
            await session.execute(text("SELECT 1"))
    await database.ping()
    await database.close()
    postgres.drop("cut")


async def test_postgres_statements_have_a_time_limit(postgres: Postgres) -> None:
    database = Database(postgres.url())
    async with database.reading() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "10s"
    await database.close()
