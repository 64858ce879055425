"""Another number where one stands: "five days rather than three", "the goal is 25k now", "twice as long".

Invariant: a number is put only where one of its unit stands, and only when it is plain which. Callers: ``change``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from caddie.models.offline import words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.guess import index
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Slot
from caddie.models.offline.thread import Talk

_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_ONES = {word: value for word, value in words.NUMBER_WORDS.items() if 2 <= value <= 19}
_SCALE = {"k": 1000, "thousand": 1000, "grand": 1000, "m": 1_000_000, "million": 1_000_000, "hundred": 100, "dozen": 12}
_UNIT = (
    r"(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|words?|results?|items?|articles?|hits?|pages?|"
    r"links?|sites?|times|retries|tries|attempts|rounds?|percent|%|degrees?|euros?|dollars?|pounds?|[$€£])?"
)
_SPAN = {"sec": 1, "min": 60, "hou": 3600, "hrs": 3600, "hr": 3600, "day": 86_400, "wee": 604_800}
_KINDS = (("word", "word"), *((name, "count") for name in "result item article hit page link site round".split()),
          *((name, "tries") for name in "times retr tries attempt".split()))  # fmt: skip
_ROUGH = (
    (r"\bhalf\s+an?\s+hour\b", "30 minutes"), (r"\b(?:a\s+)?quarter\s+of\s+an\s+hour\b", "15 minutes"),
    (r"\ban?\s+hour\s+and\s+a\s+half\b", "90 minutes"),
    (r"\b(?:an?|one)\s+(?=(?:full\s+)?(?:second|minute|hour|day|week)\b)", "1 "),
    (r"\ba\s+couple\s+of\s+(?=\w+s\b)", "2 "),
)  # fmt: skip
_N = rf"[$€£]?(?P<n>-?\d+(?:[.,]\d+)*)\s*-?\s*{_UNIT}(?![\d:]|\.\d|\s*(?:am|pm|o'clock)\b)"
_NUMBER = re.compile(rf"(?<![\w.:#/@-]){_N}", re.I)
_OLD_BEFORE = re.compile(
    r"\b(?:not|rather\s+than|instead\s+of|than|from|in\s+place\s+of|replace|currently|it\s+(?:is|was))\s+(?:the\s+|"
    r"only\s+|just\s+|after\s+|for\s+|at\s+|a\s+)*$",
    re.I,
)
_OLD_BEHIND = re.compile(
    r"^\W*(?:\w+\s+){0,3}(?:is|are|was|were|seems?|feels?|sounds?)\s+(?:\w+\s+){0,2}?(?:too\s+\w+|not\s+enough|"
    r"wrong)|^\s*(?:to|into|with|by|→|->)\s+[$€£]?\d",
    re.I,
)
_SETS = re.compile(
    r"\b(?:set|make|change|raise|lower|increase|decrease|reduce|bump|put|turn|up|down|drop|cut|limit|cap|max|maximum|"
    r"minimum|at\s+most|at\s+least|"
    r"up\s+to|no\s+more|only|should|must|is|are|be|becomes?|to|now|enough|plenty|better|instead|rather|give|gives|"
    r"allow|wait|waits|use|extend|"
    r"shorten|try|retry|retries|after|within|in|have|has|needs?|want|let|already|from|start)\b|=|:",
    re.I,
)
#: Which way is compared may change too.
_COMPARES = re.compile(r"(?:above|below|under|over|at\s+least|at\s+most|than|exceeds?|reaches)\s+(?:the\s+)?$", re.I)
#: Something new, not another number.
_NEW = re.compile(
    r"^(?:also\s+|and\s+|then\s+)*(?:remind|add|insert|append|send|post|e?mail|notify|tell|log|write|ask|fetch|call|"
    r"summari[sz]e|if|when|before|after|for\s+each|"
    r"only\s+if|skip|ignore|remove|delete|filter|keep|drop\s+(?:the|all|any)\s+\w+s\b|every|once|do\s+not)\b",
    re.I,
)
_TIMES = re.compile(
    r"\b(?:(?P<twice>twice|double[ds]?|doubling)|(?P<thrice>triple[ds]?|three\s+times\s+(?=as\b))|"
    r"(?P<half>half\s+(?:as|of|the)\b|halve[sd]?|in\s+half)|by\s+(?P<pct>\d+)\s*(?:%|percent))",
    re.I,
)
_LESS = re.compile(r"\b(?:lower|decrease|reduce|cut|less|fewer|shorten|shorter|drop|down)\b", re.I)


class Spot(NamedTuple):
    """A number of the workflow: where it stands, and what it counts."""

    node: str
    field: str
    value: float
    kind: str
    said: str


class Amount(NamedTuple):
    """A number of a message, in seconds when it is a span of time."""

    value: float
    kind: str
    start: int
    end: int


def digits(text: str) -> str:
    """Numbers in words, thousands and the like as figures: "five days", "10k", "twenty-five"."""
    for pattern, to in _ROUGH:
        text = re.sub(pattern, to, text, flags=re.I)
    tens = "|".join(_TENS)
    ones = "|".join(sorted(_ONES, key=len, reverse=True))
    text = re.sub(
        rf"\b({tens})(?:[\s-]+(one|{ones}))?\b",
        lambda m: str(_TENS[m.group(1).lower()] + words.NUMBER_WORDS.get((m.group(2) or "zero").lower(), 0)),
        text, flags=re.I,
    )  # fmt: skip
    text = re.sub(rf"\b({ones})\b", lambda m: str(_ONES[m.group(1).lower()]), text, flags=re.I)
    text = re.sub(r"\b(?:an?|one)\s+(?=(?:hundred|thousand|million|dozen)\b)", "1 ", text, flags=re.I)
    return re.sub(
        r"(?<![\w#/@.-])(\d+(?:\.\d+)?)\s?(k|thousand|grand|million|hundred|dozen|m(?=\s*(?:euros?|dollars?|€|\$)))\b",
        lambda m: f"{float(m.group(1)) * _SCALE[m.group(2).lower()]:g}" if float(m.group(1)) < 1e5 else m.group(),
        text, flags=re.I,
    )  # fmt: skip


def changed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another number for what is there."""
    told = digits(text)
    if _NEW.match(told) or not (_SETS.search(told) or re.match(r"\d", told)):
        return None if _NEW.match(told) else _scaled(told, canvas)
    amounts = _amounts(told)
    if not amounts:
        return _scaled(told, canvas)
    spots = _spots(canvas)
    old = [each for each in amounts if _is_old(told, each)]
    new = [each for each in amounts if each not in old]
    if len(new) != 1 or len(old) > 1:
        return None
    if old and (fits := [each for each in spots if _same(each, old[0])]):
        kind = old[0].kind or new[0].kind
        value = new[0].value
        if kind == "span" and new[0].kind != "span":
            value *= old[0].value / (_plain(told, old[0]) or old[0].value)
        elif kind != "span" and new[0].kind == "span":
            return None
        elif old[0].kind != "span" and fits[0].kind == "span":
            value = new[0].value if new[0].kind == "span" else new[0].value * fits[0].value / old[0].value
        return _put(told, fits, value, canvas, said)
    return _named(told, new[0], spots, canvas, said)


