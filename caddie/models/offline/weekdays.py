"""The days of the week in everyday English: "Mon, Wed & Fri", "weekdays and Saturday", "Tuesday to Sunday".

Invariant: a day that is closed or left out is no day it runs on. Callers: ``frequency``, ``monthdays``.
"""

from __future__ import annotations

import re

from caddie.models.offline.rule import DAYS, WORKDAYS, Schedule

_SHORT = {"mon": "MO", "tues": "TU", "tue": "TU", "wed": "WE", "weds": "WE", "thurs": "TH", "thur": "TH", "thu": "TH",
          "fri": "FR", "sat": "SA", "sun": "SU", "mo": "MO", "tu": "TU", "we": "WE", "th": "TH", "fr": "FR", "sa": "SA",
          "su": "SU"}  # fmt: skip
LONG_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
DAY = rf"(?:{LONG_DAY}s?|(?:mon|tues?|weds?|thu(?:rs?)?|fri|sat|sun)(?=\b)\.?)"
_TINY = r"(?:mo|tu|we|th|fr|sa|su)\b"
EVERY = r"(?:every|each|once\s+(?:an?|per|every|each)|per)"
WORKDAY = r"(?:work(?:ing)?[\s-]?days?|business[\s-]?days?|weekdays?|bank(?:ing)?[\s-]?days?|school[\s-]?days?)"
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
    rf"\b(?:{EVERY}|on|only\s+on|(?:(?:(?:once|twice|(?:two|three|four|five|\d)\s+times)\s+)?weekly|(?:every|each)"
    rf"\s+week|once\s+a\s+week)[,:]?(?:\s+on)?|all)\s+((?:{DAY})"
    rf"(?:{_PARTS}{_SEP}(?:{DAY}))*)(?!\w)|"
    rf"\b((?:{LONG_DAY})s(?:{_PARTS}{_SEP}(?:{LONG_DAY})s)*)\b|"
    rf"\b((?:{DAY})(?:(?:{_SEP}|\s+)(?:and\s+)?(?:{DAY}))+)(?!\w)|\b({_TINY}(?:\s*[/+&,]\s*{_TINY})+)|"
    rf"^\W*((?:{LONG_DAY}|(?:mon|tues?|weds?|thu(?:rs?)?|fri|sat|sun)\b)(?=\s+(?:mornings?|evenings?|afternoons?|"
    rf"nights?|at|\d)))|\b((?:{LONG_DAY})"
    rf"(?=\s+(?:mornings|evenings|afternoons|nights)\b))|"
    rf"(?<!\bnext\s)(?<!\bthis\s)\b((?:{LONG_DAY})(?=\s+(?:morning|evening|afternoon|night)\b))",
    re.I,
)
_RANGE = re.compile(
    rf"\b(?:(?:from|on|every|each)\s+)?({DAY}|{_TINY})\s*(?:\bto\b|through|thru|till|until|-|–|\.\.)"
    rf"\s*({DAY}|{_TINY})(?!\w)|"
    rf"\bbetween\s+({DAY})\s+and\s+({DAY})(?!\w)",
    re.I,
)


def day(name: str) -> str:
    name = name.rstrip(".")
    name = name.rstrip("s") if name.endswith("days") else name
    return DAYS.get(name) or _SHORT[name]


def named(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(day(each) for each in re.findall(rf"{DAY}|{_TINY}", text)))


def week(low: str) -> Schedule | None:
    """The days of the week that are told first."""
    for closed in _CLOSED.finditer(low):
        low = f"{low[: closed.start()]}{chr(1) * len(closed.group())}{low[closed.end() :]}"
    found = [made for each in (_range, _workdays, _named_days, _weekend, _edge) if (made := each(low))]
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


#: "at the end of the week"
_EDGE = re.compile(
    r"\b(?:at|by|towards|in|on)\s+(?:the\s+)?(?P<edge>end|start|beginning|middle)\s+of\s+(?:the|each|every|a|my|our)"
    r"\s+(?:(?:working|work|business)\s*)?week\b|"
    r"\b(?:every|each)\s+mid-?week\b",
    re.I,
)


def _edge(low: str) -> Schedule | None:
    match = _EDGE.search(low)
    if match is None:
        return None
    day = {"end": "FR", "start": "MO", "beginning": "MO"}.get((match.group("edge") or "").lower(), "WE")
    times = ((17, 0),) if day == "FR" else ()
    return Schedule("WEEKLY", days=(day,), times=times, spans=(match.span(),))


def _weekend(low: str) -> Schedule | None:
    match = _WEEKEND.search(low)
    return Schedule("WEEKLY", days=("SA", "SU"), spans=(match.span(),)) if match else None
