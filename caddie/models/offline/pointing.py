"""Words that point at something said before: "there", "them", "their address", "each of them".

Invariant: a word is replaced only by what the request names. Callers: ``reader``, ``outside``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action

THEY = re.compile(r"(?:all\s+(?:of\s+)?)?(?:them|these|those|it|the\s+list)", re.I)
_THERE = re.compile(
    r"\s*\b(?:(?:over|in|on|to)\s+)?there(?:\s+as\s+well|\s+too|\s+directly|\s+straight\s+away)?$|\s+\b(?:in|to|"
    r"on)\s+(?:the\s+|that\s+)?same\s+"
    r"(?:channel|place|address|person)$|\s+\bto\s+the\s+same\s+(?:people|team)$",
    re.I,
)
_THEM = re.compile(
    r"^((?:also\s+)?(?:tell|remind|warn|ask|notify|inform|alert|let|send|message|mail|e-?mail)\s+)(?:them|him|her)\b",
    re.I,
)
_PEOPLE = re.compile(
    r"\b(?:to|at|under)\s+(?:their|his|her|its|each\s+one's)\s+(?:own\s+)?(?:e-?mails?|(?:e-?mail\s+|"
    r"mail\s+)?address(?:es)?)\b|"
    r"\b(?:to|at|under|use|using)\s+(?:the\s+|that\s+|whatever\s+)?(?:(?:customer|client|guest|member|"
    r"user|sender|buyer|\w+)(?:'s|s')?\s+)?"
    r"(?:e-?mail(?:\s+address)?|address|email\s+field)\s+(?:(?:that|which)\s+(?:is|"
    r"they\s+\w+)\s+)?(?:(?:they\s+)?\w+\s+)?"
    r"(?:in|from|of|on|with)\s+(?:the\s+|their\s+|our\s+)?(?:form|order|request|body|payload|web\s?hook|data|"
    r"booking|message|submission|field\s+(?P<field>\w+))\b|"
    r"\b(?:their|the|his|her)\s+(?:e-?mail\s+)?address\s+is\s+in\s+(?:the\s+)?(?:field|column|key|"
    r"property)\s+(?P<field2>\w+)|"
    r"\b(?:to|at)\s+(?:the\s+)?(?:customer|client|guest|member|user|sender|buyer|donor|applicant|"
    r"subscriber)(?:'s|s')\s+(?:e-?mail|address)(?:\s+address)?\b",
    re.I,
)
_EACH = re.compile(
    r"^(?P<verb>send|post|e?mail|e-mail|remind|thank|notify|tell|message|write(?:\s+to)?|put|log|forward|"
    r"put|delete|PUT|POST|PATCH|DELETE|summari[sz]e|translate|"
    r"classify|share|warn|invite|greet|congratulate|call|push|submit|add|save|"
    r"process)\s+(?:an?\s+\w+\s+to\s+)?(?:to\s+)?(?:each|every)"
    r"(?:\s+(?P<one>one|of\s+(?:them|these|those)|(?=(?:in)?to\b|with\b|as\b|in\b|on\b|by\b))|\s+(?:single\s+|"
    r"of\s+the\s+)?(?P<noun>[a-z][\w-]*))\b\s*(?P<rest>.*)$",
    re.I | re.S,
)


#: "send the parents of every absent pupil an email"
_EACH_OF = re.compile(
    r"^(?P<head>(?:send|e-?mail|mail|notify|tell|inform|message|post|remind|invite|write|call|ask)\b.*?\s(?:of|to|"
    r"for)\s+)(?:each|every)\s+"
    r"(?:(?!single\b)[a-z-]+\s+)??(?P<noun>[a-z]+)(?P<rest>(?:\s+(?:an?|the|in|on|with|by|via|that|about|"
    r"whose)\b.*)?)$",
    re.I | re.S,
)
_TIMES = re.compile(r"(?:day|week|month|hour|minute|morning|evening|time|year|night|afternoon|one)s?", re.I)


def resolved(clause: str, sent: Action | None, chat: bool) -> str:
    """The clause with "there" and "them" as the place and the people of the message told before."""
    if sent is None:
        return clause
    target = sent.payload.get("channel") or sent.payload.get("to") or sent.payload.get("url") or ""
    place = "discord" if sent.block == "discord-send-message" else target if isinstance(target, str) else ""
    if not place or place.startswith("{{"):
        return clause
    if "@" not in place and re.match(r"(?:also\s+)?(?:send\s+(?:them|him|her)\s+an?\s+)?e?-?mail\b", clause, re.I):
        return clause
    if _THERE.search(clause):
        return _THERE.sub(f" to {place}", clause)
    return clause if chat else _THEM.sub(rf"\g<1>{place}", clause)


def located(clause: str) -> tuple[str | None, str]:
    """(address, the clause without it) of "for each item in https://…"; no address when a list is not told so."""
    address = words.url(clause)
    match = re.match(
        r"^(?:for|(?:loop|iterate)\b(?:\s+(?:through|over))?|go\s+(?:through|over))(?:\s+.*?\s+(?:in|of|from|at|"
        r"on))?\s+(?=https?:)", clause, re.I
    )
    if address is None or match is None:
        return None, clause
    head = re.sub(r"\s+(?:in|of|from|at|on)\s+$", "", match.group()).strip()
    if re.fullmatch(r"(?:loop|iterate|go)(?:\s+(?:through|over))?", head, re.I):
        head = f"{head} each item"
    return address, f"{head}: {clause[match.end() + len(address) :].strip(' ,:')}"


def addressed(clause: str) -> str | None:
    """The field of the data at hand that holds the address: "to the address in the form"."""
    match = _PEOPLE.search(clause)
    return (match.group("field") or match.group("field2") or "email") if match else None


def each(clause: str) -> tuple[str, str] | None:
    """(the things, what to do with one) of "send each borrower a reminder"."""
    match = _EACH.match(clause)
    inner = _EACH_OF.match(clause) if match is None else None
    if inner and not _TIMES.fullmatch(inner.group("noun")):
        return inner.group("noun"), f"{inner.group('head')}the {inner.group('noun')}{inner.group('rest')}".strip()
    if (
        match
        and match.group("verb").lower() in ("log", "save", "add")
        and match.group("noun")
        and not match.group("rest").strip()
    ):
        return None
    if match is None or re.match(
        r"(?:day|week|month|hour|minute|morning|evening|time|other|year|night|afternoon)s?\b",
        match.group("noun") or "",
        re.I,
    ):
        return None
    verb, rest = match.group("verb"), match.group("rest").strip()
    told = match.group()[match.end("verb") :].lower()
    lead = re.match(r"\s+(an?\s+\w+)\s+to\b", told)
    return (
        match.group("noun") or "item",
        f"{verb} {lead.group(1) if lead else 'them' if verb.isupper() or match.group('noun') else 'it'} {rest}".strip(),
    )
