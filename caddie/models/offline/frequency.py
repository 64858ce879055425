"""How often, and on which days: "every other Friday", "three times a week", "on the last working day of the month".

Invariant: a date without a year comes back; what is counted without days ("twice a week") falls on days spread evenly.
Callers: ``schedule``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from caddie.models.offline import calendar
from caddie.models.offline.monthdays import month_days, nth_day
from caddie.models.offline.rule import WORKDAYS, Schedule, Span
from caddie.models.offline.weekdays import DAY, day, week
from caddie.models.offline.words import NUMBER_WORD, NUMBER_WORDS

_UNITS = {"second": "SECONDLY", "sec": "SECONDLY", "minute": "MINUTELY", "min": "MINUTELY", "hour": "HOURLY",
          "hr": "HOURLY", "day": "DAILY", "night": "DAILY", "week": "WEEKLY", "fortnight": "WEEKLY", "month": "MONTHLY",
          "quarter": "MONTHLY", "year": "YEARLY"}  # fmt: skip
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


#: "the weekly report": what something is called, and only for want of better how often it comes.
_CALLED = re.compile(
    r"\b(?:the|our|my|an?|its|their|his|her|this|latest|new|current|last|of)\s+(?:[\w-]+\s+)?(?P<word>hourly|daily|"
    r"weekly|monthly|quarterly|yearly|annual)\s+"
    r"(?!at\b|on\b|from\b|to\b|and\b|schedule|basis|rhythm|between\b|in\b)(?=[a-z])",
    re.I,
)


def called(low: str) -> list[Span]:
    """Where a word of how often only tells what something is called."""
    return [match.span("word") for match in _CALLED.finditer(low)]


def find(low: str) -> Schedule | None:
    """How often something happens, without its time of day."""
    if holiday := calendar.holiday(low):
        months, day, span = holiday
        return Schedule("YEARLY", month_days=(day,), months=months, spans=(span,))
    for reader in (_other_day, nth_day, month_days):
        if found := reader(low):
            return found
    if several := calendar.several(low):
        dates, spans = several
        months, days = (tuple(sorted({each[at] for each in dates})) for at in (0, 1))
        grid = len(months) * len(days) == len(dates)
        return Schedule("YEARLY", month_days=days, months=months, dates=() if grid else dates, spans=spans)
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


def _other_day(low: str) -> Schedule | None:
    match = _OTHER_DAY.search(low)
    if match is None:
        return None
    said = match.group("count") or match.group("weeks") or match.group("later") or "other"
    weeks = {"third": 3, "3rd": 3, "three": 3, "3": 3, "fourth": 4, "4th": 4, "four": 4, "4": 4}.get(said, 2)
    name = match.group("day") or match.group("on") or match.group("then")
    return Schedule("WEEKLY", interval=weeks, days=(day(name),), spans=(match.span(),))


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
