"""Dates that come back every year, and months something is limited to: "every year on March 3rd", "in December".

Invariant: a month counts only where a preposition or a day stands beside it, so "may" stays a verb. Callers:
``schedule``, ``occasion``.
"""

from __future__ import annotations

import re

MONTHS = "january february march april may june july august september october november december".split()
_SHORT = {name[:3]: at + 1 for at, name in enumerate(MONTHS)} | {"sept": 9}
_MONTH = rf"(?:{'|'.join(MONTHS)}|(?:{'|'.join(sorted(_SHORT, key=len, reverse=True))})\b\.?)"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?|first|last(?:\s+day)?|\d{1,2}\."
#: (day, month) or (month, day).
_DATE = rf"(?:the\s+)?(?:({_DAY})\s+(?:of\s+)?({_MONTH})|({_MONTH})\s+(?:the\s+)?({_DAY}))(?![\w:])"
_EVERY_YEAR = r"(?:(?:every|each|once\s+an?|per|once\s+(?:every|each))\s+year|yearly|annually|year\s+after\s+year)"
_YEARLY: tuple[re.Pattern[str], ...] = (
    re.compile(rf"\b{_EVERY_YEAR}\s*,?\s*(?:on\s+|at\s+)?{_DATE}"),
    re.compile(rf"\b(?:on\s+|every\s+|each\s+)?{_DATE}\s*,?\s*(?:of\s+)?{_EVERY_YEAR}\b"),
    re.compile(rf"\b(?:every|each)\s+{_DATE}"),
)
#: The date somewhere else than "every year".
_APART = re.compile(rf"\bon\s+{_DATE}")
_MONTH_YEARLY = re.compile(
    rf"\b{_EVERY_YEAR}\s*,?\s*in\s+({_MONTH})\b|\bin\s+({_MONTH})\s+{_EVERY_YEAR}\b|\b(?:every|each)\s+({'|'.join(MONTHS)})\b"
)
_QUARTERLY = re.compile(
    r"\b(?:quarterly|(?:(?:on|at)\s+)?(?:the\s+)?(?:(?P<end>last|end)|(?:first|start|beginning)|1st)(?:\s+day)?\s+of\s+(?:the|"
    r"every|each|a)\s+quarter|(?:every|each|once\s+a)\s+quarter)\b(?!\s+(?:of\s+an\s+|an\s+)?hour)"
)
_SEASON = re.compile(
    rf"\b(?:from|between)\s+({'|'.join(MONTHS)})\s+(?:to|through|until|till|and)\s+({'|'.join(MONTHS)})\b|"
    rf"\b(?:in|during|throughout)\s+((?:{'|'.join(MONTHS)})(?:\s*(?:,|and|or|&)\s*(?:and\s+)?(?:{'|'.join(MONTHS)}))*)\b"
)
Span = tuple[int, int]


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
        return ((3, 6, 9, 12), -1, (match.span(),)) if match.group("end") else ((1, 4, 7, 10), 1, (match.span(),))
    return None


def season(low: str) -> tuple[tuple[int, ...], Span] | None:
    """The months something is limited to."""
    match = _SEASON.search(low)
    if match is None:
        return None
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
