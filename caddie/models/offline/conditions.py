"""Comparisons in everyday English: "the euro is above 1.10", "it contains refund or is empty".

Invariant: the operators are those of the `if` block. Callers: ``understand``, ``actions`` (filter), ``change``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

from caddie.models.offline import judgement, memory, words
from caddie.models.offline.request import Condition, Test

_BE = (
    r"(?:is|are|was|were|be|gets?|goes?|becomes?|rises?|falls?|drops?|climbs?|stays?|moves?|dips?|sinks?|grows?|"
    r"runs?|has\s+been|has|have|costs?|'s)"
)
_BEFORE = rf"(?:{_BE}\s+)?(?:currently\s+|now\s+|already\s+)?"
_NOT = r"(?:is\s+not|are\s+not|isn['’]t|aren['’]t|was\s+not|wasn['’]t)"
_DOES_NOT = r"(?:does\s+not|doesn['’]t|do\s+not|don['’]t|did\s+not|didn['’]t)"
#: Longer phrases first: "not above" before "above".
_OPERATORS: tuple[tuple[str, str], ...] = (
    (rf"{_NOT}\s+(?:above|over|greater\s+than|more\s+than|higher\s+than)", "lte"),
    (rf"{_NOT}\s+(?:below|under|less\s+than|lower\s+than)", "gte"),
    (rf"{_NOT}\s+empty|{_BE}\s+non-?empty|{_BE}\s+present|(?:exists?|is\s+set|was\s+found|is\s+there)\b", "exists"),
    (rf"{_BE}\s+(?:empty|missing|blank|not\s+set|not\s+there)|{_DOES_NOT}\s+exist|{_NOT}\s+(?:set|present|"
     rf"there)", "empty"),
    (rf"{_DOES_NOT}\s+(?:contain|include|mention|have)|(?:lacks|without)", "not_contains"),
    (rf"{_BEFORE}(?:at\s+least|>=|≥|no\s+less\s+than|not\s+less\s+than|(?:greater|more|"
     rf"higher)\s+than\s+or\s+equal\s+to)|reach(?:es|ed)?|hits?", "gte"),
    (rf"{_BEFORE}(?:at\s+most|<=|≤|no\s+more\s+than|not\s+more\s+than|up\s+to|(?:less|lower|smaller|"
     rf"fewer)\s+than\s+or\s+equal\s+to)", "lte"),
    (rf"{_BEFORE}(?:above|over|greater\s+than|more\s+than|higher\s+than|larger\s+than|bigger\s+than|"
     rf"warmer\s+than|hotter\s+than|heavier\s+than|longer\s+than|older\s+than|exceed(?:s|ing)?|past|>)", "gt"),
    (rf"{_BEFORE}(?:below|under|less\s+than|lower\s+than|smaller\s+than|fewer\s+than|colder\s+than|"
     rf"cheaper\s+than|lighter\s+than|shorter\s+than|younger\s+than|beneath|<)", "lt"),
    (r"(?:contains?|includes?|mentions?|has\s+the\s+words?|says?|writes?\s+(?:something|anything)\s+(?:with|like|"
     r"about)|talks?\s+about)", "contains"),
    (r"(?:starts?|begins?)\s+with", "starts_with"),
    (r"ends?\s+(?:with|in)", "ends_with"),
    (r"match(?:es)?", "matches"),
    (rf"(?:{_BE}|returns?|gives?)\s+(?:anything|something)\s+(?:other\s+than|but|except)", "neq"),
    (rf"{_NOT}(?:\s+equal\s+to)?|{_DOES_NOT}\s+(?:equal|return|give|(?:answer|respond|reply|"
        rf"come\s+back)(?:\s+with)?)|!=|≠|differs\s+from", "neq"),
    (r"(?:(?:ha(?:s|ve)|is|was)\s+)?(?:changed|changes|different)(?=\W*$)", "changed"),
    (rf"(?:equals?(?:\s+to)?|returns?|(?:answers?|responds?|replies)\s+with|==?|{_BE}\s+(?:equal\s+to|exactly)|"
     rf"{_BE}(?=\s))", "eq"),
)  # fmt: skip
_COMPILED = tuple((re.compile(rf"(?<![\w'’])(?:{pattern})(?!\w)", re.I), op) for pattern, op in _OPERATORS)
_BETWEEN = re.compile(rf"^(.*?)\s*{_BEFORE}between\s+(\S+)\s+and\s+(\S+)\s*$", re.I)
_JOINT = re.compile(r"\s*,?\s+(and|or)\s+(?!equal\b)(?:if\s+|when\s+)?", re.I)
_NEGATED = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt", "eq": "neq", "neq": "eq", "contains": "not_contains",
            "not_contains": "contains", "exists": "empty", "empty": "exists", "changed": "unchanged"}  # fmt: skip
#: "1000 or more", "6 people or fewer".
_OR_MORE = re.compile(
    r"\s+(?:(?:is|are|of|has|have|at)\s+)?([$€£]?\d[\d.,]*\S*(?:\s+\w+)??)\s+or\s+(?:(more|above|higher|"
    r"over|greater|up|older|"
    r"longer|larger|bigger|later|warmer)|(?:less|below|lower|under|fewer|younger|shorter|smaller|colder))\b"
    r"(?!\s+(?:than\s+)?[$€£]?\d)",
    re.I,
)
_POINTING = re.compile(
    r"(?:it|that|this|they|(?:the|an?)\s+\w+(?=\s+(?:is|are|has|have|was)\s+(?:for|with|from)))?(?:\s*(?:is|are|has|"
    r"have|was)?\s*(?:for|with|from)?)?",
    re.I,
)
_UNIT = re.compile(
    r"(?:percent|euros?|dollars?|pounds?|cents?|usd|eur|gbp|degrees?|celsius|points?|units?|kg|kilos?|grams?|km|"
    r"meters?|metres?|cm|litres?|liters?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|times?)",
    re.I,
)
_FEELING = re.compile(r"\b(?:sentiment|mood|feedback|review|tone|label|category|it|that|text|message|comment)\b", re.I)
#: Behind a number and its unit somebody does something: no part of the comparison.
_GOES_ON = re.compile(
    r"(?<!\bin)(?<!\bof)(?<!\bon)(?<!\bat)(?<!\bper)(?<!\bfor)(?<!\bfrom)(?<!\bthan)\s(?:an?|the|i|we|my|our|you|"
    r"someone|somebody|please)\s",
    re.I,
)
#: "a is cheaper": than what is not said, so it is no value to compare with.
_THAN_WHAT = re.compile(
    r"(?:much\s+|even\s+)?(?:cheaper|dearer|more\s+expensive|higher|lower|bigger|larger|smaller|warmer|colder|hotter|cooler|"
    r"faster|slower|heavier|lighter|greater|newer|older)",
    re.I,
)
_TRUE = {"true": True, "yes": True, "approved": True, "false": False, "no": False}


def find(text: str) -> Test | None:
    """The comparisons a text makes, or None when it makes none."""
    text = re.sub(r"^(?:either|both)\s+", "", text.strip(" ,.;:"), flags=re.I)
    text = re.sub(r"^there\s+(?:is|are)\s+(.+?)\s+(?=\S)", r"there are \1 ", text, flags=re.I)
    text = _OR_MORE.sub(lambda m: f" is at {'least' if m.group(2) else 'most'} {m.group(1)}", text)
    if between := _BETWEEN.match(text):
        low, high = _value(between.group(2)), _value(between.group(3))
        subject = between.group(1).strip()
        return Test((Condition(subject, "gte", low), Condition(subject, "lte", high)), said=text)
    parts, joints = _split(text)
    made: list[Condition] = []
    for part in parts:
        condition = _one(part, made[-1] if made else None)
        if condition is None:
            return None
        made.append(condition)
    match: Literal["all", "any"] = "any" if joints and all(joint == "or" for joint in joints) else "all"
    return Test(tuple(made), match, text) if made else None


#: Comparatives that name what they compare.
_SCALES = {
    "heavier": ("weight", "gt"), "lighter": ("weight", "lt"), "larger": ("size", "gt"), "bigger": ("size", "gt"),
    "smaller": ("size", "lt"), "older": ("age", "gt"), "younger": ("age", "lt"), "longer": ("length", "gt"),
    "shorter": ("length", "lt"), "warmer": ("temperature", "gt"), "hotter": ("temperature", "gt"),
    "colder": ("temperature", "lt"), "cooler": ("temperature", "lt"), "cheaper": ("price", "lt"),
    "more expensive": ("price", "gt"), "dearer": ("price", "gt"), "taller": ("height", "gt"), "faster": ("speed", "gt"),
    "slower": ("speed", "lt"),
}  # fmt: skip
_SCALE = re.compile(
    rf"(?:(?:those|ones|everything|anything|the|all|[\w-]+)\s+(?:(?:that|which)\s+(?:is|"
    rf"are)\s+)?)??\b({'|'.join(_SCALES)})\s+than\s+({words.NUMBER.pattern})(?:\s*(?:kg|kilos?|g|grams?|degrees?|"
    rf"euros?|dollars?|years?|days?|cm|m|km|%|percent|lbs?|°\s*[cf]?|[$€£]))?",
    re.I,
)


def comparative(text: str) -> tuple[Test, int, int] | None:
    """(test, start, end) of "heavier than 30 kg" used as a noun: what it compares is what the word says."""
    match = _SCALE.search(words.masked(text))
    if match is None or re.match(r"(?:if|unless|when|keep|filter|drop)\b", text, re.I):
        return None
    subject, op = _SCALES[match.group(1).lower()]
    said = text[match.start() : match.end()]
    return Test((Condition(subject, op, words.number(match.group(2))),), said=said), match.start(), match.end()


def listing(text: str) -> bool:
    """ "it is about shipping, returns or something else": a choice, not a comparison."""
    return bool(re.search(r"\w\s*,?\s+or\s+\w", text)) and operator(text) is not None and len(_split(text)[0]) == 1


def undirected(test: Test) -> bool:
    """Whether a test says only what something is ("it is urgent"), not which field."""
    first = test.conditions[0]
    return len(test.conditions) == 1 and first.op == "eq" and isinstance(first.right, str)


#: The address in "https://… says the level".
_ADDRESS = re.compile(
    r"^https?:\S+\s+(?:says|shows|reports|reads|tells)\s+(?:that\s+)?|\s*(?:(?:at|from|on|of|in)\s+)?https?:\S+"
)


def unaddressed(test: Test) -> Test:
    """The test without the addresses its subjects name."""
    return replace(test, conditions=tuple(replace(c, subject=_ADDRESS.sub("", c.subject)) for c in test.conditions))


def negated(test: Test) -> Test:
    """The opposite, for "unless". Every operator it makes has one, apart from patterns."""
    conditions = tuple(Condition(c.subject, _NEGATED.get(c.op, "neq"), c.right) for c in test.conditions)
    flipped: Literal["all", "any"] = "any" if test.match == "all" and len(conditions) > 1 else "all"
    return Test(conditions, flipped, f"not: {test.said}")


def _split(text: str) -> tuple[list[str], list[str]]:
    """Parts that are comparisons of their own: "a is over 5 and b" stays whole when b compares nothing."""
    shadow, parts, joints, start = words.masked(text), [], [], 0
    for joint in _JOINT.finditer(shadow):
        left, right = text[start : joint.start()], text[joint.end() :]
        if operator(left) and (operator(right) or re.match(r"(?:above|below|over|under)\b", right, re.I)):
            parts.append(left)
            joints.append(joint.group(1).lower())
            start = joint.end()
    return [*parts, text[start:]], joints


def operator(text: str) -> tuple[re.Match[str], str] | None:
    shadow = words.masked(text)
    for pattern, op in _COMPILED:
        if match := pattern.search(shadow):
            return match, op
    return None


def _one(text: str, before: Condition | None) -> Condition | None:
    if (moved := memory.moved(text)) is not None:
        return moved
    found = operator(text)
    if found is None:
        return None
    match, op = found
    subject = text[: match.start()].strip(" ,") or (before.subject if before else "")
    subject = re.sub(r"\s+of$|^(?:the\s+)?(?:field|column|property|key)\s+(?=\w)", "", subject, flags=re.I)
    if re.fullmatch(r"(?:it|that|this|they)", subject, re.I):
        subject = before.subject if before else ""
    subject = re.sub(r"^(?:if|when|that|the\s+fact\s+that)\s+", "", subject, flags=re.I)
    counted = re.match(
        rf"(?:{words.NUMBER.pattern}|{words.NUMBER_WORD})\s+([a-z]\w+)(?:\s+(?:left|remaining|in\s+stock|each|"
        rf"or\s+so))?$",
        text[match.end() :].strip(" .,"),
        re.I,
    )
    if (
        op in ("gt", "gte", "lt", "lte")
        and counted
        and _POINTING.fullmatch(subject)
        and not _UNIT.fullmatch(counted.group(1))
    ):
        subject = counted.group(1)
    if op in ("exists", "empty", "changed"):
        return Condition(subject, op)
    if re.match(r"costs?\b", match.group(), re.I) and not re.search(r"price|cost|amount|total", subject, re.I):
        subject = "price"
    if re.fullmatch(r"there", subject, re.I) and (
        counted := re.match(rf"(\d+|{words.NUMBER_WORD})\s+(.+)$", text[match.end() :].strip(), re.I)
    ):
        return Condition(f"number of {counted.group(2).strip()}", op, words.number(counted.group(1)), text)
    if re.fullmatch(r"there", subject, re.I):
        subject = ""
    said = text[match.end() :].strip(" ,.;:")
    said = re.sub(r"^(?:the\s+(?:word|words|text|value)\s+|that\s+of\s+)", "", said, flags=re.I)
    if not said:
        return None
    if "," in words.masked(said) or (op in ("eq", "neq") and _THAN_WHAT.fullmatch(said)):
        return None
    if op in ("eq", "neq") and re.match(
        r"(?:not|more|less|greater|higher|lower|at|above|below|over|under|older|heavier|worse|better|only|also|"
        r"going)\b",
        said,
        re.I,
    ):
        return None
    value: Any = _value(said)
    if op in ("eq", "neq") and value in ("positive", "negative") and subject and not _FEELING.search(subject):
        return Condition(subject, {"positive": "gt", "negative": "lt"}[value] if op == "eq" else "lte", 0, text)
    if op in ("gt", "gte", "lt", "lte") and memory.before(said):
        return Condition(subject, op, memory.LAST, text)
    if op in ("gt", "gte", "lt", "lte") and (not isinstance(value, int | float) or _GOES_ON.search(said)):
        return None
    if op in ("contains", "not_contains", "starts_with", "ends_with", "matches"):
        value = words.quoted(said) or words.bare(said)
        if op == "contains" and (code := judgement.shaped(said)):
            op, value = "matches", code[1]
    return Condition(subject, op, value, text)


def _value(text: str) -> Any:
    """A number with its unit dropped, a truth value, quoted text, or the words themselves."""
    if (said := words.quoted(text)) is not None:
        return said
    stripped = re.sub(
        r"^[$€£¥]\s*|\s*(?:%|[$€£¥]|percent|dollars?|euros?|usd|eur|degrees?|°\s*c?f?|points?)\s*$",
        "",
        text.strip(),
        flags=re.I,
    )
    if words.NUMBER.fullmatch(stripped):
        return words.number(stripped)
    low = stripped.lower()
    if low in words.NUMBER_WORDS:
        return words.NUMBER_WORDS[low]
    if (
        leading := re.match(rf"(?:{words.NUMBER.pattern}|(?:{words.NUMBER_WORD})\b)(?=[\s%]|$)", stripped, re.I)
    ) is not None:
        return words.number(leading.group())
    return _TRUE.get(low, words.bare(stripped))
