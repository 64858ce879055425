"""`store`: every test that takes it runs on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from shared.store import Store, migrate
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "migrated.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"t{uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "store.db")
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    template: str = request.getfixturevalue("postgres_template")
    server: Postgres = request.getfixturevalue("postgres")
    name = f"t{uuid4().hex}"
    yield server.create(name, template)
    server.drop(name)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    yield opened
    await opened.close()


@dataclass(frozen=True)
class Tenant:
    org: int
    user: int


@pytest.fixture
async def tenant(store: Store) -> Tenant:
    user = await store.accounts.sign_up("First", "Ada@Example.com", "Ada")
    return Tenant(user.org_id, user.id)


@pytest.fixture
async def stranger(store: Store) -> Tenant:
    """A user of another organisation."""
    user = await store.accounts.sign_up("Second", "eve@example.com", "Eve")
    return Tenant(user.org_id, user.id)
