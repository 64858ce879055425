"""Schedules in everyday English as RFC 5545 recurrence rules.

Invariant: a rule made here names its minute whenever it names its hour, so nothing fires at a time left to chance.
Callers: ``clauses`` (find), ``change`` (change).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from caddie.models.offline import calendar
from caddie.models.offline.words import NUMBER_WORD, NUMBER_WORDS

DAYS = {"monday": "MO", "tuesday": "TU", "wednesday": "WE", "thursday": "TH", "friday": "FR", "saturday": "SA",
        "sunday": "SU"}  # fmt: skip
_SHORT = {"mon": "MO", "tues": "TU", "tue": "TU", "wed": "WE", "thurs": "TH", "thu": "TH", "fri": "FR", "sat": "SA",
          "sun": "SU"}  # fmt: skip
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:mon|tues?|wed|thu(?:rs)?|fri|sat|sun)(?=\b)"
LONG_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_PARTS = {"morning": 8, "noon": 12, "lunchtime": 12, "afternoon": 15, "evening": 18, "night": 22, "midnight": 0}
_UNITS = {"second": "SECONDLY", "minute": "MINUTELY", "hour": "HOURLY", "day": "DAILY", "week": "WEEKLY",
          "month": "MONTHLY", "year": "YEARLY"}  # fmt: skip
_EVERY = r"(?:every|each|once\s+(?:an?|per|every)|per)"
_CLOCK = (
    rf"(?:(half|quarter|five|ten|twenty(?:-five)?)(?:\s+minutes)?\s+(past|to)\s+)?(\d{{1,2}}|"
    rf"{NUMBER_WORD})(?:[:.h](\d{{2}}))?"
    r"\s*(a\.?m\.?|p\.?m\.?|o['’]?clock)?"
)
TIME = re.compile(rf"\b(?:at|around)\s+(?:(noon|midnight|midday)\b|{_CLOCK}(?![\w%]|\.\d))", re.I)
_CHANGED_TIME = re.compile(rf"\b(?:at|around|to|by|for)\s+(?:(noon|midnight|midday)\b|{_CLOCK}(?![\w%]|\.\d))", re.I)
_MORE_TIME = re.compile(rf"\s*(?:,|and|&)\s*(?:at\s+)?(?:(noon|midnight|midday)\b|{_CLOCK}(?![\w%]|\.\d))", re.I)
_BARE_TIME = re.compile(
    r"\b(\d{1,2})(?:[:.](\d{2}))?\s*(a\.?m\.?|p\.?m\.?|o['’]?clock)(?!\w)|\b(\d{1,2}):(\d{2})\b", re.I
)
_INTERVAL = re.compile(
    rf"\b(?:every|each)\s+(?:(\d+|{NUMBER_WORD}|other|second|third|half|quarter(?:\s+of\s+an)?)(?:st|nd|rd|"
    rf"th)?\s*(?:an\s+)?-?\s*)?"
    r"(second|sec|minute|min|hour|day|week|month|year)s?\b",
    re.I,
)
_MONTHDAY = re.compile(
    rf"\b(?:(?:on|at)\s+)?(?:the\s+)?(first|last|end|beginning|start|\d{{1,2}}(?:st|nd|rd|th))(?:\s+day)?\s+of\s+"
    rf"(?:{_EVERY}|the|a)\s+month\b|\bmonth(?:ly|'s)?\s+(end)\b|"
    r"\b(?:every|each)\s+month\s+on\s+the\s+(first|last|\d{1,2}(?:st|nd|rd|th))(?:\s+day)?\b",
    re.I,
)
_WEEKDAYS = re.compile(
    rf"\b(?:(?:on|{_EVERY})\s+)?(?:weekdays?|work(?:ing)?\s?days?|school\s+days?|business\s+days?)\b|"
    rf"\b(?:from\s+)?monday\s+(?:to|"
    rf"through|till|until|-)\s+friday\b",
    re.I,
)
_WEEKEND = re.compile(rf"\b(?:on|at|over|{_EVERY})\s+(?:the\s+)?weekends?\b|\bweekends\b", re.I)
_OTHER_DAY = re.compile(
    rf"\b(?:every|each)\s+other\s+({_DAY})\b|\b(?:every\s+(?:two|2|other|second)\s+weeks?|fortnightly|"
    rf"bi-?weekly)\s+on\s+({_DAY})\b",
    re.I,
)
_NTH_DAY = re.compile(
    rf"\b(?:(?:on|{_EVERY})\s+)?(?:the\s+)?(first|second|third|fourth|last)\s+({_DAY})\b(?:\s+(?:of|in)\s+(?:the|"
    rf"{_EVERY}|a)\s+month)?",
    re.I,
)
_NAMED_DAYS = re.compile(
    rf"\b(?:{_EVERY}|on|weekly\s+on)\s+((?:{_DAY})(?:\s*(?:,|and|&|or)\s*(?:and\s+)?(?:on\s+)?(?:{_DAY}))*)\b|"
    rf"\b((?:{LONG_DAY})s(?:\s*(?:,|and|&|or)\s*(?:and\s+)?(?:{LONG_DAY})s)*)\b|"
    rf"\b((?:{_DAY})(?:(?:\s*(?:,|and|&|/|\+)\s*|\s+)(?:and\s+)?(?:{_DAY}))+)\b|"
    rf"^\W*((?:{LONG_DAY})(?=\s+(?:mornings?|evenings?|afternoons?|nights?|at|\d)))",
    re.I,
)
_RANGE = re.compile(rf"\b(?:from\s+)?({_DAY})\s*(?:\bto\b|through|till|until|-|–)\s*({_DAY})\b", re.I)
_PART = re.compile(
    rf"\b(?:{_EVERY}|in\s+the|at|(?:{LONG_DAY})s?)\s+(?:\w+\s+)?(morning|noon|lunchtime|afternoon|evening|night|"
    rf"midnight)s?\b|\b(nightly)\b",
    re.I,
)
_ADVERB = re.compile(
    r"\b(hourly|daily|weekly|monthly|yearly|annually|once\s+an?\s+(?:hour|day|week|month|year)|twice\s+(?:a|"
    r"per)\s+day)\b",
    re.I,
)
_ADVERBS = {
    "hourly": "HOURLY",
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "monthly": "MONTHLY",
    "yearly": "YEARLY",
    "annually": "YEARLY",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """freq None: only a time of day was said. spans: where in the text it was said."""

    freq: str | None = None
    interval: int = 1
    days: tuple[str, ...] = ()
    month_day: int | None = None
    months: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    minute: int | None = None
    spans: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    def rrule(self) -> str:
        # Once a minute is the most a schedule fires.
        seconds = self.freq == "SECONDLY"
        interval = -(-self.interval // 60) if seconds else self.interval
        parts = [f"FREQ={'MINUTELY' if seconds else self.freq or 'DAILY'}"]
        if interval > 1:
            parts.append(f"INTERVAL={interval}")
        if self.months:
            parts.append(f"BYMONTH={','.join(map(str, self.months))}")
        if self.days:
            parts.append(f"BYDAY={','.join(self.days)}")
        if self.month_day is not None:
            parts.append(f"BYMONTHDAY={self.month_day}")
        if self.freq in ("MINUTELY", "SECONDLY"):
            return ";".join(parts)
        if self.freq != "HOURLY":
            parts.append(f"BYHOUR={','.join(map(str, self.hours or (9,)))}")
        return ";".join([*parts, f"BYMINUTE={self.minute or 0}"])


def find(text: str, changing: bool = False) -> Schedule | None:
    """The schedule a text speaks of, or None. changing: "to 9" is a time as well."""
    low = text.lower()
    found = _frequency(low)
    part = _PART.search(low)
    word = (part.group(1) or "night") if part else ""
    if part:
        found = found or Schedule("DAILY")
        found = replace(found, spans=(*found.spans, part.span()))
    clocked = times(low, word, _CHANGED_TIME if changing else TIME)
    if found is None and clocked is None:
        return None
    result = found or Schedule()
    if (spared := _SPARED.search(low)) and result.freq in ("DAILY", "WEEKLY"):
        gone = {_day(name) for name in re.findall(_DAY, spared.group(1))}
        kept = tuple(day for day in (result.days or tuple(DAYS.values())) if day not in gone)
        result = replace(result, freq="WEEKLY", days=kept or result.days, spans=(*result.spans, spared.span()))
    if result.days and result.freq == "WEEKLY" and (often := _OFTEN.search(low)):
        result = replace(
            _interval(often) if often.group(2) else Schedule("HOURLY"),
            days=result.days,
            spans=(*result.spans, often.span()),
        )
    if clocked:
        hours, minute, spans = clocked
        result = replace(result, hours=hours, minute=minute, spans=(*result.spans, *spans))
    elif word and not result.hours:
        result = replace(result, hours=(_PARTS[word],), minute=0)
    season = calendar.season(low) if result.freq and not result.months else None
    if season and any(-2 <= start - season[1][1] <= 2 or -2 <= season[1][0] - end <= 2 for start, end in result.spans):
        # Beside the schedule; "flights to Rome in May" limits nothing.
        result = replace(result, months=season[0], spans=(*result.spans, season[1]))
    return result


_SPARED = re.compile(
    rf"\s*,?\s*\b(?:except|but\s+not|not|excluding|besides|apart\s+from)\s+(?:for\s+)?(?:on\s+)?"
    rf"((?:{_DAY})(?:\s*(?:,|and|&|or)\s*(?:{_DAY}))*)\b"
)
#: How often within the days that are named.
_OFTEN = re.compile(
    rf"\b(?:every|each)\s+(?:(\d+|{NUMBER_WORD}|half|quarter)\s*(?:of\s+)?(?:an\s+)?-?\s*)?(minute|min|hour)s?\b|"
    rf"\bhourly\b",
    re.I,
)


def _frequency(low: str) -> Schedule | None:
    if yearly := calendar.yearly(low):
        months, day, spans = yearly
        return Schedule("YEARLY", month_day=day, months=months, spans=spans)
    if match := _OTHER_DAY.search(low):
        return Schedule("WEEKLY", interval=2, days=(_day(match.group(1) or match.group(2)),), spans=(match.span(),))
    if match := _NTH_DAY.search(low):
        place = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}[match.group(1)]
        return Schedule("MONTHLY", days=(f"{place}{_day(match.group(2))}",), spans=(match.span(),))
    if match := _WEEKDAYS.search(low):
        return Schedule("WEEKLY", days=("MO", "TU", "WE", "TH", "FR"), spans=(match.span(),))
    if match := _RANGE.search(low):
        codes = list(DAYS.values())
        first, last = codes.index(_day(match.group(1))), codes.index(_day(match.group(2)))
        span = codes[first : last + 1] if first <= last else codes[first:] + codes[: last + 1]
        return Schedule("WEEKLY", days=tuple(span), spans=(match.span(),))
    if match := _WEEKEND.search(low):
        return Schedule("WEEKLY", days=("SA", "SU"), spans=(match.span(),))
    if match := _MONTHDAY.search(low):
        said = next(each for each in match.groups() if each)
        day = (
            1
            if said in ("first", "beginning", "start")
            else -1
            if said in ("last", "end")
            else min(31, int(re.sub(r"\D", "", said)) or 1)
        )
        return Schedule("MONTHLY", month_day=day, spans=(match.span(),))
    if match := _NAMED_DAYS.search(low):
        names = re.findall(_DAY, next(group for group in match.groups() if group))
        days = tuple(dict.fromkeys(_day(name) for name in names))
        return Schedule("WEEKLY", days=days, spans=(match.span(),))
    if match := _INTERVAL.search(low):
        return _interval(match)
    if match := _ADVERB.search(low):
        if match.group().startswith("twice"):
            return Schedule("DAILY", hours=(9, 17), minute=0, spans=(match.span(),))
        freq = _ADVERBS.get(match.group()) or _UNITS[match.group().split()[-1]]
        return _whole(Schedule(freq, spans=(match.span(),)))
    return None


def _interval(match: re.Match[str]) -> Schedule:
    said, unit = (match.group(1) or "").split(" ")[0], match.group(2)
    freq = _UNITS[{"min": "minute", "sec": "second"}.get(unit, unit)]
    if said in ("half", "quarter") and unit == "hour":
        return Schedule("MINUTELY", interval=30 if said == "half" else 15, spans=(match.span(),))
    words = {"": 1, "other": 2, "second": 2, "third": 3, **NUMBER_WORDS}
    interval = max(1, int(said) if said.isdigit() else words.get(said, 1))
    return _whole(Schedule(freq, interval=interval, spans=(match.span(),)))


def _whole(schedule: Schedule) -> Schedule:
    """A week begins on Monday and a month on its first day, unless said otherwise."""
    if schedule.freq == "WEEKLY":
        return replace(schedule, days=("MO",))
    return replace(schedule, month_day=1) if schedule.freq == "MONTHLY" else schedule


def _day(name: str) -> str:
    name = name.rstrip("s") if name.endswith("days") else name
    return DAYS.get(name) or _SHORT[name]


def times(
    low: str, part: str, clock: re.Pattern[str]
) -> tuple[tuple[int, ...], int, tuple[tuple[int, int], ...]] | None:
    match = clock.search(low)
    parted = (
        re.search(rf"\b(\d{{1,2}}|{NUMBER_WORD})(?:[:.](\d{{2}}))?\s+(?:in\s+the|at)\s+{part}\b", low) if part else None
    )
    if parted and (match is None or match.start() > parted.start()):
        digits = parted.group(1)
        hour = _hour(int(digits) if digits.isdigit() else NUMBER_WORDS[digits], "", part)
        return None if hour is None else ((hour,), int(parted.group(2) or 0) % 60, (parted.span(),))
    if match is None:
        bare = _BARE_TIME.search(low)
        if bare is None:
            return None
        digits, minutes = bare.group(1) or bare.group(4), bare.group(2) or bare.group(5)
        hour = _hour(int(digits), bare.group(3) or "", part)
        return None if hour is None or int(minutes or 0) > 59 else ((hour,), int(minutes or 0), (bare.span(),))
    hours: list[int] = []
    first_minute, end, more = 0, match.start(), match
    while more is not None:
        moment = _moment(more, part)
        if moment is None or (hours and moment[1] != first_minute):
            break
        hours.append(moment[0])
        first_minute, end = moment[1], more.end()
        following = _MORE_TIME.match(low, end)
        if following is None:
            break
        more = following
    return (tuple(dict.fromkeys(hours)), first_minute, ((match.start(), end),)) if hours else None


def _moment(match: re.Match[str], part: str) -> tuple[int, int] | None:
    if match.group(1):
        return (0 if match.group(1) == "midnight" else 12), 0
    said = match.group(4)
    hour = _hour(int(said) if said.isdigit() else NUMBER_WORDS[said], match.group(6) or "", part)
    minute = int(match.group(5) or 0)
    if hour is None or minute > 59:
        return None
    shift = {"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20, "twenty-five": 25}.get(
        match.group(2) or "", 0
    )
    if shift and match.group(3) == "to":
        return (hour - 1) % 24, 60 - shift
    return hour, minute + shift


def _hour(hour: int, suffix: str, part: str) -> int | None:
    if hour > 24:
        return None
    suffix = suffix.replace(".", "")
    late = suffix == "pm" or (not suffix.startswith("a") and part in ("afternoon", "evening", "night"))
    if late and hour < 12 and not (part == "night" and not suffix and hour < 6):
        return hour + 12
    return 0 if suffix == "am" and hour == 12 else hour % 24


def united(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans without overlaps: "every Sunday" lies in "every Sunday evening"."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def read(rrule: str) -> Schedule:
    """A recurrence rule back as a schedule; parts this module does not make are lost."""
    parts = dict(part.split("=", 1) for part in rrule.removeprefix("RRULE:").split(";") if "=" in part)

    def numbers(name: str) -> tuple[int, ...]:
        return tuple(int(value) for value in parts.get(name, "").split(",") if re.fullmatch(r"-?\d+", value))

    return Schedule(
        freq=parts.get("FREQ"),
        interval=next(iter(numbers("INTERVAL")), 1),
        days=tuple(day for day in parts.get("BYDAY", "").split(",") if day),
        month_day=next(iter(numbers("BYMONTHDAY")), None),
        months=numbers("BYMONTH"),
        hours=numbers("BYHOUR"),
        minute=next(iter(numbers("BYMINUTE")), None),
    )
