"""What a message says: the dictated words, else the parts it names, else what the step before found.

Invariant: every expression made here refers to a step before. Callers: ``wiring``, ``sequence``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from caddie.models.offline import contents, words
from caddie.models.offline.request import Action
from caddie.models.offline.scope import HTTP_STATUS, Scope


def message(action: Action, scope: Scope) -> str:
    """What a message says: the dictated words, else what the step before found, named."""
    item = scope.nearest("item")
    if action.said and item and re.fullmatch(r"(?:Congratulations|Thank you|Welcome|Hello)!", action.said):
        return f"{action.said[:-1]}, {item.member('name')}!"
    if action.said:
        return contents.placed(action.said, scope.sources)
    if (decided := scope.of("human_confirmation")) and DECISION.search(action.clause):
        return f"Approved: {decided.member('approved')}"
    if BOTH.search(action.clause) and len(made := _made(scope)) > 1:
        return "\n\n".join(made)
    if (
        action.block == "log"
        and scope.sources
        and scope.sources[-1].block == "classify"
        and _POINTS.search(action.clause)
    ):
        return f"Label: {scope.sources[-1].expression()}"
    if told := contents.named(action.clause, scope.sources):
        return told
    if more := contents.more(action.clause, scope.sources):
        base = message(replace(action, clause=contents.less(action.clause)), replace(scope, judged=True))
        return f"{base}\n{more}"
    if told := _named(action, scope):
        return told
    if (label := _unjudged(action, scope)) and not re.search(
        r"\b(?:forward|original|question|message)\b", action.clause, re.I
    ):
        base = message(action, replace(scope, judged=True))
        return base if label in base else f"{base}\nLabel: {label}"
    return _found(action, scope)


def _found(action: Action, scope: Scope) -> str:
    """What the step before found, named."""
    item = scope.nearest("item")
    judged = bool(scope.sources) and scope.sources[-1].block == "classify"
    written = action.block == "reply_chat" and scope.of("agent", "summarize")
    if (chat := scope.of("trigger_chat")) and not written and (judged or _THEIR_WORDS.search(action.clause)):
        return chat.expression()
    text = scope.nearest("text")
    source = scope.told("text", "data", "list", "item") or scope.nearest()
    if scope.sources and scope.sources[-1].label in ("count", "sum", "list"):
        source = scope.sources[-1]
    data = scope.nearest("item", "data")
    if repeated := _repeated(action, scope):
        return repeated
    parted = data and not data.path.endswith(".count") and data.block != "webhook"
    if scope.subject and data and parted and scope.subject not in ("approved",):
        plain = scope.of("http-request")
        if not re.search(
            r"status|label|sentiment|message|text|\bpage|\bsite|body|content|feed|answer|response|"
            r"result|\bdata\b",
            scope.subject,
            re.I,
        ):
            return f"{words.sentence(scope.subject)}: {data.member(words.field_name(scope.subject))}"
        if plain and scope.subject == HTTP_STATUS:
            return "Status: {{" + plain.path.removesuffix(".body") + ".status}}"
    if (
        item
        and re.fullmatch(r"[a-z_]+", action.topic)
        and action.topic not in (item.label, f"{item.label}s")
        and not _MESSAGE.fullmatch(action.topic)
    ):
        return item.member(action.topic)
    if source is not None and source.kind in ("label", "approval") and text:
        return text.expression()
    if source is not None and source.kind == "approval" and action.block != "log":
        # Nothing but a yes: what to say is still open.
        return ""
    if source is None:
        return words.sentence(action.topic)
    if source.kind == "text":
        return source.expression()
    label = words.sentence((source.label or action.topic or "result").replace("_", " "))
    return f"{label}: {source.expression()}"


_POINTS = re.compile(r"\b(?:it|that|this|the\s+(?:result|outcome|answer))$", re.I)
#: What several steps brought goes into one text.
BOTH = re.compile(
    r"\b(?:both|combine|merge|bundle|together|compare|contrast|versus|vs|cross-?check|difference|"
    r"all\s+(?:of\s+)?(?:them|this|"
    r"these|that|three|two|four))\b",
    re.I,
)
_MESSAGE = re.compile(
    r"(?:\w+[_ ])?(?:message|text|result|e?-?mail|mail|reminder|note|notification|invitation|greeting|warning|"
    r"alert|letter|list|"
    r"notice|update|summary|confirmation|reply|answer|thanks?|borrower|customer|person)s?", re.I)  # fmt: skip


def _unjudged(action: Action, scope: Scope) -> str:
    """The label a classification has just given, where nothing has been decided by it yet."""
    last = scope.sources[-1] if scope.sources else None
    return last.expression() if last and last.block == "classify" and not scope.judged and not action.said else ""


def _repeated(action: Action, scope: Scope) -> str:
    """What a message in a loop says: the item whole, or the field that is named."""
    item = scope.nearest("item")
    if item and scope.told("text", "data", "list", "item") is item and contents.POINTED.search(action.clause):
        return f"{words.sentence(item.label or 'item')}: {item.expression()}"
    field = contents.THE_FIELD.search(action.clause) if item and scope.nearest("item", "data") is item else None
    if item and field and field.group(1) not in (item.label, "message"):
        return f"{words.sentence(field.group(1))}: {item.member(words.field_name(field.group(1)))}"
    return ""


#: What a person decided, whichever way.
DECISION = re.compile(
    r"\b(?:whether|if)\b.*\b(?:approved|accepted|confirmed|rejected|declined|granted|ok)\b|\b(?:the|our|his|her|"
    r"their|my)\s+"
    r"(?:decision|outcome|verdict)\b",
    re.I,
)


def _made(scope: Scope) -> list[str]:
    """What the steps before have made of the data, to be told together."""
    made = [
        each.expression() for each in scope.sources if each.block in ("summarize", "extract-json", "agent", "classify")
    ]
    return made[-2:] if len(made) > 1 else []


_THEIR_WORDS = re.compile(
    r"\b(?:(?:the|every|each|all|their|incoming)\s+(?:\w+\s+)?questions?|(?:chat|incoming|original|"
    r"user(?:'s)?|customer(?:'s)?)\s+messages?|"
    r"what(?:ever)?\s+(?:they|he|she|people|the\s+\w+)\s+(?:wrote|writes?|asks?|asked|said|says?|typed))\b",
    re.I,
)
_FIELD = re.compile(
    r"\bwith\s+(?:just\s+|only\s+)?(?:the|its|their|his|her)\s+((?!result|data|summary|subject|text|"
    r"message)[\w-]+(?:\s[\w-]+)?)(?:\s+in\s+it)?(?=\s+(?:to|in|on|at)\b|$)|\b(?:the|its|their|his|"
    r"her)\s+(?:[\w-]+'s\s+)?([\w-]+)$|\b(?:its|their|his|her)\s+(?!e-?mail|address|message|text|data|"
    r"result|body|answer|question)"
    r"([\w-]+)(?=\s+(?:to|in|on|at)\b)",
    re.I,
)


def _named(action: Action, scope: Scope) -> str:
    """The field a message is about: "with the order id", "log the pupil's name"."""
    source = scope.told("item", "data")
    match = _FIELD.search(action.clause)
    if source is None or match is None or scope.told("item", "data", "text", "list") is not source:
        return ""
    if match.group(2) and "'s" not in match.group():
        return ""
    name = words.field_name(match.group(1) or match.group(2) or match.group(3))
    label = words.slug(source.label)
    name = name if " " not in name else words.slug(name)
    if label and words.slug(name).startswith(f"{label}_"):
        name = words.slug(name)[len(label) + 1 :]
    return f"{words.sentence(name.replace('_', ' '))}: {source.member(name)}"
