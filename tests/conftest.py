"""What every test may use: a real Valkey, a migrated database, settings that name both."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp.web_app import _cached_build_middleware
from pydantic import SecretStr
from redis.asyncio import Redis
from uncalled_for import annotations, introspection

from shared.connections import open_redis
from shared.log import EventLog
from shared.seal import Seal
from shared.settings import Settings
from shared.store import Store
from shared.tokens import KeyTable
from tests.postgres import Postgres, running_postgres
from tests.product import Product, running
from tests.valkey import Valkey

#: Of the younger generations, after which all is collected: some seven thousand new objects each.
COLLECTIONS = 30


def pytest_collection_finish() -> None:
    """Whole collections happen between tests only: after a thousand products in one process one would take two seconds,
    in the middle of a test that waits for an answer within one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 1_000_000)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Two libraries remember every function they were given, for good, and so the whole product it belongs to."""
    yield
    _cached_build_middleware.cache_clear()
    for module in (annotations, introspection):
        for name, remembered in vars(module).items():
            if name.endswith("_cache"):
                remembered.clear()
    if gc.get_count()[2] > COLLECTIONS:
        gc.collect()


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """A migrated database to copy: migrating for each test would take longer than the tests."""
    url = postgres.create("migrated")
    asyncio.run(Store.migrate(url))
    return "migrated"


@pytest.fixture
async def redis_url(valkey: Valkey) -> str:
    client: Redis = Redis.from_url(valkey.url)
    await client.flushall()
    await client.aclose()
    return valkey.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def log(redis: Redis) -> EventLog:
    return EventLog(redis, retention_s=3_600, retention_events=20_000)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once; each test works on a copy."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    asyncio.run(Store.migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def settings(redis_url: str, empty_database: Path, tmp_path: Path) -> Settings:
    shutil.copy(empty_database, tmp_path / "caddie.db")
    return Settings(
        _env_file=None,
        state_dir=tmp_path,
        gateway_port=0,
        server_port=0,
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(f"sqlite:///{tmp_path}/caddie.db"),
        token_keys=SecretStr(KeyTable.generate()),
        seal_key=SecretStr(Seal.generate()),
        model="offline",
        offline_words_per_s=0,
        drain_timeout_s=5,
        rate_per_minute=100_000,
        rate_per_address=100_000,
        rate_runs_per_minute=100_000,
    )


@pytest.fixture
async def product(settings: Settings) -> AsyncIterator[Product]:
    """Gateway, server and worker in this process."""
    async with running(settings) as product:
        yield product
