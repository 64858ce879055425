"""Edits that mend what a user says goes wrong, where validation finds nothing: the hour, the condition.

Invariant: something is turned round only when the workflow has one thing that can be meant. Callers: ``dialogue``, in
repair.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import conditions
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.plan import Edit
from caddie.models.offline.request import Condition, Test
from caddie.models.offline.thread import Talk

_HOUR = re.compile(
    r"\b(?:at|for|to)\s+\d{1,2}\b.*\b(?:at|for|to|set)\b.*\d{1,2}\b|\b(?:an?|one|two|\d)\s+hours?\s+(?:too\s+)?(?:late|early)\b|"
    r"\bwrong\s+(?:hour|time)\b|\btime\s?zone\b",
    re.I,
)
_TURNED = re.compile(
    r"\b(?:wrong|other)\s+way\s+(?:a?round)\b|\bopposite\b|\binverted\b|\breversed\b|\bbackwards\b|"
    r"\bwhen\b.*\b(?:but|and|instead|only)\b.*\b(?:when|if)\b",
    re.I | re.S,
)
#: How it should be, in the complaint.
_WANTED = re.compile(
    r"\b(?:i|we)\s+(?:\w+\s+)?(?:want|need|should\s+get|wanted)\b.*?\b(?:when|if)\s+(?:the\s+|it\s+is\s+|it['’]s\s+)?(.+?)"
    r"(?=[.,;!?]|$)",
    re.I | re.S,
)
#: What has one opposite.
_COMPARED = ("gt", "gte", "lt", "lte", "eq", "neq")


def edits(said: Talk) -> tuple[str, list[Edit]]:
    """What is done, in words, and the edits; none when the complaint is about something else."""
    canvas = Canvas(said.start)
    if _HOUR.search(said.request) and (made := _zoned(said, canvas)):
        return f"The schedule counts in another time zone; I set it to {said.context.timezone}.", made
    if _TURNED.search(said.request) and (made := _turned(said.request, canvas)):
        return "The condition asks for the opposite; I turn it round.", made
    return "", []


def _zoned(said: Talk, canvas: Canvas) -> list[Edit]:
    zone = said.context.timezone
    return [
        Edit("update_node", {"nodeId": each, "payload": {"timezone": zone}})
        for each in canvas.of("cronjob")
        if canvas.payload(each).get("timezone") != zone
    ]


def _turned(text: str, canvas: Canvas) -> list[Edit]:
    """The one condition there is, as the complaint wants it; by its opposite, where that says nothing of a limit."""
    checks = [each for each in canvas.of("if") if len(canvas.payload(each).get("conditions") or []) == 1]
    if len(checks) != 1:
        return []
    condition: dict[str, Any] = canvas.payload(checks[0])["conditions"][0]
    wanted = _WANTED.search(text)
    test = conditions.find(wanted.group(1)) if wanted else None
    if condition.get("op") not in _COMPARED:
        return []
    if test is None or test.conditions[0].right != condition.get("right") or test.conditions[0].op not in _COMPARED:
        test = conditions.negated(Test((Condition("", str(condition["op"])),)))
    if test.conditions[0].op == condition["op"]:
        return []
    turned = [{**condition, "op": test.conditions[0].op}]
    return [Edit("update_node", {"nodeId": checks[0], "payload": {"conditions": turned}})]
