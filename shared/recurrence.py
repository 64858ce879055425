"""When a schedule fires: the payload of a `cronjob` trigger, in its time zone.

Invariant: times of day are those of the wall clock there. One that a change of the clock leaves out comes right after
it; one that comes twice is the first, except that a schedule of every hour runs through the repeated hour, too. Times
are whole seconds in UTC. Callers: the catalog (``faults``), the scheduler, the surfaces that show the next time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.occurrences import STEPS_MAX, Spent, wall_times
from shared.rrule import Rrule, RuleError, parse

CRON_FIELDS = 5
CRON_MAX = 256
#: No clock has been put back by more; what comes twice began this long before at most.
REPEATED = timedelta(hours=3)
SECOND = timedelta(seconds=1)
YEARS = range(1970, 3000)
#: A rule with its first time beyond so many days or times is taken on trust when a definition is checked.
CHECK_STEPS = 20_000
_CHECKED_FROM = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """anchor: where counting starts, on the wall clock; floor: nothing fires before."""

    rule: Rrule | str
    zone: ZoneInfo
    anchor: datetime
    floor: datetime
    steady: bool

    def walls(self, begin: datetime, steps: int) -> Iterator[datetime]:
        if isinstance(self.rule, Rrule):
            return wall_times(self.rule, self.anchor, begin, steps)
        return iter(CronSim(self.rule, max(self.anchor, begin) - SECOND))

    def over(self, wall: datetime, moment: datetime) -> bool:
        if not isinstance(self.rule, Rrule) or self.rule.until is None:
            return False
        return (moment.replace(tzinfo=None) if self.rule.until_utc else wall) > self.rule.until


def upcoming(payload: Mapping[str, Any], after: datetime, since: datetime | None = None) -> datetime | None:
    """The first time after ``after``; None when there is none, or none in sight.

    since: when the schedule was made, which is where it begins without a `start`. Raises RuleError.
    """
    return next(occurrences(payload, after, since), None)


def occurrences(payload: Mapping[str, Any], after: datetime, since: datetime | None = None) -> Iterator[datetime]:
    """Every time after ``after``, ascending; they end when none is in sight. Raises RuleError."""
    try:
        yield from _times(_read(payload, since or after), after, STEPS_MAX)
    except Spent:
        return


def latest(payload: Mapping[str, Any], due: datetime, moment: datetime, since: datetime) -> datetime:
    """The last time that is not after ``moment``, given one of them, ``due``."""
    high = moment
    following = upcoming(payload, due, since)
    while following is not None and following <= moment:
        middle = following + (high - following) / 2
        jump = upcoming(payload, middle, since)
        if jump is not None and jump <= moment:
            due = jump
        else:
            due, high = following, middle
        following = upcoming(payload, due, since)
    return due


def faults(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a schedule, as (field of the payload, message); required fields are the catalog's."""
    if not any(payload.get(name) for name in ("rrule", "cron")):
        return []
    try:
        schedule = _read(payload, _CHECKED_FROM)
        if isinstance(schedule.rule, Rrule):
            schedule = replace(schedule, rule=replace(schedule.rule, until=None, count=None))
        first = next(_times(schedule, schedule.floor - SECOND, CHECK_STEPS), None)
    except RuleError as error:
        return [(error.field, error.message)]
    except Spent:
        return []
    name = "rrule" if payload.get("rrule") else "cron"
    return [] if first else [(name, "expected a time within the next 50 years, got a rule without any")]


def _times(schedule: _Schedule, after: datetime, steps: int) -> Iterator[datetime]:
    after = after.astimezone(UTC)
    begin = after.astimezone(schedule.zone).replace(tzinfo=None)
    again: list[datetime] = []
    for wall in schedule.walls(begin - REPEATED if schedule.steady else begin, steps):
        first, second = _instants(schedule.zone, wall)
        if second is not None and first < schedule.floor:
            first, second = second, None
        if schedule.over(wall, first):
            break
        while again and again[0] <= first:
            yield (after := heapq.heappop(again))
        # What the clock left out falls together, perhaps with what stands there anyway.
        if first > after and first >= schedule.floor:
            yield (after := first)
        if schedule.steady and second is not None and second > after and not schedule.over(wall, second):
            heapq.heappush(again, second)
    yield from sorted(again)


def _instants(zone: ZoneInfo, wall: datetime) -> tuple[datetime, datetime | None]:
    """When a clock shows ``wall``: once, twice, or (for a time that is left out) first thing after the change."""
    early, late = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, behind = early.utcoffset() or timedelta(), late.utcoffset() or timedelta()
    if before == behind:
        return early.astimezone(UTC), None
    if before > behind:
        return early.astimezone(UTC), late.astimezone(UTC)
    # PEP 495: in a gap, fold 0 has the offset before the change and fold 1 the one after it.
    low, high = late.astimezone(UTC), early.astimezone(UTC)
    while high - low > SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (low, middle) if middle.astimezone(zone).utcoffset() == behind else (middle, high)
    return high, None


def _read(payload: Mapping[str, Any], since: datetime) -> _Schedule:
    rrule, cron, start = (_text(payload, name) for name in ("rrule", "cron", "start"))
    zone = _zone(_text(payload, "timezone"))
    if bool(rrule) == bool(cron):
        raise RuleError("rrule", f"expected one of rrule and cron, got {'both' if rrule else 'none'}")
    if start:
        anchor, floor = _start(start, zone)
    else:
        floor = (since + timedelta(minutes=1) - timedelta(microseconds=1)).replace(second=0, microsecond=0)
        anchor = floor.astimezone(zone).replace(tzinfo=None)
    if cron:
        return _Schedule(cron, zone, anchor, floor, len(_cron(cron).hours) == 24)
    rule = parse(rrule)
    if not start and rule.hours and not rule.minutes and rule.frequency not in ("MINUTELY", "SECONDLY"):
        # "at nine" is nine o'clock; the minute it was made in is nobody's wish.
        rule = replace(rule, minutes=(0,))
    return _Schedule(rule, zone, anchor, floor, rule.steady and rule.count is None)


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if value is not None and not isinstance(value, str):
        raise RuleError(name, "expected text, got something else")
    if value and "{{" in value:
        raise RuleError(name, "expected plain text, as nothing has run yet when a schedule is read, got an expression")
    return value or ""


def _cron(text: str) -> CronSim:
    if len(text) > CRON_MAX or len(text.split()) != CRON_FIELDS:
        raise RuleError("cron", f"expected {CRON_FIELDS} fields in at most {CRON_MAX} characters, got {text[:60]!r}")
    try:
        return CronSim(text, datetime(2024, 1, 1))
    except (CronSimError, AssertionError, ValueError) as error:
        said = f": {error}" if isinstance(error, CronSimError) else ""
        raise RuleError("cron", f"expected a cron expression, got {text[:60]!r}{said}") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        raise RuleError("timezone", f"expected an IANA time zone, got {name[:60]!r}") from None


def _start(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The wall clock's time, and the moment."""
    try:
        given = datetime.fromisoformat(text).replace(microsecond=0)
        if given.year not in YEARS:
            raise ValueError
    except ValueError:
        expected = f"an ISO 8601 time from {YEARS.start} to {YEARS.stop - 1}"
        raise RuleError("start", f"expected {expected}, got {text[:60]!r}") from None
    if given.tzinfo is None:
        return given, _instants(zone, given)[0]
    return given.astimezone(zone).replace(tzinfo=None), given.astimezone(UTC)
