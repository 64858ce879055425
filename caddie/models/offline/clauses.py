"""Cuts a request into clauses and finds what starts the workflow.

Invariant: quotes and addresses are never cut. Callers: ``understand``.
"""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from caddie.models.offline import schedule, words
from caddie.models.offline.request import Trigger

VERBS = (
    "fetch get call request download load pull read check query post send notify tell message alert ping email "
    "mail e-mail dm "
    "inform announce publish share forward summarize summarise shorten condense classify categorize categorise "
    "label triage "
    "tag sort detect extract parse wait pause sleep delay hold ask confirm approve request search google look find "
    "research "
    "reply answer respond write draft translate generate compose rewrite create make build format log record print "
    "note "
    "remember save store set count increment append keep filter drop exclude remove select pick pluck take merge "
    "combine join "
    "run start trigger launch execute loop repeat iterate for go let have use put add update delete give show turn "
    "convert "
    "analyse analyze rate score decide match replace monitor watch track submit deliver stop do nothing import "
    "scrape grab "
    "retrieve hit invoke escalate route collect proofread explain review describe"
).split()
_VERB = "|".join(sorted(set(VERBS), key=len, reverse=True))
_ADVERB = (
    r"(?:(?:please|also|always|just|only|automatically|immediately|finally|first|next|afterwards|then|it\s+should|"
    r"i\s+want\s+(?:you\s+)?to|should)\s+)*"
)
#: Words that are as often a noun: they begin a clause only with an object behind them.
_BOTH = "|".join(
    (
        "email e-mail mail message post log note record ping label tag query request search text question "
        "answer reply review format filter count print alert check hold wait keep load report sort match "
        "draft extract summary merge process run track watch rate score submit share"
    ).split()
)
_OBJECT = (
    r"(?:(?:it|them|this|that|these|those|the|a|an|me|us|him|her|my|our|your|all|any|every|each|"
    r"only|everyone|everybody|someone|to|in|on|via|with|by|for|into|as|whether|if|until|back|slack|discord|google|"
    r"results?|how|half)\b|[@#\x00\d]|\w+ (?:to|in|on|as|into|for)\b)"
)
_LEAD = (
    rf"{_ADVERB}(?:(?:{_BOTH})s?(?:\s+{_OBJECT}|\s*(?=[.;,!]|$))|(?!(?:{_BOTH})s?\b)(?:{_VERB})s?\b|"
    r"if\b|unless\b|otherwise\b|else\b|when\b|for\s+(?:each|every)\b|in\s+case\b)"
)
_CUT = re.compile(
    rf"\s*(?:[.!?;]+(?=\s)|\n+)\s*|\s*,?\s*(?:and\s+)?(?:then|after\s+that|afterwards|finally|next)\s*,?\s+(?={_LEAD})|"
    rf"\s*,\s*(?:and\s+|but\s+|or\s+)?(?={_LEAD})|\s+(?:and|but|&)\s+(?:also\s+)?(?={_LEAD})|"
    r"\s*,?\s+(?=(?:otherwise|else)\b)|\s+(?=for\s+(?:each|every)\b(?!\s+(?:day|week|month|hour|minute|morning|evening)))",
    re.I,
)
_POLITE = re.compile(
    r"^\s*(?:hi|hello|hey|ok(?:ay)?|so|well|now|please|and|then|caddie)?[\s,!.:]*"
    r"(?:(?:can|could|would|will)\s+you\s+(?:please\s+)?|please\s+|i(?:['’]d|\s+would)\s+like\s+(?:you\s+to|to|a\s+workflow\s+(?:that|to|which))\s+|"
    r"i\s+(?:want|need)\s+(?:you\s+to|to|a\s+(?:workflow|bot|automation|flow)\s+(?:that|to|which))\s+|"
    r"(?:build|create|make|set\s+up|design|write|plan|propose|outline|sketch|suggest|draft|prepare)\s+(?:me\s+)?(?:a|an|the|another)\s+(?:new\s+)?(?:\w+\s+)?(?:workflow|automation|flow|bot|pipeline)\s*(?:that|to|which|where|:|,|and)?\s*)*",
    re.I,
)
_EVENT = re.compile(r"\b(?:when(?:ever)?|once|as\s+soon\s+as|every\s+time|each\s+time|on|upon|after)\s+", re.I)
_CHAT = re.compile(
    r"\bchat\s?bot\b|\b(?:chat|incoming|new|user(?:['’]s)?|customer(?:['’]s)?)\s+(?:chat\s+)?messages?\b|"
    r"\b(?:someone|somebody|anyone|a\s+\w+|users?|customers?|people|visitors?|they)\s+(?:\w+\s+)?(?:writes?|messages?|chats?|asks?|says?|talks?|types?|sends?\s+(?:me\s+|us\s+)?(?:a\s+)?(?:chat\s+)?(?:message|question))\b|"
    r"\b(?:chat|message|question)\s+(?:arrives|comes\s+in|is\s+received|is\s+sent)\b|\bin\s+(?:the|a|this)\s+chat\b|\bchat\s+trigger\b",
    re.I,
)
_WEBHOOK = re.compile(
    r"^(?:every|each|any|an?)?\s*new\s+\w+|\breceives?\b|\bweb\s?hooks?\b|\b(?:http|post|api)\s+(?:request|call)\s+(?:arrives|comes|is|to\s+us)\b|"
    r"\b(?:arrives?|comes?\s+in|comes?|is\s+(?:received|submitted|created|made|placed|opened|closed|merged|paid|updated|deleted|posted|sent|filed|pushed|registered|cancell?ed|added|uploaded|changed)|"
    r"are\s+(?:received|submitted|created)|happens|signs?\s+up|registers?|pays|buys|subscribes|submits?|fills?\s+(?:in|out)|places?|opens?|files?|pushes|fails|succeeds|gets\s+\w+ed|goes\s+down|lands)\b",
    re.I,
)
_NAMED_HOOK = re.compile(
    r"\b(?:with|using|via|from|on|by)\s+(?:an?\s+|the\s+)?(?:incoming\s+)?web\s?hook(?:\s+trigger)?\b(?:\s+(?:"
    r"that|which|to))?",
    re.I,
)
_MANUAL = re.compile(
    r"\b(?:when(?:ever)?\s+i\s+(?:press|click|run|start|say|hit|push|want)\b[^,.;]*|manually|on\s+demand|by\s+hand|at\s+the\s+(?:press|push|click)\s+of\s+a\s+button)",
    re.I,
)
_ZONE = re.compile(r"\b([A-Z][A-Za-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?|UTC)\b(?:\s+time)?")


