"""The offline model as the agent of a workflow's step: it does what rules can do with the input, and says the rest.

Invariant: it calls only the tools the step has; an order that stands in the input is read as text. Callers: ``tasks``.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

from caddie.models.model import Context, ModelRequest, ToolTurn, UserTurn
from caddie.models.offline import assistant, entities, extraction, findings, gist, labels, moments, words
from caddie.models.offline.plan import Edit
from caddie.models.offline.reply import Reply
from caddie.models.offline.thread import readable

NOTE = "(Written by Caddie’s offline model, which works by fixed rules: no language model is configured.)"
CANNOT = (
    "I cannot {what}: no language model is configured here, and Caddie’s offline model works by fixed rules. It can "
    "summarise, classify, extract data, calculate, and use the tools of this step. The operator connects a language "
    "model with `ANTHROPIC_API_KEY` or `CADDIE_MODEL`."
)
#: How the assistant begins when it has nothing to say.
_LOST = "I cannot answer"
_TRANSLATE = re.compile(
    r"\btranslat\w*\b|\b(?:in|into|to)\s+(?:German|French|Spanish|Italian|Portuguese|Dutch|Polish)\b", re.I
)
_SUM_UP = re.compile(
    r"\bsummar\w*\b|\bsum\s+up\b|\btl;?dr\b|\bshorten\b|\bcondense\b|\bkey\s+points?\b|\bbullet\b|\bin\s+(?:one|two|three|"
    r"\d)\s+sentences?\b|\brecap\b|\bdigest\b|\bbrief(?:ing)?\b|\boverview\b",
    re.I,
)
_JUDGE = re.compile(
    r"\b(?:classif\w+|categori[sz]\w+|decide|judge|label|tag|triage|determine|rate|say|tell|check|is|reply|answer|"
    r"respond|return|output)\b",
    re.I,
)
_ONE = r"[\"'“]?[\w-]+[\"'”]?"
_MORE = r"(?:\s(?!or\b|and\b)[\w-]+)?"
_CHOICES = (
    re.compile(
        rf"\b(?:as|into|of|:|either|with|only|just|whether|is)\s*:?\s+(?P<list>(?:{_ONE}{_MORE}\s*,\s*){{1,12}}"
        rf"(?:or|and)?\s*{_ONE}{_MORE})",
        re.I,
    ),
    re.compile(
        rf"\b(?:answer|reply|say|return|output)\s+(?P<list>(?:{_ONE}{_MORE}\s*,\s*){{1,12}}{_ONE}{_MORE},?\s+or\s+{_ONE}{_MORE})",
        re.I,
    ),
    re.compile(
        r"\b(?:as|either|with|whether|is|answer|reply|say|only|just|into)\s+(?:(?:it|this|that|the\s+\w+|they|only|just|"
        rf"with|is|are|as|a|either)\s+){{0,4}}(?P<list>{_ONE}\s+or\s+{_ONE}{_MORE})",
        re.I,
    ),
)
_EXTRACT = re.compile(
    r"\b(?:extract|pull\s+out|pick\s+out|find|get|read|identify|list|collect|give\s+me|what\s+is|which)\s+(?P<what>.+)",
    re.I | re.S,
)
_ANSWER = re.compile(
    r"\b(?:answer|reply|respond|help|assist|support|chat|talk|greet|welcome|thank|assistant|agent|react|acknowledge)\w*\b",
    re.I,
)
_RESEARCH = re.compile(
    r"^\W*(?:please\s+)?(?:research|investigate|find\s+out(?:\s+about)?|look\s+into|look\s+up|search(?:\s+the\s+web)?(?:\s+"
    r"for)?|google)\s+(?P<query>.+?)(?:\s+and\s+(?:list|give|write|return|summar|tell|name|send)\b.*)?[.!?]*$",
    re.I | re.S,
)
_PAGE = re.compile(r"\b(?:page|site|website|url|link|address|article|fetch|read|open|visit|https?)\b", re.I)
_WRITE = re.compile(
    r"^\W*(?:please\s+)?(?P<verb>write|draft|compose|create|generate|make|rewrite|rephrase|improve|invent)\s+(?P<what>.+)",
    re.I | re.S,
)
_FIELDS = frozenset(
    "name email emails phone date amount total price address company number order invoice url link city subject "
    "customer "
    "product quantity deadline addresses phones names dates amounts links numbers time iban currency zip sender "
    "tracking reference ticket id".split()
)


def decide(request: ModelRequest, instructions: str, given: str, earlier: str) -> Reply:
    """The next step. given: what the instructions apply to; earlier: what is kept of older messages."""
    if date := moments.reckoned(instructions):
        return Reply(date)
    rounds = [turn for turn in request.turns if isinstance(turn, ToolTurn)]
    offered = {tool.name for tool in request.tools}
    if rounds:
        return _asked(request, given or instructions, earlier)
    if calls := _calls(request, instructions, given, offered):
        return Reply("", tuple(calls))
    if given.strip() and given.strip() in instructions:
        # The input, written into the instructions: what it says is no order.
        instructions = instructions.replace(given.strip(), " ").strip() or "Answer."
    if _TRANSLATE.search(instructions):
        return Reply(CANNOT.format(what="translate"))
    if given.strip() and (done := _done(instructions, given)) is not None:
        return Reply(done)
    if found := _WRITE.match(instructions):
        if not (_ANSWER.search(instructions) and given.strip()):
            return Reply(CANNOT.format(what=_short(f"{found['verb'].lower()} {found['what']}")))
    told = _asked(request, given or instructions, earlier).text
    if told and not told.startswith(_LOST):
        return Reply(told)
    if given.strip() and _ANSWER.search(instructions):
        return Reply(acknowledgement(given))
    lacking = " without a tool, which this step does not have" if not told else ""
    return Reply(CANNOT.format(what=f"do “{_short(given if lacking and given else instructions)}”{lacking}"))


def acknowledgement(message: str) -> str:
    """A polite answer that promises and invents nothing."""
    name = next(entities.people(message), None)
    codes = list(
        dict.fromkeys(str(each.value) for each in findings.codes(message, "order|invoice|ticket|case|booking"))
    )
    lines = gist.sentences(gist.plain(message))
    about = gist.summary("\n".join(lines), 25) if lines else ""
    told = f"Thank you for your message{' (' + words.joined(codes[:3]) + ')' if codes else ''}. We have received it."
    noted = f"\n\nThis is what we noted: “{about}”" if about else ""
    return f"Hello{' ' + str(name.value) if name else ''},\n\n{told}{noted}\n\n{NOTE}"


def _done(instructions: str, given: str) -> str | None:
    """What rules can do with the input as the instructions say, None when it is something else."""
    choices = _choices(instructions)
    if len(choices) > 1 and _JUDGE.search(instructions):
        return labels.choose(given, choices, instructions)
    if _SUM_UP.search(instructions):
        return gist.summary(given, None, instructions)
    found = _EXTRACT.search(instructions)
    fields = [each for each in words.listed(found["what"])[:12] if _is_field(each)] if found else []
    if fields and not _RESEARCH.match(instructions):
        schema = {"properties": {words.slug(_core(each)): {"type": _kind(each)} for each in fields}, "type": "object"}
        data = extraction.extract(given, schema, instructions)
        if "json" in instructions.lower():
            return json.dumps(data, ensure_ascii=False)
        if not data:
            return "Not found."
        shown = {key: ", ".join(map(str, each)) if isinstance(each, list) else str(each) for key, each in data.items()}
        if len(fields) == 1:
            return next(iter(shown.values()))
        return "\n".join(f"{key.replace('_', ' ')}: {each}" for key, each in shown.items())
    return None


def _choices(instructions: str) -> list[str]:
    """The answers the instructions leave: "as billing, bug or other", "yes or no"."""
    for pattern in _CHOICES:
        if found := pattern.search(instructions):
            parts = re.split(r"\s*,\s*(?:or\s+|and\s+)?|\s+or\s+|\s+and\s+", found["list"])
            named = [words.bare(part.strip(" \"'“”.")) for part in parts]
            if all(0 < len(each.split()) <= 2 for each in named):
                return list(dict.fromkeys(named))
    return []


def _is_field(phrase: str) -> bool:
    about = re.findall(r"[a-z]+", _core(phrase).lower())
    return bool(about) and len(about) <= 4 and bool(_FIELDS & set(about))


def _core(phrase: str) -> str:
    """ "the customer's email address in the text" without what is around it."""
    phrase = re.split(r"\s+(?:in|from|of|out|as|that|which|mentioned|and|if|on|within)\s+", phrase.strip())[0]
    return re.sub(
        r"\b(?:all|every|any)\b|['’]s\b|\baddress(?:es)?\b(?=\s*$)(?<=email address)", "", words.bare(phrase)
    ).strip(" .:")


def _kind(phrase: str) -> str:
    about = set(re.findall(r"[a-z]+", phrase.lower()))
    many = about & {"emails", "phones", "names", "dates", "amounts", "links", "urls", "addresses", "numbers", "all"}
    return "array" if many else "string"


def _calls(request: ModelRequest, instructions: str, given: str, offered: set[str]) -> list[Edit]:
    """Tools the instructions ask for; what stands in the input is fetched only when they speak of pages."""
    if "web_search" in offered and (found := _RESEARCH.match(" ".join(instructions.split()))):
        query = found["query"].strip()
        vague = re.fullmatch(r"(?:it|this|that|the\s+(?:topic|input|question|company|subject))", query, re.I)
        return [Edit("web_search", {"query": (given if vague and given else query)[:200]})]
    told = list(_asked(request, instructions, "").calls)
    if given.strip() and not told:
        told = [
            call for call in _asked(request, given, "").calls
            if call.tool != "http_get" or _PAGE.search(instructions)
        ]  # fmt: skip
    return [call for call in told if call.tool in offered]


def _asked(request: ModelRequest, message: str, earlier: str) -> Reply:
    """What the assistant of a general chat makes of a message."""
    context = Context(readable(message), None, None, datetime(1970, 1, 1, tzinfo=UTC), "UTC", "conversation")
    turns = request.turns
    kept = (UserTurn(re.sub(r"^user:\s*", "", line)) for line in earlier.splitlines() if line.startswith("user:"))
    return assistant.decide(replace(request, context=context, turns=(*kept, *turns)))


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 80 else text[:79] + "…"
