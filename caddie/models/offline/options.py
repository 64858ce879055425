"""Settings of a step: its numbers, how often and how long it tries, its model, its headers.

Invariant: which settings a block has, and between which bounds, is read from the catalog. Callers: ``change``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import ADD, Change
from caddie.models.offline.guess import index
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.thread import Talk

PATIENCE = (
    r"\btime-?\s?outs?\b|\btimes?\s+out\b|\btime\s+limit\b|\b(?:wait|try)\s+(?:for\s+)?(?:at\s+most|up\s+to|(?:more|"
    r"longer)\s+than|no\s+(?:more|longer)\s+than|max\w*)|\b(?:give|gives|giving)\s+up\b|"
    r"\b(?:take|wait|last)s?\s+(?:no\s+)?longer\s+than\b|\b(?:seconds?|minutes?|hours?|days?)\s+(?:to\s+(?:answer|respond|reply|"
    r"decide|approve|confirm)|for\s+(?:the\s+|an?\s+)?(?:answer|reply|response|approval|decision))\b"
)
AGAIN = (
    r"\b(?:retr(?:y|ies|ied|ying)|(?:try|tries|tried)\s+(?:it\s+|that\s+|this\s+)?(?:again|once\s+more|\d|up\s+to|at\s+most)|"
    r"(?:more|further|\d)\s+(?:tries|attempts)|attempts?|tries)\b"
)
_CHANGES = re.compile(
    r"\b(?:change|set|make|limit|cap|max|just|use|instead|only|wait|keep|should|must|raise|lower|increase|decrease|reduce|"
    r"shorten|extend|get|fetch|show|take|return|find|enough|suffice|plenty|at\s+most|up\s+to|no\s+more|give|gives|allow|"
    r"maximum|time-?\s?outs?|times\s+out|tr(?:y|ies)|retr(?:y|ies)|want|need|never|do\s+not|stop|let|have|than)\b",
    re.I,
)
_COUNT = re.compile(
    rf"(?:{AGAIN})\D{{0,25}}?(\d+)\b|\b(\d+)\s+(?:more\s+|further\s+)?(?:times|retries|tries|attempts)\b", re.I
)
_NEVER = re.compile(
    r"\b(?:no|never|do\s+not|without|stop)\s+(?:more\s+|any\s+)?(?:retr(?:y|ies|ying)|(?:try|trying)\s+(?:it\s+)?again)\b",
    re.I,
)
_USES = re.compile(r"\b(?:use|using|with|model|switch|change|set|run|let|take|by)\b", re.I)
_FOR = re.compile(r"\s+(?:to|in|on|for|when|with)\s+(?:the|every|each|all|that|our|my)\s+.*$")
_RESULTS = "(?:result|article|item|hit|page|link)"
_LIMITED = re.compile(
    r"\bbefore\s+(?:it|that|this|you|giving|the\s+\w+)\s*(?:times?\s+out|gives?\s+up|up|fails?)\b|\btoo\s+(?=\w)|"
    r"\bafter\s+(?=(?:an?|half|\d+)\b)",
    re.I,
)
_MODEL = re.compile(
    r"\b(?P<name>(?:claude|gpt|opus|sonnet|haiku|gemini|llama|mistral|deepseek|qwen|o[134])(?:[-.]?[\w.]*)(?:[-/][\w.]+)*)(?<!\.)(?!\w)|"
    r"\bmodel\s+(?:to|called|named|should\s+be)\s+[\"'“`]?(?P<told>[\w./-]+\w)",
    re.I,
)
_HEADER = re.compile(
    r"\bheader\s+(?:called\s+|named\s+)?[\"'“`]?(?P<name>[A-Za-z][\w-]+)[\"'”`]?\s*(?::|=|\s+to\s+|\s+with(?:\s+the)?(?:\s+value)?\s+|"
    r"\s+set\s+to\s+|\s+as\s+)\s*(?P<value>.+)$|"
    r"\b(?:an?|the)\s+(?P<name2>[A-Za-z][\w-]+)\s+header\s*(?::|=|\s+to\s+|\s+with(?:\s+the)?(?:\s+value)?\s+|\s+set\s+to\s+)\s*(?P<value2>.+)$",
    re.I,
)


def numbered(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A number a block takes: "at most 50 words", "wait 5 minutes instead", "try again up to 3 times"."""
    text = re.sub(
        rf"\b(?:{words.NUMBER_WORD})\b", lambda each: str(words.NUMBER_WORDS[each.group().lower()]), text, flags=re.I
    )
    text = re.sub(r"\btwice\b", "2 times", re.sub(r"\b(?:once|one\s+time)\b", "1 times", text, flags=re.I), flags=re.I)
    bare = _LIMITED.sub(" ", text)
    if re.search(r"\b(?:times|half)\s+(?:as|the|of)\b", text, re.I):
        return None
    if (ADD.search(bare) and "instead" not in bare) or not _CHANGES.search(text):
        return None
    fits: dict[tuple[str, str], tuple[float, float]] = {}
    for node_id, name, unit, low, high in _numbers(canvas):
        waits = canvas.nodes[node_id].get("type") in ("delay", "wait")
        value = _meant(text, name, unit, waits)
        if value is not None and (low <= value <= high or name == "retries"):
            fits[node_id, name] = (value, min(high, value))
    if not fits:
        return None
    first = next(iter(fits))
    # Reversed, since of equals the last is meant, and here it is the first.
    content = " ".join(re.findall(r"[a-z_]{4,}", text.lower()))
    named = canvas.meant(content, [node_id for node_id, name in reversed(fits) if name == first[1]])
    node_id, name = (named, first[1]) if named and (named, first[1]) in fits else first
    asked, value = fits[node_id, name]
    more = f"{asked:g} {name} were asked for, {value:g} is the most there can be" if asked > value else ""
    edit = Edit("update_node", {"nodeId": node_id, "payload": {name: int(value) if value == int(value) else value}})
    return Change(Plan([edit], [more] if more else []), f"I set {name} of `{node_id}` to {value:g}.")


