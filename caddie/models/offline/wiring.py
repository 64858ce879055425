"""What a step can read, and what its data fields therefore hold.

Invariant: every expression made here refers to a step before. Callers: ``plan``, ``canvas``, ``repair``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from caddie.models.offline import contents, words
from caddie.models.offline.request import Action

#: What a block's answer is mostly used for, and of which kind it is.
PRIMARY: dict[str, tuple[str, str]] = {
    "http-request": ("result.body", "data"),
    "send-webhook": ("result.body", "data"),
    "web-search": ("result.results", "list"),
    "agent": ("result.text", "text"),
    "summarize": ("result.text", "text"),
    "extract-json": ("result.data", "data"),
    "classify": ("result.label", "label"),
    "format": ("result.text", "text"),
    "regex": ("result.text", "text"),
    "filter": ("result.items", "list"),
    "pluck": ("result.values", "list"),
    "merge": ("result.value", "data"),
    "for-each": ("result.items", "list"),
    "trigger_chat": ("result.text", "text"),
    "webhook": ("result.body", "data"),
    "trigger-workflow": ("result.output", "data"),
    "set-variable": ("result.value", "data"),
}
#: What a condition compares that looks at how a call ended, and not at what it brought.
HTTP_STATUS = "HTTP status"


@dataclass(frozen=True, slots=True)
class Source:
    """Where data can be taken from: an expression path and the kind of what is there."""

    path: str
    kind: str
    label: str = ""
    block: str = ""
    #: The answer of something that was sent: seldom what the next message is about.
    receipt: bool = False
    #: What is known to be in it.
    fields: tuple[str, ...] = ()

    def expression(self) -> str:
        return "{{" + self.path + "}}"

    def member(self, name: str) -> str:
        return "{{" + f"{self.path}.{name}" + "}}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step sees: its ancestors' answers, nearest last; the item of the loop it is in."""

    sources: tuple[Source, ...] = ()
    subject: str = ""

    def add(self, source: Source) -> Scope:
        return replace(self, sources=(*self.sources, source))

    def nearest(self, *kinds: str) -> Source | None:
        return next((s for s in reversed(self.sources) if not kinds or s.kind in kinds), None)

    def told(self, *kinds: str) -> Source | None:
        """The nearest that a message can be about."""
        return next(
            (s for s in reversed(self.sources) if s.kind in kinds and not s.receipt), None
        ) or self.nearest(*kinds)  # fmt: skip

    def of(self, *blocks: str) -> Source | None:
        return next((s for s in reversed(self.sources) if s.block in blocks), None)


def sends(block: str, payload: dict[str, Any]) -> bool:
    """Whether a step sends data, so that its answer is a receipt."""
    return block == "send-webhook" or (
        block == "http-request" and str(payload.get("method")) in ("POST", "PUT", "PATCH", "DELETE")
    )


def clean(subject: str) -> str:
    if re.fullmatch(r"(?:we|i|you|they)", subject.strip(), re.I):
        return ""
    return words.bare(re.sub(r"^(?:value|amount|level)\s+of\s+", "", words.bare(subject), flags=re.I))


