"""One database, SQLite or PostgreSQL by URL, and its short transactions.

A transaction is a plain function of a Session, the same for both. Invariant: it ends within ``TRANSACTION_S``; a
database that is away or busy is one error, UNAVAILABLE, that tells a client nothing of SQL; an IntegrityError passes,
because a repository knows what it means. Callers: the repositories; the composition roots reach it through ``Store``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
import structlog
from sqlalchemy import URL, make_url, text
from sqlalchemy import exc as sql
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store.postgres import PostgresPool
from shared.store.sqlite import SqliteFile

TRANSACTION_S = 15.0
COLLISIONS = 8
DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
AWAY = (
    sql.OperationalError, sql.InterfaceError, sql.DisconnectionError, sql.TimeoutError, sqlite3.OperationalError,
    sqlite3.DatabaseError,
)  # fmt: skip
T = TypeVar("T")
logger = structlog.get_logger()


def parse_url(url: str) -> URL:
    """The URL with the driver this project names; INVALID for any other database. The message never holds the URL."""
    try:
        parsed = make_url(url)
    except sql.ArgumentError:
        raise CaddieError("INVALID", "expected a database URL, got text that is none") from None
    backend = parsed.get_backend_name()
    if backend not in DRIVERS:
        raise CaddieError("INVALID", f"expected sqlite:// or postgresql+psycopg://, got {backend}://")
    return parsed.set(drivername=DRIVERS[backend])


def open_backend(url: URL) -> SqliteFile | PostgresPool:
    """Connects at its first use. Raises CaddieError INVALID."""
    options = {"json_serializer": _dump, "json_deserializer": _load, "hide_parameters": True}
    if url.get_backend_name() != "sqlite":
        return PostgresPool(url, options)
    if url.database in (None, "", ":memory:"):
        raise CaddieError("INVALID", "expected a file for SQLite, got a database in memory")
    return SqliteFile(url, options)


class Database:
    """``write`` for functions that change something, ``read`` for the others; each call is one transaction."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self._backend = open_backend(self.url)

    async def write(self, work: Callable[[Session], T]) -> T:
        """What ``work`` gives, once it is committed; what it raises undoes it. UNAVAILABLE; IntegrityError as it is.

        ``work`` changes nothing but the database: it may be run again, or undone after it returned.
        """
        return await _bounded(self._backend.write(work))

    async def read(self, work: Callable[[Session], T]) -> T:
        """What ``work`` gives; never waits for a writer. UNAVAILABLE."""
        return await _bounded(self._backend.read(work))

    async def settle(self, work: Callable[[Session], T]) -> T:
        """``work`` in a write transaction, again from the start when another writer took a unique value first."""
        for _ in range(COLLISIONS):
            try:
                return await self.write(work)
            except sql.IntegrityError:
                continue
        raise CaddieError("CONFLICT", f"expected to settle within {COLLISIONS} attempts, lost each", retryable=True)

    async def ping(self) -> None:
        """UNAVAILABLE when the database does not answer."""
        await self.read(lambda session: session.execute(text("SELECT 1")).all())

    async def close(self) -> None:
        await self._backend.close()


async def _bounded(transaction: Awaitable[T]) -> T:
    """What the transaction gives, with the errors of a database as ours."""
    limit = asyncio.timeout(TRANSACTION_S)
    try:
        async with limit:
            return await transaction
    except TimeoutError:
        if not limit.expired():
            raise
        raise unavailable("deadline") from None
    except sql.IntegrityError:
        raise
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


def _load(text: str | bytes | float) -> Any:
    # SQLite keeps a JSON number that stands alone as a number.
    return text if isinstance(text, int | float) else orjson.loads(text)


def unavailable(cause: str) -> CaddieError:
    """The one error for a database that is away; ``cause`` goes to the log only."""
    logger.warning("store.unavailable", cause=cause)
    return CaddieError("UNAVAILABLE", "expected the database to answer in time, got nothing")


def _cause(error: Exception) -> str:
    """Class and SQLSTATE for the log: neither holds a statement, a value or an address."""
    origin = getattr(error, "orig", None) or error
    state = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    return f"{type(origin).__name__} {state or ''}".strip()
