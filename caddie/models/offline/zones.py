"""The time zone a text names: by its IANA name, by a city, a country or an abbreviation.

Invariant: only zones this machine knows. Callers: ``timing``, ``change``.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from caddie.models.offline.rule import Span

_ZONE = re.compile(
    r"\(?\b(?:in\s+)?([A-Z][A-Za-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?|UTC)\b(?:\s+time(?:\s?zone)?)?\)?"
)
_CITY = re.compile(r"\(?\b((?:[A-Za-z]+\.?\s){0,2}[A-Za-z]+)(?:['’]s)?\s+(?:local\s+)?time(?:\s?zone)?\b\)?")
#: "(New York)", "in Tokyo" behind a time.
_BEHIND = re.compile(
    r"(?:\d|[ap]\.?m\.?|o['’]?clock|noon|midnight|morning|afternoon|evening)\s*(\((?:in\s+)?((?:[A-Z][a-z]+\s?){1,3})"
    r"\)|in\s+((?:[A-Z][a-z]+\s?){1,3}))(?=\W|$)"
)
_SHORT = re.compile(
    r"(?:\d|[ap]\.?m\.?|o['’]?clock|noon|midnight)\s*\(?"
    r"((?:GMT|[A-Z]{2,4}|Eastern|Pacific|Mountain|Central))\b\)?(?:\s+time)?"
)
_ABBREVIATIONS = {
    "GMT": "Etc/GMT", "BST": "Europe/London", "CET": "Europe/Paris", "CEST": "Europe/Paris", "MEZ": "Europe/Berlin",
    "EET": "Europe/Athens", "EST": "America/New_York", "EDT": "America/New_York", "ET": "America/New_York",
    "CST": "America/Chicago", "CDT": "America/Chicago", "CT": "America/Chicago", "MST": "America/Denver",
    "MDT": "America/Denver", "MT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
    "PT": "America/Los_Angeles", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "SGT": "Asia/Singapore",
    "HKT": "Asia/Hong_Kong", "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney", "AWST": "Australia/Perth",
    "NZST": "Pacific/Auckland", "WET": "Europe/Lisbon", "UK": "Europe/London", "US": "America/New_York",
}  # fmt: skip
_PLACES = {
    name: zone
    for zone, names in (
        ("America/New_York", "nyc|eastern|us eastern|east coast|boston|miami|washington|atlanta|philadelphia|"
         "new york city|ny"),
        ("America/Chicago", "central|us central|texas|houston|dallas|austin"),
        ("America/Los_Angeles", "pacific|us pacific|west coast|san francisco|seattle|california|silicon valley|"
         "las vegas"),
        ("America/Denver", "us mountain"),
        ("America/Toronto", "montreal|ottawa"),
        ("America/Sao_Paulo", "rio|rio de janeiro"),
        ("Europe/London", "uk|british|england|scotland|manchester|edinburgh"),
        ("Europe/Dublin", "irish|ireland"),
        ("Europe/Berlin", "german|germany|munich|hamburg|frankfurt|cologne"),
        ("Europe/Paris", "french|france|central european"),
        ("Europe/Madrid", "spain|spanish|barcelona"),
        ("Europe/Rome", "italy|italian|milan"),
        ("Europe/Zurich", "swiss|switzerland|geneva|basel"),
        ("Europe/Vienna", "austria"),
        ("Europe/Amsterdam", "dutch|netherlands"),
        ("Europe/Warsaw", "poland|polish"),
        ("Europe/Stockholm", "sweden|swedish"),
        ("Europe/Oslo", "norway"),
        ("Europe/Copenhagen", "denmark"),
        ("Europe/Helsinki", "finland"),
        ("Europe/Athens", "greece"),
        ("Europe/Istanbul", "turkey"),
        ("Europe/Lisbon", "portugal"),
        ("Asia/Kolkata", "india|indian|mumbai|delhi|new delhi|bangalore"),
        ("Asia/Tokyo", "japan|japanese|osaka"),
        ("Asia/Shanghai", "china|beijing"),
        ("Asia/Seoul", "korea"),
        ("Asia/Jerusalem", "israel|tel aviv"),
        ("Africa/Johannesburg", "cape town|south africa"),
        ("Pacific/Auckland", "new zealand|wellington"),
        ("Australia/Sydney", "canberra"),
        ("Asia/Dubai", "abu dhabi"),
    )
    for name in names.split("|")
}  # fmt: skip


def zone(text: str) -> str | None:
    """An IANA time zone the text names, or a city that has one ("New York time")."""
    return found(text)[0]


def found(text: str) -> tuple[str | None, list[Span]]:
    """The zone, and where it is said."""
    if (named := _ZONE.search(text)) and named.group(1) in _zones():
        return named.group(1), [named.span()]
    for city in _CITY.finditer(text):
        parts = city.group(1).split()
        for at in range(len(parts)):
            name = " ".join(parts[at:])
            if zone := _place(name):
                start = city.start(1) + len(" ".join(parts[:at])) + bool(at)
                lead = re.search(r"\(?(?:\bin\s+)?$", text[:start])
                return zone, [(lead.start() if lead else start, city.end())]
    for behind in _BEHIND.finditer(text):
        if zone := _place((behind.group(2) or behind.group(3)).strip()):
            return zone, [behind.span(1)]
    if (short := _SHORT.search(text)) and (
        zone := _ABBREVIATIONS.get(short.group(1)) or _PLACES.get(short.group(1).lower())
    ):
        start = short.start(1) - text[: short.start(1)].endswith("(")
        return zone, [(start, short.end())]
    return None, []


def preferred(named: str | None, own: str, said: str) -> str:
    """The zone that is named, or the user's own where both show the same time all year: "CET" in Berlin."""
    if named is None or own not in _zones():
        return named or own
    same = all(
        len({datetime(2026, month, 15, tzinfo=ZoneInfo(each)).utcoffset() for each in (named, own)}) == 1
        for month in (1, 7)
    )
    return own if same and re.match(r"\W*[A-Z]{2,4}\b", said) else named


def without(text: str) -> str:
    """The text without the zone it names."""
    for start, end in reversed(found(text)[1]):
        text = text[:start] + text[end:]
    return text


def _place(name: str) -> str | None:
    low = name.lower()
    return _PLACES.get(low) or _cities().get(low) or (_ABBREVIATIONS.get(name) if name.isupper() else None)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _cities() -> dict[str, str]:
    return {name.rsplit("/", 1)[-1].replace("_", " ").lower(): name for name in sorted(_zones()) if "/" in name}
