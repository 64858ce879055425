"""`caddie check`: is this machine fit to run Caddie, one line a finding.

Invariant: it changes nothing and prints no secret; every wait is bounded. The floors are those below which a known
fault or hole would be ours too.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

from caddie.accounts import opened
from shared.connections import open_redis, redis_errors
from shared.errors import CaddieError
from shared.plugins import library
from shared.preflight import EVICTION, refusals
from shared.settings import Settings

REDIS_FLOOR = 7
CLOCK_SKEW_S = 2.0
DISK_FREE_BYTES = 1024**3
FLOORS = {
    "aiohttp": "3.14.5",
    "anthropic": "2.12",
    "cryptography": "48.0.1",
    "orjson": "3.9.15",
    "pydantic": "2.14",
    "pyjwt": "2.15.1",
    "python-engineio": "4.15.1",
    "python-socketio": "5.18.1",
    "redis": "8.1.0",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. message: expected and got when it is not ok."""

    name: str
    ok: bool
    message: str


async def findings(settings: Settings) -> list[Finding]:
    """Everything `caddie check` looks at, in its order."""
    return [
        *configuration(settings),
        *versions(),
        *await redis_server(settings),
        await database(settings),
        disk(settings),
        *plugins(),
    ]


def configuration(settings: Settings) -> Iterator[Finding]:
    reasons = refusals(settings)
    for reason in reasons:
        yield Finding("configuration", False, reason)
    if not reasons:
        yield Finding("configuration", True, f"{settings.env}, model {settings.model_name}")


def versions() -> Iterator[Finding]:
    for name, floor in FLOORS.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, f"expected ≥ {floor}, got none")
            continue
        ok = _numbers(found) >= _numbers(floor)
        yield Finding(name, ok, found if ok else f"expected ≥ {floor}, got {found}")


async def redis_server(settings: Settings) -> list[Finding]:
    if settings.redis_url is None:
        return [Finding("redis", False, "CADDIE_REDIS_URL: expected an address, got nothing")]
    try:
        redis = open_redis(settings.redis_url.get_secret_value(), max_connections=1)
    except ValueError as error:
        return [Finding("redis", False, str(error))]
    try:
        async with redis_errors():
            facts = await redis.info("server")
            seconds, microseconds = await redis.time()
            policy = (await redis.info("memory")).get("maxmemory_policy", "unknown")
    except CaddieError:
        return [Finding("redis", False, "expected an answer within a second, got none (is `caddie up` running?)")]
    finally:
        await redis.aclose()
    version = str(facts.get("valkey_version") or facts.get("redis_version") or "0")
    skew_s = abs(time.time() - (seconds + microseconds / 1e6))
    return [
        Finding("redis", _numbers(version) >= (REDIS_FLOOR,), f"version {version}, expected ≥ {REDIS_FLOOR}"),
        Finding("redis policy", policy == EVICTION, f"maxmemory-policy {policy}, expected {EVICTION}"),
        Finding("clock", skew_s <= CLOCK_SKEW_S, f"{skew_s:.1f} s away from Redis, expected ≤ {CLOCK_SKEW_S:g}"),
    ]


async def database(settings: Settings) -> Finding:
    try:
        async with opened(settings) as store:
            used = await store.accounts.any_users()
    except CaddieError as error:
        return Finding("database", False, error.message)
    except Exception as error:  # drivers raise their own; their text may hold the address with its password
        return Finding("database", False, f"expected a migrated database, got {type(error).__name__}: `caddie migrate`")
    return Finding("database", True, "has users" if used else "empty: `caddie up` or `caddie users create` fills it")


def disk(settings: Settings) -> Finding:
    folder = settings.state_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding("disk", free >= DISK_FREE_BYTES, f"{free / 1024**3:.1f} GiB free in {folder}, expected ≥ 1")


def plugins() -> Iterator[Finding]:
    """The plugins that were taken, and those that were left out with the reason."""
    found = library()
    for source in found.plugins:
        yield Finding("plugin", True, source)
    for refusal in found.refusals:
        yield Finding("plugin", False, f"{refusal.source}: {'; '.join(refusal.faults)}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
