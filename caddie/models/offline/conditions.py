"""Comparisons in everyday English: "the euro is above 1.10", "it contains refund or is empty".

Invariant: the operators are those of the `if` block. Callers: ``understand``, ``actions`` (filter), ``change``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

from caddie.models.offline import judgement, memory, moments, words
from caddie.models.offline.operators import BEFORE, operator
from caddie.models.offline.request import Condition, Test

_AMOUNT = r"[$€£¥]?\s?-?\d[\d.,]*(?:\s?(?:%|[a-z°€$£]+\.?(?:\s+[a-z]+)?))??"
_BETWEEN = re.compile(
    rf"^(.*?)\s*{BEFORE}(?:(?P<out>not\s+(?=between)|outside\s+(?:of\s+)?)?(?:the\s+range\s+(?:of\s+"
    rf")?)?(?:between\s+|from\s+|(?<=of\s)|"
    rf"(?<=outside\s)))({_AMOUNT})\s*(?:and|to|-|–)\s*({_AMOUNT})\s*$",
    re.I,
)
_JOINT = re.compile(r"\s*,?(?<!\bat)(?<!\bto)\s+(and|or)\s+(?!equal\b)(?:if\s+|when\s+)?", re.I)
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
#: "without a phone number", "it has no IBAN".
_LACKING = re.compile(
    r"^(?:(?:it|that|this|they|he|she|there|(?:the|an?|any)\s+(?:[\w-]+\s+)?[\w-]+|which)\s+)??(?:comes?\s+(?:in\s+"
    r")?)?(?:without|lacks?|(?:has|have|is|are)\s+no|"
    r"(?:does|do)\s+not\s+have|is\s+missing|are\s+missing)\s+(?:an?\s+|the\s+|any\s+|its\s+|their\s+)?(?!more\b|"
    r"less\b|longer\b)"
    r"((?:[a-z][\w-]*\s+){0,2}?[a-z][\w-]*?)(?:\s+(?:address\s+)?(?:yet|at\s+all|given|set|in\s+it|attached))?$",
    re.I,
)
#: "anyone with": of whom something is asked.
_HAVING = re.compile(
    r"^(?:(?:those|ones|people|someone|somebody|anyone|anybody|everyone|(?:an?|any|all|every|the)\s+[\w-]+|"
    r"[a-z]+s)\s+)?"
    r"(?:with|having|(?:who|that|which)\s+(?:has|have|had))\b\s*(?:an?\s+|the\s+)?",
    re.I,
)
#: "a is cheaper": than what is not said, so it is no value to compare with.
_THAN_WHAT = re.compile(
    r"(?:much\s+|even\s+)?(?:cheaper|dearer|more\s+expensive|higher|lower|bigger|larger|smaller|warmer|colder|"
    r"hotter|cooler|"
    r"faster|slower|heavier|lighter|greater|newer|older)",
    re.I,
)
_TRUE = {"true": True, "yes": True, "approved": True, "false": False, "no": False}


def find(text: str) -> Test | None:
    """The comparisons a text makes, or None when it makes none."""
    text = re.sub(r"^(?:either|both)\s+", "", text.strip(" ,.;:"), flags=re.I)
    text = _NONE.sub("there are no results", text)
    if (many := _MANY.match(text)) and not _UNIT.fullmatch(many["noun"]):
        told = f"{many['adjective']} {many['noun']}" if many["adjective"] else many["noun"]
        text = f"there are {many['how']} {many['count']} {told}"
    text = re.sub(r"^there\s+(?:is|are)\s+(.+?)\s+(?=\S)", r"there are \1 ", text, flags=re.I)
    text = _OR_MORE.sub(lambda m: f" is at {'least' if m.group(2) else 'most'} {m.group(1)}", text)
    parts, joints = _split(text)
    parts = [parts[0], *(re.sub(r"^(?:whose|that|which|who)\s+", "", each, flags=re.I) for each in parts[1:])]
    made: list[tuple[Condition, ...]] = []
    for part in parts:
        conditions = _within(part) or moments.find(part) or _one(part, made[-1][-1] if made else None)
        if not conditions:
            return None
        made.append(conditions)
    match: Literal["all", "any"] = "any" if joints and all(joint == "or" for joint in joints) else "all"
    if len(made) == 1 and len(made[0]) > 1 and made[0][0].op in _ALIKE:
        match = "any"
    elif match == "all":
        made = [_folded(each) for each in made]
    flat = tuple(condition for each in made for condition in each)
    return Test(flat, match, text) if flat else None


#: Operators of which one of several values has to hold.
_ALIKE = frozenset(("eq", "contains", "starts_with", "ends_with", "lt", "gt"))


def _within(text: str) -> tuple[Condition, ...]:
    """ "between 10 and 15 degrees", "outside 4 to 8"."""
    between = _BETWEEN.match(text)
    if between is None:
        return ()
    low, high = _value(between.group(3)), _value(between.group(4))
    subject = re.sub(r"^(?:it|that|this|they)$", "", between.group(1).strip(), flags=re.I)
    bounds = ("lt", "gt") if between.group("out") else ("gte", "lte")
    return Condition(subject, bounds[0], low, text), Condition(subject, bounds[1], high, text)


def _folded(alternatives: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Alternatives beside another condition that has to hold as well: one condition, on a pattern."""
    first = alternatives[0]
    if len(alternatives) < 2 or first.op not in ("eq", "contains", "starts_with", "ends_with"):
        return alternatives
    either = "|".join(re.escape(str(each.right)) for each in alternatives)
    head, tail = {"eq": ("^", "$"), "starts_with": ("^", ""), "ends_with": ("", "$")}.get(first.op, ("", ""))
    return (replace(first, op="matches", right=f"{head}({either}){tail}"),)


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
        following = _JOINT.search(shadow, joint.end())
        left, right = text[start : joint.start()], text[joint.end() : following.start() if following else None]
        if operator(left) and (operator(right) or re.match(r"(?:above|below|over|under)\b", right, re.I)):
            parts.append(left)
            joints.append(joint.group(1).lower())
            start = joint.end()
    return [*parts, text[start:]], joints


