from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from shared.errors import CaddieError
from shared.store import Store, sqlite
from shared.store.database import Database, parse_url
from tests.postgres import Postgres


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'x.db')}"


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite:///:memory:", "sqlite+pysqlite://"])
async def test_a_url_of_no_known_database_is_refused(url: str) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await Store.open(url)


def test_a_bare_url_gets_the_driver() -> None:
    assert parse_url("postgres://h/d").drivername == "postgresql+psycopg"
    assert parse_url("sqlite:////x.db").drivername == "sqlite+pysqlite"


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql://u:canary@127.0.0.1:9/x"])
async def test_a_database_that_is_away_is_unavailable_and_tells_nothing(url: str) -> None:
    store = await Store.open(url)
    with pytest.raises(CaddieError, match="UNAVAILABLE") as caught:
        await store.ping()
    assert caught.value.retryable and caught.value.__cause__ is None and caught.value.__suppress_context__
    assert "canary" not in str(caught.value) and "SELECT" not in str(caught.value)
    await store.close()


INSERT = text("INSERT INTO organisations (uuid, name, created_at) VALUES (:uuid, 'n', '2026-01-01')")
COUNT = text("SELECT count(*) FROM organisations")


def add(uuid: str) -> Callable[[Session], None]:
    def work(session: Session) -> None:
        session.execute(INSERT, {"uuid": uuid})

    return work


async def count(database: Database) -> int:
    return await database.read(lambda session: session.scalar(COUNT)) or 0


async def test_an_error_inside_a_transaction_undoes_it(url: str) -> None:
    database = Database(url)

    def work(session: Session) -> None:
        add("u")(session)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(work)
    assert await count(database) == 0
    await database.close()


async def test_a_write_that_fails_leaves_those_beside_it(url: str) -> None:
    database = Database(url)
    writes = [database.write(add(uuid)) for uuid in ("a", "b", "a", "c")]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["IntegrityError", *["NoneType"] * 3]
    assert await count(database) == 3
    await database.close()


async def test_writes_that_wait_are_committed_together(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    seen: list[int] = []

    def work(session: Session) -> None:
        add(str(len(seen)))(session)
        with closing(sqlite3.connect(str(database.url.database))) as other:
            seen.append(other.execute(str(COUNT)).fetchone()[0])

    await asyncio.gather(*(database.write(work) for _ in range(5)))
    assert seen == [0] * 5 and await count(database) == 5
    await database.close()


async def test_a_cancelled_write_that_has_not_begun_is_not_done(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.ensure_future(database.write(add("a")))
        later = asyncio.ensure_future(database.write(add("b")))
        await asyncio.sleep(0)
        task.cancel()
        assert await count(database) == 0
        other.execute("COMMIT")
    await later
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database) == 1
    await database.close()


async def test_a_cancelled_transaction_leaves_the_pool_usable(postgres: Postgres) -> None:
    database = Database(postgres.url())
    for _ in range(20):
        task = asyncio.ensure_future(database.write(lambda session: session.execute(text("SELECT pg_sleep(9)"))))
        await database.ping()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await database.ping()
    await database.close()


async def test_the_callers_own_timeout_is_not_taken_for_the_databases(url: str) -> None:
    database = Database(url)

    def work(_session: Session) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await database.read(work)
    await database.close()


async def test_sqlite_is_in_wal_mode_with_foreign_keys(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
    found = await database.read(lambda session: [session.scalar(text(f"PRAGMA {name}")) for name in names])
    assert found == ["wal", 1, 0, 1]
    await database.close()


async def test_the_write_ahead_log_is_brought_into_the_file(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_EVERY", 2)
    database = Database(sqlite_url)
    path = Path(str(database.url.database))
    before = path.read_bytes()
    async with asyncio.timeout(20):
        for number in itertools.count():
            await database.write(add(f"{number}"))
            if path.read_bytes() != before:
                break
    await database.close()


async def test_a_missing_sqlite_file_is_not_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        await database.ping()
    assert not (tmp_path / "x.db").exists()
    await database.close()


async def test_a_sqlite_file_that_stays_locked_is_unavailable_to_writers_only(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    database = Database(sqlite_url)
    await database.ping()
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CaddieError, match="UNAVAILABLE"):
            await database.write(add("a"))
        await database.ping()
    await database.write(add("a"))
    assert await count(database) == 1
    await database.close()


async def test_nobody_else_waits_while_a_writer_waits_for_another_process(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(database.write(add("a")))
        for _ in range(20):
            await database.ping()
            await asyncio.sleep(0)
        assert not waiting.done()
        other.execute("ROLLBACK")
    await waiting
    await database.close()


async def test_closing_ends_what_waits(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(database.write(add("a")))
        await asyncio.sleep(0)
        await database.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_postgres_connections_that_were_cut_are_replaced(postgres: Postgres) -> None:
    database = Database(postgres.create("cut"))
    cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'cut'"
    await database.ping()
    postgres.execute(cut)
    await database.ping()

    def work(session: Session) -> None:
        session.execute(text("SELECT 1"))
        postgres.execute(cut)
        session.execute(text("SELECT 1"))

    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        await database.write(work)
    await database.ping()
    await database.close()
    postgres.drop("cut")


async def test_transactions_that_would_wait_for_one_another_are_both_done(postgres: Postgres) -> None:
    database = Database(postgres.create("deadlock"))
    made = text("CREATE TABLE t AS SELECT i FROM generate_series(1, 2) i")
    await database.write(lambda session: session.execute(made) and None)
    change, both, tries = text("UPDATE t SET i = i WHERE i = :i"), asyncio.Barrier(2), []

    def work(first: int, second: int) -> Callable[[Session], None]:
        def run(session: Session) -> None:
            tries.append(first)
            session.execute(change, {"i": first})
            if len(tries) <= 2:
                await_only(both.wait())
            session.execute(change, {"i": second})

        return run

    await asyncio.gather(database.write(work(1, 2)), database.write(work(2, 1)))
    assert len(tries) == 3
    await database.close()
    postgres.drop("deadlock")


async def test_postgres_statements_have_a_time_limit(postgres: Postgres) -> None:
    database = Database(postgres.url())
    assert await database.read(lambda session: session.scalar(text("SHOW statement_timeout"))) == "10s"
    await database.close()
