"""Clauses about what a workflow keeps: a value, a count, a running sum, a list.

Invariant: as in ``actions``; a variable is called what the request calls it. Callers: ``actions``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action

_NAME = r"[\"'`“]?(?P<name>[A-Za-z_][\w-]*)[\"'`”]?"
_KEEPS = r"(?:remember|save|store|keep|set|put|write|assign|note|record|hold|load)"
#: "put it in the variable total", "save the id as last_id".
_SET = re.compile(
    rf"^{_KEEPS}\s+(?P<what>.+?)\s+(?:(?:as|in|into|to|under|inside)\s+(?:the\s+|an?\s+|my\s+)?(?:(?:global\s+|"
    rf"workflow\s+)?variable\s+)(?:called\s+|named\s+)?"
    rf"{_NAME}|(?:as|in|into|to|under)\s+(?:the\s+|a\s+)?{_NAME.replace('name', 'other')}(?P<worded>\s+variable)?)$",
    re.I,
)
_CALLED = re.compile(r"\b(?:as|in|into|to)\s+(?:the\s+|an?\s+)?variable\s+[\"'`“]?[A-Za-z_]", re.I)
_ASSIGN = re.compile(r"^set\s+(?:the\s+)?variable\s+[\"'`]?(?P<name>[A-Za-z_]\w*)[\"'`]?\s+to\s+(?P<what>.+)$", re.I)
_COUNT = re.compile(
    r"^(?:count|increment|increase|tally|bump|raise)\s+(?:up\s+)?(?:(?:the|an?|every|each|all|our|"
    r"how\s+many)\s+)?(?:counter\s+|"
    r"variable\s+|number\s+of\s+)?[\"']?([A-Za-z_][\w-]*)(?:.*?\b(?:called|named|(?:variable|counter)(?!\s+(?:called|"
    r"named)))\s+[\"']?([A-Za-z_]\w*))?",
    re.I,
)
#: "count how often the webhook is called", "keep a tally of the complaints", "keep count".
_TALLY = re.compile(
    r"^(?:count|track|keep\s+(?:track\s+of|count\s+of|a\s+(?:count|tally|score)\s+of))\s+(?:how\s+(?:often|"
    r"many(?:\s+times)?)\s+|(?:the\s+)?number\s+of\s+)?"
    r"(?P<what>.+)$|^keep\s+(?:a\s+)?(?:count|counter|tally)$",
    re.I,
)
#: "add up the amounts", "keep a running total of the amounts", "add the total to the variable revenue".
_SUM = re.compile(
    r"^(?:add\s+up|sum\s+up|total\s+up|accumulate|keep\s+(?:a\s+)?(?:running\s+)?(?:total|"
    r"sum)\s+of)\s+(?:all\s+)?(?:the\s+|their\s+|its\s+)?"
    r"(?P<what>(?:[\w]+\s+){0,2}?(?:amount|total|price|cost|hour|sale|number|value|quantit(?:y|ie)|point|"
    r"donation|minute|km|mile|expense|revenue|"
    r"sum|fee|weight|count|budget|tip|score|kilomet(?:er|re)|spending|payment|euro|dollar|it|them)s?)"
    rf"(?:\s+(?:in|into|as|under)\s+(?:the\s+|an?\s+)?(?:variable\s+)?(?:called\s+|named\s+)?{_NAME})?$",
    re.I,
)
_ADDED = re.compile(
    rf"^(?:add|append|push|put|collect|count)\s+(?:the\s+|its\s+|their\s+|every\s+|each\s+|any\s+|"
    rf"all\s+)?(?P<what>[\w ]{{2,30}}?)\s+(?:to|"
    rf"onto|in|into)\s+(?:the\s+|our\s+|my\s+|a\s+)?(?:(?P<kind>list\s+variable|variable|counter|"
    rf"running\s+total|total|sum|list)\s*"
    rf"(?:called\s+|named\s+|variable\s+)*(?:{_NAME})?)$",
    re.I,
)
_REMEMBER = re.compile(
    r"^(?:remember|save|store|keep)\s+(?:the\s+|its\s+|their\s+)?(?:[\w-]+['’]s\s+)?((?:last|latest|current|new|"
    r"previous|"
    r"old)\s+\w+|\w+)$",
    re.I,
)
_POINTER = re.compile(
    r"it|them|this|that|(?:the\s+)?(?:result|answer|data|value|number|text|summary|total|"
    r"output|list)s?",
    re.I,
)
_PLACE = re.compile(r"\b(?:webhook|workflow|it|this|form|bot|flow)\b", re.I)


def variable(clause: str, about: str) -> Action | None:
    if re.search(r"#\w|\x00|@\w", clause) or ("://" in clause and not _CALLED.search(clause)):
        return None
    if match := _ASSIGN.match(clause):
        given = match.group("what")
        plain = words.quoted(given) or (
            words.number(given) if re.fullmatch(r"-?\d+(?:\.\d+)?", given.strip()) else None
        )
        payload = {"name": match.group("name"), **({} if plain is None else {"value": plain})}
        return Action("set-variable", payload, topic=given)
    if (match := _SET.match(clause)) and not re.fullmatch(
        r"an?|the|logs?|mind", match.group("name") or match.group("other") or "", re.I
    ):
        told = (
            match.group("name")
            or match.group("worded")
            or re.match(r"(?:remember|save|store|keep|set)\b", clause, re.I)
        )
        if told:
            name = match.group("name") or match.group("other")
            name = words.slug(match.group("what")) if name.lower() in ("variable", "memory", "counter") else name
            return Action(
                "set-variable", {"name": name}, topic=match.group("what"),
                members=_member(match.group("what")),
            )  # fmt: skip
    if (counted := _counted(clause)) is not None:
        return counted
    if (match := _REMEMBER.match(clause)) and not re.fullmatch(r"it|them|this|that", match.group(1), re.I):
        return Action(
            "set-variable", {"name": words.slug(match.group(1))}, topic=match.group(1), members=_member(match.group(1))
        )
    return None


def _counted(clause: str) -> Action | None:
    """Sums, lists that grow, counters."""
    if re.match(
        r"count\s+the\s+(?:words?|characters?|letters?|lines?|sentences?|vowels?|numbers?)\s+(?:in|of)\b", clause, re.I
    ):
        return None
    if match := _SUM.match(clause):
        return _sum(match.group("what"), match.group("name"))
    if match := _ADDED.match(clause):
        if (match.group("kind") or "").lower().startswith("list") or re.match(
            r"(?:append|push|collect)\b", clause, re.I
        ):
            name = match.group("name") or "items"
            return Action(
                "set-variable",
                {"name": name, "operation": "append"},
                topic="list",
                members=_member(match.group("what")),
            )
        kind = re.sub(r"\W+", "_", match.group("kind") or "total")
        return _sum(match.group("what"), match.group("name") or ("total" if kind in ("variable", "counter") else kind))
    if (match := _TALLY.match(clause)) and not re.match(r"count\s+(?:the|all|each|every|up)\b", clause, re.I):
        what = match.group("what") or "runs"
        if re.search(r"\bhow\b|\bkeep\b|\bnumber\s+of\b", clause, re.I):
            called = re.search(r"\b(?:called|named|variable|counter)\s+[\"']?([A-Za-z_]\w*)", what)
            name = called.group(1) if called else "calls" if _PLACE.search(what) else words.slug(_noun(what)) or "count"
            return Action("set-variable", {"name": name, "operation": "increment", "value": 1}, topic="count")
    if match := _COUNT.match(clause):
        name = words.slug(match.group(2) or match.group(1))
        name = "count" if name in ("it", "them", "this", "that", "one") else name
        step = re.search(r"\bby\s+(\d+)\b", clause)
        return Action(
            "set-variable",
            {"name": name, "operation": "increment",
             "value": int(step.group(1)) if step else 1},
            topic="count",
        )  # fmt: skip
    return None


def _noun(what: str) -> str:
    """ "people who sign up" → "people"."""
    return re.split(
        r"\s+(?:that|who|which|we|are|is|come|comes|get|per|in|a|each|every|so)\b", what, maxsplit=1, flags=re.I
    )[0]


def _sum(what: str, name: str | None) -> Action:
    field = re.sub(r"^(?:field|value|column|key)_(?=\w)|(?<=[a-rt-z])s$", "", words.slug(words.bare(what)))
    return Action(
        "set-variable", {"name": name or f"total_{field}", "operation": "increment"}, topic="sum",
        members=[] if _POINTER.fullmatch(what) else [field],
    )  # fmt: skip


def _member(what: str) -> list[str]:
    """The field a value is taken from, when it is called by a name."""
    what = re.sub(r"\s*(?:(?:of|from|at)\s+)?https?:\S+", "", what)
    if re.fullmatch(r"(?:the\s+)?(?:results?|answer|response|data|body|output|content)?", what.strip(), re.I):
        return []
    name = re.sub(r"^(?:last|latest|current|new|previous|old)\s+", "", words.bare(what), flags=re.I)
    return [] if _POINTER.fullmatch(name) or len(name.split()) > 3 or words.quoted(what) else [words.slug(name)]
