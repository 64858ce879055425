"""One database connection pool, SQLite or PostgreSQL by URL, and its short transactions.

Invariant: a transaction ends within ``TRANSACTION_S``; a database that is away or busy is one error, UNAVAILABLE,
that tells a client nothing of SQL; an IntegrityError passes, because a repository knows what it means.
Callers: the repositories; the composition roots reach it through ``Store``.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeVar

import orjson
import structlog
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy import exc as sql
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.errors import CaddieError

TRANSACTION_S = 15.0
POOL_WAIT_S = 5
BUSY_MS = 5_000
STATEMENT_MS = 10_000
COLLISIONS = 8
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
AWAY = (sql.OperationalError, sql.InterfaceError, sql.DisconnectionError, sql.TimeoutError)
T = TypeVar("T")
logger = structlog.get_logger()


def parse_url(url: str) -> URL:
    """The URL with the driver this project uses; INVALID for any other database. The message never holds the URL."""
    try:
        parsed = make_url(url)
    except sql.ArgumentError:
        raise CaddieError("INVALID", "expected a database URL, got text that is none") from None
    backend = parsed.get_backend_name()
    if backend not in DRIVERS:
        raise CaddieError("INVALID", f"expected sqlite+aiosqlite:// or postgresql+psycopg://, got {backend}://")
    return parsed.set(drivername=DRIVERS[backend])


def open_engine(url: URL) -> AsyncEngine:
    """An engine with bounded waits; SQLite in WAL mode with explicit BEGIN."""
    options: dict[str, Any] = {
        "json_serializer": _dump,
        "json_deserializer": orjson.loads,
        "hide_parameters": True,
        "pool_size": 5,
        "max_overflow": 10,
        "pool_timeout": POOL_WAIT_S,
    }
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise CaddieError("INVALID", "expected a file for SQLite, got a database in memory")
        engine = create_async_engine(url, connect_args={"timeout": BUSY_MS / 1000}, **options)
        event.listen(engine.sync_engine, "do_connect", _require_file)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    # No prepared statements: PgBouncer in transaction mode hands each transaction another server connection.
    connect = {"connect_timeout": 5, "prepare_threshold": None, "tcp_user_timeout": STATEMENT_MS}
    try:
        engine = create_async_engine(url, pool_pre_ping=True, pool_recycle=1800, connect_args=connect, **options)
    except ModuleNotFoundError:
        raise CaddieError("INVALID", "expected the extra caddie[postgres] for this URL, got no driver") from None
    event.listen(engine.sync_engine, "connect", _prepare_postgres)
    return engine


class Database:
    """``transaction()`` for writing, ``reading()`` for reading; both give an AsyncSession that commits on leaving."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.engine = open_engine(self.url)
        writing = self.engine.execution_options(immediate=True)
        self._writers = async_sessionmaker(writing, expire_on_commit=False, autoflush=False)
        self._readers = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        # SQLite's file lock is polled, not queued: writers of one process line up here, fairly, before it.
        self._turn = asyncio.Lock() if self.url.get_backend_name() == "sqlite" else None

    def transaction(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A short write transaction. Errors: UNAVAILABLE; IntegrityError as it is."""
        return self._transaction(self._writers, self._turn or nullcontext())

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A short transaction that only reads; never waits for a writer."""
        return self._transaction(self._readers, nullcontext())

    async def settle(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """``work`` in a write transaction, again from the start when another writer took a unique value first."""
        for _ in range(COLLISIONS):
            try:
                async with self.transaction() as session:
                    return await work(session)
            except sql.IntegrityError:
                continue
        raise CaddieError("CONFLICT", f"expected to settle within {COLLISIONS} attempts, lost each", retryable=True)

    async def ping(self) -> None:
        """UNAVAILABLE when the database does not answer."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def _transaction(
        self, sessions: async_sessionmaker[AsyncSession], turn: AbstractAsyncContextManager[Any]
    ) -> AsyncIterator[AsyncSession]:
        limit = asyncio.timeout(TRANSACTION_S)
        try:
            async with limit, turn, sessions() as session, session.begin():
                yield session
        except TimeoutError:
            if not limit.expired():
                raise
            raise unavailable("deadline") from None
        except AWAY as error:
            raise unavailable(_cause(error)) from None
        except (sql.DataError, UnicodeEncodeError):
            raise CaddieError("INVALID", "expected text the database can hold, got text it refuses") from None
        except (sql.StatementError, UnstorableError) as error:
            # psycopg serialises while it executes, outside of what SQLAlchemy wraps.
            origin = error.orig if isinstance(error, sql.StatementError) else error
            if isinstance(origin, UnstorableError):
                raise CaddieError("INVALID", f"expected JSON that can be stored, got {origin}") from None
            raise


class UnstorableError(TypeError):
    """A value that has no JSON form (an integer beyond 64 bits, a lone surrogate)."""


def _dump(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise UnstorableError(str(error)) from None


def unavailable(cause: str) -> CaddieError:
    """The one error for a database that is away; ``cause`` goes to the log only."""
    logger.warning("store.unavailable", cause=cause)
    return CaddieError("UNAVAILABLE", "expected the database to answer in time, got nothing")


def _cause(error: Exception) -> str:
    """Class and SQLSTATE for the log: neither holds a statement, a value or an address."""
    origin = getattr(error, "orig", None) or error
    state = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    return f"{type(origin).__name__} {state or ''}".strip()


def _require_file(_dialect: object, _record: object, arguments: Sequence[Any], _options: object) -> None:
    # SQLite would make an empty file that others may read; only a migration makes one.
    path = str(arguments[0])
    if not path.startswith("file:") and not os.path.isfile(path):
        raise sqlite3.OperationalError("expected a migrated database file, got none")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # None: the driver begins nothing by itself, so that `_begin_sqlite` may say IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads, then writes, fails at once when another writer came between.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _prepare_postgres(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET statement_timeout = {STATEMENT_MS}")
    cursor.execute(f"SET lock_timeout = {BUSY_MS}")
    cursor.execute("SET idle_in_transaction_session_timeout = 30000")
    cursor.close()
    connection.commit()