_NONE = re.compile(r"^there\s+(?:is|are|was|were)\s+(?:none|nothing|no\s+(?:results?|entries|items|ones))$", re.I)
#: "more than 100 jobs are waiting"
_MANY = re.compile(
    rf"^(?:there\s+are\s+)?(?P<how>(?:more|fewer|less)\s+than|at\s+least|at\s+most|over|under)\s+(?P<count>\d+|"
    rf"{words.NUMBER_WORD})\s+"
    r"(?P<noun>[a-z]+s|people)(?:\s+(?:are|is|were)\s+(?:still\s+|in\s+)?(?P<adjective>[a-z]+))?$",
    re.I,
)
#: "falls by more than 10 percent": how much something moved is no field.
_MOVED_BY = re.compile(
    r"\b(?:falls?|drops?|ris(?:es?)|rose|grows?|climbs?|jumps?|goes\s+(?:up|down)|decreases?|increases?|"
    r"changes?|moves?)\s+by\b", re.I
)
#: No value of its own behind "or".
_NO_VALUE = re.compile(
    r"(?:not|so|more|less|fewer|similar|whatever|(?:some|any)thing.*|other.*|(?:it|they|the|that|if|when|i|we)\s.*)",
    re.I,
)


_WORDS = re.compile(r"^(?:(?:the|a|any\s+of\s+the)\s+)?(?:words?|terms?|text|phrase)\s+", re.I)


def _alternatives(text: str) -> list[str]:
    """The parts of "rent a flat" or of "Germany or Austria or France"; one when it names one value."""
    text = re.sub(r"^(?:either|neither|any\s+of|one\s+of|among)\s+(?:the\s+following\s*:?\s*)?", "", text, flags=re.I)
    shadow, parts, start = words.masked(text), [], 0
    for cut in re.finditer(r"\s+(?:or|nor)\s+", shadow, re.I):
        parts.append(text[start : cut.start()])
        start = cut.end()
    parts.append(text[start:])
    told = len(parts) > 1 and all(
        part.strip() and len(part.split()) <= 4 and not _NO_VALUE.fullmatch(part.strip()) for part in parts
    )
    return parts if told else [text]


def _one(text: str, before: Condition | None) -> tuple[Condition, ...]:
    """The comparison a text makes; several when it names several values."""
    found = operator(text)
    if found is None or found[1] not in ("eq", "neq", "contains", "not_contains", "starts_with", "ends_with"):
        one = _single(text, before)
        return (one,) if one else ()
    match = found[0]
    head = text[: match.end()]
    if neither := re.match(r"\s*neither\b", text[match.end() :], re.I):
        text = f"{head} not {text[match.end() + neither.end() :].strip()}"
        head = f"{head} not"
    said = _WORDS.sub("", text[len(head) :].strip(" ,.;:"))
    made = [_single(f"{head} {each.strip()}", before) for each in _alternatives(said)]
    return tuple(each for each in made if each) if all(made) else ()


