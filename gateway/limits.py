"""Rate limits of the HTTP surfaces, counted in Redis so that all gateways share them.

Windows are fixed and aligned to the clock: one increment per check, and the moment of reset needs no second round
trip. The price, up to twice the rate across a boundary, is one a limit of this kind can pay.

Invariant: a check that cannot be made is a refusal (UNAVAILABLE) within ``CHECK_TIMEOUT_S``, never a pass.
Redis keys: `limit:<bucket>…/<window>`, gone after the window. Callers: the gate, the authenticator, chat_stream.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage

from shared.connections import redis_errors
from shared.errors import CaddieError
from shared.settings import Settings
from shared.together import Together

WINDOW_S = 60
#: Well inside the promise of 503 within 2 s when Redis hangs rather than refuses.
CHECK_TIMEOUT_S = 1.0
#: Requests that are counted in one go.
COUNTS_MAX = 256
#: Failed authentications a minute per address; keys have 256 bits, this only stops the noise.
FAILED_AUTHENTICATIONS = 30
#: Attempts a minute to sign in with one e-mail address, wherever they come from.
SIGN_INS = 10
#: Attempts a minute to sign in from one address, as whomever: many passwords on many users are guesses, too.
SIGN_INS_OF_ADDRESS = 30
#: New organisations a minute and address.
SIGN_UPS = 10
#: Deliveries a minute to one webhook address.
HOOK_CALLS = 120
#: Its name, whose it is, how much a minute.
Bucket = tuple[str, str, int]


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
        self._counted = Together("limits", self._count, COUNTS_MAX)

    async def address(self, address: str) -> None:
        """Count a request of an address. Raises RATE_LIMITED."""
        rate, over = await self._hit(*self._of_address(address))
        if over:
            raise self._refusal("requests from this address", rate)

    async def request(self, address: str, org: int, user: int, key: int | None) -> tuple[Rate, CaddieError | None]:
        """``address`` and ``caller`` in one round trip, for a caller that is known already."""
        (all_rate, too_many), (rate, over) = await self._hits(
            self._of_address(address), self._of_caller(org, user, key)
        )
        if too_many:
            raise self._refusal("requests from this address", all_rate)
        return rate, self._over(rate, key) if over else None

    async def caller(self, org: int, user: int, key: int | None) -> tuple[Rate, CaddieError | None]:
        """Count a request of an API key, of a user without one; the refusal is returned so that its answer can carry
        the rate, too.
        """
        rate, over = await self._hit(*self._of_caller(org, user, key))
        return rate, self._over(rate, key) if over else None

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

    async def sign_in(self, email: str, address: str) -> None:
        """Count an attempt to sign in, right or wrong, before the password is looked at. Raises RATE_LIMITED."""
        digest = hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]
        (rate, over), (rate_here, over_here) = await self._hits(
            ("signin", digest, SIGN_INS), ("signins", address, SIGN_INS_OF_ADDRESS)
        )
        if over:
            raise self._refusal("attempts to sign in as this user", rate)
        if over_here:
            raise self._refusal("attempts to sign in from this address", rate_here)

    async def sign_up(self, address: str) -> None:
        """Count an attempt to sign up. Raises RATE_LIMITED."""
        rate, over = await self._hit("signup", address, SIGN_UPS)
        if over:
            raise self._refusal("attempts to sign up from this address", rate)

    async def hook(self, hook_id: str) -> None:
        """Count a delivery to a webhook's address, which is a secret. Raises RATE_LIMITED."""
        digest = hashlib.sha256(hook_id.encode()).hexdigest()[:32]
        rate, over = await self._hit("hook", digest, HOOK_CALLS)
        if over:
            raise self._refusal("deliveries to this hook", rate)

    def _of_address(self, address: str) -> Bucket:
        return "address", address, self._settings.rate_per_address

    def _of_caller(self, org: int, user: int, key: int | None) -> Bucket:
        kind, identifier = ("user", user) if key is None else ("key", key)
        return kind, f"{org}.{identifier}", self._settings.rate_per_minute

    def _over(self, rate: Rate, key: int | None) -> CaddieError:
        return self._refusal("requests of this user" if key is None else "requests with this API key", rate)

    async def _hit(self, name: str, identifier: str, amount: int) -> tuple[Rate, bool]:
        return (await self._hits((name, identifier, amount)))[0]

    async def _hits(self, *buckets: Bucket) -> list[tuple[Rate, bool]]:
        """Count once in each bucket: what is left of it, and whether it was empty."""
        now = self._now()
        window = int(now // WINDOW_S)
        keys = tuple(
            RateLimitItemPerMinute(amount, namespace=name).key_for(identifier, str(window))
            for name, identifier, amount in buckets
        )
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                counts = await self._counted(keys)
        except TimeoutError:
            raise CaddieError("UNAVAILABLE", "rate limits cannot be counted right now: try again") from None
        reset_s = max(1, round((window + 1) * WINDOW_S - now))
        return [
            (Rate(amount, max(0, amount - count), reset_s), count > amount)
            for (_, _, amount), count in zip(buckets, counts, strict=True)
        ]

    async def _count(self, questions: Sequence[tuple[str, ...]]) -> list[list[int]]:
        """The counts of each question's keys after they were counted once more, as if one came after the other."""
        numbers = Counter(key for keys in questions for key in keys)
        async with redis_errors():
            totals = await asyncio.gather(*(self._storage.incr(key, WINDOW_S, n) for key, n in numbers.items()))
        counts = {key: total - numbers[key] for key, total in zip(numbers, totals, strict=True)}
        answers = []
        for keys in questions:
            for key in keys:
                counts[key] += 1
            answers.append([counts[key] for key in keys])
        return answers

    @staticmethod
    def _refusal(subject: str, rate: Rate, code: str = "RATE_LIMITED") -> CaddieError:
        message = f"expected at most {rate.limit} {subject} a minute, got more: try again in {rate.reset_s} s"
        return CaddieError(code, message, retry_after_s=rate.reset_s)
