"""Wishes that say that something should be better and not what: answered with a question that offers what can be done.

Invariant: nothing is changed before the user has chosen. Callers: ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Plan
from caddie.models.offline.request import Slot
from caddie.models.offline.thread import Talk

_BIT = r"(?:(?:a\s+bit|a\s+little|much|way|far|just|really|somewhat|so|kind\s+of|getting|rather|very)\s+)*"
_IT = r"(?:it|this|that|everything|the\s+(?:workflow|flow|whole\s+thing|thing|automation|bot|process))"
_NOISY = re.compile(
    rf"^(?:{_IT}|there)\s*(?:is|are|gets?|sends?|posts?|['’]?s)\s+{_BIT}(?:too\s+(?:noisy|loud|chatty|spammy|"
    rf"many\s+\w+|much(?:\s+\w+)?)|noisy|spammy|"
    rf"annoying|spam(?:ming)?(?:\s+(?:us|me|everyone))?)$|^(?:we|i)\s+(?:get|receive|see)\s+{_BIT}(?:too\s+many|"
    rf"so\s+many)\s+\w+$|"
    r"^(?:too\s+(?:many|much)\s+\w+|too\s+noisy|less\s+(?:noise|spam|messages|mails?|e-?mails?)|fewer\s+\w+|"
    r"make\s+it\s+(?:less\s+noisy|quieter)|"
    r"stop\s+(?:spamming|bothering)\s+(?:us|me|people))(?:\s+please)?$",
    re.I,
)
_BETTER = re.compile(
    rf"^(?:(?:make|get)\s+{_IT}\s+{_BIT}(?:nicer|better|smarter|cooler|prettier|more\s+(?:robust|reliable|useful|"
    rf"professional|efficient|user-?friendly|"
    rf"helpful)|cleaner|simpler|good|nice|perfect|work\s+better)|(?:improve|optimi[sz]e|polish|tidy(?:\s+up)?|"
    rf"clean\s+up|beautify|refine|simplify|"
    rf"enhance|upgrade|rework|tweak)\s+{_IT}(?:\s+(?:a\s+bit|a\s+little|up))*|{_IT}\s+(?:could|should|"
    rf"must)\s+be\s+{_BIT}(?:better|nicer|smarter|improved)|"
    rf"(?:i|we)\s+(?:do\s+not|am\s+not|are\s+not)\s+(?:like|happy\s+with|love)\s+{_IT}|"
    rf"do\s+something\s+(?:about\s+it|else|different)|"
    r"(?:change|adjust|adapt|edit|update|modify)\s+(?:it|this|that|something)|make\s+(?:some\s+)?(?:changes|"
    r"improvements))(?:\s+(?:please|a\s+bit))*$",
    re.I,
)
_SLOW = re.compile(rf"^(?:{_IT}|the\s+[\w ]+?)\s+(?:is|runs|takes)\s+{_BIT}(?:too\s+)?(?:slow|slowly|long)$", re.I)
_UNDO = re.compile(
    r"^(?:please\s+)?(?:undo|revert|roll\s+(?:it|that)?\s*back|take\s+(?:it|that)\s+back|go\s+back|"
    r"back\s+to\s+(?:the\s+)?(?:how|what|way|previous|old|before)"
    r"|put\s+(?:it|that|everything)\s+back|restore|reset|change\s+(?:it|that)\s+back|bring\s+(?:it|that)\s+back|"
    r"never\s*mind\s+that)\b[\w\s,']{0,60}$|"
    r"^(?:that|this|it)\s+was\s+(?:wrong|a\s+mistake|not\s+what\s+i\s+(?:meant|wanted))\W*$",
    re.I,
)
_TEXT = re.compile(
    r"^(?:please\s+)?(?:change|adjust|adapt|edit|update|modify|rewrite|reword)\s+the\s+(?:text|wording|words|content|subject|message)"
    r"(?:\s+(?:of|in)\s+(?:the\s+)?(?:message|mail|e-?mail|slack\s+message|post|reply))?$",
    re.I,
)
BETTER = "What should be different?"
TEXT = "What should it say? Tell me, for example “change the text to: see you at 8”."
NOISY = "What shall I do about it?"
UNDO = (
    "I do not remember how the workflow was before, so I cannot take a change back by myself. Tell me what it should "
    "be again, for example “set the limit back to 30” or “remove the mail”, and I change it."
)


def asked(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """What could be meant, as a question."""
    if _NOISY.match(text):
        return _ask(NOISY, _quieter(canvas), said)
    if _TEXT.match(text):
        return _ask(TEXT, [], said)
    if _BETTER.match(text) or _SLOW.match(text):
        return _ask(BETTER, _ideas(canvas), said)
    return None


def undone(said: Talk) -> bool:
    """Whether a message wants the last change taken back."""
    return bool(said.nodes and not said.answers and _UNDO.match(said.request.strip(" .!")))


def _ask(question: str, options: list[str], said: Talk) -> Change | None:
    if any(question in asked_ for asked_, _ in said.answers):
        return None
    told = words.joined([f"“{each}”" for each in options], "or")
    full = f"{question} For example {told}?" if options else question
    return Change(Plan(), "", slots=[Slot("wish", "text", full, tuple((each, each) for each in options))])


def _quieter(canvas: Canvas) -> list[str]:
    """Ways to fewer messages, as wishes that can be answered with."""
    found = []
    if any(canvas.nodes[each].get("type") == "cronjob" for each in canvas.triggers):
        rule = str(canvas.payload(canvas.triggers[0]).get("rrule"))
        found.append("run it once a week" if "DAILY" in rule or "WEEKLY" in rule else "run it once a day")
    if canvas.of("if"):
        found.append("change the limit")
    if canvas.of("http-request"):
        found.append("only send when it changed")
    senders = canvas.of("slack-send-message", "send-email")
    return [*found, *(f"remove {each}" for each in senders[-1:])]


def _ideas(canvas: Canvas) -> list[str]:
    found = []
    if any(canvas.nodes[each].get("type") == "cronjob" for each in canvas.triggers):
        found.append("change the time")
    if canvas.of("summarize"):
        found.append("make the summary shorter")
    if canvas.of("http-request"):
        found.append("tell me when a call fails")
    if canvas.of("send-email", "slack-send-message", "discord-send-message"):
        found.append("ask me before sending")
    return found
