"""What happens in a case somebody names: a value, an answer, a failure, a step that is gone.

Invariant: says only what follows from the definition. Callers: ``questions``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import speak, tracing, words
from caddie.models.offline.canvas import Canvas

_CASE = re.compile(
    r"\b(?:what\s+(?:happens|will\s+happen|would\s+happen|do\s+you\s+do|(?:does|would|will|do|did)\s+(?:it|you|they|"
    r"this|the\s+\w+)\s+do|if|when)|"
    r"what\s+about)\b.*?\b(?:if|when|with|for|to|once|after|at|given|by|on|in\s+case)\b\s*(.*)$|"
    r"^what\s+(?:if|when)\s+(.*)$|^(?:does|do|will|would|is|are)\b.*?\b(?:if|when)\b\s*(.*)$|"
    r"^(?:and\s+)?(?:if|when(?!\s+(?:does|do|did|will|is|was))|in\s+case)\s+(.*?)[,;]\s*(?:then\s+)?(?:what|who|which|"
    r"does|do|will|would|is)\b.*$",
    re.I,
)
_LOSS = re.compile(
    r"\b(?:safe|ok(?:ay)?|fine|problem|possible|harm|hurt|matter|break\w*|happens?|happen|affect\w*|what\s+if|can\s+i|"
    r"could\s+i|should\s+i|may\s+i|do\s+i|"
    r"lose)\b.*\b(?:delet\w+|remov\w+|drop(?:ped|ping)?|skip\w*|leav\w+\s+(?:it\s+)?out|get\s+rid|throw\w*|"
    r"tak\w+\s+(?:it\s+)?out|(?:go|do|live|work)\s+without|without)\b|"
    r"\b(?:do|does|did)\s+(?:i|we)\s+(?:really\s+|still\s+|actually\s+|even\s+)*need\b|\bwhat\s+do\s+(?:i|we)\s+lose\b|"
    r"\b(?:is|are)\s+(?:the|step)\b.*\b(?:necessary|needed|required|superfluous|redundant|useless|essential)\b|"
    r"\b(?:would|will)\s+(?:it|this)\s+(?:still\s+)?work\s+without\b",
    re.I,
)
_DECLINED = re.compile(
    r"\b(?:declin\w+|reject\w*|refus\w+|den(?:y|ies|ied)|say(?:s|ing)?\s+no|disapprov\w+|not\s+(?:approve|confirm|"
    r"accept)\w*|"
    r"do(?:es)?\s*n['’o]?t\s+(?:approve|confirm|accept|agree)|no(?:body|\s*one)\s+(?:answers|reacts|approves|responds|"
    r"replies)|do(?:es)?\s*n['’o]?t\s+(?:answer|react|respond|reply)|ignore)\b",
    re.I,
)
_APPROVED = re.compile(r"\b(?:approv\w+|accept\w*|confirm\w*|say(?:s|ing)?\s+(?:yes|ok(?:ay)?)|agree\w*)\b", re.I)
_FAILS = re.compile(
    r"\b(?:fail(?:s|ed|ing|ure|ures)?|crash\w*|breaks?|goes\s+wrong|went\s+wrong|is\s+down|are\s+down|down|offline|"
    r"unreachable|unavailable|times?\s*out|"
    r"time\s*out|errors?|(?:4|5)\d\d|not\s+(?:reachable|available|respond\w*|answer\w*|work\w*)|(?:does|do|can|could|"
    r"is)\s*n['’o]?t\s+(?:answer|respond|work|reachable|available|be\s+reached|load|exist)|"
    r"no\s+internet|bounces?)\b",
    re.I,
)
_IF = re.compile(r"\b(?:if|when|what\s+happens|in\s+case|once)\b", re.I)
#: "so nothing happens below 1.1?"
_VALUE = re.compile(r"\b(?:below|above|under|over|at|of|from|than)\s+-?\d(?!\d?:|\d?\s*(?:am|pm|o.clock))", re.I)
_PAIRS = (
    "wet dry,open closed,full empty,hot cold,warm cold,high low,big small,large small,new old,paid unpaid,up "
    "down,positive negative,good bad,cheap "
    "expensive,urgent normal,active inactive,valid invalid,on off,true false,yes no,read unread,rich poor,fast "
    "slow,early late"
)
#: "open" → "closed" and back.
_OPPOSITES = {one: other for pair in _PAIRS.split(",") for a, b in [pair.split()] for one, other in ((a, b), (b, a))}


def of(canvas: Canvas, definition: dict[str, Any], text: str) -> str | None:
    """What happens in the case a question names; None when it names none."""
    if _LOSS.search(text) and (step := _thing(canvas, text)):
        return tracing.loss(canvas, step)
    if canvas.of("human_confirmation") and _IF.search(text):
        if _DECLINED.search(text):
            return tracing.decided(canvas, approved=False)
        if _APPROVED.search(text):
            return tracing.decided(canvas, approved=True)
    if _FAILS.search(text) and _IF.search(text) and not _told_of(canvas, text):
        return tracing.failed(canvas, _thing(canvas, _FAILS.sub(" ", text)) or _fragile(canvas))
    match = _CASE.search(text)
    if match is None and canvas.of("if", "filter") and _VALUE.search(text):
        return _case(canvas, definition, text)
    if match is None:
        return None
    if after := re.search(r"\b(?:after|once|following|behind)\s+(?:that|it|the\s+)?(.+)$", text, re.I):
        step = canvas.meant(after.group(1))
        if step and not re.search(r"\d", after.group(1)):
            return _following(canvas, definition, step)
    return _case(canvas, definition, next(filter(None, match.groups()), text))


def _thing(canvas: Canvas, text: str) -> str | None:
    """The step a question is about: by its name, or by what it does."""
    low = re.sub(r"[^\w#@.-]+", " ", text.lower())
    for each in canvas.nodes:
        if re.search(rf"(?<![\w-]){re.escape(each.replace('_', ' '))}(?![\w-])", low.replace("_", " ")):
            return each
    if numbered := re.search(r"\bstep\s+(\d+)\b|\b(first|second|third|fourth|fifth|last)\b", low):
        return canvas.meant(numbered.group(2) or f"step {numbered.group(1)}")
    kind = tracing.family(text)
    found = canvas.of(*kind[1]) if kind else []
    if found:
        return canvas.meant(low, found) or found[-1]
    object_ = re.search(r"\b(?:the|this|that)\s+([\w -]{3,40})", low)
    return canvas.meant(object_.group(1)) if object_ else None


def _fragile(canvas: Canvas) -> str | None:
    """The one step that most often fails: what calls somebody else."""
    found = canvas.of("http-request", "web-search")
    return found[0] if len(found) == 1 else None


def _told_of(canvas: Canvas, text: str) -> bool:
    """Whether a condition of the workflow is about the failure itself."""
    return any(
        _field(c) in ("status", "error") and re.search(r"\d|down|error|fail", text, re.I)
        for each in canvas.of("if")
        for c in _conditions(canvas, each)
    )


def _following(canvas: Canvas, definition: dict[str, Any], step: str) -> str:
    below = [each for each in canvas.nodes[step].get("children") or [] if each in canvas.nodes]
    below = [*(canvas.nodes[step].get("loopBody") or []), *below]
    if not below:
        return f"Nothing follows `{step}`: the workflow ends there."
    return f"After `{step}`:\n{speak.outline(definition, below)}"


def _case(canvas: Canvas, definition: dict[str, Any], case: str) -> str | None:
    """Both ways of the condition a case is about, and which of them it takes when that can be told."""
    checks = canvas.of("if", "wait", "human_confirmation", "filter")
    if not checks:
        return None
    labelled = [each for each in checks if any(_stated(c, case) for c in _conditions(canvas, each))]
    named = [
        each
        for each in checks
        if any(_field(c) and re.search(rf"\b{re.escape(_field(c))}\b", case, re.I) for c in _conditions(canvas, each))
    ]
    other = [each for each in checks if _other_label(canvas, each, case)]
    check = (labelled or named or other or checks)[0]
    found = _conditions(canvas, check)
    sure = bool(labelled or named or other) or len(checks) == 1
    holds = _holds(found[0], case, bool(named or other)) if len(found) == 1 and sure else None
    if holds is None and len(found) == 1 and words.number(case) is None:
        holds = next((same for name in check.split("_") if (same := _like(name, case)) is not None), None)
    if canvas.nodes[check].get("type") == "filter":
        kept = {True: " Such an item is kept.", False: " Such an item is left out.", None: ""}[holds]
        return (
            f"`{check}` keeps the items where {speak.conditions(canvas.payload(check))}; the others are left out.{kept}"
        )
    lines = [f"`{check}` checks whether {speak.conditions(canvas.payload(check))}."]
    for branch, what in (
        ("then", "When it holds"), ("else", "Otherwise"), ("resumed", "When it goes on"),
        ("timed_out", "When time runs out"),
    ):  # fmt: skip
        starts = [
            each
            for each in canvas.nodes[check].get("children") or []
            if canvas.nodes.get(each, {}).get("branch") == branch
        ]
        if starts and (holds is None or branch not in ("then", "else") or holds is (branch == "then")):
            lines.append(f"{what}:\n{speak.outline(definition, starts)}")
    if holds is not None and len(lines) == 1:
        lines.append("For that value nothing more happens.")
    return "\n".join(lines)


def _like(word: str, case: str) -> bool | None:
    """Whether a case says a word or its opposite; None when neither."""
    opposite = _OPPOSITES.get(word.lower())
    if opposite is None:
        return None
    negated = bool(re.search(r"\b(?:not|no|never)\b|n['’]t\b", case, re.I))
    if re.search(rf"\b{word}\b", case, re.I):
        return not negated
    return negated if re.search(rf"\b{opposite}\b", case, re.I) else None


def _stated(condition: dict[str, Any], case: str) -> bool:
    """Whether a case says the very value a condition looks for."""
    right = str(condition.get("right", ""))
    return bool(right) and bool(re.search(rf"(?<![\w.]){re.escape(right)}(?![\w]|\.\d)", case, re.I))


def _other_label(canvas: Canvas, check: str, case: str) -> bool:
    """Whether a case names another category of the classification a condition looks at."""
    for each in tracing.reads(canvas, check):
        labels = canvas.payload(each).get("labels")
        if isinstance(labels, list) and any(re.search(rf"\b{re.escape(str(label))}\b", case, re.I) for label in labels):
            return True
    return False


def _conditions(canvas: Canvas, node_id: str) -> list[dict[str, Any]]:
    return [each for each in canvas.payload(node_id).get("conditions") or [] if isinstance(each, dict)]


def _field(condition: dict[str, Any]) -> str:
    return str(condition.get("left", "")).strip("{}").split(".")[-1].replace("_", " ")


def _holds(condition: dict[str, Any], case: str, about: bool) -> bool | None:
    """Whether the condition holds in the case; None when that cannot be told. about: the case names its field."""
    right, number = condition.get("right"), words.number(case)
    if isinstance(right, bool):
        return None
    if isinstance(right, str) and (same := _like(right, case)) is not None and not about:
        return same is (condition.get("op") == "eq")
    if not isinstance(right, int | float):
        if condition.get("op") not in ("eq", "neq") or not (about or _stated(condition, case)):
            return None
        same = _stated(condition, case) and not re.search(r"\b(?:not|no|never|other\s+than)\b|n['’]t\b", case, re.I)
        return same is (condition.get("op") == "eq")
    if number is None:
        return None
    small, large = number * 0 - 1e15, number * 0 + 1e15
    values = [float(number)]
    if re.search(
        r"\b(?:below|under|less\s+than|lower\s+than|smaller\s+than|fewer\s+than|cheaper\s+than|"
        r"drops?\s+(?:below|under)|up\s+to|before)\b",
        case,
        re.I,
    ):
        values = [value for value in (small, right - 1e-6, right + 1e-6, number - 1e-6) if value < number]
    elif re.search(
        r"\b(?:above|over|more\s+than|higher\s+than|greater\s+than|bigger\s+than|larger\s+than|exceeds?|"
        r"beyond|at\s+least)\b",
        case,
        re.I,
    ):
        values = [value for value in (large, right + 1e-6, right - 1e-6, number + 1e-6) if value > number]
    found = {_compared(str(condition.get("op")), value, right) for value in values}
    return found.pop() if len(found) == 1 else None


def _compared(op: str, value: float, right: float) -> bool | None:
    ways = {
        "gt": value > right, "gte": value >= right, "lt": value < right, "lte": value <= right, "eq": value == right,
        "neq": value != right,
    }  # fmt: skip
    return ways.get(op)
