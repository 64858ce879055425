"""Something that happens once: "in 2 hours", "tomorrow at 9", "on 3 December".

Invariant: the time is local to the zone that is given. Callers: ``starts``, ``questions``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from caddie.models.offline.calendar import MONTHS
from caddie.models.offline.schedule import DAYS, LONG_DAY, TIME, Schedule, times
from caddie.models.offline.words import NUMBER_WORD, duration_s, number

_LATER = re.compile(
    rf"\bin\s+((?:\d+|an?|half\s+an|{NUMBER_WORD})\s+(?:minutes?|mins?|hours?|hrs?|days?|weeks?))(?:\s+from\s+now)?\b",
    re.I,
)
_DATED = re.compile(
    rf"\b(?:(today|tonight|tomorrow)(?!['’]s)|(?:on\s+)?(?:next\s+)({LONG_DAY})|"
    rf"on\s+(?:the\s+)?(?:(\d{{1,2}})(?:st|nd|rd|"
    rf"th)?\s+(?:of\s+)?({'|'.join(MONTHS)})|({'|'.join(MONTHS)})\s+(\d{{1,2}})(?:st|nd|rd|th)?))\b",
    re.I,
)


def once(text: str, now: datetime, zone: tzinfo) -> tuple[str, list[tuple[int, int]]] | None:
    """The local time of something that happens once ("in 2 hours", "tomorrow at 9"), and where it is said."""
    local = now.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
    if (later := _LATER.search(text)) and (seconds := _seconds(later.group(1))):
        return (local + timedelta(seconds=seconds)).isoformat(), [later.span()]
    match = _DATED.search(text)
    if match is None:
        return None
    low = text.lower()
    clocked = times(low, "night" if match.group(1) == "tonight" else "", TIME)
    hours, minute, spans = clocked or ((20 if match.group(1) == "tonight" else 9,), 0, ())
    day = local.replace(hour=hours[0], minute=minute)
    if match.group(1):
        day += timedelta(days=1 if match.group(1).lower() == "tomorrow" else 0)
    elif match.group(2):
        wanted = list(DAYS).index(match.group(2).lower())
        day += timedelta(days=(wanted - day.weekday()) % 7 or 7)
    else:
        month, number = (match.group(4) or match.group(5)).lower(), int(match.group(3) or match.group(6))
        try:
            day = day.replace(month=MONTHS.index(month) + 1, day=number)
        except ValueError:
            return None
        day = day.replace(year=day.year + 1) if day < local else day
    return day.isoformat(), [match.span(), *spans]


def upcoming(rule: Schedule, now: datetime, zone: tzinfo) -> datetime | None:
    """When a schedule of days fires next, local to the zone; None for one that counts minutes, hours or intervals."""
    if rule.freq not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY") or rule.interval > 1 or not rule.hours:
        return None
    if rule.freq == "YEARLY" and not rule.months:
        return None
    local = now.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
    for ahead in range(400):
        day = local + timedelta(days=ahead)
        for hour in sorted(rule.hours):
            moment = day.replace(hour=hour, minute=rule.minute or 0)
            if moment > local and _falls(rule, moment):
                return moment
    return None


def _falls(rule: Schedule, day: datetime) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    code = list(DAYS.values())[day.weekday()]
    last = (day + timedelta(days=1)).month != day.month
    if rule.month_day is not None and day.day != rule.month_day and not (rule.month_day == -1 and last):
        return False
    final = (day + timedelta(days=7)).month != day.month
    places = {code, f"{(day.day - 1) // 7 + 1}{code}", *([f"-1{code}"] if final else [])}
    return not rule.days or bool(places.intersection(rule.days))


def _seconds(text: str) -> float:
    if weeks := re.match(rf"(\d+|an?|{NUMBER_WORD})\s+weeks?", text, re.I):
        return 604_800.0 * (number(weeks.group(1)) or 1)
    return duration_s(text) or 0
