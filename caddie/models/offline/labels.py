"""Choosing one label for a text: by the label's own words, by what the instructions say of it, by everyday cues.

Invariant: always one of the labels, and the same for the same text. Callers: ``tasks``, ``extraction``, ``agency``.
"""

from __future__ import annotations

import re
from functools import cache

from caddie.models.offline.cues import (
    CUES,
    FALLBACK,
    LANGUAGES,
    NEGATIVE,
    POSITIVE,
    SENSES,
    URGENT,
)

READ_CHARS = 20_000
#: What one hit of a label's own word counts, beside one of a cue.
OWN, TOLD = 2.5, 2.0
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_NEGATION = re.compile(
    r"\b(?:not|no|never|isn['’]?t|wasn['’]?t|aren['’]?t|don['’]?t|doesn['’]?t|didn['’]?t|can['’]?t|cannot|won['’]?t|"
    r"without|hardly|nothing|couldn['’]?t|wouldn['’]?t|neither|nor|far\s+from)\s+(?:\w+\s+){0,3}$",
    re.I,
)
_NOT = re.compile(
    r"^(?:not|non|no|isn['’]?t|un)[\s_-]+(?P<rest>.+)$|^(?P<ham>ham|legit(?:imate)?|genuine|clean)$", re.I
)
#: A sentence that speaks to whoever judges, as part of a text it is no evidence.
_ORDER = re.compile(
    r"\b(?:(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:your|the|previous|prior|above|these)\b|"
    r"(?:classify|label|mark|categori[sz]e)\s+(?:this|me|it)\s+as\b|(?:answer|respond|reply|output)\s+(?:only\s+)?"
    r"(?:with\s+)?[\"“'])",
    re.I,
)
_OF_LABEL = r"(?:is|are|means?|count(?:s)?\s+as|go(?:es)?\s+(?:to|into|in)|belongs?\s+(?:to|in)|=|:|→|->)"
_SMALL = frozenset(
    "the a an and or of to for in on at is are be it if when any all that this with about as by from anything "
    "everything "
    "means mean counts count goes go into belongs belong else text message mail email label labels category use "
    "choose "
    "pick them they who which what whose us our we you your reviews review messages mails texts".split()
)


def choose(text: str, labels: list[str], instructions: str = "") -> str:
    """The label that fits best."""
    return evidence(text, labels, instructions)[0]


def evidence(text: str, labels: list[str], instructions: str = "") -> tuple[str, float]:
    """(the label that fits best, how much speaks for it); 0: nothing does."""
    parts = re.split(r"(?<=[.!?\n])", text[:READ_CHARS])
    text = "".join(part for part in parts if not _ORDER.search(part)) or text[:READ_CHARS]
    if _stars(labels):
        return _starred(text, labels)
    opposites = {label: other for label in labels if (other := _opposite(label, labels)) is not None}
    mixed = _mixed(text)
    scores: dict[str, float] = {}
    for label in labels:
        if label in opposites:
            continue
        scores[label] = _scored(text, label, instructions, mixed)
    for label, other in opposites.items():
        # "spam" or "not spam": the one is where the other is not.
        enough = 1.5 if {"spam", "phishing"} & set(_senses(other)) else 0.5
        scores[label] = 1.0 if scores.get(other, 0.0) < enough else 0.0
    best = max(labels, key=lambda label: (scores[label], -labels.index(label)))
    if scores[best] > 0:
        return best, scores[best]
    return _fallback(labels), 0.0


def _scored(text: str, label: str, instructions: str, mixed: bool) -> float:
    senses = _senses(label)
    points = sum(_cued(text, sense) for sense in senses)
    points += OWN * _named(text, label)
    points += TOLD * _told(text, label, instructions)
    if "mixed" in senses or (mixed and _mixed_means(label, instructions)):
        points += 20.0 * mixed
    elif mixed and "neutral" in senses:
        points += 1.0
    return points


def _cued(text: str, sense: str) -> float:
    if sense in LANGUAGES:
        words = [word.lower() for word in _WORD.findall(text)]
        hits = sum(word in LANGUAGES[sense] for word in words)
        return 10.0 * hits / len(words) if words and hits > 1 else 0.0
    if sense == "positive":
        return max(0.0, feeling(text))
    if sense == "negative":
        return max(0.0, -feeling(text))
    if sense == "low":
        return 0.0 if _hits(text, URGENT) > 0 else _hits(text, CUES["low"])
    return _hits(text, CUES[sense]) if sense in CUES else 0.0


