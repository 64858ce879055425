"""One SQLite file, used from the event loop itself.

A statement takes some 20 µs, less than handing it to another thread, and a thread that runs a transaction waits for
the interpreter's lock at every statement while it holds the file's lock, for which other processes wait. What may take
long does not happen here: waiting for another process's transaction is an asynchronous wait, and checkpoints, which
sync the disk, have a thread of their own.

Invariants: writes that wait are done together, in one transaction, each inside a savepoint of its own; nobody learns
the result of a write before it is committed. Caller: ``Database``.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from random import uniform
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, NullPool, create_engine, event
from sqlalchemy import exc as sql
from sqlalchemy.orm import Session

#: How long a transaction of another process is waited for, and how often it is looked whether it has ended.
BUSY_S = 5.0
RETRY_S = 0.001
#: Writes in one transaction: others wait for it no longer than some ten milliseconds.
TOGETHER_MAX = 64
WAITING_MAX = 10_000
CHECKPOINT_EVERY = 200
#: A write-ahead log that readers have kept from starting over until now makes writers wait once.
LONG_LOG_PAGES = 8_192
#: The driver's own checkpoint, inside a commit, is only for the day when ours do not work.
LAST_RESORT_PAGES = 32_768
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Write:
    work: Callable[[Session], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class SqliteFile:
    """`write` and `read` raise what SQLAlchemy or the driver raise."""

    def __init__(self, url: URL, options: dict[str, Any]) -> None:
        self._path = url.database or ""
        self._engine = create_engine(
            url, poolclass=NullPool,
            connect_args={"timeout": 0, "check_same_thread": False, "cached_statements": 256}, **options,
        )  # fmt: skip
        event.listen(self._engine, "do_connect", _require_file)
        event.listen(self._engine, "connect", _prepare)
        # A session that fails would take the writes beside it along; the savepoints undo what has to be undone.
        setattr(self._engine.dialect, "do_rollback", lambda _connection: None)  # noqa: B010
        self._connection: Connection | None = None
        self._waiting: deque[_Write] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._commits = 0
        self._checkpoint: asyncio.Task[None] | None = None

    async def write(self, work: Callable[[Session], T]) -> T:
        """What `work` gives, once it is committed; `work` may run more than once and never waits."""
        if len(self._waiting) >= WAITING_MAX:
            raise sqlite3.OperationalError(f"expected fewer than {WAITING_MAX} waiting writes, got one more")
        item = _Write(work, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting(), name="sqlite-writes")
        result: T = await item.future
        return result

    async def read(self, work: Callable[[Session], T]) -> T:
        """What `work` gives, from one snapshot; never waits for a writer."""
        return await _patiently(partial(self._read, work))

    async def close(self) -> None:
        tasks = [task for task in (self._writing, self._checkpoint) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for item in self._waiting:
            item.future.cancel()
        self._waiting.clear()
        self._drop()
        self._engine.dispose()

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # what else this turn of the loop brings may come along
                try:
                    await _patiently(self._begin)
                except Exception as error:
                    _settle(self._take(), error)
                else:
                    taken = self._take()
                    _settle(taken, self._commit(taken))
        finally:
            self._writing = None

    def _take(self) -> list[_Write]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER_MAX))]

    def _begin(self) -> None:
        # A deferred transaction that reads, then writes, fails at once when another writer came between.
        _driver(self._open()).execute("BEGIN IMMEDIATE")

    def _commit(self, items: Sequence[_Write]) -> Exception | None:
        """Do all of them and commit; what made the transaction as a whole fail, if anything did."""
        connection = self._open()
        driver = _driver(connection)
        try:
            for item in items:
                if item.future.done():  # cancelled while it waited
                    continue
                driver.execute("SAVEPOINT item")
                try:
                    item.result = _do(connection, item.work)
                except Exception as error:
                    item.error = error
                    driver.execute("ROLLBACK TO item")
                driver.execute("RELEASE item")
            driver.execute("COMMIT")
        except Exception as error:
            self._drop()
            return error
        self._commits += 1
        if self._commits % CHECKPOINT_EVERY == 0 and (self._checkpoint is None or self._checkpoint.done()):
            self._checkpoint = asyncio.create_task(asyncio.to_thread(_checkpoint, self._path), name="sqlite-checkpoint")
        return None

    def _read(self, work: Callable[[Session], T]) -> T:
        connection = self._open()
        driver = _driver(connection)
        driver.execute("BEGIN")
        try:
            return _do(connection, work)
        finally:
            driver.execute("ROLLBACK")

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, sql.SQLAlchemyError):
                connection.close()


def _settle(items: Sequence[_Write], lost: Exception | None) -> None:
    for item in items:
        if item.future.done():
            continue
        if error := lost or item.error:
            item.future.set_exception(error)
        else:
            item.future.set_result(item.result)


def _do(connection: Connection, work: Callable[[Session], T]) -> T:
    with Session(connection, autoflush=False) as session:
        result = work(session)
        session.flush()
        return result


async def _patiently(step: Callable[[], T]) -> T:
    """What `step` gives, again while another process holds the lock it needs. The driver would sleep in our loop."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BUSY_S
    while True:
        try:
            return step()
        except (sqlite3.OperationalError, sql.OperationalError) as error:
            if not is_locked(error) or loop.time() > deadline:
                raise
        await asyncio.sleep(uniform(0.5, 1.5) * RETRY_S)


def is_locked(error: Exception) -> bool:
    """Whether another process was in the way."""
    origin = error.orig if isinstance(error, sql.DBAPIError) else error
    return str(getattr(origin, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _checkpoint(path: str) -> None:
    """Bring the write-ahead log into the file, on a connection and thread of its own."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > LONG_LOG_PAGES:
            connection.execute("PRAGMA wal_checkpoint(RESTART)")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _require_file(_dialect: object, _record: object, arguments: Sequence[Any], _options: object) -> None:
    # SQLite would make an empty file that others may read; only a migration makes one.
    path = str(arguments[0])
    if not path.startswith("file:") and not os.path.isfile(path):
        raise sqlite3.OperationalError("expected a migrated database file, got none")


def _prepare(connection: Any, _record: object) -> None:
    # None: the driver begins nothing by itself.
    connection.isolation_level = None
    cursor = connection.cursor()
    pragmas = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"wal_autocheckpoint={LAST_RESORT_PAGES}")
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