def _single(text: str, before: Condition | None) -> Condition | None:
    if (moved := memory.moved(text)) is not None:
        return moved
    if re.search(r"\w\s+or\s+(?:whose|that|which)\s", text, re.I):
        return None
    if _MOVED_BY.search(text) or re.search(r"\b(?:sounds?|seems?|feels?)\s+\w+\s+or\b", text, re.I):
        return None
    if lacking := _LACKING.match(text):
        return Condition(lacking.group(1), "empty", None, text)
    found = operator(text)
    if found is None:
        return None
    match, op = found
    subject = text[: match.start()].strip(" ,") or (before.subject if before else "")
    subject = re.sub(r"\s+of$|^(?:the\s+)?(?:field|column|property|key)\s+(?=\w)", "", subject, flags=re.I)
    if re.fullmatch(r"(?:it|that|this|they)", subject, re.I):
        subject = before.subject if before else ""
    subject = re.sub(r"^(?:if|when|that|the\s+fact\s+that)\s+", "", subject, flags=re.I)
    subject = re.sub(r"^(?:it|they|this|that|he|she)\s+(?:(?:is|has|have|are)\s+)?(?=[a-z])", "", subject, flags=re.I)
    subject = re.sub(r"^(?:the|an?|any|each|every|our|my)\s+[\w-]+['’]s\s+", "", _HAVING.sub("", subject), flags=re.I)
    measured = re.match(r"\s*(?:\d[\d.,]*|\w+)\s+\w+\s+of\s+(?:[a-z]+\s+)?([a-z]+)[\s.,]*$", text[match.end() :], re.I)
    if measured and not subject:
        subject = measured.group(1)
    counted = re.match(
        rf"(?:{words.NUMBER.pattern}|{words.NUMBER_WORD})\s+([a-z]\w+)(?:\s+(?:left|remaining|in\s+stock|each|"
        rf"or\s+so))?$",
        text[match.end() :].strip(" .,"),
        re.I,
    )
    if (
        op in ("gt", "gte", "lt", "lte")
        and counted
        and (not subject or _POINTING.fullmatch(subject) or re.match(r"(?:has|have|contains?)\b", match.group(), re.I))
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
    if op == "eq" and re.match(r"(?:has|have)\b", match.group(), re.I) and not re.search(r"\d|[\"'“]", said):
        thing = re.match(r"(an?|any|the)\s+([a-z][\w-]*(?:\s+[a-z][\w-]*)?)$", said, re.I)
        if thing and thing.group(1).lower() != "the":
            return Condition(thing.group(2), "exists", None, text)
        if words.URL.search(subject) and re.fullmatch(r"[a-z]+", said, re.I):
            return Condition(subject, "contains", said, text)
    return _against(subject, op, text, said)


def _against(subject: str, op: str, text: str, said: str) -> Condition | None:
    """The comparison with what was said behind the operator."""
    said = re.sub(r"^(?:the\s+(?:word|words|text|value)\s+|that\s+of\s+)", "", said, flags=re.I)
    if not said:
        return None
    if "," in words.masked(said) or (op in ("eq", "neq") and _THAN_WHAT.fullmatch(said)):
        return None
    if op in ("eq", "neq") and re.match(
        r"(?:not|more|less|between|greater|higher|lower|at|above|below|over|under|older|heavier|worse|better|only|also|"
        r"going)\b",
        said,
        re.I,
    ):
        return None
    value: Any = _value(said)
    if op in ("eq", "neq") and value in ("positive", "negative") and subject and not _FEELING.search(subject):
        return Condition(subject, {"positive": "gt", "negative": "lt"}[value] if op == "eq" else "lte", 0, text)
    if op in ("gt", "gte", "lt", "lte") and memory.before(said) and re.search(r"\d", subject):
        # "20 % higher than last time": no condition can reckon that.
        return None
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
    stripped = text.strip() if not re.search(rf"\d|\b(?:{words.NUMBER_WORD})\b", text, re.I) else re.sub(
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
