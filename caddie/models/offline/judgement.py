"""Conditions that compare no field: a call that failed, "when it's lower", what somebody's words mean.

Invariant: a judgement becomes a label for a classification, never a comparison of the text with it. Callers:
``reader``, ``starts``, ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Condition, Test

_FAIL = (
    r"fail(?:s|ed|ing)?|errors?(?:\s+out)?|errored|goes\s+wrong|went\s+wrong|breaks?|crash(?:es|ed)?|times?\s+out|"
    r"timed\s+out|(?:does|did|do|could|can|will)\s+not\s+(?:work|succeed|go\s+through|respond|answer|load|be\s+reached|"
    r"come\s+back|return\s+anything|be\s+(?:reserved|stored|saved|fetched|loaded|called|delivered|booked|read|sent|processed))|never\s+answers|(?:returns?|gives?|throws?|gets?|has|had|produces?|"
    r"answers?\s+with|responds?\s+with)\s+(?:back\s+)?(?:an?\s+|any\s+)?errors?"
)
_STATE = r"unreachable|unavailable|unsuccessful|not\s+(?:reachable|available|successful|working)|down|offline|broken"
_THING = r"(?:(?:the|this|that|our|my|any|an?)\s+)?(?:[\w-]+\s+){0,2}?[\w-]+"
_FAILED = re.compile(
    rf"^(?:{_THING}\s+(?:(?:ever|still|again)\s+)?(?:{_FAIL}|(?:is|was|are|gets?|has\s+been|turns\s+out(?:\s+to\s+be)?)"
    rf"\s+(?:{_STATE}))|there\s+(?:is|was|are)\s+(?:an?|any|some)\s+(?:\w+\s+)?(?:error|problem|failure)s?|it\s+fails?|"
    r"on\s+(?:an?\s+)?(?:error|failure))(?:\s+(?:for\s+(?:any|some)\s+reason|somehow|again))?$",
    re.I,
)
_WORKED = re.compile(
    rf"^(?:{_THING}|https?:\S+)\s+(?:succeed(?:s|ed)?|work(?:s|ed)|(?:goes|went)\s+(?:through|well|fine)|(?:is|was)\s+(?:successful|"
    rf"reachable|a\s+success|up(?:\s+and\s+running)?|online|available))(?:\s+(?:again|fine|well))?$",
    re.I,
)
_UP = (
    r"higher|above|over|more|high|greater|bigger|larger|warmer|hotter|warm|hot|too\s+(?:high|much|many|warm|hot)|longer"
)
_DOWN = r"lower|below|under|less|low|smaller|fewer|colder|cooler|cold|cheaper|too\s+(?:low|little|few|cold)|shorter"
_FINE = (
    r"ok(?:ay)?|fine|good|normal|(?:all\s+)?right|alright|in\s+(?:range|order|the\s+green)|within\s+(?:range|"
    r"(?:the\s+)?limits?)|healthy|quiet|not"
)
_RELATIVE = re.compile(
    rf"^(?:(?:it|that|this|they|everything|all|things?|(?:the|its)\s+[\w ]+?)\s+)?(?:is|are|ha[sv]e?|gets?|goes|"
    rf"looks?|was|seems?|stays?)\s+(?:(?:all|still|again|even|just)\s+)?(?:(?P<up>{_UP})|(?P<down>{_DOWN})|"
    rf"(?P<fine>{_FINE}))"
    rf"(?:\s+(?:than\s+)?(?:that|it|this))?(?:\s+(?:again|though|instead|enough))?$",
    re.I,
)
#: "if it is", "if it isn't": the condition before, or its opposite.
_DOES = re.compile(
    r"(?:it|that|this|they)(?:\s+(?:is|are|does|do|was|did|has)(?P<denied>\s+not|n['’]t)?|['’]s(?P<_not>\s+not)?)", re.I
)
_MESSAGE = r"(?:message|text|question|chat|mail|e-?mail|feedback|review|comment|request|note|tone|post|enquiry|inquiry)"
_WHO = (
    rf"(?:(?:if|when)\s+)?(?P<who>it|they|he|she|s/he|this|that|someone|somebody|anyone|anybody|people|what\s+they\s+"
    rf"(?:say|write|wrote|ask)|(?:(?:the|an?|any|our|my|their|some)\s+)?(?:\w+\s+){{0,2}}?(?:{_MESSAGE}|guest|member|"
    r"fan|buyer|kid|child|pupil|lead|prospect|caller|person|\w{3,}(?:er|or|ent|ant|ist|ian|ee))s?)"
)
_EVEN = r"(?:(?:really|also|just|obviously|clearly|only|ever|already|very|a\s+bit|quite|pretty|somewhat|rather)\s+)*"
_FEELS = r"(?:sounds?|seems?|looks?|feels?|appears?|comes?\s+across(?:\s+as)?)"
_MEANS = re.compile(
    rf"^{_WHO}\s+{_EVEN}(?:"
    rf"(?P<feels>{_FEELS}|(?:is|are|was|gets?|becomes?)(?=\s))\s+(?:like\s+|to\s+be\s+|about\s+)?{_EVEN}(?P<state>.+)|"
    r"(?P<asks>asks?|writes?|inquires?|enquires?|talks?|speaks?|wonders?|asking|writing)\s+(?:us\s+|"
    r"me\s+)?(?:for|about|"
    r"on|regarding|whether|how|if|to|where|when|what|which|why)\s+(?P<asked>.+)|"
    r"(?P<wants>wants?|needs?|requests?|would\s+like|wishes|demands?|is\s+looking|looks|wanting|requesting)\s+(?:to\s+|"
    r"for\s+)?(?P<wanted>.+)|"
    r"(?P<reports>reports?|describes?|raises?|expresses?|mentions?|has|have|reporting)\s+(?P<reported>an?\s+[\w -]+|"
    r"(?:trouble|problems?|issues?)\b[\w -]*)|"
    r"(?P<act>complain(?:s|ing)?|thank(?:s|ing)?|praises?|swears?|insults?|apologi[sz]es?|cancels?|orders?)\b.*)$",
    re.I,
)
_ACTS = {"complain": "complaint", "thank": "thanks", "praise": "praise", "swear": "abuse", "insult": "abuse",
         "apologi": "apology", "cancel": "cancellation", "order": "order"}  # fmt: skip
_CHAT = re.compile(
    r"\s*\b(?:in|via|on|over|through|to|into)\s+(?:the\s+|our\s+|a\s+|my\s+)?(?:live\s+)?(?:chat|bot|message)\b", re.I
)
#: An example of a code: "like AB-12345".
_LIKE = re.compile(
    r"^(?P<what>.*?)\s*(?:,\s*)?(?:like|such\s+as|of\s+the\s+form|e\.?g\.?|for\s+example)\s+(?P<code>\S*\d\S*)$", re.I
)


def failed(text: str) -> Test | None:
    """ "the call fails", "that worked": by the status of the answer."""
    text = text.strip(" ,.:;")
    if _FAILED.match(text):
        return Test((Condition("status", "gte", 400),), said=text)
    return Test((Condition("status", "lt", 400),), said=text) if _WORKED.match(text) else None


_OPPOSITES = tuple(
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        ("dry", "wet damp moist"), ("hot warm", "cold cool"), ("high", "low"), ("open", "closed"), ("full", "empty"),
        ("new", "old"),
        ("good ok fine", "bad wrong"), ("positive", "negative"), ("big large", "small little"), ("expensive", "cheap"),
        ("up online", "down offline"), ("paid", "unpaid"), ("early", "late"), ("busy", "quiet free"),
    )
)  # fmt: skip


def opposed(text: str, name: str) -> bool | None:
    """Whether "the soil is wet enough" is what a step called `is_dry` asks, or its opposite; None when neither."""
    match = re.search(
        r"\b(?:is|are|gets?|was|looks?|feels?)\s+(not\s+)?(?:still\s+|too\s+|very\s+)?(\w+)(?:\s+(?:enough|"
        r"again))?$",
        text.strip(" ,."),
    )
    said, asked = match.group(2).lower() if match else "", set(re.split(r"[\s_-]+", name.lower()))
    denied = bool(match and match.group(1))
    if said and said in asked:
        return not denied
    for one, other in _OPPOSITES:
        if (said in one and asked & other) or (said in other and asked & one):
            return denied
    return None


def relative(text: str, before: Test | None) -> bool | None:
    """Whether "it's lower" means what the condition told before asks, or its opposite; None when neither."""
    if before is not None and before.conditions and (plain := _DOES.fullmatch(text.strip(" ,.:;"))):
        return not (plain.group("denied") or plain.group("_not"))
    match = _RELATIVE.match(text.strip(" ,.:;"))
    if match is None or before is None or not before.conditions:
        return None
    first = before.conditions[0]
    rising = {"gt": True, "gte": True, "lt": False, "lte": False}.get(first.op)
    if match.group("fine"):
        well = (first.subject == "status" and (first.op in ("lt", "eq"))) or (first.op == "eq" and first.right == 200)
        return well and match.group("fine").lower() != "not"
    return None if rising is None else bool(match.group("up")) is rising


def meant(text: str, feelings_only: bool = False) -> str | None:
    """The label of what somebody's words mean: "the guest sounds unhappy" → unhappy. feelings_only: `is` compares."""
    said = _CHAT.sub("", words.masked(text.strip(" ,.:;"))).strip()
    match = _MEANS.match(said)
    if match is None or "\x00" in said or re.search(r"\d", said):
        return None
    if act := match.group("act"):
        return next((label for stem, label in _ACTS.items() if act.lower().startswith(stem)), None)
    if match.group("reports") and match.group("who").lower() in ("it", "this", "that") and feelings_only:
        return None
    if (
        match.group("feels")
        and feelings_only
        and re.match(r"(?:is|are|was|gets?|becomes?)$", match.group("feels"), re.I)
    ):
        return None
    told = next(each for each in match.group("state", "asked", "wanted", "reported") if each)
    told = re.sub(r"^(?:about|like|not\s+sure\s+about)\s+", "", words.bare(told), flags=re.I)
    label = words.bare(told)
    if (
        not label
        or label.lower() in ("to", "for", "it", "that", "this", "about")
        or len(label.split()) > 5
        or re.search(r"[#@]|\bto\s*$", label)
        or re.match(r"(?:above|below|over|under|more|less|not|in|at|on)\b", label, re.I)
    ):
        return None
    return label.lower()


def shaped(text: str) -> tuple[str, str] | None:
    """(what is looked for, its pattern) of "an order number like AB-12345"."""
    match = _LIKE.match(text.strip(" ,.:;"))
    if match is None:
        return None
    parts = re.findall(r"[A-Z]+|[a-z]+|\d+|.", match.group("code").strip("\"'“”"))
    kinds = ((r"\d+", r"\d"), (r"[A-Z]+", "[A-Z]"), (r"[a-z]+", "[a-z]"))
    made = []
    for part in parts:
        kind = next((to for pattern, to in kinds if re.fullmatch(pattern, part)), None)
        made.append(f"{kind}{{{len(part)}}}" if kind else re.escape(part))
    return match.group("what"), "".join(made)
