"""Who answers in a chat: a bot told by what it is and what it does.

Invariant: a prompt is made of the user's own words. Callers: ``reader``.
"""

from __future__ import annotations

from caddie.models.offline import words
from caddie.models.offline.request import Action, Step, actions

_ANSWERS = ("agent", "reply_chat")


def embodied(steps: list[Step], unknown: list[str], who: str, bot: bool) -> list[str]:
    """The clauses that are still unknown once the bot has been told what it is. bot: the request speaks of one."""
    if not bot:
        return unknown
    told = actions(steps)
    heeds = " ".join(f"{words.sentence(each)}." for each in unknown)
    agent = next((each for each in told if each.block == "agent"), None)
    if agent is not None:
        before = str(agent.payload.get("prompt", "")).rstrip(" .")
        agent.payload["prompt"] = f"{before}. {heeds}".strip()
        return []
    if any(each.block == "reply_chat" for each in told) or (told and not unknown):
        return unknown
    lead = f"You are {who}." if who else ""
    prompt = f"{lead} {heeds}".strip() or "Answer the message."
    steps.append(Action("agent", {"prompt": prompt}, topic="answer", clause=heeds))
    return []
