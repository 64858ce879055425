"""The step in front of a reply that has nothing to say yet: somebody has to think of the answer.

Invariant: a reply says the request's own words, what a step before has found, or what an AI agent makes of both.
Callers: ``plan``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action
from caddie.models.offline.scope import Scope

#: "reply with a brief answer", "answer in two sentences": to be written, whatever was found.
_WRITTEN = re.compile(
    r"^answers?(?:\s+(?:it|them|him|her|people|the\s+\w+|their\s+\w+))?$|"
    r"^(?:answers?|repl(?:y|ies)|responds?)\b.*?(?:\bin\s+(?:an?|one|two|three|\d|short|simple|plain|their|"
    r"\w+\s+sentences?\b)|"
    r"\b(?:shortly|briefly|politely|friendly|kindly)\b)|\bwith\s+(?:an?\s+)(?:\w+\s+)*(?:answer|"
    r"explanation|recommendation|advice|suggestion|tip|response)s?\b",
    re.I,
)
#: "reply with the results": as they were found.
_AS_FOUND = re.compile(
    r"\b(?:results?|links?|hits|findings|list|headlines|articles|urls?|names?|sources|what\s+(?:it|"
    r"you)\s+(?:found|finds?)|them|top|first|best|\d+)\b",
    re.I,
)
_THOUGHT = ("agent", "summarize")
_FOUND = ("format", "web-search", "regex", "extract-json", "http-request", "set-variable")
_PERFORMS = re.compile(r"(?:thank|greet|welcome|ask|tell|apolog|calm|comfort|help|send|give|congrat)", re.I)


#: "tell me which is the cheapest": somebody has to find out.
_ASKED = re.compile(
    r"\b((?:which|who|what)\s+(?:one\s+|of\s+(?:them|these|the\s+\w+)\s+|[a-z]+\s+)?(?:is|are|has|was|were|costs?|"
    r"sells?|offers?)\s+(?:(?:the|a|an)\s+)?(?:\w+est|\w+er|most|least|more|less|best|worst|better)\b.*)$",
    re.I,
)
_SENDERS = ("slack-send-message", "discord-send-message", "send-email")
_LOOKED_UP = ("http-request", "web-search", "extract-json")


def asked(action: Action, scope: Scope) -> Action | None:
    """What finds out what a message is to tell of what was fetched."""
    question = _ASKED.search(action.clause) if action.block in _SENDERS and not action.said else None
    found = scope.of(*_LOOKED_UP)
    if question is None or found is None or scope.told("text", "data", "list", "item") is not found:
        return None
    return Action("agent", {"prompt": f"Say {question.group(1)}."}, topic="answer", clause=question.group(1))


def answer(action: Action, scope: Scope) -> Action | None:
    """What thinks of the reply; None where there is something to say."""
    if action.block != "reply_chat" or action.said or scope.of(*_THOUGHT):
        return None
    found = scope.of(*_FOUND)
    searched = scope.of("web-search") and not scope.of(
        "format", "regex", "extract-json", "http-request", "set-variable"
    )
    told = _AS_FOUND.search(action.topic)
    helps = bool(re.match(r"(?:answer|respond|help)", action.topic, re.I)) and scope.of("http-request")
    chat = scope.of("trigger_chat")
    if found and not _WRITTEN.search(action.topic) and (told or not (searched or helps) or not chat):
        return None
    how = re.sub(
        r"^(?:reply|answer|respond)s?\s*(?:to\s+)?(?:it|them|him|her|(?:every|each|any|all)\s+(?:incoming\s+|"
        r"chat\s+|new\s+)*messages?|the\s+\w+)?\s*",
        "",
        action.topic,
        flags=re.I,
    )
    if how == action.topic and _PERFORMS.match(how):
        return Action("agent", {"prompt": f"{words.sentence(how)}."}, topic="answer")
    about = re.match(r"(?:\w+\s+)?questions?\b", how, re.I)
    prompt = f"{f'Answer {how}' if about else f'Answer the message {how}'}".strip(" .") + "."
    return Action("agent", {"prompt": prompt}, topic="answer")
