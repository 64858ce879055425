"""Schedules in everyday English: how often, on which days, when in the day, limited to which hours and months.

Invariant: a part of a text that is taken for the schedule is in its spans, so what is cut out is what was understood.
Callers: ``timing``, ``change``, ``proposal``, ``repair``, ``talk``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from caddie.models.offline import calendar, clock, frequency, weekdays
from caddie.models.offline.rule import DAYS, FLOWING, WORKDAYS, Schedule, Span, every, read
from caddie.models.offline.weekdays import LONG_DAY

__all__ = ["DAYS", "LONG_DAY", "Schedule", "find", "read", "united"]

_SPARED = re.compile(
    rf"\s*,?\s*\b(?:except|unless\s+it\s+is(?:\s+an?|\s+on)?|but\s+not|(?<=day\s)but|(?<=days\s)but|not|excluding|"
    rf"besides|apart\s+from|other\s+than|"
    rf"without|save)\s+(?:for\s+)?"
    rf"(?:(?:on|at|the|over|in|during|all\s+of)\s+)*"
    rf"((?:{weekdays.DAY})(?:\s*(?:,|and|&|or)\s*(?:{weekdays.DAY}))*|weekends?|weekdays|work(?:ing)?\s?days|"
    rf"(?:{'|'.join(calendar.MONTHS)})(?:\s*(?:,|and|&|or)\s*(?:{'|'.join(calendar.MONTHS)}))*)(?!\w)",
    re.I,
)
#: "Monday 7 December" is one day, not every Monday.
_DATED_DAY = re.compile(
    rf"\b(?:on\s+)?(?P<day>{LONG_DAY})(?=,?\s+(?:the\s+)?(?:\d{{1,2}}(?:st|nd|rd|th|"
    rf"\.)?\s+(?:of\s+)?{calendar.MONTH}|{calendar.MONTH}\s+(?:the\s+)?\d{{1,2}}(?!\d|:)))"
)
#: "at a quarter past every hour", "hourly on the half hour".
_PAST = re.compile(
    r"\b(?:at\s+)?(?:a\s+)?(?P<past>half|quarter|five|ten|twenty|\d{1,2})(?:\s+minutes?)?\s+(?P<way>past|after|to|"
    r"before)(?:\s+(?:(?:of\s+)?(?:every|each|the)\s+)?(?:full\s+)?hour\b|(?=\s*(?:[,.;:]|$)))|"
    r"\b(?:at|on)\s+(?:the\s+)?(?P<on>half[\s-]hour|full\s+hour|hour|half)\b|\bat\s+(?:minute\s+|:)"
    r"(?P<minute>\d{1,2})\b",
    re.I,
)
_AT = {"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20}


def find(text: str, changing: bool = False) -> Schedule | None:
    """The schedule a text speaks of, or None. changing: "to 9" is a time as well."""
    low = text.lower()
    spared = _SPARED.search(low)
    # What is left out must not be taken for the days it runs on, unless nothing else is told.
    low = _blank(low, [each.span("day") for each in _DATED_DAY.finditer(low)])
    kept = _blank(_blank(low, frequency.called(low)), [spared.span()] if spared else ())
    parted = clock.parts(kept)
    told = frequency.find(kept) or (None if parted and parted.recurring else frequency.find(low))
    found = _mixed(told, low)
    if found is not None and found.freq in FLOWING:
        return _seasonal(_spared(_flowing(found, low), low), low)
    marked = clock.mark(low)
    if parted and (found or parted.recurring):
        found = found or Schedule("DAILY")
        found = replace(found, spans=(*found.spans, parted.span))
    words = parted.words if parted else ()
    shadow = _blank(low, found.spans if found and not parted else ())
    clocked = clock.times(shadow, words[0] if len(words) == 1 else "", changing)
    if (
        marked
        and clocked is None
        and (
            found
            or not low[: marked.spans[0][0]].strip()
            or re.search(r"\b(?:every|each)\b", low[slice(*marked.spans[0])])
        )
    ):
        found, clocked = found or Schedule("DAILY"), marked
    if found is None and clocked is None:
        if parted is None:
            return None
        return Schedule(times=tuple(sorted(clock.PARTS[word][0] for word in words)), spans=(parted.span,))
    result = _spared(found or Schedule(), low)
    if clocked and parted and not (found or parted.recurring):
        result = replace(result, spans=(*result.spans, parted.span))
    if clocked:
        result = replace(result, times=clocked.times, spans=(*result.spans, *clocked.spans))
    elif (between := clock.window(shadow)) and between.named and _touch(result.spans, between.span):
        result = replace(result, times=(between.first,), spans=(*result.spans, between.span))
    elif words and (not result.times or result.freq == "DAILY"):
        result = replace(result, times=tuple(sorted(clock.PARTS[word][0] for word in words)))
    return _seasonal(_apart(result, low), low)


def _touch(spans: Iterable[Span], span: Span) -> bool:
    return any(-2 <= start - span[1] <= 2 or -2 <= span[0] - end <= 2 for start, end in spans)


def _apart(result: Schedule, low: str) -> Schedule:
    """ "weekdays at 8 and weekends at 10": further days, with times of their own."""
    slots = [(day, time) for day in result.days for time in result.times]
    while result.freq == "WEEKLY" and result.interval == 1 and slots:
        end = united(result.spans)[-1][1]
        joined = re.match(r"\s*(?:,|;|and|but|&|plus|then)+\s*(?:then\s+)?", low[end:])
        begin = end + joined.end() if joined else end
        tail = low[begin : begin + 50]
        more, clocked = weekdays.week(tail), clock.times(tail)
        if joined is None or more is None or clocked is None:
            break
        both = united([*more.spans, *clocked.spans])
        if both[0][0] > 3 or any(tail[one[1] : two[0]].strip(" ,") for one, two in zip(both, both[1:], strict=False)):
            break
        slots += [(day, time) for day in more.days for time in clocked.times]
        days = tuple(dict.fromkeys((*result.days, *more.days)))
        span = (end, begin + both[-1][1])
        result = replace(result, days=days, slots=tuple(dict.fromkeys(slots)), spans=(*result.spans, span))
    return result


def _blank(low: str, spans: Iterable[Span]) -> str:
    """The text without what is known to be no time of day."""
    for start, end in spans:
        low = f"{low[:start]}{chr(1) * (end - start)}{low[end:]}"
    return low


def _mixed(found: Schedule | None, low: str) -> Schedule | None:
    """ "every two hours on weekdays", "twice a day on Mondays": what is counted within the days that are named."""
    if found is None or found.freq in FLOWING or not (found.days or found.month_days or found.months):
        return found
    inner = frequency.often(_blank(low, found.spans))
    if inner is not None:
        spans = (*found.spans, *inner.spans)
        if inner.freq in FLOWING:
            return replace(inner, days=found.days, month_days=found.month_days, months=found.months, spans=spans)
        return replace(found, times=inner.times, spans=spans)
    counted = frequency.counted(_blank(low, found.spans))
    return replace(found, spans=(*found.spans, counted)) if counted else found


def _flowing(found: Schedule, low: str) -> Schedule:
    """What comes every so many minutes or hours, within its hours of the day."""
    rest = _blank(low, found.spans)
    if window := clock.window(rest):
        days = found.days or (WORKDAYS if window.office else ())
        return replace(_limited(replace(found, days=days), window), spans=(*found.spans, window.span))
    if found.freq == "HOURLY" and (past := _PAST.search(low)):
        return replace(found, minutes=(_minute(past),), spans=(*found.spans, past.span()))
    clocked = clock.times(rest)
    if clocked and found.freq == "HOURLY" and 24 % found.interval == 0 and len(clocked.times) == 1:
        hour, minute = clocked.times[0]
        begins = re.search(r"(?:starting|beginning|from|start)\s*$", rest[: clocked.spans[0][0]])
        span = (begins.start(), clocked.spans[0][1]) if begins else clocked.spans[0]
        times = tuple(sorted(((hour + at) % 24, minute) for at in range(0, 24, found.interval)))
        return replace(
            found, freq="WEEKLY" if found.days else "DAILY", interval=1, times=times, spans=(*found.spans, span)
        )
    return found


def _limited(found: Schedule, window: clock.Window) -> Schedule:
    minutes = found.interval * {"HOURLY": 60, "MINUTELY": 1}.get(found.freq or "", 1)
    hours = window.hours
    if found.freq == "HOURLY" and found.interval == 1 and not window.first[1]:
        ends = (
            ()
            if window.outside or window.last[1] or window.last[0] >= 24 or window.last <= window.first
            else (window.last[0],)
        )
        return replace(found, window=(*hours, *ends), minutes=(0,))
    if minutes < 60 and 60 % minutes == 0 and not (window.first[1] or window.last[1]):
        return replace(found, window=hours)
    if window.last > window.first and not window.outside:
        times = every(minutes, window.first, window.last)
    else:
        begin = (hours[0] if window.outside else window.first[0]) * 60
        found_at = sorted((begin + at) % (24 * 60) for at in range(0, len(hours) * 60, minutes))
        times = tuple(divmod(each, 60) for each in found_at)
    return replace(found, freq="WEEKLY" if found.days else "DAILY", interval=1, times=times)


def _minute(past: re.Match[str]) -> int:
    if past.group("minute"):
        return int(past.group("minute")) % 60
    if past.group("on"):
        return 30 if "half" in past.group("on") else 0
    said = past.group("past")
    minute = int(said) % 60 if said.isdigit() else _AT[said]
    return (60 - minute) % 60 if past.group("way") in ("to", "before") else minute


def _spared(result: Schedule, low: str) -> Schedule:
    """ "every day except Sunday", "not at weekends"."""
    spared = _SPARED.search(low)
    if spared is None or result.freq in (None, "YEARLY") or (result.freq == "MONTHLY" and not result.days):
        return result
    name = spared.group(1)
    spans = (*result.spans, spared.span())
    if left_out := [calendar.number(each) for each in re.findall("|".join(calendar.MONTHS), name)]:
        kept = tuple(each for each in range(1, 13) if each not in left_out)
        return replace(result, months=kept, spans=spans)
    gone = (
        {"SA", "SU"}
        if name.startswith("weekend")
        else set(WORKDAYS)
        if re.match(r"w\w+\s?days$", name) and not name.startswith("wednes")
        else set(weekdays.named(name))
    )
    left = tuple(each for each in (result.days or tuple(DAYS.values())) if each not in gone)
    if not left or left == result.days:
        return result
    freq = "WEEKLY" if result.freq == "DAILY" else result.freq
    return replace(result, freq=freq, days=left, spans=spans, spared=True)


def _seasonal(result: Schedule, low: str) -> Schedule:
    season = calendar.season(low) if result.freq and not result.months else None
    if season is None:
        return result
    months, span = season
    leads = span[0] <= 2
    if leads or _touch(result.spans, span):
        # Beside the schedule; "flights to Rome in May" limits nothing.
        return replace(result, months=months, spans=(*result.spans, span))
    return result


def united(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlaps: "every Sunday" lies in "every Sunday evening"."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
