"""Clauses that search the web: "look up", "google", "find out … online", and what is searched for.

Invariant: as in ``actions``; the words searched for are the request's own. Callers: ``actions``.
"""

from __future__ import annotations

import re

from caddie.models.offline import nouns, words
from caddie.models.offline.reading import LATER, needs
from caddie.models.offline.request import Action, Slot

_NET = r"(?:web|internet|net|google|bing|duckduckgo|world\s+wide\s+web)"
#: Where, when where is the web.
ONLINE = re.compile(
    rf"\s*\b(?:(?:on|from|in|across|via|over|through|at|off|using|with)\s+(?:the\s+)?(?:whole\s+)?{_NET}|online|"
    rf"by\s+googling)\b",
    re.I,
)
_SEARCHES = re.compile(
    rf"\b(?:search\s+(?:(?:the\s+)?{_NET}|online)(?:\s+for|\s+on|\s+about)?|web\s+search\s+for|"
    rf"(?:(?<=^)|(?<=^also\s)|(?<=then\s))google(?:\s+for)?(?!\s+(?:sheets?|docs?|calendar|drive|maps))|"
    r"look\s+(?:(?:it|that|this|them)\s+)?up|"
    r"search\s+online\s+for|search\s+for|search\s+(?=for\b|(?:the\s+)?news\b)|"
    rf"(?:look|check|search)(?:\s+(?:it|that|this))?\s+(?:on|in)\s+(?:the\s+)?{_NET}|"
    r"(?:run|do|make|perform)\s+an?\s+(?:quick\s+)?(?:web|internet|google|online)\s+search\s+(?:for|on|about)|"
    r"find\s+(?:me\s+)?(?=.*\b(?:news|articles|headlines|posts|papers)\b)|"
    r"(?:get|grab|collect|gather|fetch|pull|check|read|scan)\s+(?=(?:the\s+|me\s+)?(?:latest|newest|top|today's|"
    r"current|"
    r"recent)?\s*(?:\w+\s+)?(?:news|headlines|articles)\b))\s*(.+)?$",
    re.I,
)
#: Ways of getting to know something; the web is meant where it is named, or nothing else can know it.
_LEARNS = re.compile(
    r"^(?:also\s+)?(?:find(?:\s+out)?|look|check|see|get|fetch|grab|pull|collect|gather|research|monitor|watch|track|"
    r"keep\s+(?:an\s+eye\s+on|tabs\s+on|track\s+of|up\s+with)|follow|learn|discover|hunt|read\s+up|read|"
    r"investigate|explore|scan|"
    r"scout|browse|observe|retrieve|search|query)\b\s*(?:me\b\s*|us\b\s*)?(?:(?:out|for|on|about|into|"
    r"up)\b\s*)?(?:me\b\s*|us\b\s*)?(.+)$",
    re.I,
)
_EYE = re.compile(
    r"^(?:also\s+)?(?:find\s+out(?=\s+(?:who|what|which|where|when|how|why)\b)|keep\s+(?:an\s+eye\s+on|"
    r"tabs\s+on|track\s+of|up\s+with)|research|investigate|read\s+up\s+(?:on|about))\s+(.+)$",
    re.I,
)
#: What somebody says, as the thing to search for: "whatever they ask", "any question people ask it".
_SAID = (
    r"(?:ask|mention|want|write|need|look|say|name|mean|request|typ|sent|wrote|said|send|give|post|enter|put|"
    r"throw|search)\w*"
)
_THEIRS = re.compile(
    rf"(?:(?:whatever|what|anything|everything|(?:the|any|every|each|all)\s+[\w ]+?|(?:questions?|topics?|"
    rf"words?|things?))\s+)"
    rf"(?:that\s+)?(?:they|he|she|you|i|we|people|users?|visitors?|customers?|guests?|members?|someone|somebody|"
    rf"anyone|(?:the|an?)\s+[\w-]+)\s+"
    rf"(?:\w+\s+)?{_SAID}(?:\s+(?:it|me|us|you|him|her|the\s+bot|for|about|in|into|up|there))*(?:\s+(?:the\s+)?chat)?",
    re.I,
)
#: Words for what was read out just before.
_THERE = re.compile(
    r"\s*\b(?:(?:for|in|of|about|at|on|to)\s+)?(?:there|(?:that|this|the\s+(?:given|named|same|"
    r"extracted))\s+(?:city|place|town|company|product|"
    r"name|topic|country|location|address|person|word|term|stock|book|movie|film)|(?:in|for|of|about)\s+(?:it|"
    r"them))\b", re.I)  # fmt: skip
