"""What all bots of one test share: options, instruments, and how far the test is.

Invariant: phases only go forward, and every bot hears of each. Built by the fleet's command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import aiohttp

from caddie.bots.faults import Faults
from caddie.bots.issuer import Issuer
from caddie.bots.statistics import Statistics
from caddie.bots.transcript import Transcript
from shared.errors import CaddieError

SESSIONS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. outages: connections may be lost and calls may be answered 503 meanwhile."""

    url: str
    api_key: str
    sessions: int = 50
    duration_s: float = 30.0
    ramp_s: float = 5.0
    think_s: float = 1.0
    chaos: bool = False
    outages: bool = False
    seed: int = 0
    json: bool = False
    report: Path | None = None
    transcript: Path | None = None

    def check(self) -> None:
        """Raises CaddieError INVALID."""
        wrong = ""
        if not self.url.startswith(("http://", "https://")):
            wrong = f"--url: expected an http or https address, got {self.url or 'nothing'}"
        elif not self.api_key:
            wrong = "--api-key: expected a key (or one in CADDIE_API_KEY), got none"
        elif not 1 <= self.sessions <= SESSIONS_MAX:
            wrong = f"--sessions: expected 1 to {SESSIONS_MAX}, got {self.sessions}"
        elif self.duration_s <= 0:
            wrong = f"--duration: expected more than 0 seconds, got {self.duration_s:g}"
        elif not 0 <= self.ramp_s <= self.duration_s:
            wrong = f"--ramp: expected 0 to the duration ({self.duration_s:g}), got {self.ramp_s:g}"
        elif self.think_s < 0:
            wrong = f"--think: expected 0 seconds or more, got {self.think_s:g}"
        if wrong:
            raise CaddieError("INVALID", wrong)


class Phase(IntEnum):
    """TALKING: new messages. SETTLING: runs may end. CANCELLING: they have to. OVER: nobody waits any longer."""

    TALKING = 0
    SETTLING = 1
    CANCELLING = 2
    OVER = 3


@dataclass(slots=True)
class Shift:
    """The test's phase; `wakes` run when it changes. cut: it ended before runs could, so their ends say nothing."""

    phase: Phase = Phase.TALKING
    cut: bool = False
    wakes: set[Callable[[], None]] = field(default_factory=set)

    def enter(self, phase: Phase) -> None:
        """Go on to a phase; one that has passed is left alone."""
        if phase > self.phase:
            self.phase = phase
            for wake in tuple(self.wakes):
                wake()


@dataclass(slots=True)
class Bench:
    options: Options
    http: aiohttp.ClientSession
    issuer: Issuer
    statistics: Statistics
    faults: Faults
    transcript: Transcript
    shift: Shift = field(default_factory=Shift)
