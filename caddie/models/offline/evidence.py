"""What a request plainly holds and a reading of it should therefore have: addresses, limits, a consent, another branch.

Invariant: only things everybody writes the same way are counted, so that a reading without gaps may still be wrong but
one with gaps is incomplete. Callers: ``understand``, to choose between two readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from caddie.models.offline import words
from caddie.models.offline.request import Action, Branch, Loop, Request, Step

#: A sentence that tells where the data comes from, and asks for nothing.
HOOK = re.compile(
    r"\bweb\s?hooks?\b|\b(?:fills?|filled)\s+(?:in|out)\b|\bsubmits?\b|\b(?:through|via|over|from|by|with|in|on|using)\s+(?:the|a|an|our|my|"
    r"their)\s+(?:[\w-]+\s+){0,2}?form\b(?!\s+of)|\b(?:calls?|pings?|hits?)\s+(?:us|our\s+(?:api|endpoint|hook))\b",
    re.I,
)
CHAT = re.compile(
    r"\b(?:chat(?!gpt)(?:\s?bot)?|bot)\b(?!\s+(?:channel|room))|"
    r"\bi\s+(?:type|write|paste|enter)\s+(?:something|in)\b", re.I
)
CONSENT = re.compile(
    r"\b(?:my|our|his|her|their|the\s+\w+['’]s)\s+(?:ok(?:ay)?|approval|go-?ahead|permission|blessing|consent|sign-?off)\b|"
    r"\b(?:i|we)\s+(?:(?:want|need|have|would\s+like|like)\s+to\s+|(?:must|should|will|can)\s+)?(?:first\s+)?"
    r"(?:approve[ds]?|ok(?:ay)?(?:ed|s)?|sign\s+off|say\s+(?:yes|ok(?:ay)?|go)|agree|(?:read|check|see|review|look\s+(?:at|"
    r"over)|confirm|approve)\s+(?:it|them|that|this|each|every\s+\w+|the\s+\w+)\s+(?:first|before))\b|"
    r"\b(?:ask|check\s+with)\s+(?:me|us|my\s+\w+|our\s+\w+)\s+(?:first|before|for\s+(?:approval|permission))\b|"
    r"\b(?:let|have)\s+(?:me|us|my\s+\w+|our\s+\w+|the\s+\w+)\s+(?:approve|confirm|decide|check|review|sign\s+off)\b|"
    r"\bshow\s+(?:me|us|my\s+\w+)\b[^.;]*\b(?:before|first)\b|"
    r"\bask\s+(?:me|us|my\s+\w+)\s+(?:whether|if)\b|"
    r"\bif\s+(?:i|we)\s+(?:say\s+(?:yes|ok)|agree|approve)\b",
    re.I,
)
OTHERWISE = re.compile(r"(?<!\bor )\b(?:otherwise|or\s+else|if\s+not|else)\b(?!\s+(?:\w+\s+)?(?:that|who)\b)", re.I)
CONDITIONAL = re.compile(r"\b(?:if|unless|only\s+when|in\s+case)\b", re.I)
LIMIT = re.compile(
    r"\b(?:over|above|more\s+than|at\s+least|greater\s+than|higher\s+than|exceeds?|under|below|less\s+than|fewer\s+than|"
    r"at\s+most|lower\s+than|(?:warm|cold|cheap|old|young|long|short|bigg|small|heavi|light|larg)er\s+than|"
    r"(?:drops?|falls?|sinks?)\s+(?:to|below|under)|(?:rises?|climbs?|goes)\s+(?:to|above|over))\s+"
    r"(?:than\s+)?(?:[$€£]\s?)?(-?\d[\d.,]*)",
    re.I,
)
EACH = re.compile(
    r"\b(?:each|every|all)\s+(?:of\s+(?:them|these|those)|(?:one|item|entry|row|order|customer|client|member|student|person|"
    r"guest|candidate|product|invoice|ticket|article|subscriber|participant|patient|tenant|line|record|user|lead|contact)s?)\b|"
    r"\bone\s+by\s+one\b",
    re.I,
)
_SUMMARY = re.compile(r"\bsummar(?:y|i[sz]e)\b|\b(?:key|main|most\s+important)\s+points\b", re.I)
_THINKS = re.compile(r"\b(?:AI|claude|(?:chat)?gpt|language\s+model)\b")
_AI = frozenset(("agent", "summarize", "classify", "extract-json"))
_MAILS = re.compile(
    r"\b(?:e-?mail|mail)s?\s+(?:it|them|me|us|this|that|him|her|everyone|every\s+\w+|each\s+\w+|the\s+\w+)\b|"
    r"\b(?:send|get|gets|receive|receives|write)\s+(?:[\w'-]+\s+){0,4}?(?:an?|the)\s+(?:[\w-]+\s+){0,3}?e-?mail\b",
    re.I,
)
_SAVED = re.compile(
    r"\b(?:save|store|record|submit|register|post)s?\s+(?:(?:it|this|that|them|each|every|the|all)\s*)(?:[\w-]+\s+){0,3}?"
    r"(?:to|at|in|under)\s+https?:",
    re.I,
)
_SERVICES = (("slack", "slack-send-message"), ("discord", "discord-send-message"))
_SENDERS = ("send-email", "slack-send-message", "discord-send-message")
_LONG = re.compile(r"(?:\S+\s+){3,}\S+|\S+@\S+|https?:|#\w")


def gaps(text: str, request: Request) -> int:
    """How many things of the text the reading lacks, and how much in it is no sensible step."""
    return sum(1 for _ in _lacking(text, request)) + sum(_strain(request.steps)) + len(request.unknown)


def lost(first: Request, second: Request) -> int:
    """How many kinds of steps the first reading is sure of and the second has not."""
    placed = [step for step in first.actions() if step.block != "http-request" or step.payload.get("url")]
    sure = {step.block for step in placed if not _open(step) and step.block != "reply_chat"}
    return len(sure - {step.block for step in second.actions()})


def _open(step: Action) -> bool:
    """Whether a step is rather a word that was misread."""
    unplaced = step.block in ("send-webhook", "http-request") and not step.payload.get("url")
    if step.block == "extract-json" and not step.payload.get("schema"):
        return True
    return step.guessed or (unplaced and (step.block == "send-webhook" or "@" in step.clause))


def _lacking(text: str, request: Request) -> Iterator[str]:
    steps = request.actions()
    held = "\n".join(_told(request.steps)).lower()
    for address in {*words.emails(text), *words.CHANNEL.findall(text), *words.URL.findall(text)}:
        if address.lower().rstrip("/") not in held:
            yield address
    blocks = {step.block for step in steps}
    for name, block in _SERVICES:
        if re.search(rf"\b{name}\b", words.masked(text), re.I) and block not in blocks:
            yield name
    if CONSENT.search(text) and "human_confirmation" not in blocks:
        yield "consent"
    if _SUMMARY.search(words.masked(text)) and not blocks & _AI:
        yield "a summary"
    if _THINKS.search(text) and not blocks & _AI:
        yield "a language model"
    if _MAILS.search(words.masked(text)) and not blocks & {"send-email", "human_confirmation"}:
        yield "mail"
    if EACH.search(words.masked(text)) and not any(map(_loops, request.steps)) and "http-request" in blocks:
        yield "loop"
    if _SAVED.search(text) and not any(step.block != "http-request" or step.payload.get("method") != "GET"
                                       for step in steps if step.payload.get("url")):  # fmt: skip
        yield "what is posted"
    if request.trigger is None and (CHAT.search(text) or HOOK.search(text) or re.search(r"\bnew\s+\w", text)):
        yield "start"
    branches = list(_branches(request.steps))
    tested = branches or "filter" in blocks
    if CONDITIONAL.search(words.masked(text)) and not tested:
        yield "condition"
    if OTHERWISE.search(words.masked(text)) and not any(branch.otherwise for branch in branches):
        yield "other branch"
    for limit in LIMIT.finditer(words.masked(text)):
        if (value := words.number(limit.group(1))) is not None and f"{value:g}" not in held:
            yield limit.group(0)


def _told(steps: list[Step]) -> Iterator[str]:
    """All the values of a reading, as text."""
    for step in steps:
        match step:
            case Action():
                yield orjson.dumps(step.payload, default=str).decode()
                yield step.said or ""
            case Branch(test=test, then=then, otherwise=otherwise):
                yield from (f"{c.subject} {c.right:g}" if _number(c.right) else f"{c.subject} {c.right}"
                            for c in test.conditions)  # fmt: skip
                yield from _told(then)
                yield from _told(otherwise)
            case Loop(body=body):
                yield from _told(body)


def _loops(step: Step) -> bool:
    match step:
        case Branch(then=then, otherwise=otherwise):
            return any(map(_loops, (*then, *otherwise)))
        case _:
            return isinstance(step, Loop)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _branches(steps: list[Step]) -> Iterator[Branch]:
    for step in steps:
        if isinstance(step, Branch):
            yield step
            yield from _branches(step.then)
            yield from _branches(step.otherwise)
        elif isinstance(step, Loop):
            yield from _branches(step.body)


def _strain(steps: list[Step]) -> Iterator[int]:
    """A branch nothing hangs on, a value as long as a sentence, an address nobody gave although there are some."""
    for branch in _branches(steps):
        yield int(branch.idle)
        rights = [c.right for c in branch.test.conditions if isinstance(c.right, str)]
        yield from (1 for each in rights if each == "not" or _LONG.search(each))
    asked = 0
    for step in Request(steps=steps).actions():
        asked += step.block == "human_confirmation"
        yield int(_open(step))
        if step.block in _SENDERS and step.said is None and any(slot.field == "text" for slot in step.missing):
            yield 1
    yield max(0, asked - 1)
