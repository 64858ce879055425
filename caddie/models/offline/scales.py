"""Comparatives that name what they compare: "heavier than 30 kg".

Invariant: a comparative with a number behind it, and nothing else. Callers: ``reader``, ``premises``, ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Condition, Test

#: Comparatives that name what they compare.
_SCALES = {
    "heavier": ("weight", "gt"), "lighter": ("weight", "lt"), "larger": ("size", "gt"), "bigger": ("size", "gt"),
    "smaller": ("size", "lt"), "older": ("age", "gt"), "younger": ("age", "lt"), "longer": ("length", "gt"),
    "shorter": ("length", "lt"), "warmer": ("temperature", "gt"), "hotter": ("temperature", "gt"),
    "colder": ("temperature", "lt"), "cooler": ("temperature", "lt"), "cheaper": ("price", "lt"),
    "more expensive": ("price", "gt"), "dearer": ("price", "gt"), "taller": ("height", "gt"), "faster": ("speed", "gt"),
    "slower": ("speed", "lt"),
}  # fmt: skip
_SCALE = re.compile(
    rf"(?:(?:those|ones|everything|anything|the|all|[\w-]+)\s+(?:(?:that|which)\s+(?:is|"
    rf"are)\s+)?)??\b({'|'.join(_SCALES)})\s+than\s+({words.NUMBER.pattern})(?:\s*(?:kg|kilos?|g|grams?|degrees?|"
    rf"euros?|dollars?|years?|days?|cm|m|km|%|percent|lbs?|°\s*[cf]?|[$€£]))?",
    re.I,
)


def comparative(text: str) -> tuple[Test, int, int] | None:
    """(test, start, end) of "heavier than 30 kg" used as a noun: what it compares is what the word says."""
    match = _SCALE.search(words.masked(text))
    if match is None or re.match(r"(?:if|unless|when|keep|filter|drop)\b", text, re.I):
        return None
    subject, op = _SCALES[match.group(1).lower()]
    said = text[match.start() : match.end()]
    return Test((Condition(subject, op, words.number(match.group(2))),), said=said), match.start(), match.end()
