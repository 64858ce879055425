"""More steps on one branch of a condition that is there: "if it failed, also mail me", "small leads go to #leads too".

Invariant: nothing is put on a branch the message does not speak of; what lies on it stays. Callers: ``change``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from caddie.models.offline import clauses, judgement, phrasing, sides, speak, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change, slots_of, verbal
from caddie.models.offline.plan import Place, Planner
from caddie.models.offline.request import Condition, Request, Test
from caddie.models.offline.sides import Side
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

_WHEN = (
    r"(?:if|when(?:ever)?|in\s+case|once|as\s+soon\s+as|every\s+time|each\s+time|in\s+the\s+(?:event|case)(?:\s+that|"
    r"\s+of)?|on(?:\s+an?)?(?=\s+"
    r"(?:failure|success|error|timeout|rejection|approval|refusal|yes|no)\b)|for(?=\s+(?:the\s+|all\s+|"
    r"any\s+)?\w+\s+(?:ones|\w+s)\b))"
)
_FRONT = re.compile(rf"^(?:(?:and|but|also|then|please)\s+)*{_WHEN}\s+(?P<test>.+)$", re.I | re.S)
_BEHIND = re.compile(rf"^(?P<rest>.+?)\s*,?\s+(?:but\s+)?(?:only\s+)?{_WHEN}\s+(?P<test>[^,;]+)$", re.I | re.S)
_OTHER = re.compile(
    r"\s*,?\s*\b(?:on|in|at|to|into|for)\s+(?:the\s+)?(?P<name>else|other|otherwise|then|yes|no|true|false|"
    r"timed?[ -]?out|resumed|positive|negative|"
    r"second|first|good|bad|failure|success|approved|rejected|opposite)(?:\s+(?:branch|side|path|case|way|arm|part|"
    r"route))\b\s*,?\s*"
    r"|^(?:otherwise|else|if\s+not|in\s+the\s+other\s+case)\b\s*,?\s*|\s*,?\s*\b(?:otherwise|if\s+(?:it\s+(?:is|"
    r"does)\s+)?not)$",
    re.I,
)
#: "small leads should go to …"
_ABOUT = re.compile(
    r"^(?:the\s+|all\s+|any\s+)?(?P<what>(?:\w+\s+){1,2}(?:\w+s|ones)|rejections?|failures?|"
    r"refusals?)\s+(?=(?:should|must|need|ought|have\s+to|"
    r"shall|can|also|go|goes|are\s+to)\b)",
    re.I,
)
_SECOND = frozenset("else other otherwise no false negative second bad failure rejected opposite".split())
#: Changes of what is there, which ``fields`` and others make.
_CHANGED = re.compile(
    r"\b(?:instead|rather|not|never|nothing|change|remove|delete|drop|skip|stop|replace|rename|move|swap|say|says)\b|"
    r"^(?:use|set|make|only)\b|"
    r"\bcc\b|\bcopy\b|\bthe\s+(?:message|text|subject|mail|reply)\s+(?:should|must)\b",
    re.I,
)
_MESSAGES = {"slack-send-message": "text", "discord-send-message": "text", "send-email": "text", "log": "message"}


def added(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """More steps on a branch that the message names."""
    if not canvas.of("if", "wait"):
        return None
    for side, rest in _told(text, canvas):
        rest = phrasing.imperative(verbal(rest))
        if _CHANGED.search(rest) or not re.match(clauses.LEAD, words.masked(rest), re.I):
            continue
        request = understand(rest, said.context.timezone, standalone=False, known=_blocks(canvas))
        if not request.steps or request.unknown or request.trigger:
            continue
        return _grown(side, request, canvas, said)
    return None


def _blocks(canvas: Canvas) -> frozenset[str]:
    return frozenset(str(node.get("type")) for node in canvas.nodes.values())


def _grown(side: Side, request: Request, canvas: Canvas, said: Talk) -> Change:
    open_ = slots_of(request, said)
    spoken = _words_of(side, canvas)
    for action in request.actions():
        if spoken and action.block in _MESSAGES and not action.said and not action.members:
            action.said = spoken
    place = Place((side.check,), side.branch, canvas.loop_of(side.check))
    plan = Planner(canvas.nodes).extend(request.steps, place, canvas.scope(side.check))
    told = f"I add this to the branch “{side.branch}” of `{side.check}`: {speak.steps(request.steps)}."
    return Change(plan, told, request.steps, open_)


def _words_of(side: Side, canvas: Canvas) -> str | None:
    """What a message on the branch says already."""
    for child in canvas.nodes[side.check].get("children") or []:
        node = canvas.nodes.get(child) or {}
        name = _MESSAGES.get(str(node.get("type")))
        own = "{{" not in str(canvas.payload(child).get("to", ""))
        if name and own and node.get("branch") == side.branch and canvas.payload(child).get(name):
            return str(canvas.payload(child)[name])
    return None


def _told(text: str, canvas: Canvas) -> Iterator[tuple[Side, str]]:
    """The branch a message speaks of, and the rest of it."""
    if other := _OTHER.search(words.masked(text)):
        side = _by_name(other.group("name"), canvas, text)
        if side:
            yield side, f"{text[: other.start()]} {text[other.end() :]}".strip(" ,")
    if front := _FRONT.match(text):
        test, start = front.group("test"), front.start("test")
        shadow = words.masked(test)
        for cut in re.finditer(rf"\s*,\s*(?:then\s+)?|\s+then\s+|\s+(?={clauses.LEAD})", shadow, re.I):
            if side := _side(test[: cut.start()], canvas):
                yield side, text[start + cut.end() :]
                return
    if (behind := _BEHIND.match(text)) and (side := _side(behind.group("test"), canvas)):
        yield side, behind.group("rest")
    if (about := _ABOUT.match(text)) and (side := _side(about.group("what"), canvas)):
        yield side, f"they {text[about.end() :]}"


def _by_name(name: str | None, canvas: Canvas, text: str) -> Side | None:
    """The other branch of the condition the text names, else of the last one."""
    checks = canvas.of("wait") if name and re.match(r"time|resumed", name, re.I) else canvas.of("if")
    if not checks:
        return None
    check = canvas.meant(text, checks) or checks[-1]
    waits = canvas.nodes[check].get("type") == "wait"
    second = name is None or name.lower() in _SECOND or name.lower().startswith("time")
    return Side(check, ("timed_out" if second else "resumed") if waits else ("else" if second else "then"))


def _side(phrase: str, canvas: Canvas) -> Side | None:
    """The branch of a condition that is there, when the phrase brings no comparison of its own."""
    checks = canvas.of("if")
    if checks:
        told = [
            Condition(str(each.get("left", "")).strip("{}").split(".")[-1], str(each.get("op")), each.get("right"))
            for each in canvas.payload(checks[-1]).get("conditions") or []
            if isinstance(each, dict)
        ]
        holds = judgement.relative(phrase, Test(tuple(told)))
        name = f"{checks[-1]} {canvas.nodes[checks[-1]].get('titleOverride') or ''}"
        holds = judgement.opposed(phrase, name) if holds is None else holds
        if holds is not None:
            return Side(checks[-1], "then" if holds else "else")
    if re.search(r"\d", phrase) or words.quoted(phrase):
        return None
    return sides.meant(phrase, canvas)