def feeling(text: str) -> float:
    """How glad (above zero) or angry a text is."""
    good, bad = _feelings(text)
    return good - bad


def _feelings(text: str) -> tuple[float, float]:
    good = bad = 0.0
    for pattern, sign in ((POSITIVE, 1), (NEGATIVE, -1)):
        for found in pattern.finditer(text):
            denied = _denied(text, found.start())
            if (sign > 0) != denied:
                # "not bad" is faint praise.
                good += 0.5 if denied else 1.0
            else:
                bad += 1.0
    return good, bad


def _mixed(text: str) -> bool:
    good, bad = _feelings(text)
    return good >= 1 and bad >= 1 and 0.4 <= good / bad <= 2.5


def _mixed_means(label: str, instructions: str) -> bool:
    return bool(re.search(rf"\bmixed\b[^.;\n]*\b{re.escape(label)}\b", instructions, re.I))


def _hits(text: str, pattern: re.Pattern[str]) -> float:
    """Different cues found; one said thrice is still one."""
    hits = (found for found in pattern.finditer(text) if pattern is not URGENT or not _denied(text, found.start()))
    return float(len({" ".join(found[0].lower().split()) for found in hits}))


def _denied(text: str, at: int) -> bool:
    return bool(_NEGATION.search(text[max(0, at - 40) : at]))


@cache
def _senses(label: str) -> tuple[str, ...]:
    """What a label's words are known to mean."""
    words = " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).replace("_", " ").replace("-", " ").split())
    return tuple(sense for sense, pattern in SENSES if pattern.search(words))


def _content(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text) if len(word) > 2 and word.lower() not in _SMALL]


def _stem(word: str) -> str:
    return re.sub(r"(?:ations?|ments?|ings?|ies|ed|es|ly|s|y|e)$", "", word) if len(word) > 4 else word


def _named(text: str, label: str) -> float:
    """How much of a label's own words stand in the text."""
    wanted = {_stem(word) for word in _content(label.replace("_", " ").replace("-", " "))}
    if not wanted:
        return 0.0
    told = ((_stem(found[0].lower()), found.start()) for found in _WORD.finditer(text))
    there = {stem for stem, at in told if stem in wanted and not _denied(text, at)}
    return len(wanted & there) / len(wanted)


def _told(text: str, label: str, instructions: str) -> float:
    """How many words that the instructions give a label stand in the text."""
    if not instructions:
        return 0.0
    name = re.escape(label)
    given: list[str] = []
    for part in re.split(r"[.;\n]+", instructions):
        if found := re.search(rf"^\W*\b{name}\b\W*{_OF_LABEL}?\s*(?:if|when|for)?(?P<about>.+)$", part, re.I):
            given.append(found["about"])
        elif found := re.search(rf"^(?P<about>.+?)\s+{_OF_LABEL}\s+(?:the\s+label\s+)?\W*{name}\b", part, re.I):
            given.append(found["about"])
        elif found := re.search(rf"\b{name}\b\s+(?:if|when|for|means)\s+(?P<about>.+)$", part, re.I):
            given.append(found["about"])
    wanted = {_stem(word) for about in given for word in _content(about)} - {_stem(label.lower())}
    there = {_stem(word) for word in _content(text)}
    return float(len(wanted & there))


def _opposite(label: str, labels: list[str]) -> str | None:
    """The label that this one denies."""
    found = _NOT.match(label.strip())
    if found is None:
        return None
    rest = "spam" if found["ham"] else found["rest"]
    wanted = rest.lower().strip().replace("_", " ").replace("-", " ")
    others = (each for each in labels if each is not label)
    return next((each for each in others if each.lower().strip().replace("_", " ") == wanted), None)


def _stars(labels: list[str]) -> bool:
    return all(re.fullmatch(r"[1-5](?:\s*stars?)?", label.strip(), re.I) for label in labels)


def _starred(text: str, labels: list[str]) -> tuple[str, float]:
    said = re.search(r"\b([1-5])\s*(?:/\s*5|out\s+of\s+(?:5|five)|stars?)\b", text, re.I)
    mood = feeling(text)
    wanted = int(said[1]) if said else 3 + (mood > 0) + (mood >= 2) - (mood < 0) - (mood <= -2)
    return min(labels, key=lambda label: (abs(int(label.strip()[0]) - wanted), labels.index(label))), abs(mood)


def _fallback(labels: list[str]) -> str:
    for pattern in FALLBACK:
        if found := [label for label in labels if pattern.search(label.replace("_", " "))]:
            return found[0]
    return labels[0]
