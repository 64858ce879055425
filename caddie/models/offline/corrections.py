"""What stands in a field, and what should stand there instead: "in #finance, not in #fx", "closed instead of open".

Invariant: only a value the workflow has is put another in the place of. Callers: ``change``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from caddie.models.offline import mention, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.thread import Talk

_NOT = re.compile(r"\b(?:not|no\s+longer|instead\s+of|rather\s+than|in\s+place\s+of|from|than)\b", re.I)
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
#: "change 100 to 120"
_NUMBERS = re.compile(
    r"^(?:change|replace|switch|swap|correct|set|turn|raise|lower|increase|decrease|make)\s+(?:the\s+)?(?:number\s+|"
    r"value\s+|limit\s+)?(?:from\s+)?(?P<old>\d[\d.,]*)\s+"
    r"(?:to|into|with|by|for)\s+(?P<new>\d[\d.,]*)(?:\s+(?:please|instead|now))*$",
    re.I,
)
_COUNTED = ("seconds", "timeoutSeconds", "limit", "maxWords", "retries", "maxIterations")
#: Fields that hold words of the user.
_SPOKEN = frozenset("query prompt subject text message instructions".split())


#: "change X to Y"
_PUT = re.compile(r"^(?:change|replace|switch|swap|rename|correct|set|turn|exchange)\b", re.I)
#: In front of the new words, and no part of them.
_LEAD = re.compile(
    r"^.*?\b(?:search|look|looking|interested|want|need|like|prefer|use|take|make|put|write|say|be|is|are|get|it|"
    r"news|hear|"
    r"care|should|have|keep|only|change|set)\b(?:\s+(?:it|that|this|them|to|the|for|about|in|on|with|be|say|more|now|"
    r"only|rather|just|something|search|look|query|subject|text|word|label|category|topic|from|a|an|get|see|have|"
    r"news|me|us)\b)*\s+"
    r"(?!.*\b(?:want|need|search|look|interested)\b)|^(?:for|about|on|in|to|with|by|but|it|the|use|rather|now|just|"
    r"is|be)\s+",
    re.I,
)
_TURN = re.compile(
    r"\s*,?\s*\b(?:(?:and|but)\s+)?(?:instead\s+of|rather\s+than|in\s+place\s+of|than|not|no\s+longer)"
    r"(?:\s+(?:about|for|in|on|the))*$",
    re.I,
)
_TAIL = re.compile(
    r"(?:\s*[,;.]?\s*\b(?:now|instead|please|from\s+now\s+on|and|but|rather|"
    r"any\s*more|the|an?|for|about|on|in|of))+$",
    re.I,
)


def _phrased(text: str, canvas: Canvas) -> Change | None:
    """Several words that stand in a field, told beside those that shall stand there."""
    low = text.lower()
    for node_id in canvas.order():
        for name in sorted(_SPOKEN & canvas.payload(node_id).keys()):
            old = canvas.payload(node_id)[name]
            if not isinstance(old, str) or "{{" in old or " " not in old or (at := low.find(old.lower())) < 0:
                continue
            new = _beside(text[:at], text[at + len(old) :])
            if new and new.lower() != old.lower():
                edit = Edit("update_node", {"nodeId": node_id, "payload": {name: new}})
                return Change(Plan([edit]), f"I put “{new}” in the place of “{old}”.")
    return None


def _beside(before: str, after: str) -> str | None:
    """What comes in the place of the words between."""
    before, after = before.rstrip(" \"'“‘"), after.lstrip(" \"'”’")
    if _PUT.match(before) or re.search(r"\bfrom$", before, re.I):
        found = re.match(r"^(?:to|into|with|by|for|as)\s+(?:be\s+|say\s+|read\s+)?(.+)$", after, re.I)
        if found:
            return words.quoted(found.group(1)) or _TAIL.sub("", found.group(1).strip(" .,")).strip(" .,\"'") or None
    turn = _TURN.search(before)
    if turn is None:
        return None
    told = before[: turn.start()].strip()
    if told:
        new = words.quoted(told) or told
        for _ in range(6):
            new = _LEAD.sub("", new, count=1)
        return _TAIL.sub("", new).strip(" .,\"'") or None
    found = re.match(r"^[,;]\s*(?:but\s+)?(.+)$", after)
    return words.quoted(found.group(1)) or _LEAD.sub("", _TAIL.sub("", found.group(1)), count=1) if found else None


_AGAINST = re.compile(
    r"^(?P<new>.+?)\s*,?\s+(?:(?:and|but)\s+)?(?:not|instead\s+of|rather\s+than|"
    r"in\s+place\s+of)\s+(?P<old>[^,;.]+?)(?:\s+(?:any\s*more|now|please))?$",
    re.I,
)


def _aligned(text: str, canvas: Canvas) -> Change | None:
    """Words within one text, in the place of others of it: "answer within two days, not a week"."""
    match = _AGAINST.match(text)
    old = match.group("old").strip(" \"'“”") if match else ""
    if match is None or not mention.spoken(old) or words.NUMBER.fullmatch(old):
        return None
    found = []
    for node_id in canvas.order():
        for name in _SPOKEN & canvas.payload(node_id).keys():
            held = canvas.payload(node_id)[name]
            at = re.search(rf"(?<![\w-]){re.escape(old)}(?![\w-])", held, re.I) if isinstance(held, str) else None
            if at and " " in held.strip():
                found.append((node_id, name, held, at))
    if len(found) != 1:
        return None
    node_id, name, held, at = found[0]
    before = re.findall(r"[\w'-]+", held[: at.start()])
    told = words.quoted(match.group("new")) or match.group("new").strip()
    if before and (near := re.search(rf"\b{re.escape(before[-1])}\s+(.+)$", told, re.I)):
        new = near.group(1)
    else:
        new = words.quoted(told) or " ".join(told.split()[-len(old.split()) :])
    if not mention.spoken(new):
        return None
    payload = {name: f"{held[: at.start()]}{new}{held[at.end() :]}"}
    return Change(Plan([Edit("update_node", {"nodeId": node_id, "payload": payload})]), f"I put “{new}” for “{old}”.")


_METHODS = re.compile(
    r"\b(GET|POST|PUT|PATCH|DELETE|HEAD)\b\s*,?\s+(?:instead\s+of|rather\s+than|not)\s+(?:an?\s+)?(GET|POST|PUT|"
    r"PATCH|DELETE|HEAD)\b"
)


def _method(new: str, old: str, text: str, canvas: Canvas) -> Change | None:
    """Another method for a call."""
    calls = [each for each in canvas.of("http-request") if canvas.payload(each).get("method") == old]
    node_id = canvas.meant(text, calls) or (calls[0] if len(calls) == 1 else None)
    if node_id is None:
        return None
    edit = Edit("update_node", {"nodeId": node_id, "payload": {"method": new}})
    return Change(Plan([edit]), f"I call `{node_id}` with {new}.")


def corrected(text: str, canvas: Canvas, said: Talk) -> Change | None:
    if not _NOT.search(text) and not _PUT.match(text):
        return None
    for kind in _KINDS:
        found = list(dict.fromkeys(kind(text)))
        if len(found) != 2:
            continue
        for old, new in (found, found[::-1]):
            if edits := _put(canvas, old, new):
                return Change(Plan(edits), f"I put {new} in the place of {old}.")
    if (phrased := _phrased(text, canvas)) is not None:
        return phrased
    if numbers := _NUMBERS.match(text):
        old, new = numbers.group("old"), numbers.group("new")
        if edits := _put(canvas, old, new):
            return Change(Plan(edits), f"I put {new} in the place of {old}.")
    if (aligned := _aligned(text, canvas)) is not None:
        return aligned
    if (verbs := _METHODS.search(text)) and (made := _method(verbs.group(1), verbs.group(2), text, canvas)):
        return made
    match = _WORDS.search(text)
    if match and not re.fullmatch(r"\d+", match.group("new")):
        old, new = match.group("old"), match.group("new")
        if not mention.spoken(old) or not mention.spoken(new):
            return None
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
    if isinstance(value, int | float) and not isinstance(value, bool):
        numbers = re.fullmatch(r"[\d.,]+", old) and re.fullmatch(r"[\d.,]+", new)
        same = name in ("right", *_COUNTED) and numbers and value == words.number(old)
        return words.number(new) if same else value
    if not isinstance(value, str):
        return value
    if value.lower() == old.lower():
        return new
    if name in spoken and "{{" not in value:
        return re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", lambda _: new, value, flags=re.I)
    return value
