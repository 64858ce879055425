"""Answers that change nothing: greetings, what the model can do, what the workflow on the canvas does.

Invariant: returns None for anything that asks for a change. Callers: ``dialogue``.
"""

from __future__ import annotations

import re

from caddie.models.offline import speak, words
from caddie.models.offline.thread import Talk

_HELLO = re.compile(
    r"^\s*(?:hi|hello|hey|good\s+(?:morning|afternoon|evening|day)|greetings)\b[\s,!.]*(?:there|caddie|everyone|all)?[\s!.]*$",
    re.I,
)
_THANKS = re.compile(
    r"^\s*(?:thanks?|thank\s+you|great|perfect|nice|cool|awesome|ok(?:ay)?|good|bye|goodbye|never\s*mind|no(?:\s+thanks)?|not\s+yet|no,?\s+.*)(?:\s+(?:you|so\s+much|a\s+lot|very\s+much|job|work))*[\s!.]*$",
    re.I,
)
_ABILITY = re.compile(
    r"\b(?:what\s+(?:can|could)\s+you\s+do|what\s+do\s+you\s+do|how\s+(?:can|could)\s+you\s+help|help\s+me\s*[?.!]*$|what\s+are\s+you|who\s+are\s+you|what\s+is\s+caddie|which\s+(?:blocks|steps|tools|integrations)|what\s+(?:blocks|steps|integrations|tools)|how\s+do(?:es)?\s+(?:you|this|it|caddie)\s+work)\b|^\s*help[\s!?.]*$",
    re.I,
)
_MODEL = re.compile(
    r"\b(?:are\s+you\s+(?:an?\s+)?(?:ai|human|real|robot|bot|llm|gpt|claude)|which\s+model|what\s+model|are\s+you\s+(?:offline|online))\b",
    re.I,
)
_EXPLAIN = re.compile(
    r"^\s*(?:please\s+)?(?:(?:can|could)\s+you\s+)?(?:explain|describe|summari[sz]e|walk\s+me\s+through|tell\s+me\s+(?:about|what))\s+(?:(?:to\s+me\s+)?(?:what\s+)?)(?:this|the|my|it)\b(?:.*\b(?:workflow|flow|does|do|canvas|automation|graph|steps?)\b.*)?[\s?.!]*$|\bwhat\s+(?:does|do|is|are|will|would)\b.*|^\s*(?:how\s+many|which|does|is|are|do|where|why|who|how)\b.*\?\s*$|\bwhat\s+happens\b",
    re.I,
)
_WHEN = re.compile(r"\b(?:when|how\s+often|what\s+time|at\s+what\s+time)\s+(?:does|do|will|is|are)\b", re.I)
_SHOULD = re.compile(r"^\s*(?:can|could|would|will)\s+you\s+(?!explain|tell|describe|do\b|help\b)", re.I)


def answer(said: Talk) -> str | None:
    """The answer to a message that wants no change, else None."""
    text = said.request
    if any(
        "Shall I build it?" in asked and re.match(r"^\s*(?:no|not)\b", given, re.I) for asked, given in said.answers
    ):
        return "All right, nothing is built. Tell me what should be different."
    if said.answers or _SHOULD.match(text):
        return None
    if _HELLO.match(text):
        return f"Hello! Tell me what should happen and when, and I build the workflow. {speak.OFFLINE}"
    if _THANKS.match(text):
        return "You are welcome. Tell me when something should change."
    if _MODEL.search(text):
        return speak.OFFLINE
    if _ABILITY.search(text):
        return _abilities(said)
    if said.context.mode == "repair":
        return None
    if _WHEN.search(text) and said.nodes:
        return _when(said)
    if _EXPLAIN.search(text) or (said.context.mode == "conversation" and text.rstrip().endswith("?")):
        return _explain(said)
    return None


def _abilities(said: Talk) -> str:
    return (
        "I build and change workflows from plain sentences. For example:\n"
        "- “Every weekday at 9 search the web for AI news, summarize the results and post them to #news on Slack”\n"
        "- “When a chat message arrives, classify it as billing or bug, and if it is billing email me@example.com”\n"
        "- “Change the time to 10”, “also email me”, “remove the Slack step”, “what does this workflow do?”\n\n"
        "Workflows start on a schedule, on a webhook, on a chat message or by hand. They can call HTTP APIs, "
        "search the web, "
        "branch, loop, wait, ask a person, summarize, classify, extract data, let an AI agent write, and post to "
        "Slack, Discord, "
        f"email or the chat. I ask when something is missing.\n\n{speak.OFFLINE}"
    )


def _when(said: Talk) -> str:
    told = []
    for node_id in said.start.get("triggerNodeIds") or ["root"]:
        node = said.nodes.get(node_id)
        if node is not None:
            told.append(f"{speak.trigger(str(node.get('type')), node.get('payload') or {})} (`{node_id}`)")
    return f"It starts {words.joined(told)}." if told else "It has no trigger yet."


def _explain(said: Talk) -> str:
    if not said.nodes:
        empty = "There is no workflow on the canvas yet. Tell me what should happen and when, and I build it."
        return f"{empty}\n\n{speak.OFFLINE}"
    count = len(said.nodes)
    steps = f"{count} step" + "s" * (count != 1)
    return f"This workflow has {steps}:\n{speak.explain(said.start)}"


def lost(said: Talk, unknown: list[str] | None = None) -> str:
    """For a message this model makes nothing of."""
    which = words.joined([f"“{each}”" for each in unknown[:3]]) if unknown else "that"
    hint = "say which step to change and how" if said.nodes else "say when it should start and what should happen"
    return f"I did not understand {which}. Please {hint}, for example “{_example(said)}”.\n\n{speak.OFFLINE}"


def _example(said: Talk) -> str:
    return (
        "change the time to 9"
        if said.nodes
        else "every morning at 8 fetch https://example.com/rates and post it to Slack #fx"
    )