def _meant(text: str, name: str, unit: str, waits: bool) -> float | None:
    """The number a text gives a setting of this name."""
    if name == "retries":
        if not re.search(AGAIN, text, re.I):
            return None
        if _NEVER.search(text):
            return 0
        at = re.search(r"(\d+)\s+times\b", text, re.I) or _COUNT.search(text)
        return float(next(each for each in at.groups() if each)) if at else None
    if unit == "second":
        said_so = re.search(r"\b(?:wait|delay|pause)\b" if waits else PATIENCE, text, re.I)
        return words.duration_s(text) if said_so else None
    counted = re.search(rf"\d+\s+(?:[a-z]+\s+)?{unit}s?\b|\b{unit}s?\b.*\d", text, re.I)
    return words.number(text) if counted else None


def _numbers(canvas: Canvas) -> list[tuple[str, str, str, float, float]]:
    """(node, field, what it counts, least, most) of every number a step can be given; those it has come first."""
    found = []
    for node_id in canvas.order():
        for name, schema in _properties(canvas, node_id).items():
            if isinstance(schema, dict) and schema.get("type") in ("number", "integer"):
                word = re.sub(r"^.*?([A-Z]?[a-z]+)s?$", r"\1", name).lower().rstrip("s")
                low, high = schema.get("minimum", 0), schema.get("maximum", 1e9)
                bounds = (
                    float(low) if isinstance(low, int | float) else 0.0,
                    float(high) if isinstance(high, int | float) else 1e9,
                )
                found.append((node_id, name, _RESULTS if name == "limit" else word, *bounds))
    return sorted(found, key=lambda each: each[1] not in canvas.payload(each[0]))


def _properties(canvas: Canvas, node_id: str) -> dict[str, Any]:
    catalog, _ = index()
    block = catalog.get(str(canvas.nodes[node_id].get("type")))
    properties = block.payloadSchema.get("properties") if block else None
    return properties if isinstance(properties, dict) else {}


def modelled(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another model: "use gpt-4o for the summary"."""
    match = _MODEL.search(words.masked(text))
    able = [each for each in canvas.order() if "model" in _properties(canvas, each)]
    if match is None or not able or not _USES.search(text):
        return None
    name = match.group("name") or match.group("told")
    rest = f"{text[: match.start()]} {text[match.end() :]}"
    everywhere = re.search(r"\b(?:all|every|everywhere|each|both)\b", rest, re.I)
    named = canvas.meant(rest, able)
    targets = able if everywhere else [named if named in able else able[-1]]
    edits = [Edit("update_node", {"nodeId": each, "payload": {"model": name}}) for each in targets]
    return Change(Plan(edits), f"I use the model {name} in {words.joined([f'`{each}`' for each in targets])}.")


def headed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A header a call sends: "add the header X-Team: blue"."""
    match, calls = _HEADER.search(text), canvas.of("http-request", "send-webhook")
    if match is None or not calls:
        return None
    name, told = match.group("name") or match.group("name2"), match.group("value") or match.group("value2")
    value = words.quoted(told) or _FOR.sub("", told.strip(" .\"'`"))
    named = canvas.meant(text[: match.start()] + told, calls)
    node_id = named if named in calls else calls[-1]
    headers = {**(canvas.payload(node_id).get("headers") or {}), name: value}
    return Change(
        Plan([Edit("update_node", {"nodeId": node_id, "payload": {"headers": headers}})]),
        f"I send the header {name} with `{node_id}`.",
    )