def without_politeness(text: str) -> str:
    previous, text = None, text.strip()
    while previous != text:
        previous, text = text, _POLITE.sub("", text, count=1).strip()
    return text


def zone(text: str) -> str | None:
    """An IANA time zone the text names, or a city that has one ("New York time")."""
    if (named := _ZONE.search(text)) and named.group(1) in available_timezones():
        return named.group(1)
    city = re.search(r"\b([A-Z][a-z]+(?:\s[A-Z][a-z]+)?)\s+time\b", text)
    ending = f"/{city.group(1).replace(' ', '_')}" if city else None
    return next((name for name in sorted(available_timezones()) if ending and name.endswith(ending)), None)


def trigger(text: str, timezone: str) -> tuple[Trigger | None, str]:
    """What starts the workflow, and the text without that part."""
    shadow = words.masked(text)
    if manual := _MANUAL.search(shadow):
        return Trigger("manual"), _cut_out(text, [manual.span()])
    found = schedule.find(shadow)
    event = _event(text, shadow)
    if event is not None and (found is None or found.freq is None or event[1][0] == 0):
        return event[0], _cut_out(text, [event[1]])
    if found is not None and (found.freq or found.hours):
        named = zone(text)
        payload = {"rrule": found.rrule(), "timezone": named or timezone or "UTC"}
        spans = list(found.spans)
        if named and (
            said := re.search(
                rf"\s*\(?(?:in\s+)?{re.escape(named)}(?:\s+time)?\)?|\s*[A-Z]\w+(?:\s[A-Z]\w+)?\s+time\b", text
            )
        ):
            spans.append(said.span())
        return Trigger("cronjob", payload), _cut_out(text, spans)
    if _CHAT.search(shadow) and (
        bot := re.search(r"(?:\b\w+\s+(?:me\s+)?(?:a|an)\s+)?\bchat\s?bot\b(?:\s+(?:that|which|to))?", shadow, re.I)
    ):
        return Trigger("trigger_chat", event="a chat message"), _cut_out(text, [bot.span()])
    if hook := _NAMED_HOOK.search(shadow):
        return Trigger("webhook"), _cut_out(text, [hook.span()])
    return None, text


def _event(text: str, shadow: str) -> tuple[Trigger, tuple[int, int]] | None:
    for start in _EVENT.finditer(shadow):
        end = _clause_end(shadow, start.end())
        phrase = shadow[start.end() : end]
        for block, pattern in (("trigger_chat", _CHAT), ("webhook", _WEBHOOK)):
            match = pattern.search(phrase)
            if match is None or (
                block == "webhook" and start.start() and re.match(r"on|after|upon", start.group(), re.I)
            ):
                continue
            # No comma: the event ends where the first action begins.
            action = re.compile(rf"(?<!\sa)(?<!\san)(?<!\sthe)\s+(?={_LEAD})", re.I).search(phrase, match.end())
            end = start.end() + action.start() if action else end
            return Trigger(block, event=text[start.end() : end].strip()), (start.start(), end)
    return None


def _clause_end(shadow: str, start: int) -> int:
    """The end of a "when …" part: a comma or a full stop, else a verb that begins an action after "then"."""
    stop = re.compile(r",|[.;!?](?=\s|$)|\s+then\b|\n|\s+and\s+(?=" + _LEAD + r")", re.I).search(shadow, start)
    return stop.start() if stop else len(shadow)


def _cut_out(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(schedule.united(spans), reverse=True):
        text = f"{text[:start].rstrip()} {text[end:].lstrip(' ')}"
    text = re.sub(r"\s+([,.;!?])", r"\1", text)
    return re.sub(r"^[\s,.;:!?]*(?:(?:and|then)\s+)?", "", text).strip()


def split(text: str) -> list[str]:
    """The clauses, in order, without the words that join them."""
    shadow, parts, start = words.masked(text), [], 0
    for cut in _CUT.finditer(shadow):
        if cut.start() == 0 and cut.end() == 0:
            continue
        parts.append(text[start : cut.start()])
        start = cut.end()
    parts.append(text[start:])
    cleaned = (
        re.sub(r"^(?:and|then|also|please|finally|next|afterwards)[\s,]+", "", part.strip(" ,.;!"), flags=re.I)
        for part in parts
    )
    return [part for part in cleaned if part]
