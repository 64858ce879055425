"""Rate limits of the HTTP surfaces, counted in Redis so that all gateways share them.

Windows are fixed and aligned to the clock: one increment per check, and the moment of reset needs no second round
trip. The price, up to twice the rate across a boundary, is one a limit of this kind can pay.

Invariant: a check that cannot be made is a refusal (UNAVAILABLE) within ``CHECK_TIMEOUT_S``, never a pass.
Redis keys: `limit:<bucket>…/<window>`, gone after the window. Callers: the gate, the authenticator, chat_stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage

from shared.connections import redis_errors
from shared.errors import CaddieError
from shared.settings import Settings

WINDOW_S = 60
#: Well inside the promise of 503 within 2 s when Redis hangs rather than refuses.
CHECK_TIMEOUT_S = 1.0
#: Failed authentications a minute per address; keys have 256 bits, this only stops the noise.
FAILED_AUTHENTICATIONS = 30


@dataclass(frozen=True, slots=True)
class Rate:
    """What is left of a limit; reset_s: seconds until it is whole again."""

    limit: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class SharedRedisStorage(RedisStorage):
    """`limits` on the process's own client: its bounded timeouts, its Sentinel or Cluster."""

    STORAGE_SCHEME = None  # type: ignore[assignment]  # built here only, never found by address

    def __init__(self, client: object) -> None:
        self._client = client
        super().__init__("async+redis://", implementation="redispy", key_prefix="limit")

    def configure_bridge(self) -> None:
        bridge: Any = self.bridge
        bridge.storage = self._client
        bridge.connection_getter = lambda _readonly: self._client


class Limits:
    """Every bucket, on a client of ``shared.connections``. `now` returns Unix seconds."""

    def __init__(self, redis: object, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._storage, self._settings, self._now = SharedRedisStorage(redis), settings, now

    async def address(self, address: str) -> None:
        """Count a request of an address. Raises RATE_LIMITED."""
        rate, over = await self._hit("address", address, self._settings.rate_per_address)
        if over:
            raise self._refusal("requests from this address", rate)

    async def key(self, org: int, key: int) -> tuple[Rate, CaddieError | None]:
        """Count a request of an API key; the refusal is returned so that its answer can carry the rate, too."""
        rate, over = await self._hit("key", f"{org}.{key}", self._settings.rate_per_minute)
        return rate, self._refusal("requests with this API key", rate) if over else None

    async def run(self, org: int, user: int) -> None:
        """Count a new run of a user. Raises RUN_LIMIT."""
        rate, over = await self._hit("run", f"{org}.{user}", self._settings.rate_runs_per_minute)
        if over:
            raise self._refusal("new runs of this user", rate, "RUN_LIMIT")

    async def failed_authentication(self, address: str) -> None:
        """Count a failure. Raises RATE_LIMITED."""
        rate, over = await self._hit("failed", address, FAILED_AUTHENTICATIONS)
        if over:
            raise self._refusal("failed authentications from this address", rate)

    async def _hit(self, bucket: str, identifier: str, amount: int) -> tuple[Rate, bool]:
        now = self._now()
        window = int(now // WINDOW_S)
        key = RateLimitItemPerMinute(amount, namespace=bucket).key_for(identifier, str(window))
        async with redis_errors(), asyncio.timeout(CHECK_TIMEOUT_S):
            count = await self._storage.incr(key, WINDOW_S)
        return Rate(amount, max(0, amount - count), max(1, round((window + 1) * WINDOW_S - now))), count > amount

    @staticmethod
    def _refusal(subject: str, rate: Rate, code: str = "RATE_LIMITED") -> CaddieError:
        message = f"expected at most {rate.limit} {subject} a minute, got more: try again in {rate.reset_s} s"
        return CaddieError(code, message, retry_after_s=rate.reset_s)
