"""What stands in a field, and what should stand there instead: "in #finance, not in #fx", "closed instead of open".

Invariant: only a value the workflow has is put another in the place of. Callers: ``change``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from caddie.models.offline import words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.thread import Talk

_NOT = re.compile(r"\b(?:not|no\s+longer|instead\s+of|rather\s+than|in\s+place\s+of|from)\b", re.I)
_WORDS = re.compile(
    r"(?:\b(?:the|only|to|for|about|in|into|as|by|of|all|just|on|at|with)\s+)*\b(?P<new>[\w-]+)(?:\s+(?!instead|"
    r"rather|not\b)[\w-]+){0,2}?\s*,?\s+"
    r"(?:instead\s+of|rather\s+than|in\s+place\s+of|(?:and\s+|but\s+)?not)\s+(?:(?:the|to|for|about|in|into|as|by|"
    r"of|all|on|at|with)\s+)*"
    r"(?P<old>[\w-]+)",
    re.I,
)
_KINDS: tuple[Callable[[str], list[str]], ...] = (
    lambda text: words.CHANNEL.findall(words.URL.sub(" ", text)),
    words.emails,
    words.URL.findall,
)
#: Fields that hold words of the user.
_SPOKEN = frozenset("query prompt subject text message instructions".split())


def corrected(text: str, canvas: Canvas, said: Talk) -> Change | None:
    if not _NOT.search(text):
        return None
    for kind in _KINDS:
        found = list(dict.fromkeys(kind(text)))
        if len(found) != 2:
            continue
        for old, new in (found, found[::-1]):
            if edits := _put(canvas, old, new):
                return Change(Plan(edits), f"I put {new} in the place of {old}.")
    match = _WORDS.search(text)
    if match and not re.fullmatch(r"\d+", match.group("new")):
        old, new = match.group("old"), match.group("new")
        if edits := _put(canvas, old, new):
            return Change(Plan(edits), f"I put {new} in the place of {old}.")
    return None


def _put(canvas: Canvas, old: str, new: str) -> list[Edit]:
    """Where the old is a whole value; where it is none, in the words of a text."""
    for spoken in (frozenset[str](), _SPOKEN):
        made = []
        for node_id in canvas.order():
            payload = canvas.payload(node_id)
            after = {name: _after(name, value, old, new, spoken) for name, value in payload.items()}
            if changed := {name: value for name, value in after.items() if value != payload[name]}:
                made.append(Edit("update_node", {"nodeId": node_id, "payload": changed}))
        if made:
            return made
    return []


def _after(name: str, value: Any, old: str, new: str, spoken: frozenset[str]) -> Any:
    """The value with the new in place of the old."""
    if isinstance(value, list):
        return [_after(name, each, old, new, spoken) for each in value]
    if isinstance(value, dict):
        return {
            key: _after(key, each, old, new, spoken) if key in ("right", "to") else each for key, each in value.items()
        }
    if not isinstance(value, str):
        return value
    if value.lower() == old.lower():
        return new
    if name in spoken and "{{" not in value:
        return re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", lambda _: new, value, flags=re.I)
    return value
