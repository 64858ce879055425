"""Waiting: for a time, for an event, for an answer that may not come.

Invariant: a wait is as long as the request says; where it says no length a block can keep, the length is asked for.
Callers: ``actions``, ``paraphrase``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.guess import index
from caddie.models.offline.reading import LATER, needs
from caddie.models.offline.request import Action, Branch, Condition, Slot, Step, Test

#: For an event whose time limit nobody named.
DEFAULT_WAIT_S = 600
DAY_S = 86_400
SPAN = (
    rf"(?:(?:about|around|roughly|exactly|another|at\s+least|at\s+most|up\s+to)\s+)*(?:\d+(?:\.\d+)?|an?|half\s+an?|"
    rf"{words.NUMBER_WORD}|(?:an?\s+)?(?:couple|few)(?:\s+of)?)\s*-?\s*(?:(?:full|whole|more|working|business)\s+)?"
    rf"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|h|days?|nights?|weeks?|fortnights?|months?)\b(?:\s+and\s+a\s+half)?"
)
_WAIT = re.compile(r"\b(?:wait|pause|delay|hold)\b|^sleep\b|\bsleep\s+(?:for\s+)?(?:\d|an?\s)", re.I)
_EVENT = re.compile(
    rf"\b(?:until|till|for)\s+(?!{SPAN})(?P<what>.+?)(?:\s*,?\s+(?:for\s+|within\s+|at\s+most\s+|"
    rf"max(?:imum)?\s+)+{SPAN})?$",
    re.I,
)
#: "until tomorrow": as long as a day; the hour it starts at is the hour it ends at.
_NEXT = re.compile(
    r"\b(?:until|till)\s+(?:(?P<day>tomorrow|(?:the\s+)?(?:next|following)\s+(?:day|morning|evening|night|afternoon))"
    r"|(?:the\s+)?"
    r"(?:next|following)\s+(?P<unit>week|month))\b",
    re.I,
)
#: A point in time, which a delay does not know.
_POINT = re.compile(
    r"\b(?:until|till)\s+(?:(?:next\s+|the\s+next\s+)?(?:mon|tues|wednes|thurs|fri|satur|sun|week|work(?:ing)?\s)day|"
    r"noon|midnight|"
    r"\d{1,2}(?::\d\d)?\s*(?:am|pm|o['’]?clock)?\b|(?:the\s+)?(?:morning|evening|end\s+of\s+the\s+\w+|weekend|"
    r"afternoon)|"
    r"(?:january|february|march|april|june|july|august|september|october|november|december))\b",
    re.I,
)
_NOBODY = (
    r"(?:nobody|no\s?one|no-one|none\s+of\s+\w+)\s+(?P<verb1>[^,.;\n]*?)|(?:there\s+is|i\s+get|we\s+get|i\s+have|"
    r"we\s+have|we\s+receive|"
    r"i\s+receive|they\s+give|comes)\s+(?:still\s+)?no\s+(?P<noun1>\w+)(?:\s+[^,.;\n]*?)?|no\s+(?P<noun2>\w+)"
    r"\s+(?:comes?|arrives?|is|was|has)\b[^,.;\n]*?|"
    r"nothing\s+(?P<verb2>[^,.;\n]*?)|(?:(?P<new>(?:an?|any|each|every)\s+[\w-]+)|they|he|she|it|we|i|someone|"
    r"somebody|(?:the|my|our|their)\s+[\w-]+)"
    r"\s+(?:have|has|do|does|did|is|are)\s+"
    r"not\s+(?P<verb3>[^,.;\n]*?)"
)
_WITHIN = rf"\s*(?:within|in|for|after)\s+(?:the\s+(?:next|first)\s+)?(?P<span>{SPAN})"
_LATE = re.compile(
    rf"(?P<lead>^|[.;,\n]\s*(?:and\s+|but\s+|then\s+)*|\s+(?:and|but)\s+)"
    rf"if\s+(?:{_NOBODY}){_WITHIN}\s*[,:]?\s*(?:then\s+)?(?=\w)",
    re.I,
)
_UNLESS = re.compile(
    rf"(?P<lead>^|[.;,\n]\s*(?:and\s+|but\s+)*|\s+(?:and|but)\s+)unless\s+(?:someone|somebody|anyone|anybody|they|he|"
    rf"she|it|(?:the|my|our)\s+[\w-]+)\s+"
    rf"(?P<verb1>[^,.;\n]*?){_WITHIN}\s*[,:]\s*(?=\w)",
    re.I,
)
_SILENCE = re.compile(
    rf"(?P<lead>^|[.;,\n]\s*(?:and\s+|but\s+|then\s+)*|\s+(?:and|but)\s+)after\s+(?P<span>{SPAN})"
    rf"\s+without\s+(?:an?\s+|any\s+)?(?P<noun1>\w+)\s*[,:]?\s*",
    re.I,
)
_PROMPT = re.compile(
    rf"(?P<lead>^|[.;,\n]\s*(?:and\s+|but\s+|then\s+)*|\s+(?:and|but)\s+)if\s+(?:someone|somebody|anyone|anybody|"
    rf"they|he|she|(?:the|my|our|their)\s+[\w-]+)\s+"
    rf"(?P<verb1>(?!has\s+been|have\s+been|is\b|are\b)[^,.;\n]*?)\s*\bwithin\s+(?:the\s+next\s+)?(?P<span>{SPAN})"
    rf"\s*[,:]?\s*(?:then\s+)?(?=\w)",
    re.I,
)
_AWAITED = (
    (re.compile(r"answer|repl|respon|react|writ|get\s+back|hear", re.I), "an answer"),
    (re.compile(r"pay|paid", re.I), "the payment"), (re.compile(r"confirm|approv|ok", re.I), "an answer"),
    (re.compile(r"sign", re.I), "the signature"), (re.compile(r"pick|collect|fetch", re.I), "the collection"),
    (re.compile(r"acknowledg|take|claim|assign|handle", re.I), "somebody who takes it"),
)  # fmt: skip


def wait(clause: str, about: str) -> Action | None:
    """The recogniser of both blocks that wait."""
    if not _WAIT.search(clause):
        return None
    seconds = words.duration_s(clause)
    if following := _NEXT.search(clause):
        days = {"week": 7, "month": 30}.get((following.group("unit") or "").lower(), 1)
        return Action("delay", {"seconds": days * DAY_S})
    event = _EVENT.search(clause)
    if event and not _POINT.search(clause):
        reason = event.group("what").strip(" .,")
        limit = min(seconds or DEFAULT_WAIT_S, longest("wait", "timeoutSeconds"))
        return Action(
            "wait",
            {"timeoutSeconds": int(limit) if limit == int(limit) else limit, "reason": reason},
            topic=reason[:30],
        )
    options = (("30 seconds", "30 seconds"), ("5 minutes", "5 minutes"), LATER)
    slot = Slot("seconds", "seconds", "How long should the workflow wait?", options)
    bound = longest("delay", "seconds")
    whole = min(seconds, bound) if seconds and not _POINT.search(clause) else None
    action = needs(Action("delay"), slot, int(whole) if whole and whole == int(whole) else whole)
    action.topic = "too long" if seconds and seconds > bound else ""
    return action


def longest(block: str, field: str) -> float:
    """The most a block takes of something, by the catalog."""
    found = index()[0].get(block)
    properties = found.payloadSchema.get("properties") if found else None
    schema = properties.get(field) if isinstance(properties, dict) else None
    most = schema.get("maximum") if isinstance(schema, dict) else None
    return float(most) if isinstance(most, int | float) else DEFAULT_WAIT_S


def unanswered(said: str) -> str:
    """ "if nobody answers within a day, …": a wait, and what happens when it was in vain."""
    for pattern, outcome in (
        (_LATE, "it does not come"),
        (_UNLESS, "it does not come"),
        (_SILENCE, "it does not come"),
        (_PROMPT, "it comes"),
    ):
        match = pattern.search(words.masked(said))
        while match is not None:
            what = _awaited(
                " ".join(
                    value for name, value in match.groupdict().items() if value and name not in ("lead", "span", "new")
                )
            )
            new = match.groupdict().get("new") if not said[: match.start()].strip() else None
            event = f"when {new} comes in, " if new else ". "
            told = f"{event}wait for {what} for {match.group('span')}. if {outcome}, "
            said = f"{said[: match.start()]}{told}{said[match.end() :]}".lstrip(" .")
            match = pattern.search(words.masked(said), match.start() + len(told))
    return said


def approvals(steps: list[Step]) -> list[Step]:
    """A wait for the answer of a person who is asked is the time limit of the question."""
    made: list[Step] = []
    for step in steps:
        asked, waited = (made[-2], made[-1]) if len(made) > 1 else (None, None)
        if (
            isinstance(step, Branch)
            and step.waits
            and isinstance(asked, Action)
            and isinstance(waited, Action)
            and (asked.block, waited.block) == ("human_confirmation", "wait")
        ):
            asked.payload["timeoutSeconds"] = waited.payload["timeoutSeconds"]
            made.pop()
            step = Branch(Test((Condition("approved", "eq", True),)), step.then, step.otherwise)
        made.append(step)
    return made


def _awaited(said: str) -> str:
    return next((name for pattern, name in _AWAITED if pattern.search(said)), "a signal")


def told(seconds: object) -> str:
    """A number of seconds as people say it."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 60:
        return f"{seconds} seconds"
    for unit, size in (("week", 604_800), ("day", DAY_S), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds} seconds"
