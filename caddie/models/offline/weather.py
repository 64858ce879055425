"""Conditions on the weather, which nothing in a workflow knows by itself: it is looked up and judged.

Invariant: a thing that can be measured at an address is none. Callers: ``premises``, ``starts``.
"""

from __future__ import annotations

import re

_SKY = {
    "rain": "rain", "snow": "snow", "storm": "storm", "thunder": "thunderstorm", "hail": "hail", "freez": "frost",
    "frost": "frost", "icy": "frost", "sun": "sunny", "wind": "windy", "fog": "fog", "cloud": "cloudy", "dry": "dry",
}  # fmt: skip
_WHEN = (
    r"(?:today|tomorrow|tonight|this\s+(?:morning|afternoon|evening|weekend)|later|overnight|at\s+night|in\s+the\s+\w+)"
)
WEATHER = re.compile(
    r"^(?:(?:it|there)\s+(?:is|will|looks|might|may|should)?\s*(?:be\s+|going\s+to\s+(?:be\s+)?|like\s+)?|"
    r"(?:the\s+)?(?:weather|forecast)\s+"
    rf"(?:is|says|shows|looks|predicts|calls\s+for|gets)\s+(?:that\s+)?(?:it\s+will\s+)?(?:be\s+"
    rf")?)(?P<not>not\s+(?:going\s+to\s+)?)?(?:some\s+|any\s+|a\s+)?"
    rf"(?P<sky>{'|'.join(_SKY)})\w*(?:\s+(?P<when>{_WHEN}))?(?:\s+(?:in|at|for)\s+(?P<place>[A-Z]\w+))?(?:\s+"
    rf"(?P<then>{_WHEN}))?$",
    re.I,
)
#: "below zero tonight": a forecast has no field for it.
_COLD = re.compile(
    r"^it\s+(?:is|will|gets?)\s*(?:be\s+|going\s+to\s+(?:be|get)\s+)?(?P<way>below|under|above|over|colder\s+"
    r"than|warmer\s+than|hotter\s+than)\s+"
    rf"(?P<degrees>zero|freezing|-?\d+)(?:\s*(?:degrees|°\s?c?|celsius))?\s+(?P<when>{_WHEN})$",
    re.I,
)
_TOLD = re.compile(rf"\b(?:rain|snow|storm|freez|sun|wind|zero|degrees|frost|dry)\w*\s+(?P<when>{_WHEN})\b", re.I)


def asked(text: str) -> tuple[str, str, bool] | None:
    """(what to search for, the label that answers, whether it is denied) of "it rains tomorrow"."""
    text = text.strip(" ,.")
    if cold := _COLD.match(text):
        told = f"{cold['way']} {cold['degrees']}"
        return f"weather forecast {cold['when']}", told.lower(), False
    match = WEATHER.match(text)
    if match is None:
        return None
    when = match["when"] or match["then"] or "today"
    place = f" {match['place']}" if match["place"] else ""
    return f"weather forecast{place} {when}", _SKY[match["sky"].lower()], bool(match["not"])


def undated(shadow: str) -> str:
    """The text without the days a forecast is about: they are no date of the workflow."""
    return _TOLD.sub(lambda m: m.group()[: m.start("when") - m.start()] + "x" * len(m["when"]), shadow)
