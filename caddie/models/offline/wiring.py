"""What a step's data fields hold, from what it can read.

Invariant: every expression made here refers to a step before. Callers: ``plan``, ``repair``, ``reshape``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from caddie.models.offline import contents, words
from caddie.models.offline.request import Action
from caddie.models.offline.scope import Scope
from caddie.models.offline.telling import BOTH, message


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


def _untouched(scope: Scope) -> bool:
    """Whether the last two sources were both fetched, and nothing has worked on either."""
    last = scope.sources[-2:]
    return len(last) == 2 and all(each.block == "http-request" and not each.receipt for each in last)


def _several(action: Action) -> bool:
    return bool(BOTH.search(action.clause)) or len(words.URL.findall(action.clause)) > 1


def _thought(action: Action, scope: Scope) -> Any:
    """What an AI agent works on: what several steps brought, where it compares; the question with what was found."""
    brought = _gathered(scope)
    if brought and (_several(action) or _untouched(scope)):
        return brought
    last = scope.sources[-1] if scope.sources else None
    if last and last.block == "agent" and _RATES.match(last.label) and not _RATED.search(action.clause):
        return _thought(action, replace(scope, sources=scope.sources[:-1]))
    found = scope.sources[-1] if scope.sources else None
    chat = scope.of("trigger_chat")
    if chat and found and found.block in ("web-search", "http-request") and not found.receipt:
        return {"message": chat.expression(), "found": found.expression()}
    return _text_input(action, scope)


#: An opinion about a text, which the next step has no use for unless it says so.
_RATES = re.compile(r"(?:rat|scor|grad|judg|rank|assess|evaluat|estimat)e?", re.I)
_RATED = re.compile(r"\b(?:scores?|ratings?|grades?|rank\w*|results?|assessments?|them|these|those)\b", re.I)


def _kept(action: Action, scope: Scope) -> str | None:
    """The value of a variable: a field of the data at hand, else all of it."""
    source = scope.told("text", "data", "list", "item")
    chat = scope.of("trigger_chat")
    if chat and action.members in (["message"], ["text"], ["question"]):
        return chat.expression()
    read = next((each for each in reversed(scope.sources) if action.members and action.members[0] in each.fields), None)
    if read and read.block == "extract-json":
        return read.member(action.members[0])
    if source and action.members and source.path.endswith(f".{action.members[0]}"):
        return source.expression()
    if source and action.members and source.kind in ("data", "item") and not _WHOLE.fullmatch(action.members[0]):
        label = words.slug(source.label)
        if action.payload.get("operation") == "increment":
            return source.member(action.members[0])
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
    text = message(action, scope)
    labels = [each.label for each in reversed(scope.sources)]
    item = scope.nearest("item")
    about = item.label if item else scope.subject
    subject = contents.subject(about, action.topic, *labels) or "Message from your workflow"
    source = scope.nearest("item", "data") if action.members else None
    to = {"to": source.member(action.members[0])} if source else {}
    return {**to, "subject": subject, "text": text}


_FILL: dict[str, Callable[[Action, Scope], dict[str, Any]]] = {
    "slack-send-message": lambda a, s: {"text": message(a, s)},
    "discord-send-message": lambda a, s: {"text": message(a, s)},
    "send-email": _mail,
    "reply_chat": lambda a, s: {"text": message(a, s)},
    "log": lambda a, s: {"message": message(a, s)},
    "format": lambda a, s: {"template": message(a, s)},
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
    if not action.members and source and scope.told("text", "data", "list", "item") is source:
        named = contents.sent(action.clause)
        return {name: source.member(name) for name in named if not _WHOLE.fullmatch(name)} or None
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
