"""Cuts a request into clauses.

Invariant: quotes and addresses are never cut. Callers: ``understand``, ``starts``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.verbs import NOUN_TOO, VERBS, third

ANY_VERB = "|".join(sorted({*VERBS, *map(third, VERBS)}, key=len, reverse=True))
#: What is done to a thing, told in the passive: "… and the result is posted in #x".
_DONE = (
    r"(?:(?:the|its|their|this|that)\s+(?:[\w-]+\s+){1,2}?|it\s+|they\s+)(?:(?:should|must|will|has\s+to|"
    r"have\s+to|needs?\s+to)\s+(?:then\s+|also\s+)?be|"
    r"is|are|gets?)\s+(?:then\s+|also\s+|automatically\s+)?(?:posted|sent|e?mailed|e-mailed|forwarded|stored|"
    r"saved|logged|summari[sz]ed|translated|"
    r"published|pushed|written)\b"
)
_BOTH = "|".join(sorted({*NOUN_TOO, *map(third, NOUN_TOO)}, key=len, reverse=True))
_ADVERB = (
    r"(?:(?:please|also|always|just|only|automatically|immediately|finally|first|next|afterwards|then|it\s+should|"
    r"i\s+want\s+(?:you\s+)?to|should|politely|quickly|simply)\s+)*"
)
_OBJECT = (
    r"(?:(?:it|them|this|that|these|those|the|a|an|me|us|him|her|my|our|your|their|its|all|any|every|each|both|"
    r"only|just|everyone|everybody|someone|to|in|on|via|with|by|for|into|as|whether|if|until|up|back|"
    r"slack|discord|google|"
    r"workflows?|results?|how|half|what|which|new|everything|anything|\w+ly|one|two|three|five|ten|fifteen|"
    r"twenty|thirty|ai)\b|"
    r"[@#\x00\d{]|(?!is\b|are\b|was\b|equals\b)\w+ (?:to|in|on|as|into|for|at|from|via)\b|"
    r"\w+\s+\x00|\w+\s+ones\b)"
)
REST = (
    r"(?:only\s+)?(?:the\s+)?(?:(?:smaller|larger|bigger|lower|higher|cheaper|lighter|heavier|real|genuine|"
    r"legit(?:imate)?)\s+"
    r"(?:ones|amounts|messages|requests|orders|mails|e-?mails|tickets)|(?:all\s+)?other\s+(?!than\b|day\b|week\b|"
    r"words\b)[a-z]+s|rest|remaining(?:\s+\w+)?|others?(?!wise)|(?:every|any)thing\s+else|all\s+(?:the\s+)?others?)"
)
LEAD = (
    rf"{_ADVERB}(?:(?:{_BOTH})s?(?:\s+{_OBJECT}|\s*(?=[.;,!]|$))|(?!(?:{_BOTH})s?\b)(?:{ANY_VERB})s?\b(?!-)|"
    rf"merge(?=\s+and\s)|page(?=\s+[#@\x00])|(?:the\s+)?workflow\s+(?:\x00|\w+-[\w-]+)|log\s+(?!file|channel|entr|level|book|"
    rf"message|in\b|and\b|or\b)\w|include\s+(?:the|its|"
    rf"their|all)\b|if\b|unless\b|"
    rf"otherwise\b|else\b|when\b|once\b|as\s+soon\s+as\b|for\s+(?:each|"
    rf"every)\b|in\s+case\b|(?:(?:at|in)\s+the\s+(?:very\s+)?end|after\s+the\s+loop)\b|(?:for\s+"
    rf")?{REST}\b(?=\s*[,:]?\s+\w)|"
    r"(?:the\s+)?\w+\s+ones\b|all\s+(?:of\s+(?:them|these)\s+)?(?:gets?|receives?|should)\b|(?:each|"
    r"every)\s+(?:of\s+them\s+)?gets?\b|the\s+\w+\s+(?:should\s+|will\s+|must\s+)?(?:gets?|receives?)\s+(?:an?|"
    r"the)\s|i\s+(?:also\s+)?(?:want|need)\b|let\s|(?:after|with|upon)\s+(?:my|"
    r"our)\s+(?:ok(?:ay)?|approval|confirmation|go-?ahead|blessing)\b|"
    r"(?:i|we|(?:my|our|the)\s+(?!bot\b|workflow\b|ai\b)\w+|someone|somebody|a\s+(?:human|person|colleague|"
    r"manager))\s+(?:(?:will|must|should|have\s+to|has\s+to|needs?\s+to|"
    r"wants?\s+to)\s+)?(?:approves?|confirms?|okays?|signs?\s+(?:it\s+)?off)\b)"
)
_CUT = re.compile(
    rf"\s*(?:[.!?;]+(?=\s)|\n+)\s*|\s*,?\s*(?:and\s+)?(?:only\s+)?(?:then|after\s+that|afterwards|finally|"
    rf"next)\s*,?\s+(?={LEAD})|"
    r"\s*,?\s+and\s+(?=(?:questions?|messages?|requests?)\s+(?:about|regarding)\s[^,.]*\b(?:go|sent|forwarded)\b)|"
    rf"\s*,\s*(?:and\s+|but\s+)?(?=(?:about\s+)?[\w-]+(?:\s+ones)?\s+(?:go(?:es)?\s+)?(?:to|in|into|on)\s+(?:#|\x00))|"
    rf"(?:\s*,\s*|\s+)(?:and|but)\s+(?={_DONE})|"
    r"\s+and\s+(?=\x00+\s+(?:in|to|into|on)\s+(?:#|\x00|slack|discord))|"
    r"(?<=[\w\x00])\s+and\s+(?:also\s+)?(?=an?\s+(?:[\w-]+\s+)?(?:e-?mail|mail|message|dm|"
    r"notification)\s+(?:with|to|in|about|saying)\b[^,.;]*[#\x00])|"
    rf"\s+and\s+(?=[\w-]+(?:\s+ones)?\s+to\s+(?:#|\x00))|"
    rf"\s*,\s*(?:and\s+|but\s+)?(?=(?!it\b|they\b|this\b|that\b)[\w-]+(?:\s+ones)?\s+(?:is|are|gets?|should\s+"
    rf"be)\s+(?:just\s+|only\s+)?"
    rf"(?:logged|ignored|sent|posted|e?mailed|forwarded|dropped|archived|skipped)\b)|"
    rf"\s*,\s*(?:and\s+|but\s+|or\s+|so\s+)?(?={LEAD})|\s+(?:and|but|&|while)\s+(?:also\s+)?(?={LEAD})|"
    rf"\s+and\s+(?=[\w\s]{{0,20}}\x00+\s+\w+ed\b)|"
    r"(?<!thing)(?<!one)(?<!body)\s*,?\s+(?=(?:otherwise|else)\b)|\s+(?=for\s+(?:each|every)\b(?!\s+(?:day|week|"
    r"month|hour|minute|morning|evening)))",
    re.I,
)
_COORDINATED = re.compile(
    r"^(?:[\w-]+\s+)?(?:the|their|its|his|her|our|my|your)\s+[a-z][\w'-]*"
    r"(?:\s+[a-z][\w'-]*)?$",
    re.I,
)
_LISTING = re.compile(
    r"^(?:extract|pull(?:\s+out)?|take|get|collect|read|note(?:\s+down)?|grab|pick(?:\s+out)?|ask\s+for|save|store)\s+(?:the\s+|their\s+|"
    r"his\s+|her\s+)?[a-z][\w' -]{0,30}(?:,\s*[a-z][\w' -]{0,30})*$",
    re.I,
)
_LISTED = re.compile(
    r"(?:e-?mail|mail|message|text|note|record|label|score|rating|book|title|date|"
    r"time|sum)s?(?:\s+address)?\s*(?:,|and\b)",
    re.I,
)
_PLACED = re.compile(
    r"(?:e-?mail|mail|message|note|record|label|tag|query|request|text|question|answer|reply|comment|summary|"
    r"count|match|draft|"
    r"score|book|title|list|date|extract|rate)s?\s+(?:into|to|in|on|at)\s",
    re.I,
)
_NOUN = re.compile(
    r"(?:e-?mail|mail|message|text|question|label|tag|score|note|comment|request|review|rate|list|count|title|"
    r"query)s?\s*(?=[.;,]|$|\s+and\b)",
    re.I,
)
_READS = re.compile(
    r"^(?:extract|pull\s+out|pick\s+out|read\s+out|get|take|collect|find|read|note|save|store|give|send|"
    r"ask\s+for|use)\s+(?:only\s+|just\s+)?"
    r"(?:(?:the|their|its|his|her|a|an)\s+)?[a-z][^\x00]{0,60}$", re.I)  # fmt: skip
_GAP = re.compile(
    rf"(?!(?:{ANY_VERB})s?\s)[\w-]+(?:\s+ones)?\s+(?:to|in|into|on)\s+(?:#|\x00)|(?:feedback|report|"
    rf"comment|answer)\s+to\s",
    re.I,
)
_STOP = re.compile(rf"(?<=[.!?;])\s+|\n+|(?<=:)\s+(?={LEAD})", re.I)
_TRAILING = re.compile(r"[\s,]+(?:please|thanks|thank\s+you|thx|for\s+me|if\s+possible|if\s+you\s+can)$", re.I)
_JOINING = re.compile(r"^(?:and|but|then|also|please|finally|next|afterwards|so)[\s,]+", re.I)


def split(text: str) -> list[str]:
    """The clauses, in order, without the words that join them."""
    shadow, parts, start = words.masked(text), [], 0
    for cut in _CUT.finditer(shadow):
        if cut.start() == 0 and cut.end() == 0:
            continue
        if _COORDINATED.match(text[start : cut.start()].strip()) and _PLACED.match(shadow[cut.end() :]):
            # "put their name and message into …"
            continue
        if _NOUN.match(shadow, cut.end()) and _READS.match(shadow[start : cut.start()].strip()):
            # "extract the name and email, save them": the last of several things
            continue
        if _GAP.match(shadow, cut.end()) and not re.search(r"[#\x00]", shadow[start : cut.start()]):
            # "send headline and feedback to …", beside "bugs to #dev and billing to #money"
            continue
        if _LISTING.match(text[start : cut.start()].strip()) and _LISTED.match(shadow[cut.end() :]):
            # "extract name, email and order number"
            continue
        parts.append(text[start : cut.start()])
        start = cut.end()
    parts.append(text[start:])
    return [part for part in map(bare, parts) if part]


def bare(clause: str) -> str:
    previous, clause = None, clause.strip(" ,.;:!?-–")
    while previous != clause:
        previous, clause = clause, _TRAILING.sub("", _JOINING.sub("", clause)).strip(" ,")
    return clause


def sentences(text: str) -> list[str]:
    parts, start = [], 0
    for cut in _STOP.finditer(words.masked(text)):
        parts.append(text[start : cut.start()])
        start = cut.end()
    parts.append(text[start:])
    return [part for part in parts if part.strip()]
