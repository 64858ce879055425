"""From when and until when a schedule runs: "from December on", "until Christmas", "for the next two weeks".

Invariant: a bound is a date; what is said of the content ("the forecast for the next three days") stays where it is.
Callers: ``timing``.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import NamedTuple

from caddie.models.offline import calendar
from caddie.models.offline.rule import DAYS, Span
from caddie.models.offline.words import NUMBER_WORD, NUMBER_WORDS

_DAYS = "|".join(DAYS)
_NAMES = "|".join(f"(?:{each})" for each in calendar.HOLIDAYS)
_DATE = (
    rf"(?:(?:and\s+including\s+)?(?:(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})|"
    rf"(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<month>{calendar.MONTH})"
    rf"(?:,?\s+(?P<year>\d{{4}}))?|"
    rf"(?P<month2>{calendar.MONTH})\s+(?:the\s+)?(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d|:)"
    rf"(?:,?\s+(?P<year2>\d{{4}}))?|"
    rf"(?:the\s+)?(?:(?P<edge>start|beginning|end|middle|first|last)"
    rf"(?:\s+day)?\s+of\s+)?(?:next\s+)?(?P<alone>{'|'.join(calendar.MONTHS)})(?:\s+(?P<year3>\d{{4}}))?|"
    rf"(?:the\s+)?(?:end\s+of\s+)(?:the|this)\s+(?P<end>year|month|week)|"
    rf"(?P<soon>today|tonight|tomorrow|now)|(?:next\s+|this\s+|on\s+)?(?P<name>{_DAYS})|next\s+(?P<next>week|month|"
    rf"year)|"
    rf"(?P<feast>{_NAMES})))(?!\w)"
)
_FROM = re.compile(
    rf",?\s*\b(?:(?:starting|beginning|commencing|effective|start(?=\s+(?:from|on|in|with)\b))\s+(?:(?:on|from|with|"
    rf"in|at|as\s+of)\s+)?(?:the\s+)?{_DATE}(?:\s+(?:on(?:wards?)?|onwards?))?|"
    rf"as\s+(?:of|from)\s+{_DATE.replace('?P<', '?P<a_')}|from\s+{_DATE.replace('?P<', '?P<b_')}\s+(?:on(?:wards?)?|"
    rf"forwards?)\b)",
    re.I,
)
_TO = re.compile(
    rf",?\s*\b(?:until|till|up\s+(?:to|until)|through|ending(?:\s+(?:on|in|at|with))?|and\s+(?:then\s+)?stop\s+(?:on|"
    rf"at|in))\s+{_DATE}",
    re.I,
)
_WITHIN = re.compile(
    rf"\b(?:from|between)\s+{_DATE.replace('?P<', '?P<a_')}\s+(?:to|until|till|through|and)\s+{_DATE}",
    re.I,
)
_FOR = re.compile(
    rf",?\s*\b(?:for|over|during)\s+(?:the\s+)?(?:(?:next|coming|following)\s+)?(?:(?P<count>\d+|an?|{NUMBER_WORD})"
    rf"\s+|(?<=next\s)|(?<=coming\s)|(?<=following\s))(?P<unit>day|week|month|year)s?\b(?!['’])|"
    r",?\s*\b(?:for\s+(?:the\s+rest\s+of\s+)?|during\s+)?(?:the\s+rest\s+of\s+)?(?P<this>this)\s+(?P<whole>week|"
    r"month|year)\b",
    re.I,
)
_LENGTH = {"day": 1, "week": 7}


class Bounds(NamedTuple):
    """start: local, ISO; until: as in a rule; both may be empty."""

    start: str
    until: str
    spans: tuple[Span, ...]


def bounds(low: str, beside: tuple[Span, ...], local: datetime) -> Bounds:
    """The bounds a text names. beside: where the schedule itself is said."""
    start, until, spans = "", "", []
    for begin, end in beside:
        low = f"{low[:begin]}{chr(1) * (end - begin)}{low[end:]}"
    today = local.date()
    if (within := _WITHIN.search(low)) and not (within.group("alone") and within.group("a_alone")):
        first, last = _date(within, today, "a_"), _date(within, today, "", last=True)
        if first and last:
            return Bounds(_start(first), _end(last), (within.span(),))
    if match := _FROM.search(low):
        tag = next(
            (each for each in ("", "a_", "b_") if any(match.groupdict().get(f"{each}{name}") for name in _GROUPS)), ""
        )
        if found := _date(match, today, tag):
            start = "" if found == today else _start(found)
            spans.append(match.span())
    if (
        (match := _TO.search(low))
        and _beside(low, match.span(), (*beside, *spans), ends=True)
        and (found := _date(match, today, "", last=True))
    ):
        until = _end(found)
        spans.append(match.span())
    elif (match := _FOR.search(low)) and _beside(low, match.span(), (*beside, *spans)):
        first = date.fromisoformat(start[:10]) if start else today
        until = _end(_after(first, match))
        spans.append(match.span())
    return Bounds(start, until, tuple(spans))


_GROUPS = ("iso", "day", "day2", "alone", "end", "soon", "name", "next", "feast")


def _beside(low: str, span: Span, spans: tuple[Span, ...], ends: bool = False) -> bool:
    """Whether it is told next to the schedule, in front, or as an aside. ends: at the end without a comma as well."""
    near = any(-3 <= begin - span[1] <= 3 or -3 <= span[0] - end <= 3 for begin, end in spans)
    aside = low[span[0] : span[1]].startswith(",") and not low[span[1] :].strip(" .!")
    return near or aside or not low[: span[0]].strip() or (ends and not low[span[1] :].strip(" .!"))


def _date(match: re.Match[str], today: date, tag: str, last: bool = False) -> date | None:
    """last: a month or a year means its end."""

    def said(name: str) -> str:
        return (match.groupdict().get(f"{tag}{name}") or "").lower()

    try:
        if said("iso"):
            return date.fromisoformat(said("iso"))
        if named := said("month") or said("month2"):
            month, day = calendar.number(named), int(said("day") or said("day2"))
            return _next(today, month, day, said("year") or said("year2"))
        if said("alone"):
            month, edge = calendar.number(said("alone")), said("edge")
            day = 15 if edge == "middle" else 28 if edge in ("end", "last") or (last and not edge) else 1
            found = _next(today, month, day, said("year3"), keep=today.month == month)
            return found.replace(day=monthrange(found.year, month)[1]) if day == 28 else found
        if feast := said("feast"):
            month, day = next(at for name, at in calendar.HOLIDAYS.items() if re.fullmatch(name, feast))
            return _next(today, month, day, "")
    except ValueError:
        return None
    if said("soon"):
        return today + timedelta(days=said("soon") == "tomorrow")
    if said("name"):
        return today + timedelta(days=(list(DAYS).index(said("name")) - today.weekday()) % 7 or 7)
    return _period(said("next"), said("end"), today)


def _period(following: str, end: str, today: date) -> date | None:
    if "week" in (following, end):
        return today + timedelta(days=7 - today.weekday() - (end == "week"))
    if "month" in (following, end):
        last = today.replace(day=monthrange(today.year, today.month)[1])
        return last if end else last + timedelta(days=1)
    if "year" in (following, end):
        return date(today.year, 12, 31) if end else date(today.year + 1, 1, 1)
    return None


def _next(today: date, month: int, day: int, year: str, keep: bool = False) -> date:
    found = date(int(year) if year else today.year, month, day)
    return found if year or keep or found >= today else found.replace(year=today.year + 1)


def _after(first: date, match: re.Match[str]) -> date:
    """The last day of so many weeks from the first day on."""
    if whole := match.group("whole"):
        return _period("", whole.lower(), first) or first
    said, unit = (match.group("count") or "1").lower(), match.group("unit").lower()
    count = int(said) if said.isdigit() else NUMBER_WORDS.get(said, 1)
    if unit in _LENGTH:
        return first + timedelta(days=min(count, 1000) * _LENGTH[unit] - 1)
    months = first.year * 12 + first.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(min(months, 2100 * 12), 12)
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1])) - timedelta(days=1)


def _start(day: date) -> str:
    return f"{day.isoformat()}T00:00:00"


def _end(day: date) -> str:
    return f"{day:%Y%m%d}T235959"
