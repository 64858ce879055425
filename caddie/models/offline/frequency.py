"""How often, and on which days: "every other Friday", "three times a week", "on the last working day of the month".

Invariant: a date without a year comes back; what is counted without days ("twice a week") falls on days spread evenly.
Callers: ``schedule``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from caddie.models.offline import calendar
from caddie.models.offline.rule import DAYS, WORKDAYS, Schedule, Span
from caddie.models.offline.words import NUMBER_WORD, NUMBER_WORDS

_SHORT = {"mon": "MO", "tues": "TU", "tue": "TU", "wed": "WE", "weds": "WE", "thurs": "TH", "thur": "TH", "thu": "TH",
          "fri": "FR", "sat": "SA", "sun": "SU", "mo": "MO", "tu": "TU", "we": "WE", "th": "TH", "fr": "FR", "sa": "SA",
          "su": "SU"}  # fmt: skip
LONG_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
DAY = rf"(?:{LONG_DAY}s?|(?:mon|tues?|weds?|thu(?:rs?)?|fri|sat|sun)(?=\b)\.?)"
_TINY = r"(?:mo|tu|we|th|fr|sa|su)\b"
_UNITS = {"second": "SECONDLY", "sec": "SECONDLY", "minute": "MINUTELY", "min": "MINUTELY", "hour": "HOURLY",
          "hr": "HOURLY", "day": "DAILY", "night": "DAILY", "week": "WEEKLY", "fortnight": "WEEKLY", "month": "MONTHLY",
          "quarter": "MONTHLY", "year": "YEARLY"}  # fmt: skip
EVERY = r"(?:every|each|once\s+(?:an?|per|every|each)|per)"
_NTH = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5,
        "last": -1, "final": -1, "penultimate": -2, "second to last": -2, "second-to-last": -2, "next to last": -2,
        "2nd last": -2, "second last": -2}  # fmt: skip
_PLACE = rf"(?:{'|'.join(sorted(_NTH, key=len, reverse=True))})"
_WORKDAY = r"(?:work(?:ing)?[\s-]?days?|business[\s-]?days?|weekdays?|bank(?:ing)?[\s-]?days?|school[\s-]?days?)"
_OF_MONTH = (
    rf"(?:(?:of|in)\s+(?:(?:{EVERY}|the|a|our)\s+)?(?:(?:calendar|new)\s+)?(?P<month>months?|quarters?|years?)\b|"
    r"(?P<monthly>monthly|each\s+month|every\s+month|per\s+month))"
)
_TIMES = {"once": 1, "one time": 1, "twice": 2, "two times": 2, "thrice": 3}
_COUNTED = re.compile(
    rf"\b(?:(?P<word>once|twice|thrice)|(?P<times>\d+|{NUMBER_WORD}|(?:a\s+)?(?:couple|few)(?:\s+of)?)\s*(?:times|x)"
    rf"\b)[\s-]*"
    r"(?:(?:an?|per|each|every|in\s+an?|/)\s*(?P<unit>minute|hour|day|night|week|fortnight|month|quarter|year)\b|"
    r"(?P<adverb>hourly|daily|weekly|monthly|yearly|annually))",
    re.I,
)
_INTERVAL = re.compile(
    rf"\b(?:(?:once\s+)?(?:every|each)|(?:in|at)(?=\s+\S+[\s-]+(?:minute|min|hour)s?\s+intervals?)|(?:in|at)"
    rf"\s+intervals\s+of|per|once\s+an?|once\s+in|1x/)\s*"
    rf"(?:(?:single|full|whole)\s+)?(?:(?P<half>half(?:\s+(?:of\s+)?an)?|quarter(?:\s+(?:of\s+)?an)?|"
    rf"three\s+quarters\s+of\s+an)[\s-]+(?=hour)|"
    rf"(?P<count>\d+(?:[.,]\d+)?|{NUMBER_WORD}|other|second|third|fourth|(?:a\s+)?(?:couple|few)(?:\s+of)?|"
    rf"twenty[\s-]five|forty[\s-]five|forty|fifty|ninety)(?:st|nd|rd|th)?[\s-]*)?"
    r"(?P<unit>second|sec|minute|min|hour|hr|day|week|fortnight|month|quarter|year)s?\b(?!['’]s\b)"
    r"(?P<more>\s+and\s+a\s+half)?(?:\s+intervals?)?",
    re.I,
)
_ADVERB = re.compile(
    r"\b(?:(?P<bi>bi-?|semi-?|twice[\s-])?(?P<word>hourly|daily|weekly|monthly|yearly|annually|quarterly)|"
    r"(?P<fortnight>fortnightly|every\s+fortnight|once\s+a\s+fortnight)|(?P<year>yearly))"
    r"\b(?!\s+(?:of\s+)?an?\s+hour)",
    re.I,
)
_WORDS = {"hourly": "HOURLY", "daily": "DAILY", "weekly": "WEEKLY", "monthly": "MONTHLY", "yearly": "YEARLY",
          "annually": "YEARLY"}  # fmt: skip
#: "every other Friday", "every second Tuesday", "alternate Mondays", "fortnightly on Thursdays".
_OTHER_DAY = re.compile(
    rf"\b(?:(?:every|each)\s+(?P<count>other|second|2nd|two|2|third|3rd|three|3|fourth|4th|four|4)|"
    rf"(?:on\s+)?alternat(?:e|ing))\s+(?P<day>{DAY})\b(?!\s+(?:(?:of|in)\s+(?:the|every|each|a)\s+(?:month|quarter)|"
    rf"monthly))|"
    rf"\b(?:(?:every|each)\s+(?:(?P<weeks>two|2|2nd|other|second|three|3|third|four|4)\s+weeks?|fortnight)|"
    rf"once\s+a\s+fortnight|fortnightly|bi-?weekly)(?:\s+at\s+[\w:.]+(?:\s?[ap]m)?)?,?\s+(?:on\s+)?(?:an?\s+|the\s+|"
    rf"every\s+)?(?P<on>{DAY})\b|"
    rf"\b(?:on\s+)?(?P<then>{DAY})s?,?\s+(?:every\s+(?:(?P<later>two|2|other|second|three|3|third|four|4)\s+weeks?|"
    rf"fortnight)|once\s+a\s+fortnight|fortnightly|bi-?weekly)\b",
    re.I,
)
_NTH_DAY = re.compile(
    rf"\b(?:(?:on|{EVERY}|monthly\s+on)\s+)?(?:the\s+)?(?P<places>{_PLACE}(?:\s*(?:,|and|&)\s*(?:the\s+)?{_PLACE})*)"
    rf"\s+(?P<day>{DAY}|{_WORKDAY}|weekend)\b(?:\s+{_OF_MONTH})?",
    re.I,
)
_ON_MONTHDAY = r"(?:\d{1,2}(?:st|nd|rd|th)|first|last|end|beginning|start|middle|mid)"
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
_WEEKDAYS = re.compile(
    rf"\b(?:(?:only\s+)?(?:on|{EVERY}|all)\s+)?(?:the\s+)?(?:weekdays?|work(?:ing)?[\s-]?days?|school[\s-]?days?|"
    rf"business[\s-]?days?|(?:days?\s+of\s+the\s+)?working\s+week|workweek)\b(?!\s+(?:is|are)\b)",
    re.I,
)
_WEEKEND = re.compile(
    rf"\b(?:on|at|over|during|{EVERY})\s+(?:the\s+)?weekends?\b|\bweekends\b|\bweekend(?=\s+(?:mornings?|evenings?|"
    rf"nights?|afternoons?)\b)",
    re.I,
)
#: "we're closed on Mondays" is no day it runs on.
_CLOSED = re.compile(rf"\b(?:closed|shut|off|no\s+\w+)\s+(?:on\s+)?(?:{DAY})(?:\s*(?:,|and|&)\s*(?:{DAY}))*", re.I)
_SEP = r"(?:\s*(?:,|and|&|/|\+|or)\s*(?:and\s+)?(?:on\s+)?(?:every\s+|each\s+)?)"
_PARTS = r"(?:\s+(?:mornings?|evenings?|afternoons?|nights?))?"
_NAMED_DAYS = re.compile(
    rf"\b(?:{EVERY}|on|only\s+on|weekly\s+on|weekly|all)\s+((?:{DAY})(?:{_PARTS}{_SEP}(?:{DAY}))*)(?!\w)|"
    rf"\b((?:{LONG_DAY})s(?:{_PARTS}{_SEP}(?:{LONG_DAY})s)*)\b|"
    rf"\b((?:{DAY})(?:(?:{_SEP}|\s+)(?:and\s+)?(?:{DAY}))+)(?!\w)|\b({_TINY}(?:\s*[/+&,]\s*{_TINY})+)|"
    rf"^\W*((?:{LONG_DAY})(?=\s+(?:mornings?|evenings?|afternoons?|nights?|at|\d)))|\b((?:{LONG_DAY})"
    rf"(?=\s+(?:mornings|evenings|afternoons|nights)\b))",
    re.I,
)
_RANGE = re.compile(
    rf"\b(?:(?:from|on|every|each)\s+)?({DAY}|{_TINY})\s*(?:\bto\b|through|thru|till|until|-|–|\.\.)"
    rf"\s*({DAY}|{_TINY})(?!\w)|"
    rf"\bbetween\s+({DAY})\s+and\s+({DAY})(?!\w)",
    re.I,
)
_EVENLY: dict[tuple[str, int], Schedule] = {
    ("day", 2): Schedule("DAILY", times=((9, 0), (17, 0))),
    ("day", 3): Schedule("DAILY", times=((8, 0), (13, 0), (18, 0))),
    ("day", 4): Schedule("DAILY", times=((8, 0), (12, 0), (16, 0), (20, 0))),
    ("night", 2): Schedule("DAILY", times=((1, 0), (22, 0))),
    ("week", 2): Schedule("WEEKLY", days=("MO", "TH")), ("week", 3): Schedule("WEEKLY", days=("MO", "WE", "FR")),
    ("week", 4): Schedule("WEEKLY", days=("MO", "TU", "TH", "FR")), ("week", 5): Schedule("WEEKLY", days=WORKDAYS),
    ("week", 6): Schedule("WEEKLY", days=(*WORKDAYS, "SA")), ("fortnight", 2): Schedule("WEEKLY", days=("MO",)),
    ("month", 2): Schedule("MONTHLY", month_days=(1, 15)), ("month", 3): Schedule("MONTHLY", month_days=(1, 11, 21)),
    ("month", 4): Schedule("MONTHLY", month_days=(1, 8, 15, 22)),
}  # fmt: skip


def find(low: str) -> Schedule | None:
    """How often something happens, without its time of day."""
    if holiday := calendar.holiday(low):
        months, day, span = holiday
        return Schedule("YEARLY", month_days=(day,), months=months, spans=(span,))
    for reader in (_other_day, _nth_day, _month_days):
        if found := reader(low):
            return found
    if yearly := calendar.yearly(low):
        months, day, spans = yearly
        return Schedule("YEARLY", month_days=(day,), months=months, spans=spans)
    for reader in (week, _counted, _interval, _adverb):
        if found := reader(low):
            return found
    return None


def often(low: str) -> Schedule | None:
    """What comes several times on each of the days that are named."""
    for reader in (_interval, _counted):
        found = reader(low)
        if found is not None and (found.freq in ("HOURLY", "MINUTELY") or len(found.times) > 1):
            return found
    hourly = re.search(r"\bhourly\b", low)
    return Schedule("HOURLY", spans=(hourly.span(),)) if hourly else None


def day(name: str) -> str:
    name = name.rstrip(".")
    name = name.rstrip("s") if name.endswith("days") else name
    return DAYS.get(name) or _SHORT[name]


def named(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(day(each) for each in re.findall(rf"{DAY}|{_TINY}", text)))


def _other_day(low: str) -> Schedule | None:
    match = _OTHER_DAY.search(low)
    if match is None:
        return None
    said = match.group("count") or match.group("weeks") or match.group("later") or "other"
    weeks = {"third": 3, "3rd": 3, "three": 3, "3": 3, "fourth": 4, "4th": 4, "four": 4, "4": 4}.get(said, 2)
    name = match.group("day") or match.group("on") or match.group("then")
    return Schedule("WEEKLY", interval=weeks, days=(day(name),), spans=(match.span(),))


def _nth_day(low: str) -> Schedule | None:
    for match in _NTH_DAY.finditer(low):
        places = [_NTH[each] for each in re.findall(_PLACE, match.group("places"))]
        name, of = match.group("day"), match.group("month") or match.group("monthly") or ""
        months = (1, 4, 7, 10) if of.startswith("quarter") else (1,) if of.startswith("year") else ()
        if months and places[0] < 0:
            months = (3, 6, 9, 12) if len(months) > 1 else (12,)
        if re.fullmatch(_WORKDAY, name):
            if not of and not re.search(r"\bmonth", low):
                continue
            return Schedule("MONTHLY", days=WORKDAYS, months=months, position=places[0], spans=(match.span(),))
        code = "SA" if name == "weekend" else day(name)
        days = tuple(f"{place}{code}" for place in places)
        return Schedule("MONTHLY", days=days, months=months, spans=(match.span(),))
    return None


def _month_days(low: str) -> Schedule | None:
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
    return 15 if said in ("middle", "mid") else min(31, int(re.sub(r"\D", "", said)) or 1)


def week(low: str) -> Schedule | None:
    """The days of the week that are told first."""
    for closed in _CLOSED.finditer(low):
        low = f"{low[: closed.start()]}{chr(1) * len(closed.group())}{low[closed.end() :]}"
    found = [made for each in (_range, _workdays, _named_days, _weekend) if (made := each(low))]
    return min(found, key=lambda each: (each.spans[0][0], -each.spans[0][1]), default=None)


def _range(low: str) -> Schedule | None:
    match = _RANGE.search(low)
    if match is None:
        return None
    codes = list(DAYS.values())
    first, last = (codes.index(day(each)) for each in match.groups() if each)
    span = codes[first : last + 1] if first <= last else codes[first:] + codes[: last + 1]
    return _with(low, tuple(span), match)


def _workdays(low: str) -> Schedule | None:
    found = (
        each
        for each in _WEEKDAYS.finditer(low)
        if not re.search(r"\b(?:during|throughout)\s+(?:the\s+)?$", low[: each.start()])
    )
    match = next(found, None)
    return _with(low, WORKDAYS, match) if match else None


def _with(low: str, days: tuple[str, ...], match: re.Match[str]) -> Schedule:
    """ "weekdays and Saturday"."""
    more = re.match(rf"\s*(?:,|and|&|plus|as\s+well\s+as)\s*(?:on\s+)?({DAY}s?)\b(?!\s+at\b)", low[match.end() :])
    days = tuple(dict.fromkeys((*days, day(more.group(1))))) if more else days
    return Schedule("WEEKLY", days=days, spans=((match.start(), match.end() + (more.end() if more else 0)),))


def _named_days(low: str) -> Schedule | None:
    match = _NAMED_DAYS.search(low)
    if match is None:
        return None
    return Schedule("WEEKLY", days=named(next(group for group in match.groups() if group)), spans=(match.span(),))


def _weekend(low: str) -> Schedule | None:
    match = _WEEKEND.search(low)
    return Schedule("WEEKLY", days=("SA", "SU"), spans=(match.span(),)) if match else None


def _counted(low: str) -> Schedule | None:
    match = _COUNTED.search(low)
    if match is None:
        return None
    said = re.sub(r"^a\s+|\s+of$", "", match.group("word") or match.group("times"))
    count = int(said) if said.isdigit() else {**NUMBER_WORDS, **_TIMES, "couple": 2, "few": 3}.get(said, 1)
    unit = match.group("unit") or {"daily": "day", "annually": "year"}.get(
        match.group("adverb"), match.group("adverb").removesuffix("ly")
    )
    return replace(_spread(unit, max(1, count)), spans=(match.span(),))


def _spread(unit: str, count: int) -> Schedule:
    """So many times in a unit, evenly."""
    if found := _EVENLY.get((unit, count)):
        return found
    if count == 1:
        return whole(Schedule(_UNITS[unit], interval={"fortnight": 2, "quarter": 3}.get(unit, 1)))
    if unit == "hour":
        return Schedule("MINUTELY", interval=max(1, 60 // count))
    if unit == "day":
        return Schedule(
            "DAILY", times=tuple(divmod((480 + at * 720 // (count - 1)) // 5 * 5, 60) for at in range(min(count, 24)))
        )
    if unit == "year" and count in (2, 3, 4, 6):
        return Schedule("YEARLY", months=tuple(range(1, 13, 12 // count)), month_days=(1,))
    return Schedule("MINUTELY") if unit == "minute" else Schedule("DAILY")


def _interval(low: str) -> Schedule | None:
    for match in _INTERVAL.finditer(low):
        unit, said = match.group("unit").lower(), re.sub(r"^a\s+|\s+of$", "", (match.group("count") or "").lower())
        if unit == "quarter" and match.group("count") is None:
            continue
        spans = (match.span(),)
        if match.group("half"):
            kind = match.group("half").split()[0]
            return Schedule("MINUTELY", interval={"half": 30, "quarter": 15}.get(kind, 45), spans=spans)
        words = {"": 1, "other": 2, "second": 2, "third": 3, "fourth": 4, "couple": 2, "few": 3, "fifty": 50,
                 "ninety": 90,
                 "twenty-five": 25, "twenty five": 25, "forty-five": 45, "forty five": 45, **NUMBER_WORDS}  # fmt: skip
        count = float(said.replace(",", ".")) if said[:1].isdigit() else float(words.get(said, 1))
        count += 0.5 if match.group("more") else 0
        count *= {"fortnight": 2, "quarter": 3}.get(unit, 1)
        freq = _UNITS[unit]
        if count != int(count) and freq == "HOURLY":
            return Schedule("MINUTELY", interval=int(count * 60), spans=spans)
        return whole(Schedule(freq, interval=max(1, int(count)), spans=spans))
    return None


def _adverb(low: str) -> Schedule | None:
    match = _ADVERB.search(low)
    if match is None:
        return None
    spans = (match.span(),)
    word = (match.group("word") or "").lower()
    if match.group("fortnight"):
        return whole(Schedule("WEEKLY", interval=2, spans=spans))
    if word == "quarterly":
        return Schedule("YEARLY", months=(1, 4, 7, 10), month_days=(1,), spans=spans)
    bi = (match.group("bi") or "").rstrip("- ")
    if bi == "bi" and word in ("weekly", "monthly", "hourly"):
        return whole(Schedule(_WORDS[word], interval=2, spans=spans))
    if bi:
        return replace(_spread({"daily": "day", "annually": "year"}.get(word, word.removesuffix("ly")), 2), spans=spans)
    return whole(Schedule(_WORDS[word or match.group("year")], spans=spans))


def whole(schedule: Schedule) -> Schedule:
    """A week begins on Monday and a month on its first day, unless said otherwise."""
    if schedule.freq == "WEEKLY":
        return replace(schedule, days=("MO",))
    return replace(schedule, month_days=(1,)) if schedule.freq == "MONTHLY" else schedule


def counted(low: str) -> Span | None:
    """Where a count that the named days make needless is said: "twice a week, on Monday and Thursday"."""
    match = _COUNTED.search(low)
    return match.span() if match else None
