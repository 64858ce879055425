"""From one clause to one block: what the verb and the nouns of a clause ask for.

Invariant: what the clause does not say becomes a ``Slot``, never a made-up value. The order of ``RECOGNISERS`` decides
between readings. Callers: ``understand``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from caddie.models.offline import (
    conditions,
    language,
    memory,
    notices,
    pauses,
    reckoning,
    sayings,
    variables,
    web,
    words,
)
from caddie.models.offline.outside import discord, email, fetch, further, http, reply, run, slack
from caddie.models.offline.reading import LATER, about_what, dictated, needs
from caddie.models.offline.request import Action, Slot, Test

FETCHERS = ("http-request", "web-search")
#: Blocks that bring data of their own.
SOURCES = (
    *FETCHERS,
    "trigger-workflow",
    "agent",
    "set-variable",
    "human_confirmation",
    "wait",
    "classify",
    "extract-json",
)
_MADE = re.compile(
    r"^((?!send\b|post\b|e?mail\b|notify\b|write\s+(?:to|in|into)\b)\w.*?)\s+((?:for|to|into|in|on|and\s+(?:send|"
    r"post)\s+it\s+to)\s+(?:the\s+|our\s+|my\s+)?(?:#[\w-]+.*|discord\b.*|slack\b.*|[\w.+-]+@[\w.-]+.*|channel\s+.*))$",
    re.I,
)
#: What people mean by a pattern of a known kind.
_KINDS = (
    (re.compile(r"\be-?mail(?:\s+address(?:es)?|s)\b|\bmail\s+address(?:es)?", re.I), r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (re.compile(r"\b(?:urls?|links?|web\s+address(?:es)?)\b", re.I), r"https?://[^\s<>\"]+"),
    (re.compile(r"\b(?:phone|telephone|mobile)\s*(?:numbers?)?\b", re.I), r"\+?\d[\d ()/-]{5,}\d"),
    (re.compile(r"\bhash\s?tags?\b", re.I), r"#\w+"),
    (re.compile(r"\bibans?\b", re.I), r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7} ?[A-Z0-9]{1,4}\b"),
    (re.compile(r"\b(?:zip|post(?:al)?)\s?codes?\b", re.I), r"\b\d{4,5}\b"),
    (re.compile(r"\bdates?\b", re.I), r"\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b"),
    (re.compile(r"\b(?:prices?|amounts?)\b", re.I), r"\d+(?:[.,]\d{2})?\s?(?:€|\$|£|EUR|USD)"),
    (re.compile(r"\b(?:numbers?|digits)\b", re.I), r"\d+(?:[.,]\d+)?"),
)
_PATTERN = re.compile(r"\b(?:pattern|regex|regular\s+expression|regexp)\s*:?\s*(\S+)", re.I)
_HUMAN = re.compile(
    r"^(?:an?\s+|the\s+)?(?:approval|confirmation|sign-?off|permission|okay)\s+(?:from|by|of)\b|"
    r"\b(?:ask\s+(?:me|us|my\s+\w+|a\s+(?:person|human|manager|colleague)|someone|somebody|the\s+\w+|"
    r"\w+)\s+(?:for\s+(?:an?\s+)?(?:approval|confirmation|permission)|to\s+(?:approve|confirm|review)|before|first|"
    r"whether|if)|"
    r"(?:get|wait\s+for|needs?|requests?|requires?)\s+(?:\w+['’]?s?\s+){0,3}(?:approval|confirmation|sign-?off|"
    r"permission|"
    r"okay|ok)|ask\s+for\s+(?:an?\s+)?(?:approval|confirmation)|"
    r"(?:have|let)\s+(?!(?:the\s+|an?\s+|our\s+)?(?:ai|agent|model|bot|llm|gpt|claude|assistant)\b)(?:me|us|"
    r"someone|a\s+\w+|my\s+\w+|the\s+\w+)\s+(?:approve|confirm|review|check|sign|okay|ok|see|"
    r"decide|choose|have\s+a\s+look|look\s+(?:at|over))|"
    r"(?:i|we|(?:my|our|the|an?|their|his|her)\s+\w+|someone|somebody)\s+(?:(?:want|wants|need|needs|have|has|"
    r"would\s+like|must|should|will|"
    r"gets?)\s+)?(?:to\s+)?(?:approve|"
    r"okay|ok|confirm|sign\s+off|green-?light)s?\b|(?:my|our)\s+(?:ok(?:ay)?|approval|go-?ahead|blessing|"
    r"consent|sign-?off)|"
    r"(?:by|with|after|upon)\s+(?:\w+\s+){0,2}(?:approval|confirmation)|human\s+(?:approval|confirmation|review)|"
    r"for\s+(?:my\s+|an?\s+|final\s+)?(?:approval|sign-?off)|ask\s+me|confirm\s+with\s+\w+)\b|^(?:approve|okay|"
    r"confirm|sign\s+off(?:\s+on)?)\s+(?:it|this|that|them|each|every|"
    r"the|my|all)\b",
    re.I,
)
_LOG = re.compile(
    r"^(?:(?:write|add|make|create)\s+(?:an?\s+)?(?:new\s+)?log\s+(?:entry|message|line|record)|log|record|"
    r"print|note(?:\s+down)?|(?:write|put|add|save|store|keep|append)\s+(?:.{1,80}?\s+)?(?:to|into|"
    r"in)\s+(?:the|our|my|a)\s+"
    r"logs?)\b(?!\s+channel)",
    re.I,
)
_FORMAT = re.compile(
    r"^(?:format|compose(?=.*[\"“])|build\s+a\s+(?:text|message)|render|turn\s+\S+\s+into\s+(?:a\s+)?(?:text|"
    r"message))\b",
    re.I,
)
_ONLY = re.compile(
    r"^(?:(?:only\s+|just\s+)?(?:keep|take|use|leave|pick|select|consider)\s+(?:only\s+|"
    r"just\s+)?(?:the\s+)?|(?:only|just)\s+the\s+)"
    r"(?!those\b|it\b|them\b|the\b|names?\b)([a-z]\w+)\s+(?:ones|[a-rt-z]\w*s)$",
    re.I,
)
_NOT_ONES = re.compile(
    r"^(?:ignore|skip|drop|discard|exclude|leave\s+out|throw\s+(?:out|away)|get\s+rid\s+of|"
    r"filter\s+out)\s+(?:the\s+|all\s+|"
    r"any\s+)?([a-z]\w+)\s+"
    r"(?:ones|[a-z]\w*s)$",
    re.I,
)
#: "ignore drafts"
_KIND_OUT = re.compile(
    r"^(?:ignore|skip|drop|exclude|leave\s+out|filter\s+out|without)\s+(?:the\s+|all\s+|any\s+)?"
    r"(?!(?:duplicates?|spam|it|them|those|this|that|everything|anything|weekends?|holidays?|repeats?)\b)([a-z]+s)$",
    re.I,
)
_PRIORITIES = frozenset("urgent high low critical medium important".split())
_FILTER = re.compile(
    r"^(?:only\s+)?(?:keep\s+(?:only|just)?|filter(?:\s+out)?(?:\s+for)?|select|only\s+keep|drop|discard|"
    r"pick(?:\s+out)?|"
    r"choose|take|find|exclude|ignore|remove|skip|leave\s+out|throw\s+(?:out|away))\b\s*(.*?)\s*\b(?:where|"
    r"whose|that|which|who|with|when)\b\s+(.+)$",
    re.I,
)
#: "keep only the ones from Germany"
_ORIGIN = re.compile(
    r"^(?:only\s+|just\s+)?(?:keep|take|select|pick|use|drop|discard|exclude|ignore|skip|leave\s+out)\s+(?:only\s+|"
    r"just\s+)?(?:(?:the|those|all|any)\s+)?(ones|those|[a-z]\w*s)\s+(from|in|by|of)\s+(?!each\b|every\b|the\s+list)"
    r"((?:the\s+)?[A-Z\"“][\w\"“” -]*)$",
)
_PLUCK = re.compile(
    r"^(?:just\s+|only\s+)?(?:pluck|pick|take|get|collect|grab|keep)\s+(?:only\s+|"
    r"just\s+)?(?:the\s+)?([\w ]+?)\s+(?:of|from|out\s+of)\s+(?:each|"
    r"every|all|the)\s+(.+)$",
    re.I,
)
_MERGE = re.compile(r"^(?:merge|combine|join|bring\s+together)\b", re.I)

_ONE_FIELD = re.compile(
    r"^(?:pluck|pick|take|keep|get|grab|extract|pull|leave|filter|read|use|select)\s+(?:out\s+)?(?:only|"
    r"just)\s+(?:the\s+|their\s+)?(?!ones\b)((?:[a-z]\w+\s+(?=(?:id|name|number|address|e-?mail|title|"
    r"price|url|link|total|amount|date)e?s\b))?[a-z]\w*[a-rt-z])e??s"
    r"(?:\s+(?:of|from|out\s+of)\s+(?:it|them|the\s+\w+|all))?$",
    re.I,
)

Recogniser = Callable[[str, str], Action | None]


def recognise(clause: str, about: str = "") -> Action | None:
    """The block a clause asks for. about: the whole request, for what the clause leaves out."""
    for recogniser in RECOGNISERS:
        action = recogniser(clause, about)
        if action is not None:
            action.clause = clause
            action.said = action.said or dictated(clause)
            if action.said is None and action.block in notices.SPOKEN:
                action.said = sayings.linked(clause) or (
                    sayings.performed(clause) if action.block in notices.SENDERS else None
                )
            if action.said == action.payload.get("subject"):
                action.said = None
            return action
    return None


def _human(clause: str, about: str) -> Action | None:
    told = r"\b(?:by|via|in|on)\s+(?:an?\s+)?(?:e-?mail|mail|slack|discord|chat)\b"
    if (
        re.match(r"(?:confirm|ask)\b", clause, re.I)
        and re.search(told, clause, re.I)
        and "approv" not in clause.lower()
    ):
        return None
    if re.search(r"\bautomatic(?:ally)?\b", clause, re.I):
        return None
    return Action("human_confirmation", topic="approval") if _HUMAN.search(words.masked(clause)) else None


def _log(clause: str, about: str) -> Action | None:
    return Action("log", topic=about_what(clause, _LOG)) if _LOG.match(clause) else None


def _format(clause: str, about: str) -> Action | None:
    return Action("format", topic="text") if _FORMAT.match(clause) else None


def _filter(clause: str, about: str) -> Action | None:
    match = _FILTER.match(clause)
    if match is None and (kind := _KIND_OUT.match(clause)):
        right = re.sub(r"(?<=[a-rt-z])s$", "", kind.group(1).lower())
        return Action("filter", {"conditions": [{"field": "type", "op": "neq", "right": right}]}, topic=kind.group(1))
    if match is None and (only := _ONLY.match(clause) or _NOT_ONES.match(clause)):
        op = "neq" if _NOT_ONES.match(clause) else "eq"
        return Action("filter", {"conditions": [stated(only.group(1), op)]}, topic=clause.split()[-1])
    if match is None and (origin := _ORIGIN.match(clause)):
        field = {"from": "country", "in": "location", "by": "author", "for": "for", "of": "type"}[
            origin.group(2).lower()
        ]
        op = "eq" if re.match(r"^(?:only\s+)?(?:just\s+)?(?:keep|take|select|pick|use|the)\b", clause, re.I) else "neq"
        right = words.quoted(origin.group(3)) or words.bare(origin.group(3))
        return Action("filter", {"conditions": [{"field": field, "op": op, "right": right}]}, topic=origin.group(1))
    test = conditions.find(match.group(2)) if match else None
    if (
        match
        and test is None
        and (pair := re.fullmatch(r"(?:an?\s+|the\s+)?(\w+)\s+(?:of\s+)?(\w+)", match.group(2).strip()))
    ):
        test = conditions.find(f"{pair.group(1)} is {pair.group(2)}")
    if match is None or test is None or any(map(memory.remembers, test.conditions)):
        return None
    if _LEAVES_OUT.match(clause):
        test = conditions.negated(test)
    return sifted(test, match.group(1))


_LEAVES_OUT = re.compile(
    r"^(?:drop|discard|exclude|ignore|remove|skip|leave\s+out|throw\s+(?:out|away)|"
    r"filter\s+out)\b(?!\s+(?:all\s+)?but\b)",
    re.I,
)
#: Where the words of an item stand, when no field is named.
_WORDED = re.compile(
    r"\b(?:job|article|post|headline|stor|news|issue|item|product|video|book|film|movie|offer|listing|event)", re.I
)


def sifted(test: Test, noun: str) -> Action:
    """A filter of the items for which a test holds."""
    worded = "title" if _WORDED.search(noun) else "text"
    made = []
    for each in test.conditions:
        field = words.field_name(each.subject) or (worded if "contains" in each.op else "")
        if not field and each.op in ("eq", "neq") and isinstance(each.right, str):
            field = stated(each.right)["field"]
        made.append({"field": field, "op": each.op, **({} if each.right is None else {"right": each.right})})
    return Action("filter", {"conditions": made, "match": test.match}, topic=noun)


def stated(word: str, op: str = "eq") -> dict[str, Any]:
    """A condition on items called by a word: "urgent ones"."""
    return {"field": "priority" if word.lower() in _PRIORITIES else "status", "op": op, "right": word.lower()}


def _pluck(clause: str, about: str) -> Action | None:
    match = _PLUCK.match(clause)
    if match is None or words.URL.search(clause):
        return None
    name = words.field_name(match.group(1))
    return Action("pluck", {"field": re.sub(r"(?<=[a-rt-z])s$", "", name)}, topic=match.group(1))


def _regex(clause: str, about: str) -> Action | None:
    if known := _known(clause, about):
        return known
    if not (match := _PATTERN.search(clause)):
        return None
    pattern = words.quoted(clause[match.start() :]) or match.group(1).strip("`\"'“”")
    action = Action("regex", {"pattern": pattern}, topic=about_what(clause, re.compile(r"^\w+", re.I)))
    if re.match(r"^(?:test|check|see)\b", clause, re.I):
        action.payload["mode"] = "test"
    if re.match(r"^find\s+(?:all|every)\b", clause, re.I):
        action.payload["mode"] = "all"
    return action


def _known(clause: str, about: str) -> Action | None:
    """ "find all e-mail addresses in it": a pattern everybody means by the same words."""
    worded = re.search(
        r"\b(?:with|by|using|via|through)\s+(?:an?\s+)?(?:regex|regexp|regular\s+expression|"
        r"pattern)\s*$",
        clause,
        re.I,
    )
    every = re.match(r"^(?:find|extract|get|pull\s+out|pick\s+out|list|collect)\s+(?:all|every|each)\b", clause, re.I)
    every = (
        every
        if re.search(
            r"\b(?:in|from|out\s+of)\s+(?:it|them|(?:the\s+|a\s+)?(?:\w+\s+)?(?:text|message|"
            r"body|mail|e-?mail|answer|page|document))s?$",
            clause,
            re.I,
        )
        else None
    )
    if not (worded or every):
        return None
    pattern = next((pattern for kind, pattern in _KINDS if kind.search(clause)), None)
    slot = Slot("pattern", "text", "Which pattern (regular expression) should I look for?", (LATER,))
    if pattern is None and not worded:
        return None
    several = every or re.search(r"\b(?:all|every|each)\b", clause, re.I)
    action = Action("regex", {"mode": "all"} if several else {}, topic=about_what(clause, re.compile(r"^\w+", re.I)))
    return needs(action, slot, pattern)


def _single(clause: str, about: str) -> Action | None:
    """ "pick out only the ids": one field of a list that was fetched."""
    match = _ONE_FIELD.match(clause)
    if match is None or not words.url(about):
        return None
    return Action("pluck", {"field": words.field_name(match.group(1))}, topic=match.group(1))


def _merge(clause: str, about: str) -> Action | None:
    return Action("merge", {"mode": "list"}) if _MERGE.match(clause) else None


def _transform(clause: str, about: str) -> Action | None:
    """ "translate it for #fr", "summarize the news for our Discord": the work first, then where it goes."""
    if not (match := _MADE.match(clause)):
        return None
    named = re.match(r"^(?:send|post|email)", clause, re.I) or words.quoted(match.group(1))
    return (
        None
        if named
        else next(
            (
                made
                for each in (language.summary, language.extract, language.agent, language.invented)
                if (made := each(match.group(1), about))
            ),
            None,
        )
    )


def destinations(action: Action, clause: str) -> list[Action]:
    """Where else a clause sends what it makes."""
    if action.block in ("summarize", "extract-json", "agent") and (match := _MADE.match(clause)):
        rest = f"send it {match.group(2)}"
        made = next((found for each in (slack, discord, email) if (found := each(rest, ""))), None)
        if made is not None:
            made.clause, made.topic = rest, ""
            return [made, *further(made, rest)]
    return further(action, clause)


RECOGNISERS: tuple[Recogniser, ...] = (
    _human, run, reckoning.reckoned, _transform, slack, discord, email, _regex, _single, language.extract, _filter,
    web.search, http, variables.variable, language.summary, pauses.wait, language.classify, _pluck, reply, _log,
    _format, _merge, language.agent, language.invented, notices.notice, notices.sought, fetch,
    language.worked,
)  # fmt: skip