def _message(action: Action, scope: Scope) -> str:
    """What a message says: the dictated words, else what the step before found, named."""
    item = scope.nearest("item")
    if action.said and item and re.fullmatch(r"(?:Congratulations|Thank you|Welcome|Hello)!", action.said):
        return f"{action.said[:-1]}, {item.member('name')}!"
    if action.said:
        return contents.placed(action.said, scope.sources)
    if (decided := scope.of("human_confirmation")) and DECISION.search(action.clause):
        return f"Approved: {decided.member('approved')}"
    if _BOTH.search(action.clause) and len(made := _made(scope)) > 1:
        return "\n\n".join(made)
    if told := _named(action, scope) or contents.named(action.clause, scope.sources):
        return told
    if more := contents.more(action.clause, scope.sources):
        base = _message(replace(action, clause=contents.less(action.clause)), scope)
        return f"{base}\n{more}"
    judged = bool(scope.sources) and scope.sources[-1].block == "classify"
    written = action.block == "reply_chat" and scope.of("agent", "summarize")
    if (chat := scope.of("trigger_chat")) and not written and (judged or _THEIR_WORDS.search(action.clause)):
        return chat.expression()
    text = scope.nearest("text")
    source = scope.told("text", "data", "list", "item") or scope.nearest()
    if scope.sources and scope.sources[-1].label in ("count", "sum", "list"):
        source = scope.sources[-1]
    data = scope.nearest("item", "data")
    if item and scope.told("text", "data", "list", "item") is item and contents.POINTED.search(action.clause):
        return f"{words.sentence(item.label or 'item')}: {item.expression()}"
    field = contents.THE_FIELD.search(action.clause) if item and data is item else None
    if item and field and field.group(1) not in (item.label, "message"):
        return f"{words.sentence(field.group(1))}: {item.member(words.field_name(field.group(1)))}"
    if scope.subject and data and data.block != "webhook" and scope.subject not in ("approved",):
        plain = scope.of("http-request")
        if not re.search(r"status|label|sentiment|message|text", scope.subject, re.I):
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


_MESSAGE = re.compile(
    r"(?:\w+[_ ])?(?:message|text|result|e?-?mail|mail|reminder|note|notification|invitation|greeting|warning|"
    r"alert|letter|list|"
    r"notice|update|summary|confirmation|reply|answer|thanks?|borrower|customer|person)s?", re.I)  # fmt: skip
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


def _input(action: Action, scope: Scope) -> str | None:
    source = scope.told("text", "data", "list", "item")
    return source.expression() if source else None


def _text_input(action: Action, scope: Scope) -> str | None:
    """A text to work on: the nearest data may be no text, a chat message always is."""
    chat = scope.of("trigger_chat")
    if (
        chat
        and re.search(r"\bmessage|question|chat|\bit\b", action.clause, re.I)
        and not scope.of("http-request", "web-search")
    ):
        return chat.expression()
    return _input(action, scope)


#: What several steps brought goes into one text.
_BOTH = re.compile(
    r"\b(?:both|combine|merge|bundle|together|compare|contrast|versus|vs|cross-?check|difference|"
    r"all\s+(?:of\s+)?(?:them|this|"
    r"these|that|three|two|four))\b",
    re.I,
)


def _untouched(scope: Scope) -> bool:
    """Whether the last two sources were both fetched, and nothing has worked on either."""
    last = scope.sources[-2:]
    return len(last) == 2 and all(each.block == "http-request" and not each.receipt for each in last)


def _several(action: Action) -> bool:
    return bool(_BOTH.search(action.clause)) or len(words.URL.findall(action.clause)) > 1


def _thought(action: Action, scope: Scope) -> Any:
    """What an AI agent works on: what several steps brought, where it compares; the question with what was found."""
    brought = _gathered(scope)
    if brought and (_several(action) or _untouched(scope)):
        return brought
    found = scope.sources[-1] if scope.sources else None
    chat = scope.of("trigger_chat")
    if chat and found and found.block in ("web-search", "http-request") and not found.receipt:
        return {"message": chat.expression(), "found": found.expression()}
    return _text_input(action, scope)


def _kept(action: Action, scope: Scope) -> str | None:
    """The value of a variable: a field of the data at hand, else all of it."""
    source = scope.told("text", "data", "list", "item")
    chat = scope.of("trigger_chat")
    if chat and action.members in (["message"], ["text"], ["question"]):
        return chat.expression()
    if source and action.members and source.kind in ("data", "item") and not _WHOLE.fullmatch(action.members[0]):
        label = words.slug(source.label)
        if action.members[0] not in (label, label.removesuffix("s")) and not label.endswith(f"_{action.members[0]}"):
            return contents.field(action.members[0], [*scope.sources])
    return _input(action, scope)


