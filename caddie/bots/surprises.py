"""How a tab takes what it did not ask for: closes, refusals, servers that are gone.

Invariant: each is named: as a fault, as an outage that the options allow, or as a limit that makes the tab wait.
Caller: ``caddie.bots.tab``, one object per tab.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from caddie.bots.bench import Bench
from caddie.bots.connection import NO_CLOSE_FRAME, Refused

DRAINING, OVERLOADED, SESSION_OVER, RATE = 1012, 1013, 4410, 4429
#: What may happen to a connection while servers die, drain or lose Redis.
OUTAGES = (OVERLOADED, NO_CLOSE_FRAME)
BACK_OFF_S, BACK_OFF_MAX_S = 0.2, 5.0
#: A limit is waited out as if so many connects had failed before.
LIMITED_FAILURES = 3


class Surprises:
    """where: conversation and connection, for the faults. limited: a limit keeps the tab out at the moment."""

    def __init__(self, bench: Bench, renew: Callable[[], Awaitable[bool]]) -> None:
        self._bench, self._renew = bench, renew
        self._failures = 0
        self.where = ""
        self.limited = False

    @property
    def back_off_s(self) -> float:
        """How long to stay away before the next attempt."""
        return min(BACK_OFF_S * 2**self._failures, BACK_OFF_MAX_S) if self._failures else 0.0

    def connected(self) -> None:
        self._failures, self.limited = 0, False

    def failed(self) -> None:
        """One more attempt in vain."""
        self._failures += 1

    def fault(self, kind: str, message: str) -> None:
        self._bench.faults.add(kind, self.where, message)

    async def closed(self, code: int) -> None:
        """A connection ended with this code, and the bot had not asked for it."""
        counts = self._bench.statistics.counts
        if code == DRAINING:
            counts["drained"] += 1
        elif code == SESSION_OVER:
            counts["expired"] += 1
            await self._renew()
        elif code == RATE:
            self._hold_back()
        elif code in OUTAGES:
            self.outage(f"expected no close, got {code}")
        else:
            self.fault("close", f"expected no close, got {code}")

    async def refused(self, refused: Refused) -> None:
        """CONNECT_ERROR."""
        match refused.code:
            case "TOKEN_EXPIRED":
                await self._renew()
            case "RATE_LIMITED":
                self._hold_back()
            case _:
                self.fault("error", f"connect: {refused}")

    def handshake_failed(self, status: int) -> None:
        """The HTTP status that came instead of a websocket."""
        if status == 429:
            self._hold_back()
        elif status in (502, 503, 504):
            self.outage(f"expected a websocket, got HTTP {status}")
        else:
            self.fault("error", f"expected a websocket, got HTTP {status}")

    def outage(self, message: str) -> None:
        if self._bench.options.outages:
            self._bench.statistics.counts["outages"] += 1
        else:
            self.fault("close", message)

    def _hold_back(self) -> None:
        self._bench.statistics.counts["connects told to wait"] += 1
        self.limited = True
        self._failures += LIMITED_FAILURES