_CHATS = re.compile(r"\b(?:chat|bot|message|asks?|question|writes?)\b", re.I)
_POINTED = re.compile(r"\b(?:on|about|for)\s+(?:that|it|this|them)\b", re.I)


def search(clause: str, about: str) -> Action | None:
    if words.URL.search(clause) or re.search(r"\b(?:pattern|regex|regular\s+expression)\b", clause, re.I):
        return None
    told = _told(clause, about)
    if told is None:
        return None
    query = words.quoted(clause) or _cleaned(told)
    slot = Slot("query", "text", "What should I search the web for?", (LATER,))
    theirs = _THEIRS.fullmatch(query)
    pointer = re.fullmatch(
        r"(?:it|that|this|them|(?:an?|the)\s+answers?(?:\s+to\s+.*)?|the\s+\w+|(?:their|his|her|every|each|"
        r"any)\s+[\w ]+)?",
        query,
        re.I,
    )
    if theirs or (pointer and _CHATS.search(about)):
        return Action("web-search", said="", topic="results")
    if (pointed := _POINTED.search(query)) and (
        subject := re.search(
            r"\b(?:about|on)\s+((?!that\b|it\b|this\b)[\w-]+(?:\s+[\w-]+){0,3}?)(?=[.,;]|\s+(?:every|each|and|that|"
            r"to|for)\b)",
            about,
            re.I,
        )
    ):
        query = f"{query[: pointed.start()]}about {subject.group(1)}"
    if (not query or re.fullmatch(r"it|that|this", query, re.I)) and (
        question := re.match(r"^([^.?!\n]{5,80})\?", about.strip())
    ):
        query = re.sub(r"\s*,?\s*(?:please|then)$", "", question.group(1))
    if (there := _THERE.search(query)) and re.search(
        r"\b(?:extract|pull|read|take|get|find|pick|chat|message|"
        r"form|webhook)\w*\b",
        about,
        re.I,
    ):
        return Action(
            "web-search", said="", topic=words.bare(f"{query[: there.start()]}{query[there.end() :]}").strip()
        )
    if not query and (
        subject := re.search(
            r"\b(?:about|on|regarding|concerning)\s+((?:(?:our|my|the)\s+)?(?!that\b|it\b|this\b|slack\b|"
            r"discord\b|the\s+web\b)[\w-]+"
            r"(?:\s+[\w-]+){0,4}?)(?=[.,;:]|\s+(?:every|each|and|that|to|for|by|on|in|at|daily|weekly)\b|$)",
            about, re.I)
    ):  # fmt: skip
        query = subject.group(1)
    action = Action("web-search", topic=words.bare(query)[:40])
    if count := re.search(r"\b(?:top|first|best)\s+(\d{1,2})\b", clause, re.I):
        action.payload["limit"] = min(20, max(1, int(count.group(1))))
    action = needs(action, slot, words.bare(query))
    action.said = ""
    return action


def _told(clause: str, about: str) -> str | None:
    """What a clause searches the web for; None when it does not."""
    learns = _LEARNS.match(clause)
    if learns and ONLINE.search(clause) and not re.match(r"^(?:also\s+)?(?:search|look|google)\b", clause, re.I):
        return learns.group(1)
    if match := _SEARCHES.search(clause):
        return match.group(1) or ""
    if learns and ONLINE.search(clause):
        return learns.group(1)
    elsewhere = words.url(about) or re.search(r"\bweb\s?hook|\bforms?\b|\bincoming\b", about, re.I)
    if elsewhere or words.channel(clause) or words.EMAIL.search(clause):
        return None
    if (eye := _EYE.match(clause)) and (
        not nouns.OWN.search(eye.group(1))
        or re.search(r"\b(?:competitors?|rivals?|industry|market|sector)\b", eye.group(1), re.I)
    ):
        return eye.group(1)
    return None


def _cleaned(told: str) -> str:
    query = ONLINE.sub("", told.strip(" .?")).strip()
    query = re.sub(r"^(?:for|about|on|out|what\s+is\s+(?:being\s+)?(?:said|written)\s+about)\s+", "", query, flags=re.I)
    return re.sub(r"\s+(?:for\s+(?:me|us)|please|again|first)$", "", query, flags=re.I).strip(" ,.")
