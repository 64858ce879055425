"""What a message holds when the request names it: "the original and the translation", "with the name and the total".

Invariant: a part is named by the request and taken from a step before; one that nothing before can hold makes the
whole unnamed. Callers: ``wiring``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from caddie.models.offline import words
from caddie.models.offline.verbs import VERBS


class Origin(Protocol):
    """Where data can be taken from, as ``wiring`` knows it."""

    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def block(self) -> str: ...
    @property
    def receipt(self) -> bool: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    def expression(self) -> str: ...
    def member(self, name: str) -> str: ...


#: "log the name"
THE_FIELD = re.compile(
    r"^(?:log|record|print|note(?:\s+down)?)\s+(?:the|its|their|his|her)\s+([a-z][\w -]{1,30})$", re.I
)
#: The item of a loop as a whole.
POINTED = re.compile(
    r"^(?:\w+\s+){0,2}?(?:it|them|him|her)\b|^(?:send\s+)?(?:an?\s+)?(?:e-?mail|mail|message|notify|alert|warn|"
    r"ping|tell)\b(?!.*\b(?:its|"
    r"the|their)\s+\w+$)",
    re.I,
)
#: Words for what a kind of step has made, and the words its own clause begins with.
_MADE: tuple[tuple[re.Pattern[str], tuple[str, ...], str], ...] = tuple(
    (re.compile(pattern, re.I), blocks, lead)
    for pattern, blocks, lead in (
        (r"(?:\w+\s+)?(?:summary|digest|recap|gist|short\s+version|tl;?dr|overview|summari[sz]ed\s+\w+)",
         ("summarize",), ""),
        (r"(?:\w+\s+)?(?:translation|translated\s+\w+|(?:english|german|french|spanish|italian|dutch|"
         r"polish)\s+(?:text|version|one))",
         ("agent",), "transl"),
        (r"(?:(?:suggested|drafted|generated|proposed|written|ai(?:'s)?)\s+)?(?:answer|reply|response|draft|"
         r"suggestion|proposal|"
         r"analysis|assessment|explanation|comparison|recommendation|verdict|opinion|reason(?:ing|s)?|"
         r"justification|conclusion|decision|choice|rewrite|rewritten\s+\w+)",
         ("agent",), ""),
        (r"(?:\w+\s+)?(?:category|label|class|tag|sentiment|mood|classification|urgency)", ("classify",), ""),
        (r"(?:score|rating|grade)", ("classify",), ""),
        (r"(?:score|rating|grade)", ("agent",), "(?:scor|rat|grad|judg|evaluat|assess)"),
        (r"(?:search\s+)?(?:results|findings|hits)", ("web-search",), ""),
        (r"(?:new\s+|running\s+|current\s+)?(?:count|counter|total|tally|sum)", ("set-variable",), ""),
        (r"(?:extracted|parsed)\s+\w+", ("extract-json",), ""),
    )
)  # fmt: skip
#: What came in, as it came in.
_ORIGINAL = re.compile(
    r"(?:(?:the\s+)?(?:original|incoming|raw|full|whole|entire|complete|actual|untouched)(?:\s+[\w-]+)?|(?:chat|"
    r"their|user's|"
    r"customer's)\s+(?:message|text|question))", re.I)  # fmt: skip
_JOINT = re.compile(
    r"\s*,\s*(?:and\s+|plus\s+)?|\s+(?:and|plus|&|\+|as\s+well\s+as|(?:along|together)\s+with|"
    r"including)\s+(?:also\s+)?",
    re.I,
)
_WITH = re.compile(
    r"(?<!together )(?<!along )\b(?:with|containing|listing|stating|showing|that\s+(?:contains?|has|lists?|"
    r"states?|shows?))\s+"
    r"(?:(?:just|only|also|both)\s+)*((?:the|their|its|his|her|both|name|title)\b.+)$",
    re.I,
)
_MORE = re.compile(
    r"\b(?:including|include|plus|along\s+with|together\s+with|as\s+well\s+as)\s+((?:the|its|"
    r"their|his|her|all)\b.+)$",
    re.I,
)
#: "post it with the label": besides what it is.
_BESIDES = re.compile(
    r"^(?:also\s+)?(?:\w+\s+){1,2}?(?:it|them|that|this|everything|the\s+(?:message|text|ticket|order|"
    r"data))\s+(?:(?:to|in|on|at)\s+\S+\s+)?with\s+"
    r"((?:the|its|their|his|her)\b.+)$", re.I)  # fmt: skip
_HEADED = re.compile(r"\s*,?\s*\b(?:with|and)?\s*(?:the\s+|a\s+)?subject\b.*$", re.I)
_DEFINITE = re.compile(r"^(?:both\s+)?(?:the|its|their|his|her|both|all)\b", re.I)
_OBJECT = re.compile(
    r"^(?:also\s+)?\w+(?:-\w+)?\s+(?:out\s+)?(?:(?:me|us|him|them|everyone|everybody)\s+|(?:the\s+team|my\s+\w+|"
    r"our\s+\w+)\s+(?=the|both|its|their))?",
    re.I,
)
_PLACE = re.compile(
    r"\s+(?:(?:by|via|over|as|in|on|to|into|at|for)\s+(?:(?:an?|the|our|my)\s+)?(?:[\w-]+\s+)?(?:e-?mail|mail|"
    r"slack|discord|"
    r"message|inbox|mailbox|channel|log|chat|#[\w-]+|[\w.+-]+@[\w.-]+|me\b|us\b|team|everyone|boss|group|same)).*$",
    re.I,
)
_VAGUE = re.compile(
    r"(?:result|results|it|them|data|everything|answer|message|text|following|subject|e-?mail|mail|words?|content|body|"
    r"details|information|info|help|ai|link|payload|list|items|input|output|response|request|form|file|record|"
    r"entry|entries|rows?)",
    re.I,
)
_NAME = re.compile(r"[a-z][\w'’-]*(?:\s+[\w'’-]+){0,3}", re.I)
_BRACES = re.compile(r"\{\{?\s*([A-Za-z_][\w ]{0,40}?)\s*\}?\}|\[([a-z_][a-z_ ]{0,30})\](?!\()|<([a-z_][a-z_ ]{0,30})>")


def named(clause: str, sources: Iterable[Origin]) -> str:
    """The parts a clause names, each from the step that has it; empty when it names none."""
    known = list(sources)
    phrases = []
    clause = _HEADED.sub("", clause)
    if _BESIDES.match(clause):
        return ""
    if match := _WITH.search(clause):
        phrases.append((match.group(1), True))
    bare = _OBJECT.sub("", _PLACE.sub("", clause), count=1)
    if _DEFINITE.match(bare) or len(_JOINT.split(bare)) > 1:
        phrases.append((_WITH.sub("", bare), False))
    for phrase, told in phrases:
        parts = [words.bare(re.sub(r"^both\s+", "", each, flags=re.I)) for each in _JOINT.split(_PLACE.sub("", phrase))]
        parts = [part for part in parts if part]
        if not parts or len(parts) > 8 or not all(_NAME.fullmatch(part) for part in parts):
            continue
        found = [_part(part, known, several=len(parts) > 1, told=told) for part in parts]
        if all(found) and (len(found) > 1 or told or not _VAGUE.fullmatch(parts[0])):
            return _text(parts, [each for each in found if each])
    return ""


def nouns(prompt: str) -> tuple[str, ...]:
    """What an AI agent makes, by the words it was told it with: "a one-line headline for it"."""
    head = re.split(r"\b(?:for|about|of|from|on|to|if|that|which|in)\b", prompt, maxsplit=1, flags=re.I)[0]
    return tuple(each.lower() for each in re.findall(r"[A-Za-z_]{3,}", head))


def sent(clause: str) -> list[str]:
    """The fields of "POST the sku and the price to https://…"."""
    match = _SENT.match(clause)
    parts = [words.bare(each) for each in _JOINT.split(match.group(1))] if match else []
    fit = all(
        _NAME.fullmatch(each) and not _VAGUE.fullmatch(each.split()[-1]) and len(each.split()) < 3 for each in parts
    )
    return [words.slug(each) for each in parts] if fit else []


_SENT = re.compile(
    r"^(?:also\s+)?(?:send|post|put|patch|submit|push|pass|hand|transfer|write)\s+(?:only\s+|"
    r"just\s+)?(?:over\s+)?((?:the|its|their|his|her)\s+.+?)\s+(?:to|at|in|into)\s+"
    r"(?=https?:)",
    re.I,
)


def more(clause: str, sources: Iterable[Origin]) -> str:
    """What a message holds besides: "including the link"."""
    bare = _HEADED.sub("", clause)
    match = _MORE.search(bare) or _BESIDES.match(bare)
    if match is None:
        return ""
    known = list(sources)
    parts = [words.bare(each) for each in _JOINT.split(_PLACE.sub("", match.group(1))) if each.strip()]
    if not parts or not all(_NAME.fullmatch(part) for part in parts):
        return ""
    found = [_part(part, known, several=True, told=True) for part in parts]
    return "\n".join(f"{words.sentence(part)}: {value}" for part, value in zip(parts, found, strict=True) if value)


def less(clause: str) -> str:
    """A clause without what ``more`` reads."""
    besides = _BESIDES.match(clause)
    if besides and not _MORE.search(clause):
        return re.sub(r"\s+with\s*$", "", clause[: besides.start(1)])
    return _MORE.sub("", clause).strip()


def _text(parts: list[str], found: list[str]) -> str:
    if len(found) == 1 and re.search(r"\.(?:text|label)\}\}$", found[0]):
        return found[0]
    return "\n".join(f"{words.sentence(part)}: {value}" for part, value in zip(parts, found, strict=True))


def _part(part: str, known: list[Origin], several: bool, told: bool) -> str | None:
    """The expression for one part. told: behind "with", so it may be a field."""
    for pattern, blocks, lead in _MADE:
        if not pattern.fullmatch(part):
            continue
        for each in reversed(known):
            if each.block in blocks and re.match(lead, each.label, re.I):
                return each.expression()
    for each in reversed(known):
        if each.block in ("agent", "set-variable") and words.slug(part).split("_")[-1] in each.fields:
            return each.expression()
    first = next((each for each in known if each.block in ("trigger_chat", "webhook")), None)
    item = next((each for each in reversed(known) if each.kind == "item"), None)
    if _ORIGINAL.fullmatch(part):
        begun = item or first or next(iter(known), None)
        return begun.expression() if begun else None
    if not (several or told) or _VAGUE.fullmatch(part) and not several:
        return None
    if (
        first
        and first.block == "trigger_chat"
        and re.fullmatch(
            r"(?:\w+\s+)?(?:message|text|question|request|"
            r"comment)",
            part,
        )
    ):
        return first.expression()
    return field(part, known)


def field(part: str, known: list[Origin]) -> str | None:
    """A field called by its name: of what was extracted, else of the data at hand."""
    part = re.sub(r"^(?:field|value|column|key)\s+(?=\w)|^[\w-]+['’]s\s+(?=\w)", "", part)
    name = words.field_name(part)
    name = name if " " not in name else words.slug(name)
    for each in reversed(known):
        if each.block == "extract-json" and any(
            name in (has, f"{has}s") or has.endswith(f"_{name}") for has in each.fields
        ):
            return each.member(next(has for has in each.fields if name in (has, f"{has}s") or has.endswith(f"_{name}")))
    data = next(
        (e for e in reversed(known) if e.kind in ("item", "data") and not e.receipt and e.block != "set-variable"), None
    )
    if data is None or data.block == "set-variable":
        return None
    if data.block == "extract-json":
        data = next(
            (e for e in known if e.kind in ("item", "data") and e.block not in ("extract-json", "set-variable")), data
        )
    label = words.slug(data.label)
    if label and name.startswith(f"{label}_"):
        name = name[len(label) + 1 :]
    return data.member(name)


def placed(said: str, sources: Iterable[Origin], variables: Iterable[str] = ()) -> str:
    """Dictated words with their gaps, "Hello {name}", "[total] EUR", filled from the steps before."""
    known, kept = list(sources), set(variables)

    def gap(match: re.Match[str]) -> str:
        name = words.slug(next(filter(None, match.groups())))
        if name in kept:
            return "{{$vars." + name + "}}"
        kinds = {
            "summary": "summarize",
            "translation": "agent",
            "answer": "agent",
            "label": "classify",
            "category": "classify",
        }
        made = next((each for each in reversed(known) if each.block == kinds.get(name)), None)
        kept_as = next(
            (each for each in known if each.block == "set-variable" and name in (*each.fields, each.label)), None
        )
        if made is None and (kept_as or name in ("total", "count", "counter", "sum")):
            made = kept_as or next((each for each in reversed(known) if each.block == "set-variable"), None)
        return made.expression() if made else field(name, known) or match.group()

    return _BRACES.sub(gap, said)


#: Words a subject line cannot begin with: what to do, pointers, joints.
_NO_SUBJECT = re.compile(
    rf"(?:(?:{'|'.join(sorted(VERBS, key=len, reverse=True))})(?:ing|s|d|ed)?|and|or|same|both|that|this|these|"
    rf"those|one|ones|it|"
    r"them|they|me|us|all|everything|something|approved|none|but|with|only|both|message|him|her|then|also|there|"
    r"who|what|\W.*|)"
    r"(?:\s.*)?|.*\b(?:ones?|it|them|and|or)",
    re.I | re.S,
)
#: … and nouns that are verbs as well.
_SUBJECT = re.compile(
    r"(?:report|summary|update|reminder|invitation|offer|order|invoice|news|answer|request|question|review|"
    r"digest|recap|"
    r"check|test|list|draft|alert|notice|results?|score|rate|record|schedule|sign|track|label|mark|book|quote|price|"
    r"record|stock|match|search|share|support|question|process|workflow|format|forward|outline|run)s?(?:\s+\w+){0,6}",
    re.I,
)


def subject(*candidates: str) -> str:
    """The first candidate that can head a mail."""
    for each in candidates:
        if re.fullmatch(
            r"(?:the\s+)?(?:data|message|items?|body|results?|text|content|customer|client|user|answers?|\d+|"
            r"all|one|two|three|four|five|"
            r"person)",
            each.strip(),
            re.I,
        ):
            continue
        told = words.bare(re.sub(r"[\[{(<].*$|^(?:of|about|on|for)\s+", "", each.replace("_", " ")).strip(" .,:"))
        if (
            _SUBJECT.fullmatch(told)
            and not re.search(r"\b(?:it|them|and|or)$", told)
            or not _NO_SUBJECT.fullmatch(told)
        ):
            return words.sentence(told)
    return ""
