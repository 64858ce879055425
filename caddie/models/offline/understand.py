"""Reads a request for a workflow: what starts it, and its clauses as a tree of steps.

Invariant: the same text gives the same request, whatever is on the canvas. Callers: ``dialogue``, ``change``.
"""

from __future__ import annotations

import re
from datetime import datetime

from caddie.models.offline import (
    accounts,
    clauses,
    events,
    evidence,
    paraphrase,
    persona,
    phrasing,
    schedule,
    sketch,
    starts,
    words,
)
from caddie.models.offline.reader import Reader
from caddie.models.offline.request import Request, Trigger

#: "Propose a plan: …": how to go about it, and no step.
_PLANNED = re.compile(
    r"^\s*(?:please\s+)?(?:propose|make|suggest|draft|outline|sketch|write|give\s+me|show\s+me)\s+(?:me\s+|us\s+)?(?:an?|your|the)\s+"
    r"(?:\w+\s+)?plan(?:\s+(?:first|for\s+(?:this|me|it)))?\s*[:,–-]\s*",
    re.I,
)
_CHATTED = re.compile(r"\b(?:in|into|to|over|via|through)\s+(?:the|our|my|a|this)\s+chat(?:bot)?\b", re.I)
#: "I need to know when our site is down:": why, before what.
_CONTEXT = re.compile(r"^(?:(?:i|we)\s+(?:need|want|would\s+like|have)|know|hear)\b[^.!?#@/]*:\s*$", re.I)

#: How a bot should be, which is no step.
_MANNER = re.compile(
    r"^(?:(?:it|he|she|they|the\s+(?:bot|assistant|chat\s?bot)|please)\s+)?(?:(?:should|must|needs?\s+to|has\s+to|"
    r"may|can)\s+)?(?:also\s+|please\s+)?"
    r"(?:be|keep|never|always|sound|speak|avoid|not|do\s+not|don't|stay|act|use|explain|talk|"
    r"know)\b(?!.*(?:https?:|#\w|@\w))",
    re.I,
)
#: What a bot does, told of it, where nothing in it is a step of its own.
_CHARACTER = re.compile(r"^(?:it|he|she|they|people|users?|guests?|customers?)\s+\w", re.I)
_STEPS = re.compile(
    r"https?:|#\w|@\w|\b(?:log|logs|slack|discord|e-?mails?|approv\w+|confirm\w*|search\w*|variable|classif\w+|"
    r"extract\w*|label\w*|save\w*|store\w*|"
    r"wait\w*|look\w*|workflow|if|when|unless)\b",
    re.I,
)


#: "we want to translate our descriptions: get them from …": what for, before how.
_PURPOSE = re.compile(
    r"^(?:please\s+)?(?:(?:i|we)\s+(?:(?:would|really)\s+)*(?:want|need|like|have)\s+to|(?:my|our|"
    r"the)\s+(?:team|company|shop|club|school|office|boss)\s+"
    r"(?:wants?|needs?)\s+to)\s+[^.:;,#@/\x00]{3,70}:\s+(?=[A-Za-z])",
    re.I,
)


def _aimless(text: str) -> str:
    """The text without its purpose, when that says nothing of time and steps follow it."""
    match = _PURPOSE.match(words.masked(text))
    if match is None or len(clauses.split(text[match.end() :])) < 2 or schedule.find(match.group()) is not None:
        return text
    return text[match.end() :]


def understand(
    text: str,
    timezone: str,
    now: datetime | None = None,
    labels: list[str] | None = None,
    standalone: bool = True,
    known: frozenset[str] = frozenset(),
) -> Request:
    """The request in a text; `unknown` holds the clauses that say nothing to this model. labels: known already.

    standalone: not a part of a workflow that has data of its own. known: the blocks of that workflow.
    """
    text = paraphrase.text(phrasing.without_politeness(_aimless(_PLANNED.sub("", phrasing.plain(text)))))
    if not standalone and known & {"http-request", "send-webhook"} and events.breaks(text):
        trigger, rest = None, text
    else:
        trigger, rest = starts.trigger(text, timezone, now)
        if trigger and trigger.block == "webhook" and _CHATTED.search(trigger.event):
            trigger = Trigger("trigger_chat", event=trigger.event)
    request = _read(text, clauses.sentences(starts.BOT.sub("", phrasing.without_politeness(rest), count=1)), trigger,
                    labels or [], standalone, known)  # fmt: skip
    if standalone and (open_ := evidence.gaps(text, request)):
        begun, sentences = sketch.trigger(text if trigger and trigger.block == "webhook" else rest, trigger)
        plain = sketch.read(sentences, begun.block if begun else "manual", text)
        for other in (_read(text, sentences, begun, [], True, known), _told(plain, text, begun, known)):
            if (left := evidence.gaps(text, other) + evidence.lost(request, other)) < open_ and other.steps:
                request, open_ = other, left
    return request


def _told(sentences: list[list[str]], text: str, trigger: Trigger | None, known: frozenset[str]) -> Request:
    """Plain clauses as a tree of steps."""
    reader = Reader(text, [], known | ({trigger.block} if trigger else set()))
    for sentence in sentences:
        reader.sentence()
        for clause in sentence:
            reader.clause(clause)
    reader.finish(trigger is None or trigger.block in ("cronjob", "manual"))
    return Request(trigger, reader.steps, reader.unknown)


def _read(
    text: str, told: list[str], trigger: Trigger | None, labels: list[str], standalone: bool, known: frozenset[str]
) -> Request:
    """The request by its grammar."""
    reader = Reader(text, labels, known | ({trigger.block} if trigger else set()))
    bot = trigger is not None and trigger.block == "trigger_chat" and bool(persona.named(trigger.event))
    for sentence in told:
        if bot and (_MANNER.match(sentence) or (_CHARACTER.match(sentence) and not _STEPS.search(sentence))):
            reader.heed(sentence)
            continue
        if _CONTEXT.match(sentence) or (len(told) > 1 and paraphrase.rhetorical(sentence)):
            continue
        reader.sentence()
        for clause in clauses.split(phrasing.without_politeness(sentence)):
            reader.clause(clause)
    if trigger is not None and trigger.block == "trigger_chat" and standalone:
        reader.embodied(persona.named(trigger.event), bool(persona.BOTS.search(text)))
    reader.finish(standalone and (trigger is None or trigger.block in ("cronjob", "manual")))
    left = accounts.missing(text, trigger, reader.steps, reader.unknown) if standalone else []
    return Request(trigger, reader.steps, [*reader.unknown, *left])
