"""Which mode a turn is in: a cheap look at the words, no model call.

Invariant: the user's own choice always wins. Callers: the turn.
"""

from __future__ import annotations

import re
from typing import Literal

from shared.events import Mode

_PLAN = re.compile(
    r"\b(?:plan|propose|outline|sketch|how\s+would\s+you|what\s+would|suggest\s+(?:a|how)|"
    r"before\s+you\s+(?:build|start|change))\b",
    re.I,
)
_REPAIR = re.compile(
    r"\b(?:fix|repair|broken|fail(?:s|ed|ing)?\s*(?:[!.]|$|at|with|on|because)|errors?|(?:there(?:['’]s|"
    r"\s+is)|has|found|got|have)\s+an?\s+bug|"
    r"bugs?\s+in\s+(?:it|this|the|my)|buggy|(?:is|are|was|goes|went|looks?|seems?|something|what['’]?s)\s+wrong|"
    r"wrong\s+(?:here|reference|block|branch|type)|not\s+work(?:ing)?|doesn['’]?t\s+work|debug|crash(?:es|"
    r"ed)?|invalid)\b",
    re.I,
)
_BUILD = re.compile(
    r"\b(?:build|create|make|add|change|update|remove|delete|rename|replace|set|send|post|fetch|get|call|"
    r"notify|e-?mail|summari[sz]e|classify|extract|"
    r"translate|reply|answer|wait|run|schedule|move|connect|instead|also|every|each|when(?:ever)?|if|"
    r"search|alert|monitor|automate|workflow\s+that)\b",
    re.I,
)
_ASK = re.compile(
    r"^\s*(?:what|why|how|who|when|where|which|is|are|does|do|did|explain|describe|tell\s+me|"
    r"can\s+you\s+(?:explain|tell)|show)\b",
    re.I,
)
#: "when it fails, …", "tell me in Discord instead": no question.
_WISH = re.compile(r"^\s*when(?:ever)?\b.*,|^\s*tell\s+me\b.*\binstead\s+of\b", re.I | re.S)
_TALK = re.compile(
    r"^\s*(?:hi|hello|hey|thanks?|thank\s+you|good\s+(?:morning|evening|day)|ok(?:ay)?|great|cool|bye|"
    r"help|what\s+can\s+you\s+do)\b[\s!.?]*$",
    re.I,
)


_YES = re.compile(
    r"^\s*(?:approved?|yes|yep|yeah|ok(?:ay)?|sure|go(?:\s+(?:on|ahead|for\s+it))?|build\s+it|do\s+(?:it|that)|proceed|"
    r"perfect|great|lgtm|(?:looks|sounds)\s+(?:good|fine|great))\b(?:[\s,!.]|please|build|it|go|ahead|do|"
    r"thanks?|that)*$",
    re.I,
)
PlanAnswer = Literal["approved", "changed"]


def approves(text: str) -> bool:
    """Whether an answer to a plan is a plain yes; anything that says more wants the plan changed."""
    return bool(_YES.match(text))


def select(
    text: str,
    *,
    preferred: Mode | None,
    has_workflow: bool,
    failed: bool,
    answering: bool,
    plan: PlanAnswer | None = None,
    asked_while: Mode | None = None,
    faulty: bool = False,
) -> tuple[Mode, str]:
    """(mode, the reason in words). failed: the turn is about an execution that failed. plan: what became of a plan.

    asked_while: the mode of the turn whose question is answered. faulty: the workflow that came along has errors.
    """
    if plan is not None:
        # Whoever approves a plan wants it built, whatever mode the session began in.
        return ("building", "you approved the plan") if plan == "approved" else ("planning", "you want another plan")
    if preferred is not None:
        return preferred, "you chose this mode"
    if failed:
        return "repair", "an execution of this workflow failed"
    if answering:
        return asked_while or "building", "you answered a question"
    if _TALK.match(text):
        return "conversation", "the message is small talk or asks for help"
    if _ASK.match(text) and not _WISH.search(text):
        return (
            ("planning", "you ask for a plan") if _PLAN.search(text) else ("conversation", "the message is a question")
        )
    if has_workflow and _REPAIR.search(text) and not re.search(
        r"\b(?:if|when)\b.*\b(?:fails?|errors?|wrong|crash(?:es)?|bug|down)\b", text, re.I
    ):
        return "repair", "the message speaks of something that does not work"
    if _PLAN.match(text.strip()) or re.search(r"\bplan\b", text, re.I):
        return "planning", "you ask for a plan"
    if _BUILD.search(text):
        return "building", "the message asks for a change" if has_workflow else "the message describes a workflow"
    if faulty:
        return "repair", "validation finds errors in the workflow"
    return "conversation", "the message asks for no change"
