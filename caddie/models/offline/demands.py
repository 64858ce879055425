"""What an event's own words ask of what comes in: "a review with 3 stars or fewer comes in".

Invariant: what is asked becomes a condition behind the event; nothing of it is lost. Callers: ``events``.
"""

from __future__ import annotations

import re

from caddie.models.offline import clauses, conditions, judgement, words

_QUALIFIER = re.compile(
    r"\s+(?:(?P<has>with|having)\b|whose\b|where\b|(?:that|which|who)\s+(?=is|are|has|have|was|contains?|mentions?|"
    r"says?|costs?|"
    r"exceeds?|does|do|asks?|wants?)|(?=(?:over|above|below|under|of\s+(?:more|less|at|over|under)|older|newer|without|"
    r"worth|containing|mentioning|from|about)\b))\s*",
    re.I,
)
#: The same behind the verb.
_TAIL = re.compile(
    r"\s+(?:(?P<has>with|having)\s+|whose\s+|(?P<which>(?:that|which)\s+(?=(?:is|are|has|have|was|sounds?|"
    r"seems?|looks?|contains?|mentions?)\b))|"
    r"(?=without\b))",
    re.I,
)
_ENDS = re.compile(rf"\s*,|\s+(?={clauses.LEAD})|\s*$", re.I)
_SAYING = re.compile(
    r"\s+(?:and|to)\s+(?:(?:they|he|she|it)\s+)?(?=(?:say|tell|write|ask|want|need|mention|complain|request|"
    r"report|sound|"
    r"seem|cancel)s?\b)",
    re.I,
)
_ACTING = {"containing": "contains", "mentioning": "mentions", "worth": "is worth", "of": "is"}
#: "with priority high or urgent"
_VALUED = re.compile(
    r"(?:the\s+|an?\s+)?(?P<noun>priority|status|type|category|severity|state|plan|country|language|level|kind|"
    r"role|source|topic|"
    r"currency|department|stage|tag|label)\s+(?:of\s+)?(?P<value>(?:\"[^\"]+\"|[\w-]+)(?:\s+or\s+(?:\"[^\"]+\"|"
    r"[\w-]+))*)",
    re.I,
)
_REPORTED = re.compile(r"^(?:says?|writes?|tells?\s+us|mentions?)\s+that\s+(?:they|he|she|it|s/he)\s+", re.I)


def asked(phrase: str, verb: int, end: int) -> tuple[str, str, int] | None:
    """(event, condition, where it ends) of an event that asks something of what comes."""
    if found := _qualified(phrase, verb, end):
        return found
    return (*told, len(phrase)) if (told := _said(phrase, end)) else None


def _qualified(phrase: str, verb: int, end: int) -> tuple[str, str, int] | None:
    head, happens = phrase[:verb].rstrip(), phrase[verb:end].strip()
    for match in _QUALIFIER.finditer(words.masked(head)):
        if told := _asked(head[match.end() :], bool(match["has"])):
            return f"{head[: match.start()]} {happens}", told, end
    for match in _TAIL.finditer(words.masked(phrase), end):
        ends = [each.start() for each in _ENDS.finditer(words.masked(phrase), match.end())][-8:]
        for stop in reversed(ends):
            if told := _asked(phrase[match.end() : stop], bool(match["has"])):
                return phrase[: match.start()], told, stop
        if match["which"]:
            return phrase[: match.start()], f"it {phrase[match.end() :].strip(' ,')}", len(phrase)
    return None


def _said(phrase: str, end: int) -> tuple[str, str] | None:
    """(event, condition) of "fills out the form and writes that they want to cancel"."""
    match = _SAYING.search(words.masked(phrase), end)
    if match is None:
        return None
    told = f"they {_REPORTED.sub('', phrase[match.end() :].strip(' ,'))}"
    return (phrase[: match.start()], told) if judgement.meant(told) else None


def _asked(said_so: str, has: bool) -> str | None:
    """The condition a qualifier tells."""
    text = said_so.strip(" ,")
    first, _, rest = text.partition(" ")
    if word := _ACTING.get(first.lower()):
        text = f"{word} {rest}"
    if has and (valued := _VALUED.fullmatch(text)):
        return f"{valued['noun']} is {valued['value']}"
    leads = ("it has ", "") if has else ("it is ", "it ", "")
    if re.match(r"(?:from|about)\b", text, re.I):
        place = re.match(r"from\s+((?!the\b|our\b|an?\b|my\b|us\b|all\b)[A-Z]\w+(?:\s+or\s+[A-Z]\w+)*)$", text)
        return f"country is {place.group(1)}" if place else None
    for lead in leads:
        test = conditions.find(f"{lead}{text}")
        if test is not None and all(each.subject or isinstance(each.right, int | float) for each in test.conditions):
            return f"{lead}{text}"
    return None