#: Nouns for all of what came in.
_WHOLE = re.compile(
    r"(?:\w+_)?(?:order|message|ticket|request|payload|body|event|entry|lead|contact|submission|form|item|row|"
    r"record|article|"
    r"news|weather|forecast|page|feed|response|call|booking|complaint|headlines?|webhook)s?"
)


def _mail(action: Action, scope: Scope) -> dict[str, Any]:
    text = _message(action, scope)
    labels = [each.label for each in reversed(scope.sources)]
    item = scope.nearest("item")
    about = item.label if item else scope.subject
    subject = contents.subject(about, action.topic, *labels) or "Message from your workflow"
    source = scope.nearest("item", "data") if action.members else None
    to = {"to": source.member(action.members[0])} if source else {}
    return {**to, "subject": subject, "text": text}


_FILL: dict[str, Callable[[Action, Scope], dict[str, Any]]] = {
    "slack-send-message": lambda a, s: {"text": _message(a, s)},
    "discord-send-message": lambda a, s: {"text": _message(a, s)},
    "send-email": _mail,
    "reply_chat": lambda a, s: {"text": _message(a, s)},
    "log": lambda a, s: {"message": _message(a, s)},
    "format": lambda a, s: {"template": _message(a, s)},
    "human_confirmation": lambda a, s: {"message": a.said or _question(s)},
    "summarize": lambda a, s: {"text": ((_several(a) or _untouched(s)) and _gathered(s)) or _input(a, s)},
    "classify": lambda a, s: {"text": _text_input(a, s)},
    "extract-json": lambda a, s: {"text": _text_input(a, s)},
    "agent": lambda a, s: {"input": _thought(a, s)},
    "send-webhook": lambda a, s: {"body": (_members(a, s) or _input(a, s) or ({"text": a.said} if a.said else None))},
    "http-request": lambda a, s: (
        {"body": _members(a, s) or _input(a, s)} if a.payload.get("method") in ("POST", "PUT", "PATCH") else {}
    ),
    "regex": lambda a, s: {"text": _text_input(a, s)},
    "merge": lambda a, s: {"values": _gathered(s)},
    "filter": lambda a, s: {"items": _input(a, s)},
    "web-search": lambda a, s: {"query": _searched(a, s)},
    "pluck": lambda a, s: {"items": _input(a, s)},
    "set-variable": lambda a, s: {"value": _kept(a, s)},
    "trigger-workflow": lambda a, s: {"input": _input(a, s)} if a.members else {},
}


def _searched(action: Action, scope: Scope) -> str | None:
    """What is searched for where the words only point at it: the field just read out, else the text at hand."""
    source = scope.told("text", "data", "list", "item")
    if source and source.block == "extract-json" and len(source.fields) == 1:
        found: str | None = source.member(source.fields[0])
    else:
        found = _input(action, scope)
    return f"{action.topic} {found}" if found and action.topic not in ("", "results") else found


def _members(action: Action, scope: Scope) -> dict[str, str] | None:
    """The named fields of the data at hand."""
    source = scope.nearest("item", "data")
    return {name: source.member(name) for name in action.members} if source and action.members else None


def _gathered(scope: Scope) -> list[str] | None:
    """What steps in a row brought, to be combined."""
    brought = [
        each.expression() for each in scope.sources if each.block in ("web-search", "http-request", "trigger-workflow")
    ]
    return brought[-5:] if len(brought) > 1 else None


def _question(scope: Scope) -> str:
    source = scope.nearest("text", "data", "item")
    return f"Shall the workflow go on? {source.expression()}" if source else "Shall the workflow go on?"


def fill(action: Action, scope: Scope) -> dict[str, Any]:
    """The data fields of a step's payload; None or empty where nothing is at hand."""
    given = _FILL.get(action.block)
    return given(action, scope) if given else {}
