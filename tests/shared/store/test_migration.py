from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from shared.errors import CaddieError
from shared.store import Store, migrate
from shared.store.database import Database
from shared.store.tables import Base


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


async def test_migrations_produce_exactly_the_tables(url: str) -> None:
    database = Database(url)
    assert await database.read(lambda session: differences(session.connection())) == []
    await database.close()


async def test_migrating_from_several_places_at_once_and_again_is_safe(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    await migrate(empty_url)
    store = await Store.open(empty_url)
    assert not await store.accounts.any_users()
    await store.close()


async def test_a_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    await migrate(f"sqlite:///{tmp_path / 'x.db'}")
    assert (tmp_path / "x.db").stat().st_mode & 0o777 == 0o600


async def test_a_database_that_is_away_is_unavailable_at_migration() -> None:
    for url in ("sqlite:////nowhere/at/all.db", "postgresql://u:canary@127.0.0.1:9/x"):
        with pytest.raises(CaddieError, match="UNAVAILABLE") as caught:
            await migrate(url)
        assert "canary" not in str(caught.value)
