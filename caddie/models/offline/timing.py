"""A schedule as what starts a workflow: its rule, its time zone, from when and until when.

Invariant: a time of day that nothing else belongs to comes every day; what happens once starts once. Callers:
``starts``.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from caddie.models.offline import clock, horizon, occasion, schedule, zones
from caddie.models.offline.request import Trigger
from caddie.models.offline.rule import FLOWING, Schedule, Span
from caddie.models.offline.weekdays import LONG_DAY


def once(
    text: str, shadow: str, found: Schedule | None, timezone: str, now: datetime | None
) -> tuple[Trigger, list[Span]] | None:
    """ "tomorrow at nine": a start of its own, where nothing comes back."""
    if now is None or (found is not None and found.freq is not None):
        return None
    named, spans = zones.found(text)
    zone = zones.preferred(named, timezone, text[slice(*spans[0])] if spans else "") or "UTC"
    single = occasion.once(shadow, now, ZoneInfo(zone))
    if single is None:
        return None
    return Trigger("cronjob", {"rrule": "FREQ=DAILY;COUNT=1", "start": single[0], "timezone": zone}), [
        *single[1],
        *spans,
    ]


def scheduled(
    text: str, shadow: str, found: Schedule | None, timezone: str, now: datetime | None
) -> tuple[Trigger, list[Span]] | None:
    """What comes back."""
    if found is None or not (found.freq or found.times):
        return None
    named, spans = zones.found(text)
    zone = zones.preferred(named, timezone, text[slice(*spans[0])] if spans else "") or "UTC"
    payload = {"rrule": found.rrule(), "timezone": zone}
    spans = [*found.spans, *spans]
    if now is not None:
        local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        bounds = horizon.bounds(shadow.lower(), tuple(schedule.united(spans)), local)
        if bounds.until:
            payload["rrule"] += f";UNTIL={bounds.until}"
        if bounds.start:
            payload["start"] = bounds.start
        spans += bounds.spans
    return Trigger("cronjob", payload, note=_notes(shadow, found, spans)), [*spans, *_asides(shadow, spans)]


#: Days whose date no rule knows.
_UNDATED = re.compile(
    r"(?:\b(?:every|each|on|at|before|after|during|in|from)\s+|\b)(?:the\s+)?(?:(?:\w+day|day|week|weekend|morning|"
    r"evening)\s+(?:before|after|of)\s+)?(?:(?:my|our|the|her|his|\w+['’]s)\s+)?"
    r"(?:easter(?:\s+\w+day)?|good\s+friday|pentecost|whitsun|ramadan|eid|diwali|passover|hanukkah|carnival|(?:full|"
    r"new)\s+moon|"
    r"(?:bank|public|school|summer|winter)\s+holidays?|pay\s?day|birthdays?|anniversary|solstice|"
    r"first\s+day\s+of\s+(?:spring|summer|autumn|fall|winter|school)|black\s+friday|"
    r"thanksgiving)\b"
    r"(?=\s*[,:.]|\s+(?:at\s|send|post|e?mail|remind|write|log|tell|wish|fetch|get)|\s*$)",
    re.I,
)


def undated(shadow: str) -> tuple[Trigger, list[Span]] | None:
    """ "on the Tuesday after Easter": it starts by hand, and that is said."""
    if missing := occasion.missing(shadow):
        note = f"there is no “{shadow[slice(*missing)].strip()}”, so it starts when you run it"
        return Trigger("manual", note=note), [missing]
    found = _UNDATED.search(shadow)
    if found is None or not re.match(
        r"(?:every|each|on|at|before|after|during)\b|\w+day\b", found.group().strip(), re.I
    ):
        return None
    said = found.group().strip()
    note = (
        f"no schedule knows the date of “{said}”, so it starts when you run it; name a date to have it start by itself"
    )
    return Trigger("manual", note=note), [found.span()]


#: A small hour without am or pm, read as one of the afternoon.
_SMALL = re.compile(
    r"\b(?:at|around|@)\s+(?:(?:half|(?:a\s+)?quarter|ten|twenty|five)\s+(?:past|to)\s+|half\s+)?(?:[1-5]|one|two|"
    r"three|four|five)\b(?![:.]?\d)(?!\s*[ap]\.?m)",
    re.I,
)


def _afternoon(shadow: str, found: Schedule) -> str:
    """Which time of day was taken for the afternoon."""
    small = _SMALL.search(shadow)
    late = [time for time in found.times if 12 <= time[0] <= 17]
    if small is None or not late or re.search(r"\b(?:afternoon|evening|pm)\b", shadow, re.I):
        return ""
    hour, minute = late[0]
    return f"I read “{small.group().strip()}” as {hour:02d}:{minute:02d}; say am if you mean the night"


#: "on Friday": the coming one, or every one.
_ONE_DAY = re.compile(rf"\bon\s+({LONG_DAY})\b(?!s|\s+(?:mornings|evenings|afternoons|nights)\b)", re.I)


def _notes(shadow: str, found: Schedule, spans: list[Span]) -> str:
    """What was taken for granted."""
    notes = [_afternoon(shadow, found)]
    if found.freq == "SECONDLY":
        notes.append("a schedule starts a workflow once a minute at most")
    if hour := re.search(r"\bat\s+(?:2[5-9]|[3-9]\d)(?::\d\d|\s*o['’]?clock|\s*h\b)(?:\s*o['’]?clock)?", shadow, re.I):
        notes.append(f"no day has “{hour.group()}”, so it starts at another time")
    if sun := re.search(r"\bat\s+(?:dawn|dusk|sunrise|sunset)\b", shadow, re.I):
        notes.append(f"no schedule knows the sun, so “{sun.group()}” is the same time every day")
    single = _ONE_DAY.search(shadow)
    recurs = re.search(r"\b(?:every|each|weekly|once)\b", shadow, re.I)
    if single and found.freq == "WEEKLY" and found.interval == 1 and not recurs:
        day = single.group(1).capitalize()
        notes.append(f"I read “{single.group()}” as every {day}; say “this {day}” for one time")
    rest = shadow.lower()
    for begin, end in spans:
        rest = f"{rest[:begin]}{chr(1) * (end - begin)}{rest[end:]}"
    if found.freq not in FLOWING and (left := clock.times(rest)):
        said = shadow[slice(*left.spans[0])].strip()
        notes.append(f"a workflow has one schedule, so “{said}” is no second start of it")
    return "; ".join(each for each in notes if each)


#: Words around a schedule that say nothing more: "daily at 9", "on a schedule", "only".
_ASIDE = re.compile(
    r"\b(?:(?:it\s+)?(?:runs?|start(?:s|ing)?|repeat(?:s|ing)?)\s+(?:it\s+)?|(?:only|always|again|sharp|"
    r"on\s+the\s+dot|local\s+time|please)\b\s*,?\s*)$",
    re.I,
)


def _asides(shadow: str, spans: list[Span]) -> list[Span]:
    found = []
    for start, _ in spans:
        if aside := _ASIDE.search(shadow[:start].rstrip()):
            if aside.group().strip().lower() in ("only", "always"):
                found.append((aside.start(), start))
    for _, end in schedule.united(spans):
        if after := re.match(r"\s*,?\s*only\b(?=\s*(?:[,:.]|at\b|$))", shadow[end:], re.I):
            found.append((end, end + after.end()))
    return found
