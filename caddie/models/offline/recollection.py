"""What was said before and is pointed at now: "the address I gave you", "the same channel", "remove that again".

Invariant: only what the user wrote, what the workflow holds, or what the last answer named is put in. Callers:
``thread``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from caddie.models.offline import words

#: In front of the names of what a change has added.
NEW = "New:"
#: The last change is to be taken back.
UNDO = re.compile(
    r"\W*(?:please\s+|can\s+you\s+|could\s+you\s+)*(?:undo|revert|roll\s*back|(?:take|put|change|turn)\s+(?:it|that|"
    r"this)\s+back|go\s+back|back|"
    r"(?:remove|delete|drop|take\s+out|get\s+rid\s+of|throw\s+out)\s+(?:it|that|this|them|those|(?:the\s+)?(?:last|"
    r"new|latest)\s+(?:one|step|addition|change|thing)|"
    r"what\s+you\s+(?:just\s+|have\s+just\s+)?(?:added|did|built)))(?:\s+(?:it|that|this|the\s+(?:last\s+)?(?:change|"
    r"step|one)|again|back|out|please|one\s+step|"
    r"to\s+(?:how\s+it\s+was|before|the\s+(?:old|previous)\s+version)|as\s+it\s+was))*\W*",
    re.I,
)
_ADDED = re.compile(rf"^{NEW} (.+)\.$", re.M)
_BEFORE = (
    r"(?:i\s+(?:gave|told|sent|wrote|mentioned)(?:\s+(?:to\s+)?you)?(?:\s+(?:before|earlier|above|already|"
    r"last\s+time))?|from\s+(?:before|earlier|above|last\s+time)|as\s+before|"
    r"(?:mentioned\s+)?above|you\s+(?:already\s+)?(?:have|know))"
)
_NOUNS = {
    "email": r"(?:e-?mail\s+|mail\s+)?(?:address|recipient|mailbox|inbox)|person",
    "channel": r"(?:slack\s+)?channel",
    "url": r"(?:url|link|api|endpoint|site|page)",
}
_POINTS = {
    kind: re.compile(rf"\b(?:the\s+same\s+(?:{noun})|(?:the|that)\s+(?:{noun})\s+{_BEFORE})(?:\s+{_BEFORE})?", re.I)
    for kind, noun in _NOUNS.items()
}
#: The whole of an answer that points back.
_SAME = re.compile(
    r"\W*(?:(?:use|take|to)\s+)?(?:the\s+)?(?:same(?:\s+(?:one|address|channel|as\s+\w+|again))*|"
    r"usual(?:\s+one)?|" + _BEFORE + r")\W*",
    re.I,
)


def resolved(request: str, earlier: Sequence[str], definition: dict[str, Any], told: str = "") -> str:
    """The request with what it points at put in."""
    if UNDO.fullmatch(request) and (added := _ADDED.search(told)):
        return f"remove {added.group(1)}"
    for kind, pattern in _POINTS.items():
        if kind == "email" and re.search(r"\b(?:slack|discord)\b", request, re.I):
            continue
        if pattern.search(request) and (known := _known(kind, earlier, definition)):
            request = pattern.sub(lambda _, known=known: known, request, count=1)  # type: ignore[misc]
    return request


def answered(kind: str, answer: str, earlier: Sequence[str], definition: dict[str, Any]) -> str:
    """An answer that only points back, as what it points at."""
    return _known(kind, earlier, definition) or answer if _SAME.fullmatch(answer) else answer


def _known(kind: str, earlier: Sequence[str], definition: dict[str, Any]) -> str | None:
    """The one said last, else the one the workflow has."""
    for text in reversed(earlier):
        if found := _find(kind, text):
            return found
    for node in (definition.get("nodes") or {}).values():
        payload = node.get("payload") or {}
        value = payload.get({"email": "to", "channel": "channel", "url": "url"}[kind])
        if isinstance(value, str) and "{{" not in value and value:
            return value
    return None


def _find(kind: str, text: str) -> str | None:
    match kind:
        case "email":
            return words.email(text)
        case "channel":
            found = words.CHANNEL.search(words.URL.sub("", text))
            return found.group() if found else None
        case _:
            return words.url(text)
