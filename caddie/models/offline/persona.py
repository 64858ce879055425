"""Who answers in a chat: a bot told by what it is and what it does.

Invariant: a prompt is made of the user's own words. Callers: ``reader``, ``starts``,
``understand``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action, Step, actions

#: "a homework helper for my daughter's maths"
LEAD = re.compile(
    r"^(?:(?:please\s+)?(?:build|create|make|set\s+up|design|give|add|get|write)\s+(?:me\s+|us\s+)?|(?:(?:i|"
    r"we)\s+(?:would\s+|really\s+)*"
    r"(?:like|want|need)\s+(?:to\s+have\s+)?)?|(?:let|allow)\s+(?:the\s+|our\s+|my\s+)?\w+\s+(?:to\s+)?(?:chat|talk|"
    r"speak|write)\s+"
    r"(?:with|to)\s+)(?P<who>(?:(?:an?|the|my|our)\s+(?:[\w-]+\s+){0,4}?|"
    r"(?<![\w ])(?=chat\s?bot|bot\s+(?:for|that)))(?:chat\s?bot|bot|"
    r"assistant|"
    r"helper|tutor|coach|concierge|companion|chat\s+agent)\b(?:\s+in\s+(?:the\s+|a\s+|our\s+)?chat\b)?(?:\s+(?:called|"
    r"named)\s+[\w-]+)?(?:\s+for\s+[^.,:;]+?)?)(?=\s*[.,:;\n]|\s+(?:that|which|who|to|where)\b|"
    r"\s*$)(?:\s*[.,:;]?\s*(?:that|which|who|to|(?:it|he|she|people)\s+(?:should|must|can|will))\b)?[\s.,:;]*",
    re.I,
)
BOTS = re.compile(r"\b(?:chat\s?bots?|bots?|assistants?|helpers?|tutors?|coach|concierge|companions?|ai)\b", re.I)


def named(event: str) -> str:
    """Who answers, when the event is told as somebody: "a homework helper"."""
    match = LEAD.match(event)
    return match.group("who") if match and match.end() == len(event) else ""


def embodied(steps: list[Step], unknown: list[str], asides: list[str], who: str, bot: bool) -> list[str]:
    """The clauses that are still unknown once the bot has been told what it is.

    asides: said around it. bot: the request speaks of one.
    """
    if not bot:
        return unknown
    told = actions(steps)
    heeds = " ".join(f"{words.sentence(each)}." for each in (*asides, *unknown))
    agent = next((each for each in told if each.block == "agent"), None)
    if agent is not None:
        before = str(agent.payload.get("prompt", "")).rstrip(" .")
        agent.payload["prompt"] = f"{before}. {heeds}".strip()
        return []
    answer = next(
        (at for at, each in enumerate(steps) if isinstance(each, Action) and each.block == "reply_chat"), None
    )
    if heeds and answer is not None and isinstance(last := steps[answer], Action) and not last.said:
        how = f"{words.sentence(last.topic)}." if re.match(r"(?:answer|reply|respond|give)", last.topic, re.I) else ""
        lead = f"You are {who[:1].lower()}{who[1:]}." if who else ""
        prompt = " ".join(filter(None, [lead, heeds, how]))
        steps.insert(answer, Action("agent", {"prompt": prompt}, topic="answer", clause=heeds))
        return []
    if any(each.block == "reply_chat" for each in told) or (told and not unknown):
        return unknown
    lead = f"You are {who[:1].lower()}{who[1:]}." if who else ""
    prompt = f"{lead} {heeds}".strip() or "Answer the message."
    steps.append(Action("agent", {"prompt": prompt}, topic="answer", clause=heeds))
    return []
