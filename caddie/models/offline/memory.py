"""Comparisons with the run before: "when it changed", "lower than last time".

Invariant: what is compared is remembered after the comparison, on both branches, unless nothing can have changed.
Callers: ``plan``, ``conditions``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from caddie.models.offline.naming import last_of
from caddie.models.offline.request import Action, Condition, Test

#: Not among what the runs before have seen.
UNSEEN = "unseen"
SEEN = "seen"
#: The right side of a comparison with the run before.
LAST = "last time"
NUMBER = "last number"
#: Of the steps that remember; what a message is about is what was compared, not what was remembered.
TOPICS = (NUMBER, "last value", SEEN)
BEFORE = (
    r"(?:(?:the\s+)?(?:last|previous)\s+(?:time|one|value|run|check|day|week|month|hour|result|number|price|reading|measurement)|"
    r"(?:it\s+was\s+)?(?:the\s+(?:day|week|hour|time)\s+before|before|yesterday|last\s+(?:week|month|night)|previously)|what\s+it\s+was(?:\s+before)?)"
)
_THAN = re.compile(rf"^{BEFORE}(?:\s+(?:it|you|we|i|this|the\s+workflow)\s+(?:\w+\s+)?\w+)?$", re.I)
_MOVED = re.compile(
    rf"^(?P<what>.*?)\s*\b(?:(?:has|have|is|are|was)\s+)?(?:(?P<up>gone\s+up|going\s+up|goes\s+up|went\s+up|risen|rising|rises|rose|"
    rf"increased|increases|increasing|climbed|climbs|grown|grows|grew)|(?P<down>gone\s+down|going\s+down|goes\s+down|went\s+down|fallen|falling|falls|fell|"
    rf"decreased|decreases|decreasing|dropped|drops|dropping|sunk|shrunk|shrinks))(?:\s+(?:since|from|compared\s+(?:to|with)|against)\s+{BEFORE}|\s+again)?$",
    re.I,
)


def before(said: str) -> bool:
    """Whether what something is compared with is its value of the run before."""
    return _THAN.match(said) is not None


def moved(text: str) -> Condition | None:
    """ "the price has dropped since yesterday" """
    match = _MOVED.match(text.strip(" ,.;:"))
    return Condition(match.group("what").strip(), "gt" if match.group("up") else "lt", LAST, text) if match else None


def remembers(condition: Condition) -> bool:
    return condition.op in ("changed", "unchanged", UNSEEN) or condition.right == LAST


def plain(condition: Condition) -> Condition:
    """The condition as one on a value, for what it looks at."""
    named = condition.op in ("changed", "unchanged", UNSEEN)
    return replace(condition, op="neq") if named else replace(condition, right=0)


def compared(condition: Condition, left: str) -> dict[str, Any]:
    if condition.op == UNSEEN:
        return {"left": "{{$vars." + _seen(left) + "}}", "op": "not_contains", "right": left}
    op = {"changed": "neq", "unchanged": "eq"}.get(condition.op, condition.op)
    return {"left": left, "op": op, "right": "{{$vars." + last_of(left) + "}}"}


def notes(made: list[dict[str, Any]], test: Test) -> tuple[list[Action], list[Action]]:
    """What each branch remembers for the next run."""
    then, otherwise = [], []
    for condition, each in zip(made, test.conditions, strict=True):
        if each.op == UNSEEN:
            payload = {"name": _seen(condition["right"]), "value": condition["right"], "operation": "append"}
            then.append(Action("set-variable", payload, topic=SEEN))
        if each.op != "changed" and each.right != LAST:
            continue
        topic = NUMBER if each.right == LAST else "last value"
        payload = {"name": last_of(condition["left"]), "value": condition["left"]}
        then.append(Action("set-variable", {**payload}, topic=topic))
        if each.right == LAST:
            otherwise.append(Action("set-variable", {**payload}, topic=topic))
    return then, otherwise


def _seen(expression: str) -> str:
    """The variable that keeps what has been seen."""
    return f"seen_{last_of(expression).removeprefix('last_')}s"
