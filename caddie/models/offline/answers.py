"""What people say when they are asked: the value of an open field, a change of mind, another wish, or a question back.

Invariant: what does not fit the question is never put into its field. Callers: ``thread``, ``slotting``, ``openings``,
``extension``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import inquiry, schedule, words
from caddie.models.offline.pauses import longest
from caddie.models.offline.request import Slot

_LATER = re.compile(
    r"\W*(?:(?:i(?:['’]ll|\s+will)?\s+)?(?:later|skip(?:\s+(?:it|that|this))?|leave\s+(?:it|that)(?:\s+(?:open|empty|"
    r"blank|out))?.*|"
    r"(?:i\s+)?(?:do\s*n[o'’]?t|don['’]t|dunno)(?:\s+know)?.*|no\s+(?:idea|clue).*|not\s+sure.*|i(?:['’]m|"
    r"\s+am)\s+not\s+sure.*|"
    r"none|nothing\s+yet|no(?:ne)?\s+yet|(?:fill|enter|add|tell|do)\s+(?:it|that|you)\s+(?:in\s+)?(?:later|"
    r"afterwards).*|"
    r"(?:you\s+)?(?:decide|choose|pick)(?:\s+(?:for\s+me|one|it|something))?|whatever(?:\s+you\s+like)?|any(?:thing)?|"
    r"doesn['’]?t\s+matter|"
    r"i\s+have\s+none|i\s+do\s*n[o'’]?t\s+have\s+(?:one|it|that|any).*))\W*",
    re.I,
)
#: Everything is called off.
WITHDRAWN = re.compile(
    r"\W*(?:(?:no|ok(?:ay)?|oh|ah|hm+|actually|well|sorry|please|just|then)[\s,.!]+)*(?:never\s*mind|nvm|"
    r"forget\s+(?:about\s+)?(?:it|that|this|the\s+\w+)|"
    r"cancel(?:\s+(?:it|that|this))?|drop\s+it|stop(?:\s+(?:it|that))?|abort|not\s+now|(?:maybe\s+)?another\s+time|"
    r"do\s*n[o'’]?t\s+(?:bother|do\s+it|"
    r"build\s+it|run\s+it)|let['’]?s\s+not|i(?:['’]ve|\s+have)?\s+changed\s+my\s+mind|leave\s+it(?:\s+(?:be|at\s+that|"
    r"as\s+it\s+is))?|"
    r"no\s+thanks?|no\s+thank\s+you|scratch\s+that|skip\s+the\s+whole\s+thing)\W*",
    re.I,
)
#: What stands in front of what is meant: "no wait, …", "looks good, but …", "yes but …".
_OPENING = re.compile(
    r"^(?:(?:no[\s,]+wait|wait[\s,]+no|wait|hold\s+on|oh|ah|hm+|well|sorry|oops|whoops|actually|on\s+second\s+thought|"
    r"i\s+changed\s+my\s+mind|"
    r"scratch\s+that|i\s+mean(?:t)?|i\s+meant\s+to\s+say|y(?:es|eah|ep|up)|no|nope|nah|ok(?:ay)?|sure|great|good|nice|"
    r"perfect|cool|fine|"
    r"(?:it\s+|that\s+)?(?:looks?|sounds?)\s+(?:good|great|fine|ok(?:ay)?|nice))(?:\s*[,.;:!…-]+\s*|\s+(?=(?:but|only|"
    r"and)\b)|"
    r"(?<=oh)\s+|(?<=hmm)\s+|(?<=actually)\s+|(?<=sorry)\s+|(?<=oops)\s+|(?<=wait)\s+(?!for\b|twice\b|longer\b|half\b|less\b|"
    r"more\b|before\b|after\b|until\b|till\b|an?\b|one\b|\d|some\b|\w+\s+(?:min|sec|hour|day)))"
    r"(?:(?:but|and|only|just|though|however|please|then|so)\s+(?=\w))*)+",
    re.I,
)
_CHANGES = re.compile(
    r"\b(?:instead|rather|only|but|also|too|as\s+well|actually|prefer|change|remove|add|make\s+(?:it|that)|"
    r"not\s+\w+\s+but|every|each|when(?:ever)?|"
    r"if)\b",
    re.I,
)
_MEDIUM = {"slack": "Slack", "discord": "Discord", "email": "email", "e-mail": "email", "mail": "email"}
_MEDIA = re.compile(r"(?<![@\w./-])(slack|discord|e-?mail|mail)(?![@\w./-])", re.I)


#: What stands around the name of a channel.
_AROUND = re.compile(r"\b(?:please|thanks|channel|the|one|called|use|take|in|on|to|it['’]?s|is)\b|[.!]", re.I)


_TAKES = re.compile(
    r"^\W*(?:(?:the|number|no\.?|option|take|use|i\s+(?:take|want)|let['’]?s\s+(?:take|use))\s+)*(?:\d\b|one|first|"
    r"second|third|last|yes|yep|sure|ok|none|neither|no\b|"
    r"nothing|skip|not|both|all|please|great|go|do\s+it|set\s+it\s+up)\b",
    re.I,
)
_POLITE = re.compile(
    r"\W*(?:(?:thanks?|thx|thank\s+you|cheers|cool|great|nice|good|perfect|ok(?:ay)?|bye|hi|hello|hey|lol|wow|done|"
    r"yes|yep)\b[\s,.!:)]*)+(?:so\s+much|a\s+lot)?\W*",
    re.I,
)
#: The way that was asked about, without an address.
SAME_WAY = re.compile(r"\W*(?:(?:by|via|per|through|with|on|in|use)\s+)?(?:e-?mail|mail|slack)(?:\s+please)?\W*", re.I)


def meant(message: str) -> str:
    """A message without the "no wait, …" in front of it."""
    rest = _OPENING.sub("", message.strip(), count=1).strip()
    return rest if re.search(r"\w", rest) else message


def fits(question: str, message: str) -> bool:
    """Whether a message answers a question, and does not ask or wish for something else."""
    text = meant(message)
    if _POLITE.fullmatch(message) and _kind(question):
        return False
    if WITHDRAWN.fullmatch(message) or inquiry.asks(message) or other_medium(question, text):
        return False
    if _LATER.fullmatch(text):
        return True
    kind = _kind(question)
    if kind in ("url", "channel", "email") and not _holds(kind, text):
        found = schedule.find(text)
        if (found and found.freq) or SAME_WAY.fullmatch(text):
            return False
    if kind is None:
        return True
    if _holds(kind, text):
        return True
    return not _CHANGES.search(text) and len(text.split()) <= 12


def picks(offered: str, message: str) -> bool:
    """Whether a message takes or refuses something of a list."""
    if _TAKES.match(message) or (len(message.split()) < 2 and not words.url(message) and not words.emails(message)):
        return True
    told = set(re.findall(r"[a-z]{4,}", offered.lower()))
    return not _CHANGES.search(message) and bool(set(re.findall(r"[a-z]{4,}", message.lower())) & told)


def other_medium(question: str, message: str) -> str | None:
    """The wish in "in Slack", "rather on Discord", when an address for another way was asked for."""
    asked = "email" if "email" in question else "Slack" if "Slack" in question else None
    found = _MEDIA.search(message)
    if asked is None or found is None or len(message.split()) > 10 or words.emails(message):
        return None
    named = _MEDIUM[found.group(1).lower()]
    if named == asked or re.search(r"\b(?:also|too|as\s+well|both)\b", message, re.I):
        return None
    channel = words.channel(message)
    there = f" in {channel}" if channel and channel.lower()[1:] not in _MEDIUM else ""
    return f"use {named} instead of {asked}{there}"


def _kind(question: str) -> str | None:
    if re.search(r"\(URL\)", question):
        return "url"
    if "channel" in question:
        return "channel"
    if re.search(r"\baddress\b.*\bemail\b", question):
        return "email"
    if "How long" in question:
        return "seconds"
    return "labels" if "categories" in question else None


def _holds(kind: str, text: str) -> bool:
    match kind:
        case "url":
            return words.url(text) is not None
        case "channel":
            return words.channel(text) is not None
        case "email":
            return bool(words.emails(text)) or "{{" in text
        case "labels":
            return len(words.listed(text)) > 1
        case _:
            return bool(words.duration_s(text) or words.number(text))


def value(slot: Slot, answer: str) -> Any:
    """An answer as the value of a slot; None leaves it open."""
    text = meant(answer).strip("\"'").strip()
    if not text or _LATER.fullmatch(text):
        return None
    match slot.kind:
        case "channel":
            named = _AROUND.sub(" ", text).split()
            bare = f"#{words.slug(named[-1]).replace('_', '-')}" if named and len(named) < 4 else None
            return words.channel(text) or bare
        case "url":
            return words.url(text)
        case "email":
            found = words.emails(text)
            return found[0] if len(found) == 1 else found or (text if text.startswith("{{") else None)
        case "labels":
            told = re.sub(
                r"^(?:(?:sort|put|split|classify)\s+(?:it|them)\s+)?(?:into|as|by|between|either|like|say|maybe|just|"
                r"only|use|take|try|"
                r"(?:the\s+)?(?:categories|labels)(?:\s+are)?)[\s:]+", "", text, flags=re.I,
            )  # fmt: skip
            labels = [re.sub(r"^(?:the\s+)?(?:rest|others?|everything\s+else|remaining)$", "other", each, flags=re.I)
                      for each in words.listed(told)]  # fmt: skip
            return list(dict.fromkeys(labels)) if len(labels) > 1 else None
        case "fields":
            return [name for name in map(words.slug, words.listed(text)) if name] or None
        case "seconds":
            seconds = words.duration_s(text) or words.number(text)
            return min(seconds, longest("delay", "seconds")) if seconds else None
        case _:
            return text
