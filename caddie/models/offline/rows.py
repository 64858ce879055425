"""Lists within a text: "2 x Blue mug 12.50", points, and what stands after "Tags:".

Invariant: pure functions of the text. Callers: ``extraction``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from caddie.models.offline import findings
from caddie.models.offline.wanted import MONEY, loose

_PRICE = r"(?P<price>(?:[$€£]\s?|(?:EUR|USD|GBP)\s)?\d[\d.,]*\s?(?:€|EUR\b|USD\b|GBP\b)?)"
_LINE = re.compile(
    r"^[ \t]*(?:[-*•–][ \t]*)?(?P<count>\d{1,5})[ \t]*(?:x|×|pcs\.?(?:[ \t]+of)?|pieces[ \t]+of|units?[ \t]+of)[ \t]*"
    rf"(?P<name>[^\n,;@]+?)(?:[ \t]*[-–:,@]|[ \t]+at|[ \t]+for|[ \t]+(?=[$€£\d]))?[ \t]*{_PRICE}?"
    r"(?:[ \t]*(?:each|per[ \t]+\w+|/[ \t]*\w+))?[ \t]*$",
    re.M | re.I,
)
_WITHIN = re.compile(
    r"(?<![\w.,])(?P<count>\d{1,4})\s*(?:x|×)\s*(?P<name>[A-Za-z][\w '’-]{1,60}?)"
    rf"(?=\s*(?:[,;.(\n]|and\b|for\b|at\b|$))(?:\s*(?:\(|at|for)\s*{_PRICE})?",
    re.I,
)
_COUNTS = frozenset("quantity qty count amount number pieces units".split())
_NAMES = frozenset("name product item description title article".split())
#: What a point itself is, in a list of points.
_POINTS = frozenset("name title task item text action description".split())


def counted(text: str) -> list[re.Match[str]]:
    """Rows of a count and a thing: whole lines, else within sentences."""
    return list(_LINE.finditer(text)) or list(_WITHIN.finditer(text))


def row(found: re.Match[str], fields: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """A counted row as an object of these fields."""
    made: dict[str, Any] = {}
    price = re.search(r"\d[\d.,]*\d|\d", found["price"] or "")
    for key, about in fields.items():
        if MONEY & set(about) - {"amount"} and price:
            made[key] = findings.amount(price[0])
        elif _COUNTS & set(about):
            made[key] = int(found["count"])
        elif _NAMES & set(about):
            made[key] = found["name"].strip()
    return made


def pointed(line: str, value: dict[str, Any], fields: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The fields of a point, with what the point is called."""
    names = (key for key, about in fields.items() if _POINTS & set(about) and key not in value)
    return value | {key: re.split(r"\s*(?:[:,;–(]|\s-\s)", line)[0].strip(" .") for key in names}


def split(said: str) -> list[str]:
    """Items of "a, b and c"."""
    parts = (each.strip(" .") for each in re.split(r"\s*[,;]\s*(?:and\s+)?|\s+and\s+", said))
    return [each for each in parts if each]


def below(text: str, name: tuple[str, ...]) -> list[str]:
    """The points below "Items:"."""
    point = r"[ \t]*(?:[-*•–]|\d{1,2}[.)])[^\n]+\n?"
    head = re.search(rf"\b{loose(name)}\b[^\n]{{0,40}}:[ \t]*\n(?P<list>(?:{point})+)", text, re.I)
    return list(findings.bullets(head["list"])) if head else []


def numbers(values: list[Any]) -> Iterator[Any]:
    for each in values:
        if found := re.search(r"\d[\d.,]*\d|\d", str(each)):
            yield findings.amount(found[0])