def _named(told: str, new: Amount, spots: list[Spot], canvas: Canvas, said: Talk) -> Change | None:
    """The number of the thing the text names."""
    rest = f"{told[: new.start]} {told[new.end :]}"
    if not new.kind and _COMPARES.search(told[: new.start]):
        return None
    fits = [each for each in spots if each.kind == new.kind or (not new.kind and each.kind in ("", "count"))]
    by_name = [each for each in fits if _speaks_of(rest, each)]
    if not by_name:
        meant = canvas.meant(rest, list(dict.fromkeys(each.node for each in fits))) if fits else None
        by_name = [each for each in fits if each.node == meant]
    vague = re.search(r"\b(?:it|that|this|limit|threshold|bar)\b", rest, re.I)
    vague = vague or re.search(r"\b(?:already|now|only|just|instead|rather|from)\b", rest, re.I)
    if not by_name and vague and len({each.node for each in fits}) == 1:
        by_name = fits
    return _put(told, by_name, new.value, canvas, said) if by_name else None


def _put(told: str, fits: list[Spot], value: float, canvas: Canvas, said: Talk) -> Change | None:
    if len({(each.node, each.field) for each in fits}) > 1:
        meant = canvas.meant(told, [each.node for each in fits])
        fits = [each for each in fits if each.node == meant] or fits
    spot = fits[0]
    if spot.value == value or not _allowed(spot, value, canvas):
        return None
    others = list(dict.fromkeys(each.node for each in fits))
    if len(others) > 1:
        question = f"Which {spot.value:g} do you mean?"
        given = next((answer for asked, answer in said.answers if question in asked), None)
        chosen = (given if given in canvas.nodes else canvas.meant(given, others)) if given else None
        if chosen is None:
            options = tuple((each, canvas.label(each)) for each in others)
            return Change(Plan(), "", slots=[Slot("node", "name", question, options)])
        spot = next(each for each in fits if each.node == chosen)
    return _set(spot, value, canvas)


def _allowed(spot: Spot, value: float, canvas: Canvas) -> bool:
    """Whether the block takes the number there."""
    block = index()[0].get(str(canvas.nodes[spot.node].get("type")))
    properties = block.payloadSchema.get("properties") if block else None
    schema = properties.get(spot.field) if isinstance(properties, dict) else None
    if spot.field == "conditions" or not isinstance(schema, dict):
        return spot.field == "conditions"
    low, high = schema.get("minimum"), schema.get("maximum")
    whole = schema.get("type") != "integer" or value == int(value)
    least = not isinstance(low, int | float) or value >= low
    return whole and least and (not isinstance(high, int | float) or value <= high)


