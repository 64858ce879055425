"""More steps on one branch of a condition that is there: "if it failed, also mail me", "small leads go to #leads too".

Invariant: nothing is put on a branch the message does not speak of; what lies on it stays. Callers: ``change``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from caddie.models.offline import amounts, clauses, conditions, judgement, mention, phrasing, sides, speak, words
from caddie.models.offline.additions import verbal
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change, slots_of
from caddie.models.offline.plan import Edit, Place, Plan, Planner
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
    if (beside := _beside(text, canvas, said)) is not None:
        return beside
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
            if "," in cut.group():
                # What follows is no condition any more.
                break
    if (behind := _BEHIND.match(text)) and (side := _side(behind.group("test"), canvas)):
        yield side, behind.group("rest")
    if (about := _ABOUT.match(text)) and (side := _side(about.group("what"), canvas)):
        yield side, f"they {text[about.end() :]}"


_OWN = re.compile(
    r"\b(?:missing|unknown|empty|blank|contains?|includes?|mentions?|starts?\s+with|from\s+\w+|between)\b",
    re.I,
)
_PRONOUN = re.compile(r"(?:it|that|this|we|they|there|the\s+(?:number|amount|value|total|sum|limit))?", re.I)
_LEVEL = re.compile(
    r"^(?:(?:and|but|also|then)\s+)*(?:(?:if|when(?:ever)?|once|as\s+soon\s+as|in\s+case|from|for\s+(?:anything|"
    r"everything|those|\w+s))\s+)?"
    r"(?P<test>(?:[\w' ]{0,40}?\s)?(?:(?:is|are|gets?|goes|have|has|reach(?:es)?|hits?|pass(?:es)?|"
    r"at)\s+)?(?:(?:above|over|below|under|beyond|more\s+than|less\s+than|at\s+least|"
    r"at\s+most|reach(?:es)?|hits?|exceeds?|have|reached)\s+)+[$€£]?-?\d[\d.,]*(?:\s*(?:euros?|dollars?|percent|%|"
    r"degrees?|€|\$))?(?:\s+or\s+more)?)\s*,?\s+(?P<rest>.+)$",
    re.I,
)
_COMPARING = re.compile(
    r"\b(?:is|are|gets?|goes|have|has|reach\w*|hits?|above|over|below|under|beyond|more|less|at|exceeds?)\b", re.I
)
_OPS = (
    (r"\b(?:above|over|beyond|more\s+than|exceeds?|greater|higher)\b", "gt"),
    (r"\b(?:below|under|less\s+than|lower)\b", "lt"),
    (r"\bat\s+most\b", "lte"),
)  # fmt: skip


def _beside(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another limit on what a condition looks at already: "over 20000 also ping the boss"."""
    told = amounts.digits(text)
    match = _LEVEL.match(told)
    checks = [
        (each, condition)
        for each in canvas.of("if")
        for condition in (canvas.payload(each).get("conditions") or [])[:1]
        if isinstance(condition, dict) and isinstance(condition.get("right"), int | float) and canvas.parents(each)
    ]
    if match is None or not checks:
        return None
    test, rest = match.group("test"), phrasing.imperative(verbal(match.group("rest")))
    subject = _COMPARING.split(test)[0].strip()
    subject = re.sub(r"^(?:for|from|anything|everything|those)\b", "", subject).strip()
    meant = checks[-1]
    if not _PRONOUN.fullmatch(subject):
        named = [each for each in checks if mention.best(subject, canvas.nodes, [each[0]]) or _about(subject, each[1])]
        if not named:
            return None
        meant = named[-1]
    if _CHANGED.search(rest) or not re.match(clauses.LEAD, words.masked(rest), re.I):
        return None
    request = understand(rest, said.context.timezone, standalone=False, known=_blocks(canvas))
    number = words.number(re.sub(r"^.*?(?=[$€£]?-?\d)", "", test))
    if not request.steps or request.unknown or number is None or request.trigger:
        return None
    check, condition = meant
    op = next((op for pattern, op in _OPS if re.search(pattern, test, re.I)), None)
    op = op or {"lt": "lte", "lte": "lte"}.get(str(condition.get("op")), "gte")
    parent, side = canvas.parents(check)[0], canvas.nodes[check].get("branch")
    name = next(each for at in range(2, 99) if (each := f"{check}_{at}") not in canvas.nodes)
    inside = check in (canvas.nodes[parent].get("loopBody") or [])
    payload = {"conditions": [{"left": condition.get("left"), "op": op, "right": number}]}
    args = {"nodeId": name, "type": "if", "payload": payload, **({"inLoop": parent} if inside else {"after": [parent]})}
    added = Edit("add_node", {**args, **({"branch": side} if side and not inside else {})})
    grown = canvas.edited([added])
    open_ = slots_of(request, said)
    for action in request.actions():
        if action.block in _MESSAGES and not action.said and (spoken := _words_of(Side(check, "then"), canvas)):
            action.said = spoken
    place = Place((name,), "then", grown.loop_of(name))
    plan = Planner(grown.nodes).extend(request.steps, place, grown.scope(name))
    told_so = f"I add a condition beside `{check}`: {speak.conditions(payload)}. Then: {speak.steps(request.steps)}."
    return Change(Plan([added, *plan.edits], plan.assumptions), told_so, request.steps, open_)


def _about(subject: str, condition: dict[str, Any]) -> bool:
    name = str(condition.get("left", "")).strip("{}").split(".")[-1].replace("_", " ")
    return bool(name) and re.search(rf"\b{words.forms(name)}\b", subject, re.I) is not None


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
    found = conditions.find(phrase)
    first = found.conditions[0] if found else None
    own = first is not None and first.op in ("exists", "empty", "contains", "changed", "starts_with")
    own = own and bool(first and mention.spoken(first.subject))
    own = own and not (first and str(first.right).lower() in ("yes", "no"))
    if own or re.search(r"\d", phrase) or words.quoted(phrase) or _OWN.search(phrase):
        return None
    return sides.meant(phrase, canvas)
