"""A schedule as what starts a workflow: its rule, its time zone, from when and until when.

Invariant: a time of day that nothing else belongs to comes every day; what happens once starts once. Callers:
``starts``.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from caddie.models.offline import horizon, occasion, schedule, zones
from caddie.models.offline.request import Trigger
from caddie.models.offline.rule import Schedule, Span


def once(
    text: str, shadow: str, found: Schedule | None, timezone: str, now: datetime | None
) -> tuple[Trigger, list[Span]] | None:
    """ "tomorrow at nine": a start of its own, where nothing comes back."""
    if now is None or (found is not None and found.freq is not None):
        return None
    named, spans = zones.found(text)
    zone = named or timezone or "UTC"
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
    zone = named or timezone or "UTC"
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
    return Trigger("cronjob", payload), [*spans, *_asides(shadow, spans)]


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
    return found
