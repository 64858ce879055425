"""How every process connects to Redis or Valkey.

Invariant: nothing inside ``redis_errors`` takes longer than ``ANSWER_TIMEOUT_S``, whatever state the server is in. The
defaults of redis-py hang for seconds when the server is away; a caller wants its 503 at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from shared.errors import CaddieError

CONNECT_TIMEOUT_S = 0.5
COMMAND_TIMEOUT_S = 1.0
#: Connecting, waiting for a free connection, the command and its repetition, together.
ANSWER_TIMEOUT_S = 1.5
SENTINEL_PORT = 26379


def open_redis(url: str, max_connections: int = 64) -> Redis:
    """A client for `redis://`, `rediss://`, `unix://`, `redis+sentinel://h:p,h:p/name[/db]`, `redis+cluster://`.

    Replies are bytes. Raises ValueError for another scheme.
    """
    bounds: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": COMMAND_TIMEOUT_S,
        "retry": Retry(ConstantBackoff(0.05), 1),
        "health_check_interval": 15,
    }
    parts = urlsplit(url)
    match parts.scheme:
        case "redis" | "rediss" | "unix":
            # More callers than connections wait their turn; the plain pool refuses them.
            pool = BlockingConnectionPool.from_url(
                url, max_connections=max_connections, timeout=COMMAND_TIMEOUT_S, **bounds
            )
            return Redis.from_pool(pool)
        case "redis+sentinel":
            hosts = [_address(host) for host in parts.netloc.rpartition("@")[2].split(",")]
            name, _, database = parts.path.strip("/").partition("/")
            sentinel = Sentinel(hosts, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=COMMAND_TIMEOUT_S)  # type: ignore[no-untyped-call]
            master: Redis = sentinel.master_for(
                name or "mymaster", db=int(database or 0), username=parts.username, password=parts.password, **bounds
            )
            return master
        case "redis+cluster":
            cluster: Any = RedisCluster.from_url("redis://" + url.partition("://")[2], **bounds)
            return cast(Redis, cluster)
        case other:
            raise ValueError(f"redis url: expected redis, rediss, unix, redis+sentinel or redis+cluster, got {other!r}")


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.partition(":")
    return name, int(port or SENTINEL_PORT)


@asynccontextmanager
async def redis_errors() -> AsyncIterator[None]:
    """Turn any failure of Redis into UNAVAILABLE: the client is told to come back, never why."""
    task = asyncio.current_task()
    cancelled = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            yield
    except (RedisError, OSError) as error:
        raise CaddieError("UNAVAILABLE", "the event log is not reachable right now: try again") from error
    finally:
        # redis-py sends through asyncio.wait_for, which until Python 3.12 loses a cancellation that arrives while its
        # future is done; whoever cancelled would wait for ever.
        if task and task.cancelling() > cancelled:
            raise asyncio.CancelledError
