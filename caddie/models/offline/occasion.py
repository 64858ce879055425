"""Something that happens once: "in 2 hours", "tomorrow at 9", "on 3 December".

Invariant: the time is local to the zone that is given. Callers: ``starts``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from caddie.models.offline.schedule import DAYS, LONG_DAY, TIME, times
from caddie.models.offline.words import NUMBER_WORD, duration_s, number

_MONTHS = "january february march april may june july august september october november december".split()
_LATER = re.compile(
    rf"\bin\s+((?:\d+|an?|half\s+an|{NUMBER_WORD})\s+(?:minutes?|mins?|hours?|hrs?|days?|weeks?))(?:\s+from\s+now)?\b",
    re.I,
)
_DATED = re.compile(
    rf"\b(?:(today|tonight|tomorrow)|(?:on\s+)?(?:next\s+)({LONG_DAY})|on\s+(?:the\s+)?(?:(\d{{1,2}})(?:st|nd|rd|"
    rf"th)?\s+(?:of\s+)?({'|'.join(_MONTHS)})|({'|'.join(_MONTHS)})\s+(\d{{1,2}})(?:st|nd|rd|th)?))\b",
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
            day = day.replace(month=_MONTHS.index(month) + 1, day=number)
        except ValueError:
            return None
        day = day.replace(year=day.year + 1) if day < local else day
    return day.isoformat(), [match.span(), *spans]


def _seconds(text: str) -> float:
    if weeks := re.match(rf"(\d+|an?|{NUMBER_WORD})\s+weeks?", text, re.I):
        return 604_800.0 * (number(weeks.group(1)) or 1)
    return duration_s(text) or 0
