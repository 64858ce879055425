"""Sums, averages and the like over a list: no block reckons, so an AI does.

Invariant: only where an address brings what is reckoned. Callers: ``actions``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action

_RECKONED = re.compile(
    r"^(?:(?:get|give|send|tell|show)\s+(?:me\s+|us\s+)?|calculate|compute|work\s+out|find(?:\s+out)?|figure\s+"
    r"out|determine)?\s*"
    r"(?:what\s+)?(?P<what>(?:the\s+)?(?:average|mean|median|sum|total|maximum|minimum|highest|lowest|"
    r"difference)\s+(?:of\s+|between\s+)?"
    r"(?:all\s+)?(?:the\s+)?[a-z].*|(?:add|sum|total|tot)\s+up\s+(?:all\s+)?(?:the\s+)?(?:sales|revenues?|"
    r"amounts?|totals?|prices?|costs?|"
    r"numbers?|values?|hours|expenses|payments|donations|scores?|points|invoices|orders|bills|figures|turnover)\b.*)$",
    re.I,
)


def reckoned(clause: str, about: str) -> Action | None:
    """ "add up all sales", "the average rating": of a list that is fetched; an AI reckons."""
    match = _RECKONED.match(clause)
    elsewhere = re.search(r"#\w|@\w|\bslack\b|\bdiscord\b|\be?-?mail\b", clause, re.I)
    compares = match and re.search(r"\b(?:is|are|was|exceeds?)\b", match["what"], re.I)
    if match is None or not words.url(about) or elsewhere or compares:
        return None
    what = re.sub(r"\s*(?:(?:from|at|of|on|in)\s+)?https?:\S+", "", match["what"]).strip(" .,")
    verb = "" if re.match(r"add|sum\s+up|tot", what, re.I) else "Work out "
    prompt = f"{words.sentence(verb + what)}. Give the number and nothing else."
    return Action("agent", {"prompt": prompt}, topic=words.bare(what)[:40])
