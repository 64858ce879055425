"""Recurrence rules of RFC 5545, read.

Invariant: what is read here makes sense to the RFC and names no two times within a minute. Callers:
``shared.recurrence`` reads, ``shared.occurrences`` lists the times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
UNITS_S = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
TEXT_MAX = 1_000
#: Counting starts at the first time, whenever the next one is asked for.
COUNT_MAX = 10_000
INTERVAL_MAX = 100_000
#: Part: its lowest and highest number; whether it may count from the end; where it means nothing (RFC 5545, 3.3.10).
_NUMBERS = {
    "BYSECOND": (0, 59, False, ()),
    "BYMINUTE": (0, 59, False, ()),
    "BYHOUR": (0, 23, False, ()),
    "BYMONTH": (1, 12, False, ()),
    "BYMONTHDAY": (1, 31, True, ("WEEKLY",)),
    "BYYEARDAY": (1, 366, True, ("DAILY", "WEEKLY", "MONTHLY")),
    "BYWEEKNO": (1, 53, True, tuple(each for each in FREQUENCIES if each != "YEARLY")),
    "BYSETPOS": (1, 366, True, ()),
}  # fmt: skip
_FIELDS = {
    "seconds": "BYSECOND", "minutes": "BYMINUTE", "hours": "BYHOUR", "months": "BYMONTH", "month_days": "BYMONTHDAY",
    "year_days": "BYYEARDAY", "weeks": "BYWEEKNO", "positions": "BYSETPOS",
}  # fmt: skip
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"\d{8}(T\d{6}Z?)?")


class RuleError(ValueError):
    """A rule that cannot be read: `field` of the payload, and what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True, slots=True)
class Rrule:
    """days: (ordinal or 0, weekday). until is on the wall clock, in UTC when ``until_utc``."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    until_utc: bool = False
    seconds: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    days: tuple[tuple[int, int], ...] = ()
    week_start: int = 0

    @property
    def sub_daily(self) -> bool:
        return self.frequency in UNITS_S

    @property
    def steady(self) -> bool:
        """Runs in every hour of its days."""
        if not self.sub_daily:
            return len(self.hours) == 24
        return not self.hours and self.interval * UNITS_S[self.frequency] <= 3600


def parse(text: str) -> Rrule:
    """Raises RuleError."""
    if len(text) > TEXT_MAX:
        raise _fault(f"expected at most {TEXT_MAX} characters, got {len(text)}")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if not value or name in parts:
            raise _fault(f"expected NAME=VALUE once for each name, got {part[:40]!r}")
        parts[name] = value
    frequency = parts.pop("FREQ", "")
    if frequency not in FREQUENCIES:
        raise _fault(f"expected FREQ as one of {', '.join(FREQUENCIES)}, got {frequency[:40]!r}")
    until = _until(parts.pop("UNTIL", ""))
    rule = Rrule(
        frequency,
        interval=_integer("INTERVAL", parts.pop("INTERVAL", "1"), INTERVAL_MAX),
        count=_integer("COUNT", parts.pop("COUNT"), COUNT_MAX) if "COUNT" in parts else None,
        until=until[0] if until else None,
        until_utc=bool(until and until[1]),
        days=_days(parts.pop("BYDAY", "")),
        week_start=_weekday(parts.pop("WKST", "MO")),
        **{name: _numbers(part, parts.pop(part, ""), frequency) for name, part in _FIELDS.items()},
    )
    if parts:
        raise _fault(f"expected a part of RFC 5545, got {next(iter(parts))[:40]!r}")
    _require_sense(rule)
    return rule


def _fault(message: str) -> RuleError:
    return RuleError("rrule", message)


def _require_sense(rule: Rrule) -> None:
    if rule.count and rule.until:
        raise _fault("expected COUNT or UNTIL, got both")
    if len(rule.seconds) > 1 or (rule.frequency == "SECONDLY" and rule.interval < 60):
        raise _fault("expected a rule that fires at most once a minute, got a faster one")
    if any(ordinal for ordinal, _ in rule.days) and (rule.frequency not in ("YEARLY", "MONTHLY") or rule.weeks):
        raise _fault(f"expected BYDAY without numbers, got them with FREQ={rule.frequency} or BYWEEKNO")
    times = (rule.seconds, rule.minutes, rule.hours)
    if rule.positions and not any((*times, rule.months, rule.month_days, rule.year_days, rule.weeks, rule.days)):
        raise _fault("expected BYSETPOS beside another BY part, got it alone")


def _integer(name: str, text: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise _fault(f"expected {name} as a number from 1 to {most}, got {text[:40]!r}")
    return int(text)


def _numbers(part: str, text: str, frequency: str) -> tuple[int, ...]:
    low, high, negative, senseless = _NUMBERS[part]
    if not text:
        return ()
    if frequency in senseless:
        raise _fault(f"expected no {part} with FREQ={frequency}, got one")
    found = set()
    for each in text.split(","):
        number = int(each) if re.fullmatch(r"[+-]?[0-9]{1,3}", each) else high + 1
        if not low <= (abs(number) if negative else number) <= high:
            raise _fault(f"expected {part} from {low} to {high}{' or negative' * negative}, got {each[:40]!r}")
        found.add(number)
    return tuple(sorted(found))


def _days(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for each in text.split(",") if text else ():
        match = _DAY.fullmatch(each)
        ordinal = int(match.group(1) or 0) if match else 0
        if match is None or abs(ordinal) > 53 or (match.group(1) and not ordinal):
            raise _fault(f"expected BYDAY as MO to SU, with 1 to 53 or -1 to -53 before it or not, got {each[:40]!r}")
        found.append((ordinal, WEEKDAYS.index(match.group(2))))
    return tuple(found)


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise _fault(f"expected WKST as one of {', '.join(WEEKDAYS)}, got {text[:40]!r}")
    return WEEKDAYS.index(text)


def _until(text: str) -> tuple[datetime, bool] | None:
    """A date alone is a whole day."""
    if not text:
        return None
    try:
        if not _UNTIL.fullmatch(text):
            raise ValueError
        if len(text) == 8:
            return datetime.strptime(text, "%Y%m%d") + timedelta(days=1, seconds=-1), False
        return datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S"), text.endswith("Z")
    except (ValueError, OverflowError):
        raise _fault(f"expected UNTIL as 20261231 or 20261231T225959Z, got {text[:40]!r}") from None
