"""Dates that come back every year, and months something is limited to: "every year on March 3rd", "in December".

Invariant: a month counts only where a preposition or a day stands beside it, so "may" stays a verb. Callers:
``schedule`` and its parts, ``occasion``.
"""

from __future__ import annotations

import re

MONTHS = "january february march april may june july august september october november december".split()
_SHORT = {name[:3]: at + 1 for at, name in enumerate(MONTHS)} | {"sept": 9}
MONTH = rf"(?:{'|'.join(MONTHS)}|(?:{'|'.join(sorted(_SHORT, key=len, reverse=True))})\b\.?)"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?|first|last(?:\s+day)?|\d{1,2}\."
#: (day, month) or (month, day).
_DATE = rf"(?:the\s+)?(?:({_DAY})\s+(?:of\s+)?({MONTH})|({MONTH})\s+(?:the\s+)?({_DAY}))(?![\w:])"
_ONE = rf"(?:the\s+)?(?:(?:{_DAY})\s+(?:of\s+)?{MONTH}|{MONTH}\s+(?:the\s+)?(?:{_DAY}))(?![\w:])"
_EVERY_YEAR = r"(?:(?:every|each|once\s+an?|per|once\s+(?:every|each))\s+year|yearly|annual(?:ly)?|year\s+after\s+year)"
_YEARLY: tuple[re.Pattern[str], ...] = (
    re.compile(rf"\b{_EVERY_YEAR}\s*,?\s*(?:on\s+|at\s+)?{_DATE}"),
    re.compile(rf"\b(?:on\s+|every\s+|each\s+)?{_DATE}\s*,?\s*(?:of\s+)?{_EVERY_YEAR}\b"),
    re.compile(rf"\b(?:every|each)\s+{_DATE}"),
)
#: "on 1 April and 1 October"
_DATES = re.compile(
    rf"(?<!between\s)(?<!from\s)\b(?:on\s+|every\s+|each\s+)?{_ONE}(?:\s*(?:,|and|&)\s*(?:and\s+)?(?:on\s+)?{_ONE})+",
)
#: The date somewhere else than "every year".
_APART = re.compile(rf"\bon\s+{_DATE}")
_MONTH_YEARLY = re.compile(
    rf"\b{_EVERY_YEAR}\s*,?\s*in\s+({MONTH})\b|\bin\s+({MONTH})\s+{_EVERY_YEAR}\b|\b(?:every|each)"
    rf"\s+({'|'.join(MONTHS)})\b"
)
_QUARTERLY = re.compile(
    r"\b(?:quarterly|(?:(?:on|at)\s+)?(?:the\s+)?(?:(?P<end>last|end)|(?:first|start|beginning)|1st)"
    r"(?:\s+day)?\s+of\s+(?:the|"
    r"every|each|a)\s+quarter|(?:every|each|once\s+a)\s+quarter)\b(?!\s+(?:of\s+an\s+|an\s+)?hour)"
)
_SEASON = re.compile(
    rf"\b(?:from|between)\s+({'|'.join(MONTHS)})\s+(?:to|through|until|till|and)\s+({'|'.join(MONTHS)})\b|"
    rf"\b(?:in|during|throughout|all\s+through|through|all\s+of|the\s+whole\s+of)\s+((?:{'|'.join(MONTHS)})"
    rf"(?:\s*(?:,|and|or|&)\s*(?:and\s+)?(?:{'|'.join(MONTHS)})"
    rf")*)\b"
)
#: Days that have a name, as (month, day).
HOLIDAYS: dict[str, tuple[int, int]] = {
    r"new\s+year['’]?s?\s+eve": (12, 31), r"new\s+year(?:['’]?s)?(?:\s+day)?": (1, 1),
    r"valentine['’]?s?(?:\s+day)?": (2, 14),
    r"(?:st\.?|saint)\s+patrick['’]?s?(?:\s+day)?": (3, 17), r"april\s+fools?['’]?s?(?:\s+day)?": (4, 1),
    r"hallowe['’]?en": (10, 31), r"christmas\s+eve|xmas\s+eve": (12, 24), r"boxing\s+day": (12, 26),
    r"(?:christmas|xmas)(?:\s+day)?": (12, 25), r"(?:international\s+)?women['’]?s\s+day": (3, 8),
    r"(?:st\.?|saint)\s+nicholas(?:\s+day)?": (12, 6), r"international\s+workers['’]?\s+day|may\s+day": (5, 1),
}  # fmt: skip
_SEASONS = {"spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11), "fall": (9, 10, 11), "winter": (1, 2, 12)}
_PART_OF_YEAR = re.compile(
    r"\b(?:only\s+)?(?:in|during|throughout|over|all)\s+(?:the\s+)?(spring|summer|autumn|fall|winter)"
    r"(?:\s*time)?(?:\s+months)?\b"
)
Span = tuple[int, int]


def holiday(low: str) -> tuple[tuple[int, ...], int, Span] | None:
    """(months, day, where it is said) of a day that has a name: "every Christmas Eve", "on Halloween"."""
    for name, (month, day) in HOLIDAYS.items():
        if match := re.search(rf"\b(?:every|each|on|at)\s+(?:{name})\b(?!\s+(?:eve|party|sale))", low):
            return (month,), day, match.span()
    return None


def several(low: str) -> tuple[tuple[tuple[int, int], ...], tuple[Span, ...]] | None:
    """((month, day), …) of dates that come back every year, and where they are said."""
    match = _DATES.search(low)
    if match is None:
        return None
    found = [_dated(each) for each in re.finditer(_DATE, match.group())]
    often = re.search(rf"\b(?:{_EVERY_YEAR}|(?:twice|\w+\s+times)\s+(?:a|per|each)\s+year)\b\s*,?", low)
    spans = (match.span(), *([often.span()] if often else []))
    return tuple(sorted((months[0], day) for months, day in found)), spans


def yearly(low: str) -> tuple[tuple[int, ...], int, tuple[Span, ...]] | None:
    """(months, day, where it is said) of a date that comes back every year."""
    for pattern in _YEARLY:
        if match := pattern.search(low):
            return (*_dated(match), (match.span(),))
    if (often := re.search(rf"\b{_EVERY_YEAR}\b", low)) and (date := _APART.search(low)):
        return (*_dated(date), (often.span(), date.span()))
    if match := _MONTH_YEARLY.search(low):
        return (number(next(each for each in match.groups() if each)),), 1, (match.span(),)
    if match := _QUARTERLY.search(low):
        if on := re.search(r"\b(?:on\s+)?the\s+(\d{1,2})(?:st|nd|rd|th)\b(?!\s+of\b)", low):
            return (1, 4, 7, 10), max(1, min(31, int(on.group(1)))), (match.span(), on.span())
        return ((3, 6, 9, 12), -1, (match.span(),)) if match.group("end") else ((1, 4, 7, 10), 1, (match.span(),))
    return None


def season(low: str) -> tuple[tuple[int, ...], Span] | None:
    """The months something is limited to."""
    match = _SEASON.search(low)
    if match is None:
        part = _PART_OF_YEAR.search(low)
        return (_SEASONS[part.group(1)], part.span()) if part else None
    if match.group(3):
        return tuple(number(each) for each in re.findall("|".join(MONTHS), match.group(3))), match.span()
    first, last = number(match.group(1)), number(match.group(2))
    span = range(first, last + 1) if first <= last else [*range(first, 13), *range(1, last + 1)]
    return tuple(sorted(span)), match.span()


def number(name: str) -> int:
    """The month's number."""
    return _SHORT[name.strip(".")[:3]]


def _dated(match: re.Match[str]) -> tuple[tuple[int, ...], int]:
    day, month = match.group(1) or match.group(4), match.group(2) or match.group(3)
    if day.startswith("last"):
        return (number(month),), -1
    return (number(month),), 1 if day == "first" else max(1, min(31, int(re.sub(r"\D", "", day))))
