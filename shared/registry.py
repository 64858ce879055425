"""Which processes are alive: every server and worker announces itself every two seconds.

Invariant: a record older than ten seconds does not count, so a killed process leaves the list by itself.
Callers: servers and workers announce; the gateway picks the least loaded server and answers `/health`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis

from shared import keys
from shared.connections import redis_errors
from shared.errors import CaddieError

ANNOUNCE_INTERVAL_S = 2.0
FRESH_S = 10.0
_log = structlog.get_logger()


class Record(BaseModel):
    """One process. load: open sockets of a server, running runs of a worker. at: Unix seconds of the announcement."""

    model_config = ConfigDict(frozen=True)
    id: str
    role: Literal["server", "worker"]
    url: str = ""
    load: int = 0
    draining: bool = False
    version: str = ""
    at: float = 0.0


class Registry:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def announce(self, record: Record) -> None:
        """Raises CaddieError UNAVAILABLE."""
        stamped = record.model_copy(update={"at": time.time()})
        async with redis_errors():
            await self._redis.hset(keys.SERVERS, record.id, stamped.model_dump_json())

    async def withdraw(self, record_id: str) -> None:
        """Raises CaddieError UNAVAILABLE."""
        async with redis_errors():
            await self._redis.hdel(keys.SERVERS, record_id)

    async def alive(self, role: Literal["server", "worker"]) -> list[Record]:
        """Fresh records of a role, least loaded first, draining ones left out. Raises CaddieError UNAVAILABLE."""
        async with redis_errors():
            rows = await self._redis.hgetall(keys.SERVERS)
        limit = time.time() - FRESH_S
        records, stale = [], []
        for record_id, text in rows.items():
            try:
                record = Record.model_validate_json(text)
            except ValidationError:
                stale.append(record_id)
                continue
            if record.at < limit - 10 * FRESH_S:
                stale.append(record_id)
            elif record.at >= limit and record.role == role and not record.draining:
                records.append(record)
        if stale:
            async with redis_errors():
                await self._redis.hdel(keys.SERVERS, *stale)
        return sorted(records, key=lambda record: (record.load, record.id))

    async def servers(self) -> list[Record]:
        return await self.alive("server")

    async def workers(self) -> list[Record]:
        return await self.alive("worker")


class Announcer:
    """Keeps one process's record fresh until cancelled; `load` and `draining` are read each time."""

    def __init__(self, registry: Registry, record: Record) -> None:
        self._registry, self.record = registry, record
        self.load = 0
        self.draining = False

    async def announce(self) -> None:
        await self._registry.announce(self.record.model_copy(update={"load": self.load, "draining": self.draining}))

    async def run(self) -> None:
        while True:
            try:
                await self.announce()
            except CaddieError:
                _log.warning("registry.announce_failed")
            await asyncio.sleep(ANNOUNCE_INTERVAL_S)
