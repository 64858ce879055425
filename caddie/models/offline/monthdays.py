"""Days of a month: "the 1st and 15th", "the last working day", "the second Tuesday of every month".

Invariant: a place among the days ("second Tuesday") is one of the month or the quarter, never of the text. Callers:
``frequency``.
"""

from __future__ import annotations

import re

from caddie.models.offline import calendar
from caddie.models.offline.rule import WORKDAYS, Schedule, Span
from caddie.models.offline.weekdays import DAY, EVERY, LONG_DAY, WORKDAY, day
from caddie.models.offline.words import NUMBER_WORDS

_NTH = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5,
        "last": -1, "final": -1, "penultimate": -2, "second to last": -2, "second-to-last": -2, "next to last": -2,
        "2nd last": -2, "second last": -2}  # fmt: skip
_PLACE = rf"(?:{'|'.join(sorted(_NTH, key=len, reverse=True))})"
_OF_MONTH = (
    rf"(?:(?:of|in)\s+(?:(?:{EVERY}|the|a|our)\s+)?(?:(?:calendar|new)\s+)?(?P<month>months?|quarters?|years?)\b|"
    r"(?P<monthly>monthly|each\s+month|every\s+month|per\s+month))"
)
_NTH_DAY = re.compile(
    rf"\b(?:(?:on|{EVERY}|monthly\s+on)\s+)?(?:the\s+)?(?P<places>{_PLACE}(?:\s*(?:,|and|&)\s*(?:the\s+)?{_PLACE})*)"
    rf"\s+(?P<day>{DAY}|{WORKDAY}|weekend)\b"
    rf"(?:\s+(?:{_OF_MONTH}|(?:of|in)\s+(?P<named>{'|'.join(calendar.MONTHS)})\b(?:\s+(?:every|each)\s+year)?))?",
    re.I,
)
_ORDINALS = (
    "second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth "
    "eighteenth nineteenth twentieth"
).split()
_ON_MONTHDAY = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{'|'.join(_ORDINALS)}|twenty-(?:first|second|third|fourth|fifth|sixth|seventh|"
    rf"eighth|ninth)|"
    r"first|last|end|beginning|start|middle|mid)"
)
_MONTHDAY = re.compile(
    rf"\b(?:(?:on|at|around|in|by|{EVERY})\s+)*(?:the\s+)?(?:very\s+)?(?P<first>{_ON_MONTHDAY}(?:\s+day)?(?:\s*(?:,|"
    rf"and|&|/)\s*(?:on\s+|at\s+)?(?:the\s+)?{_ON_MONTHDAY}(?:\s+day)?)*)\s+{_OF_MONTH}|"
    rf"\b(?:{EVERY}\s+month|monthly)\s*,?\s*(?:(?:on|at|around)"
    rf"\s+)?(?:the\s+)?(?P<second>{_ON_MONTHDAY}(?:\s+day)?(?:\s*(?:,|and|&|/)"
    rf"\s*(?:the\s+)?{_ON_MONTHDAY}(?:\s+day)?)*)\b(?!\s+(?:{LONG_DAY}|week|working|business|work))|"
    rf"\b(?:(?:at|on|by|before)\s+|{EVERY}\s+)?month(?:ly|['’]s|s['’])?[\s-]+(?P<end>end|start)\b|"
    rf"\b(?:every|each)\s+(?P<third>\d{{1,2}}(?:st|nd|rd|th)(?:\s*(?:,|and|&)\s*(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)"
    rf")*)(?=\s*(?:,|$|:|at\b|of\s+the\s+month|[a-z]))(?!\s+(?:of\s+)?(?:{calendar.MONTH}|{LONG_DAY}|hour|minute|day|"
    rf"week|month|time|order|message|ticket|customer|visitor))|"
    r"\bon\s+the\s+(?P<fourth>\d{1,2}(?:st|nd|rd|th)(?:\s*(?:,|and|&)\s*(?:the\s+|on\s+the\s+)?\d{1,2}(?:st|nd|rd|th)"
    r")+)\b(?!\s+(?:of\s+)?(?!the\b|each\b|every\b)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|floor))|"
    r"\b(?P<before>\d{1,2}|one|two|three|four|five|seven|ten|a)\s+days?\s+before\s+(?:the\s+)?(?:end\s+of\s+(?:the|"
    r"each|every)\s+month|month[\s-]end)\b",
    re.I,
)


def nth_day(low: str) -> Schedule | None:
    for match in _NTH_DAY.finditer(low):
        places = [_NTH[each] for each in re.findall(_PLACE, match.group("places"))]
        name, of = match.group("day"), match.group("month") or match.group("monthly") or ""
        more: tuple[Span, ...] = ()
        if not of and (quarter := re.search(r"\b(?:(?:every|each|per|once\s+a)\s+quarter|quarterly)\b\s*,?", low)):
            of, more = "quarter", (quarter.span(),)
        months = (1, 4, 7, 10) if of.startswith("quarter") else (1,) if of.startswith("year") else ()
        if named := match.group("named"):
            months = (calendar.number(named),)
        if months and places[0] < 0 and not match.group("named"):
            months = (3, 6, 9, 12) if len(months) > 1 else (12,)
        if re.fullmatch(WORKDAY, name):
            if not of and not re.search(r"\bmonth", low):
                continue
            return Schedule("MONTHLY", days=WORKDAYS, months=months, position=places[0], spans=(match.span(),))
        code = "SA" if name == "weekend" else day(name)
        days = tuple(f"{place}{code}" for place in places)
        return Schedule("MONTHLY", days=days, months=months, spans=(match.span(), *more))
    return None


def month_days(low: str) -> Schedule | None:
    match = _MONTHDAY.search(low)
    if match is None or re.match(r"(?:quarter|year)", match.group("month") or ""):
        return None
    if before := match.group("before"):
        count = int(before) if before.isdigit() else NUMBER_WORDS.get(before, 1)
        return Schedule("MONTHLY", month_days=(-count - 1,), spans=(match.span(),))
    said = next(match.group(each) for each in ("first", "second", "end", "third", "fourth") if match.group(each))
    days = [_month_day(each) for each in re.findall(_ON_MONTHDAY, said)]
    return Schedule("MONTHLY", month_days=tuple(dict.fromkeys(days)), spans=(match.span(),))


def _month_day(said: str) -> int:
    if said in ("first", "beginning", "start"):
        return 1
    if said in ("last", "end"):
        return -1
    if said in _ORDINALS:
        return _ORDINALS.index(said) + 2
    if said.startswith("twenty-"):
        return 20 + ("first", *_ORDINALS).index(said.removeprefix("twenty-")) + 1
    return 15 if said in ("middle", "mid") else min(31, int(re.sub(r"\D", "", said)) or 1)
