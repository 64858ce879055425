"""Which branch of a workflow a phrase speaks of: "if it failed", "small leads", "when they do get set up", "if not".

Invariant: a branch is named only when the phrase fits its condition or what lies on it, never by chance. Callers:
``extension``.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from caddie.models.offline import mention
from caddie.models.offline.canvas import Canvas

#: What is said of one side and of the other, whatever the condition.
_POLES = tuple(
    (frozenset(map(mention.stem, one.split())), frozenset(map(mention.stem, other.split())))
    for one, other in (
        ("good fine ok okay well success successful succeeded works worked done right healthy green passed",
         "fail failed failure failing wrong bad broken error problem trouble crashed down alarm red incomplete"),
        ("yes accept accepted approve approved agree agreed confirm confirmed okay invite invited allowed granted",
         "no reject rejected decline declined refuse refused deny denied disagree against"),
        ("big bigger large larger high higher more above over much expensive exceed exceeded reach reached rich",
         "small smaller little low lower less below under few fewer cheap cheaper poor tiny"),
        ("dry", "wet damp moist"), ("hot warm warmer", "cold colder cool"), ("full", "empty"),
        ("resumed setup continue continued react reacted answered respond responded reply replied finish finished "
         "complete completed signed confirm", "timeout timed late expired expire silence silent unanswered"),
        ("urgent important", "unimportant"), ("paid", "unpaid"), ("open", "closed"), ("new", "old"),
        ("positive happy satisfied", "negative unhappy angry"),
    )
)  # fmt: skip
_NAYS = frozenset().union(*(other for _, other in _POLES[:2])) | {"no"}
_BRANCHES = {"if": ("then", "else"), "wait": ("resumed", "timed_out")}
_NOT = re.compile(r"n['’]t\b|\b(?:not|no|never|without|nobody|no\s+one|none|nothing)\b", re.I)
_IN_TIME = re.compile(r"\btime(?:s|d)?[\s-]?out|\bin\s+time\b|\btoo\s+late\b", re.I)


class Side(NamedTuple):
    """A branch of a condition or of a wait."""

    check: str
    branch: str


def meant(phrase: str, canvas: Canvas) -> Side | None:
    """The branch a phrase speaks of, when one does."""
    phrase = re.sub(r"\b(?:do|does|did)\s+(?=get|set|work|react|answer|accept)", "", phrase, flags=re.I)
    said = {mention.stem(each) for each in mention.spoken(phrase)} | _bare(phrase)
    if not said:
        return None
    found: list[tuple[float, Side]] = []
    for check in canvas.of(*_BRANCHES):
        scores = {branch: _fits(said, phrase, canvas, check, branch) for branch in _branches(canvas, check)}
        (high, score), (_, other) = sorted(scores.items(), key=lambda each: -each[1])
        if score > other and score >= 2:
            found.append((score, Side(check, high)))
    found.sort(key=lambda each: -each[0])
    if not found or (len(found) > 1 and found[0][0] == found[1][0]):
        return None
    return found[0][1]


def _branches(canvas: Canvas, check: str) -> tuple[str, str]:
    return _BRANCHES[str(canvas.nodes[check].get("type"))]


def _bare(phrase: str) -> set[str]:
    """ "the boss says no": an answer; "there is no frost" is none."""
    found = re.search(
        r"\b(?:says?|said|answers?|answered|votes?|is|with)\s+(?:an?\s+)?(yes|no)\W*$|^\W*(yes|no)\W*$", phrase, re.I
    )
    fine = set(re.findall(r"\b(?:fine|wrong)\b", phrase.lower()))
    return {mention.stem(each) for each in fine | {each for each in (found.groups() if found else ()) if each}}


def _fits(said: set[str], phrase: str, canvas: Canvas, check: str, branch: str) -> float:
    """How well words fit a branch: its condition's name and value, the steps on it; a "not" turns them round."""
    yes = branch == _branches(canvas, check)[0]
    denied = bool(_NOT.search(phrase)) and not (said & _NAYS)
    node = canvas.nodes[check]
    asked = _words(check, node)
    on_it = _content(canvas, check, branch)
    score = 0.0
    name = said & asked
    score += 2.0 * len(name) * (yes is not denied)
    score += 2.0 * len(said & on_it - asked) * (not denied)
    score += _polar(said, asked | _sense(canvas, check), yes is not denied)
    score += 1.0 * _polar(said, on_it, not denied)
    if str(node.get("type")) == "wait" and _IN_TIME.search(phrase):
        score += 3.0 * (yes is denied or (yes and "in time" in phrase.lower() and not denied))
    return score


def _polar(said: set[str], asked: set[str], same: bool) -> float:
    """2 when the words lie on the same pole as what is asked, or on the other one and that is wanted."""
    for one, other in _POLES:
        for mine, theirs in ((one, other), (other, one)):
            if said & mine and (asked & mine or asked & theirs) and not (asked & mine and asked & theirs):
                return 2.5 * (bool(asked & mine) is same)
    return 0.0


def _words(check: str, node: dict[str, Any]) -> set[str]:
    """What a condition is called and compares with."""
    told = f"{check} {node.get('titleOverride') or ''}"
    payload = node.get("payload") or {}
    for each in payload.get("conditions") or []:
        if isinstance(each, dict) and each.get("op") not in ("neq", "not_contains", "empty"):
            told += f" {each.get('right')}" if isinstance(each.get("right"), str) else ""
    told += f" {payload.get('reason') or ''}"
    return {mention.stem(each) for each in mention.spoken(told.replace("_", " ")) if not each.isdigit()}


def _sense(canvas: Canvas, check: str) -> set[str]:
    """The pole a condition's operator stands for."""
    first = next((each for each in canvas.payload(check).get("conditions") or [] if isinstance(each, dict)), None)
    if first is None:
        return {"resum"} if canvas.nodes[check].get("type") == "wait" else set()
    if "approved" in str(first.get("left")):
        return {"yes" if first.get("right") is True else "no"}
    up = {"gt": "big", "gte": "big", "lt": "small", "lte": "small"}.get(str(first.get("op")))
    return {up} if up else set()


def _content(canvas: Canvas, check: str, branch: str) -> set[str]:
    """What the steps of a branch are called and say."""
    children = canvas.nodes[check].get("children") or []
    told = ""
    for each in (child for child in children if canvas.nodes.get(child, {}).get("branch") == branch):
        payload = canvas.payload(each)
        spoken = (payload.get(name) for name in ("text", "message", "subject"))
        told += f" {each} " + " ".join(re.sub(r"\{\{[^{}]*\}\}", " ", str(text)) for text in spoken if text)
    return {mention.stem(each) for each in mention.spoken(told.replace("_", " "))}
