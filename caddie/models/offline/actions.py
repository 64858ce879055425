"""From one clause to one block: what the verb and the nouns of a clause ask for.

Invariant: what the clause does not say becomes a ``Slot``, never a made-up value. The order of ``RECOGNISERS`` decides
between readings. Callers: ``understand``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from caddie.models.offline import conditions, words
from caddie.models.offline.outside import discord, email, fetch, http, reply, run, slack, web
from caddie.models.offline.reading import LATER, about_what, dictated, needs
from caddie.models.offline.request import Action, Slot

MAX_WAIT_S = 600
_SUMMARY = re.compile(
    r"\b(?:summari[sz]e|shorten|condense|digest|recap|(?:make|write|create|give|send)\s+(?:me\s+)?a\s+(?:short\s+|brief\s+)?summary)\b",
    re.I,
)
_CLASSIFY = re.compile(
    r"\b(?:classify|categori[sz]e|label|triage|detect|determine|tag|sort|rate|judge|analy[sz]e)\b", re.I
)
_LABELS = re.compile(
    r"\b(?:as|into|in|with\s+the\s+labels?|by|between|labels?:)\s+(?:either\s+|one\s+of\s+)?((?:[\w\"' -]+(?:,|"
    r"\s+or\b|\s+and\b|\s*/)\s*)+[\w\"' -]+)\s*$",
    re.I,
)
_KNOWN_LABELS = {
    "sentiment": ("positive", "neutral", "negative"),
    "mood": ("positive", "neutral", "negative"),
    "spam": ("spam", "not spam"),
    "priority": ("high", "medium", "low"),
    "urgen": ("urgent", "not urgent"),
}
_EXTRACT = re.compile(
    r"\b(?:extract|parse\s+out|pull\s+out|read\s+out|pick\s+out|collect)\s+(.+?)(?:\s+(?:from|out\s+of)\s+(.+))?$", re.I
)
_WAIT = re.compile(r"\b(?:wait|pause|sleep|delay|hold)\b", re.I)
_HUMAN = re.compile(
    r"\b(?:ask\s+(?:me|us|my\s+\w+|a\s+(?:person|human|manager|colleague)|someone|somebody|the\s+\w+|\w+)\s+(?:for\s+(?:an?\s+)?(?:approval|confirmation|permission)|to\s+(?:approve|confirm|review)|before|first|whether|if)|"
    r"(?:get|wait\s+for|need|request|require)\s+(?:\w+['’]?s?\s+){0,3}(?:approval|confirmation|sign-?off|permission|okay|ok)|ask\s+for\s+(?:an?\s+)?(?:approval|confirmation)|"
    r"(?:have|let)\s+(?:me|someone|a\s+\w+|my\s+\w+|the\s+\w+)\s+(?:approve|confirm|review|check|sign)|human\s+(?:approval|confirmation|review)|ask\s+me|confirm\s+with\s+\w+)\b",
    re.I,
)
_AGENT = re.compile(
    r"^(?:(?:have|let|ask|use)\s+(?:the\s+|an?\s+)?(?:ai|agent|llm|gpt|claude|model|assistant)\b|(?:write|draft|translate|generate|compose|rewrite|proofread|brainstorm|explain|analy[sz]e|research|review|describe|decide|think|rate|score)\b)",
    re.I,
)
_LOG = re.compile(r"^(?:log|record|print|note(?:\s+down)?|write\s+(?:\S+\s+)?(?:to|into|in)\s+the\s+log)\b", re.I)
_FORMAT = re.compile(
    r"^(?:format|compose|build\s+a\s+(?:text|message)|render|turn\s+\S+\s+into\s+(?:a\s+)?(?:text|message))\b", re.I
)
_FILTER = re.compile(
    r"^(?:keep\s+(?:only|just)?|filter(?:\s+out)?(?:\s+for)?|select|only\s+keep|drop|discard|exclude)\b\s*(.*?)\s*\b(?:where|whose|that|which|with|when)\b\s+(.+)$",
    re.I,
)
_PLUCK = re.compile(
    r"^(?:pluck|pick|take|get|collect)\s+(?:only\s+|just\s+)?(?:the\s+)?([\w ]+?)\s+(?:of|from|out\s+of)\s+(?:each|"
    r"every|all|the)\s+(.+)$",
    re.I,
)
_SET = re.compile(
    r"^(?:remember|save|store|keep|set)\s+(.+?)\s+(?:as|in|into|to)\s+(?:the\s+|a\s+)?(?:variable\s+)?(?:called\s+|named\s+)?[\"']?([A-Za-z_]\w*)[\"']?(?:\s+variable)?$",
    re.I,
)
_COUNT = re.compile(
    r"^(?:count|increment|increase)\s+(?:the\s+)?(?:counter\s+|variable\s+|number\s+of\s+)?[\"']?([A-Za-z_]\w*)", re.I
)
_MERGE = re.compile(r"^(?:merge|combine|join|bring\s+together)\b", re.I)

Recogniser = Callable[[str, str], Action | None]


def recognise(clause: str, about: str = "") -> Action | None:
    """The block a clause asks for. about: the whole request, for what the clause leaves out."""
    for recogniser in RECOGNISERS:
        action = recogniser(clause, about)
        if action is not None:
            action.clause = clause
            action.said = action.said or dictated(clause)
            if action.said == action.payload.get("subject"):
                action.said = None
            return action
    return None


def _summary(clause: str, about: str) -> Action | None:
    if not _SUMMARY.search(clause):
        return None
    action = Action("summarize", topic=about_what(clause, _SUMMARY))
    if limit := re.search(r"\b(?:in|to|under|at\s+most|max(?:imum)?)\s+(?:about\s+)?(\d{1,4})\s+words\b", clause, re.I):
        action.payload["maxWords"] = min(2000, max(5, int(limit.group(1))))
    elif how := re.search(
        r"\b(in\s+(?!the\b)\w+(?:\s+(?:sentences?|points?|bullets?|lines?|words?|paragraphs?))?|as\s+[\w ]+|"
        r"for\s+(?:a|an|the)\s+\w+)\s*$",
        clause,
        re.I,
    ):
        action.payload["instructions"] = words.sentence(how.group(1))
    return action


def _classify(clause: str, about: str) -> Action | None:
    if not _CLASSIFY.search(clause):
        return None
    known = next((labels for word, labels in _KNOWN_LABELS.items() if word in clause.lower()), None)
    match = _LABELS.search(clause)
    labels = words.listed(match.group(1)) if match else []
    if (
        len(labels) < 2
        and not known
        and not re.search(r"\b(?:classify|categori[sz]e|label|triage|sort|tag)\b", clause, re.I)
    ):
        return None
    options = (
        ("positive, neutral, negative", "Positive, neutral, negative"),
        ("urgent, not urgent", "Urgent, not urgent"),
        LATER,
    )
    slot = Slot("labels", "labels", "Which categories should I sort the text into?", options)
    action = Action("classify", topic=about_what(clause, _CLASSIFY))
    return needs(action, slot, labels if len(labels) > 1 else list(known or ()))


def _extract(clause: str, about: str) -> Action | None:
    match = _EXTRACT.search(clause)
    if match is None:
        return None
    fields = [words.slug(name) for name in words.listed(match.group(1))]
    vague = {
        "data",
        "fields",
        "details",
        "information",
        "info",
        "it",
        "them",
        "everything",
        "structured_data",
        "the_data",
    }
    action = Action("extract-json", topic=words.joined([name.replace("_", " ") for name in fields[:3]]))
    slot = Slot("schema", "fields", "Which fields should I extract?", (("name, email", "Name and email"), LATER))
    return needs(action, slot, fields_schema([name for name in fields if name and name not in vague]))


def fields_schema(names: list[str]) -> dict[str, Any] | None:
    """A JSON Schema with one property per name; amounts and the like are numbers."""
    if not names:
        return None
    numeric = re.compile(r"(?:amount|total|price|count|quantity|number_of|sum|age|score|cost)")
    properties = {name: {"type": "number" if numeric.search(name) else "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _wait(clause: str, about: str) -> Action | None:
    if not _WAIT.search(clause):
        return None
    seconds = words.duration_s(clause)
    if re.search(r"\b(?:until|for)\s+(?!\d|a\b|an\b|half|" + words.NUMBER_WORD + r")", clause, re.I):
        reason = re.split(r"\b(?:until|for)\s+", clause, maxsplit=1, flags=re.I)[-1].strip(" .")
        return Action(
            "wait", {"timeoutSeconds": min(seconds or MAX_WAIT_S, MAX_WAIT_S), "reason": reason}, topic=reason[:30]
        )
    options = (("30 seconds", "30 seconds"), ("5 minutes", "5 minutes"), LATER)
    slot = Slot("seconds", "seconds", "How long should the workflow wait?", options)
    whole = min(seconds, MAX_WAIT_S) if seconds else None
    action = needs(Action("delay"), slot, int(whole) if whole and whole == int(whole) else whole)
    action.topic = "too long" if seconds and seconds > MAX_WAIT_S else ""
    return action


def _human(clause: str, about: str) -> Action | None:
    return Action("human_confirmation", topic="approval") if _HUMAN.search(clause) else None


def _agent(clause: str, about: str) -> Action | None:
    if not _AGENT.match(clause):
        return None
    return Action("agent", {"prompt": f"{words.sentence(clause)}."}, topic=clause.split()[0])


def _log(clause: str, about: str) -> Action | None:
    return Action("log", topic=about_what(clause, _LOG)) if _LOG.match(clause) else None


def _format(clause: str, about: str) -> Action | None:
    return Action("format", topic="text") if _FORMAT.match(clause) else None


def _filter(clause: str, about: str) -> Action | None:
    match = _FILTER.match(clause)
    test = conditions.find(match.group(2)) if match else None
    if match is None or test is None:
        return None
    if re.match(r"^(?:drop|discard|exclude|filter\s+out)", clause, re.I):
        test = conditions.negated(test)
    made = [
        {"field": words.field_name(c.subject), "op": c.op, **({} if c.right is None else {"right": c.right})}
        for c in test.conditions
    ]
    return Action("filter", {"conditions": made, "match": test.match}, topic=match.group(1))


def _pluck(clause: str, about: str) -> Action | None:
    match = _PLUCK.match(clause)
    if match is None or words.URL.search(clause):
        return None
    return Action("pluck", {"field": words.field_name(match.group(1))}, topic=match.group(1))


def _variable(clause: str, about: str) -> Action | None:
    if match := _SET.match(clause):
        return Action("set-variable", {"name": match.group(2)}, topic=match.group(1))
    if match := _COUNT.match(clause):
        return Action("set-variable", {"name": match.group(1), "operation": "increment", "value": 1}, topic="count")
    return None


def _merge(clause: str, about: str) -> Action | None:
    return Action("merge", {"mode": "list"}) if _MERGE.match(clause) else None


RECOGNISERS: tuple[Recogniser, ...] = (
    _human, run, slack, discord, email, _extract, _filter, web, http, _summary, _variable, _wait, _classify,
    _pluck, reply, _log, _format, _merge, _agent, fetch,
)  # fmt: skip
