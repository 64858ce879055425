"""The time zone a text names: by its IANA name, or by a city that has one.

Invariant: only zones this machine knows. Callers: ``starts``, ``change``.
"""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import available_timezones

_ZONE = re.compile(r"\b([A-Z][A-Za-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?|UTC)\b(?:\s+time)?")
_CITY = re.compile(r"\b((?:[A-Za-z]+\s){0,2}[A-Za-z]+)\s+time\b")


def zone(text: str) -> str | None:
    """An IANA time zone the text names, or a city that has one ("New York time")."""
    if (named := _ZONE.search(text)) and named.group(1) in _zones():
        return named.group(1)
    for city in _CITY.finditer(text):
        parts = city.group(1).lower().split()
        for at in range(len(parts)):
            if found := _cities().get(" ".join(parts[at:])):
                return found
    return None


def city(name: str) -> str:
    return re.escape(name.rsplit("/", 1)[-1].replace("_", " "))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _cities() -> dict[str, str]:
    return {name.rsplit("/", 1)[-1].replace("_", " ").lower(): name for name in sorted(_zones()) if "/" in name}