def _set(spot: Spot, value: float, canvas: Canvas) -> Change:
    number = int(value) if value == int(value) else round(value, 4)
    old = canvas.payload(spot.node)[spot.field]
    new = (
        [
            {**each, "right": number} if isinstance(each, dict) and each.get("right") == spot.value else each
            for each in old
        ]
        if isinstance(old, list)
        else number
    )
    what = "the condition" if isinstance(old, list) else spot.field
    edit = Edit("update_node", {"nodeId": spot.node, "payload": {spot.field: new}})
    return Change(Plan([edit]), f"I change {what} of `{spot.node}` from {spot.value:g} to {number:g}.")


def _scaled(told: str, canvas: Canvas) -> Change | None:
    """ "twice as long", "by 20 %", "half the words": from what stands there."""
    match = _TIMES.search(told)
    if match is None:
        return None
    part = float(match.group("pct") or 0) / 100
    factor = 2.0 if match.group("twice") else 3.0 if match.group("thrice") else 0.5 if match.group("half") else 1.0
    factor = factor if not part else 1 - part if _LESS.search(told) else 1 + part
    spots = _spots(canvas)
    rest = f"{told[: match.start()]} {told[match.end() :]}"
    named = [each for each in spots if _speaks_of(rest, each)]
    meant = canvas.meant(rest, [each.node for each in spots]) if spots and not named else None
    named = named or [each for each in spots if each.node == meant]
    long = re.search(r"\b(?:as\s+)?(?:long|time|wait)\b", rest, re.I)
    if len({each.node for each in named}) > 1 and long:
        named = [each for each in named if each.kind == "span"]
    if len({each.node for each in named}) != 1:
        return None
    value = named[0].value * factor
    value = float(round(value)) if named[0].field != "conditions" else value
    return _set(named[0], value, canvas) if _allowed(named[0], value, canvas) else None


def _amounts(text: str) -> list[Amount]:
    found = []
    for match in _NUMBER.finditer(words.masked(text)):
        value = words.number(match.group("n"))
        unit = (match.group("unit") or "").lower()
        if value is None:
            continue
        span = next((length for name, length in _SPAN.items() if unit.startswith(name)), None)
        kind = "span" if span else next((kind for name, kind in _KINDS if unit.startswith(name)), "")
        found.append(Amount(float(value) * (span or 1), kind, match.start(), match.end()))
    return found


def _plain(text: str, amount: Amount) -> float | None:
    value = words.number(text[amount.start : amount.end])
    return float(value) if value else None


def _is_old(text: str, amount: Amount) -> bool:
    return bool(_OLD_BEFORE.search(text[: amount.start]) or _OLD_BEHIND.match(text[amount.end :]))


def _same(spot: Spot, old: Amount) -> bool:
    if old.kind == "span":
        return spot.kind == "span" and spot.value == old.value
    if spot.kind == "span":
        return not old.kind and spot.value in (old.value * length for length in set(_SPAN.values()))
    return spot.value == old.value


def _spots(canvas: Canvas) -> list[Spot]:
    """Every number that stands in the workflow."""
    found: list[Spot] = []
    for node in canvas.order():
        for field, value in canvas.payload(node).items():
            low = field.lower()
            kind = "span" if "seconds" in low else "word" if "word" in low else "tries" if low == "retries" else "count"
            if isinstance(value, int | float) and not isinstance(value, bool):
                spoken = _PATIENCE.get(str(canvas.nodes[node].get("type")), "") if kind == "span" else ""
                found.append(Spot(node, field, float(value), kind, spoken or re.sub(r"([A-Z])", r" \1", field).lower()))
            for each in value if isinstance(value, list) and field == "conditions" else []:
                right = each.get("right") if isinstance(each, dict) else None
                if isinstance(right, int | float) and not isinstance(right, bool):
                    subject = str(each.get("left", each.get("field", ""))).strip("{}").split(".")[-1]
                    found.append(Spot(node, field, float(right), "", subject.replace("_", " ").lower()))
    return found


#: How the spans of blocks are called.
_PATIENCE = {
    "delay": "wait waits waiting delay pause", "wait": "wait waits waiting deadline patience",
    "human_confirmation": "decide answer approval think deadline approve", "http-request": "timeout answer respond",
    "send-webhook": "timeout answer respond",
}  # fmt: skip
_CALLS = {
    "span": r"seconds",
    "word": r"words?|length",
    "tries": r"tr(?:y|ies)|retr(?:y|ies)|attempts?",
    "": r"limit|threshold|cut-?off|bar|goal|target|maximum|minimum|boundary|mark",
    "count": r"results?|items?|limit|articles?",
}


def _speaks_of(text: str, spot: Spot) -> bool:
    names = [each for each in re.split(r"[\s_]+", spot.said) if len(each) > 2]
    text = re.sub(r"\btim(?:e[\s-]?|es\s|ed\s)outs?\b", "timeout", text, flags=re.I)
    named = "".join("|" + words.forms(each) for each in names)
    return bool(re.search(rf"\b(?:{_CALLS[spot.kind]}{named})\b", text, re.I))
