"""Clauses for a language model: summarise, classify, extract, write.

Invariant: as in ``actions``. Callers: ``actions``, ``dialogue``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import nouns, words
from caddie.models.offline.reading import LATER, about_what, needs
from caddie.models.offline.request import Action, Slot
from caddie.models.offline.verbs import THINKS

_SUMMARY = re.compile(
    r"\b(?:summari[sz]e|shorten|condense|digest|squeeze|distill?|compress|(?:turn|make|cut|reduce|trim|"
    r"put|combine|merge|"
    r"bundle|join|pack|roll|compile|work)\s+.{0,40}?\b(?:in)?to\s+(?:\w+\s+){0,3}?(?:summary|one-?liner|"
    r"sentences?|bullets?|"
    r"bullet\s+points?|paragraph|digest|briefing|recap|overview|tl;?dr|headline)|recap|"
    r"boil\s+(?:\w+\s+){0,3}?down|sum\s+(?:\w+\s+)?up|tl;?dr|(?:make|"
    r"write|create|give|send)\s+(?:me\s+)?a\s+(?:short\s+|brief\s+)?summary)\b",
    re.I,
)
_TONGUE = re.compile(
    r"\b(?:in|into)\s+((?:simple\s+|plain\s+|easy\s+)?(?:German|French|Spanish|Italian|Portuguese|Dutch|Polish|"
    r"Turkish|Russian|Chinese|Japanese|"
    r"Korean|Arabic|Swedish|Danish|Norwegian|Finnish|Czech|Hindi|Greek|Ukrainian|English))\b",
    re.I,
)
_CLASSIFY = re.compile(
    r"\b(?:classify|categori[sz]e|label|triage|detect|determine|tag|sort|rate|judge|analy[sz]e|(?:work|figure|"
    r"find)\s+out|decide|see|check)\b",
    re.I,
)
#: "take the sentiment of each comment": a judgement asked for by its name.
_MEASURED = re.compile(
    r"^(?:take|get|find|read|extract|assess|measure|recognize|recognise|identify|guess|estimate|evaluate|"
    r"note)\s+(?:out\s+)?(?:the\s+|its\s+|their\s+)?"
    r"(?:overall\s+|customer\s+)?(?:sentiment|mood|tone|urgency|priority)\b",
    re.I,
)
_WHETHER = re.compile(
    r"\b(?:whether|if|which\s+of)\s+.*?\b(?:is|are|concerns?|regards?|belongs?\s+to|deals?\s+with|"
    r"about)\s+(?:about\s+|an?\s+|either\s+)?((?:[\w\"' -]+(?:,|\s+or\b|\s+and\b|\s*/)\s*)+[\w\"' -]+)\s*$",
    re.I,
)
_DIRECTLY = re.compile(
    r"^(?:label|tag|mark|flag|classify)\s+(?:it|them|each|these|those|the\s+\w+|"
    r"every\s+\w+)\s+(?:as\s+)?([\w-]+(?:\s*,\s*[\w-]+)*\s*,?\s+or\s+[\w-]+)\s*$",
    re.I,
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
_LEVELS = re.compile(r"\b(?:high|medium|low)\b(?!\s+\w*\d)", re.I)
_EXTRACT = re.compile(
    r"\b(?:extract|parse\s+out|pull\s+out|read\s+out|pick\s+out|collect)\s+(.+?)(?:\s+(?:from|out\s+of)\s+(.+))?$", re.I
)
_FIELDS = re.compile(
    r"^(?:only\s+|just\s+)?(?:take|use|keep|pick|select|get|read|pass\s+on)\s+(?:only\s+|just\s+|"
    r"out\s+)*(?:the\s+)?(?:fields?|values?|columns?|keys?|"
    r"properties|attributes?)\s+([\w' -]+?(?:\s*(?:,|and)\s*[\w' -]+)*)$",
    re.I,
)
_OUT_OF = re.compile(
    r"^(?:get|take|read|pull|find|grab|collect|note)\s+((?:the\s+|their\s+|its\s+)?[\w' -]+?(?:\s*(?:,|"
    r"and)\s*[\w' -]+?)+)\s+(?:from|out\s+of|in)\s+(?:it|them|that|this|the\s+(?:body|message|text|form|mail|e-?mail|"
    r"request|order|payload|document))$",
    re.I,
)
#: "get the date, time and name": of whoever writes, where nothing says from which address.
_GATHER = re.compile(
    r"^(?:get|find|collect|ask\s+for|take(?:\s+down)?|note(?:\s+down)?|gather|request|find\s+out|write\s+down|"
    r"read)\s+(?!if\b|whether\b|which\b)((?:the\s+|"
    r"their\s+|his\s+|her\s+|its\s+)?[\w' -]+?(?:\s*(?:,|and)\s*[\w' -]+)+)$",
    re.I,
)
_HALF = re.compile(
    r"(?:start|end|begin|first|last|full|birth|due|arrival|departure|check-?in|check-?out|delivery|order|home|"
    r"work|billing|"
    r"shipping|mobile|old|new|pick-?up|return)",
    re.I,
)
_WRITES = re.compile(r"\b(?:chat\w*|bots?|web\s?hooks?|forms?|messages?|writes?|applications?|comes?\s+in)\b", re.I)
_AI = (
    r"(?:the\s+|an?\s+|your\s+|our\s+)?(?:ai(?:\s+(?:agent|model|assistant))?|(?:language\s+)?model|agent|llm|"
    r"gpt|chatgpt|claude|assistant)"
)
_AGENT = re.compile(
    rf"^(?:also\s+)?(?:(?:have|let|ask|use|get|tell|make|(?:i|we)\s+(?:want|need|would\s+like))\s+{_AI}\b|"
    rf"(?:{'|'.join(THINKS)}|"
    rf"think|come\s+up\s+with|make\s+up|put\s+together|work\s+out)\b)",
    re.I,
)
#: "pick the five best": a choice only a reader can make; work on a text that no other block does.
_CHOOSES = re.compile(
    r"^(?:also\s+|only\s+|just\s+)*(?:pick|choose|select|keep|take|find|filter|show|identify)\b.*\b(?:best|top|"
    r"most|least|cheapest|nicest|funniest|worst|latest|newest|"
    r"biggest|largest|smallest|highest|lowest|oldest|strongest|interesting|important|relevant|useful|suitable|"
    r"fitting|random)\b",
    re.I,
)
_WORKS = re.compile(
    r"^(?:also\s+)?(?:count\s+the\s+\w+\s+(?:in|of)\s+(?:each|every|it|them|this|that|the)\b|(?:sort|order|"
    r"group|list|convert|shuffle|deduplicate|adapt|simplify|arrange|enrich|"
    r"restructure)\s+(?:the|it|them|this|"
    r"these|those|all|each|every|everything|action|open|\w+s)\b|(?:turn|split|transform|convert)\s+"
    r"[\w' -]{2,60}?\s+(?:in)?to\b|(?:add|sum|total|multiply|subtract|divide|average)\s+(?:it|them|these|those|"
    r"both|all|the\s+\w+)"
    r"(?:\s+(?:up|together|numbers?|values?))*$|"
    r"(?:remove|drop|strip|delete|mask|replace|cut\s+out|take\s+out)\s+(?:duplicates?|everything\s+(?:that|not|"
    r"but|except|which|other)|(?:all|any)\s+(?:the\s+)?"
    r"(?:\w+\s+)?(?:names?|numbers?|emojis?|links?|tags?|html|duplicates?|swear\s*words?|ads?|spaces?)|empty|"
    r"emojis?|html|personal|sensitive|private)\b)",
    re.I,
)
_ASIDE = re.compile(
    rf"^(?:also\s+)?(?:(?:i|we)\s+(?:want|need|would\s+like)\s+|(?:have|let|ask|use|get|tell|"
    rf"make)\s+){_AI}\s+(?:to\s+)?",
    re.I,
)
#: "make a poem", "give me three ideas": a text somebody has to think of.
_MAKES = re.compile(
    r"^(?:also\s+)?(?:make|create|prepare|produce|build|give|tell|get|find|suggest|pick|choose|think\s+of|"
    r"share)\s+(?:me\s+|us\s+|them\s+|"
    r"everyone\s+|the\s+\w+\s+)?(?=(?:an?|one|some|two|three|four|five|ten|\d+|another|the)\b|[a-z]+s\b)(.+)$",
    re.I,
)


def summary(clause: str, about: str) -> Action | None:
    if not _SUMMARY.search(clause):
        return None
    action = Action("summarize", topic=about_what(clause, _SUMMARY))
    if limit := re.search(r"\b(?:in|to|under|at\s+most|max(?:imum)?)\s+(?:about\s+)?(\d{1,4})\s+words\b", clause, re.I):
        action.payload["maxWords"] = min(2000, max(5, int(limit.group(1))))
    elif how := re.search(
        r"\b(in(?:to)?\s+(?!the\b)(?:an?\s+|one\s+)?[\w-]+(?:\s+(?:short|simple|brief|bullet|key|plain|"
        r"crisp)){0,2}(?:\s+(?:sentences?|points?|bullets?|lines?|words?|"
        r"paragraphs?))?|as\s+[\w ]+|"
        r"for\s+(?:a|an|the)\s+\w+)\s*$",
        clause,
        re.I,
    ):
        action.payload["instructions"] = words.sentence(how.group(1))
    if (told := tongue(clause)) and told.lower() not in str(action.payload.get("instructions", "")).lower():
        action.payload["instructions"] = ". ".join(filter(None, [action.payload.get("instructions"), told]))
    return action


def manner(clause: str) -> str:
    """ "a summary in Spanish, max 5 bullets": how it should be written."""
    size = _SIZE.search(clause)
    return ". ".join(filter(None, [words.sentence(size.group().strip(" ,")) if size else "", tongue(clause)]))


_SIZE = re.compile(
    r"\b(?:(?:in|with|of|as|max(?:imum)?|at\s+most|up\s+to|no\s+more\s+than|under|about)\s+)+(?:an?\s+)?(?:\d+|"
    r"one|two|three|four|five|six|seven|eight|"
    r"nine|ten|few|couple\s+of|single|short)\s*(?:short\s+|simple\s+|bullet\s+|key\s+)*(?:sentences?|points?|"
    r"bullets?|lines?|words?|paragraphs?|items?|"
    r"characters?)\b",
    re.I,
)


def tongue(clause: str) -> str:
    """ "a summary in Spanish": in which language."""
    match = _TONGUE.search(clause)
    return f"In {match.group(1)}" if match else ""


def classify(clause: str, about: str) -> Action | None:
    if not (_CLASSIFY.search(clause) or _MEASURED.match(clause)) or re.match(
        r"(?:log|print|record|append)\b", clause, re.I
    ):
        return None
    kinds = {**_KNOWN_LABELS, **({"urgen": _KNOWN_LABELS["priority"]} if _LEVELS.search(about) else {})}
    known = next((labels for word, labels in kinds.items() if word in clause.lower()), None)
    match = _DIRECTLY.search(clause) or _WHETHER.search(clause) or _LABELS.search(clause)
    if match is None and re.match(
        r"sort\b.*\bby\s+(?!topic|categor|kind|type|sentiment|mood|urgen|priorit|"
        r"subject|theme)[a-z ]+$",
        clause,
        re.I,
    ):
        return None
    if (
        match is None
        and not _MEASURED.match(clause)
        and re.match(r"(?:see|check|decide|find|work|figure)\b", clause, re.I)
    ):
        return None
    labels = [_label(each) for each in words.listed(match.group(1))] if match else []
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


def _label(text: str) -> str:
    return "other" if re.fullmatch(r"(?:something|anything|everything|none|neither).*", text, re.I) else text


def extract(clause: str, about: str) -> Action | None:
    public = r"\bchat\b|\b(?:news|headlines|articles|posts|mentions|papers|results|jobs|offers|reviews)\b"
    if re.match(r"collect\b", clause, re.I) and (words.url(clause) or re.search(public, clause, re.I)):
        return None
    match = _FIELDS.match(clause) or _EXTRACT.search(clause) or (None if words.url(clause) else _OUT_OF.match(clause))
    if match is None and not words.url(clause) and _WRITES.search(about) and (gather := _GATHER.match(clause)):
        match = None if re.search(r"\b(?:from|in|at|to)\b", gather.group(1)) else gather
    if match is None:
        return None
    told = re.sub(
        r"\s+(?:as|into|in)\s+(?:an?\s+)?(?:json|object|structured\s+\w+)\b.*$", "", match.group(1), flags=re.I
    )
    names = words.listed(re.sub(r"^(?:only|just)\s+", "", told, flags=re.I))
    if len(names) > 1 and (kind := re.fullmatch(r"\w+ (date|time|name|address|number)", names[-1])):
        # "start and end date", but not "amount and due date"
        names = [f"{each} {kind.group(1)}" if _HALF.fullmatch(each) else each for each in names]
    fields = [words.slug(name) for name in names]
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
    numeric = re.compile(
        r"(?:amount|total|price|count|quantity|number_of|sum|age|score|cost|years|days|hours|"
        r"people|guests|persons|rating|budget|percent)"
    )
    properties = {name: {"type": "number" if numeric.search(name) else "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(properties)}


def agent(clause: str, about: str) -> Action | None:
    if not (_AGENT.match(clause) or _CHOOSES.match(clause) and not words.url(clause)):
        return None
    told = _ASIDE.sub("", re.sub(r"^also\s+", "", clause, flags=re.I), count=1)
    told = re.sub(r"^for\s+", "give me ", told, flags=re.I)
    return Action("agent", {"prompt": f"{words.sentence(told)}."}, topic=told.split()[0] if told.split() else "")


def worked(clause: str, about: str) -> Action | None:
    """Work on what is at hand that no other block does: "sort them by price", "remove duplicates"."""
    if not _WORKS.match(clause) or re.search(
        r"#\w|\x00|@\w|\bslack\b|\bdiscord\b|\bmail|\bvariable\b|\blog\b", words.masked(clause), re.I
    ):
        return None
    return Action("agent", {"prompt": f"{words.sentence(re.sub('^also ', '', clause))}."}, topic=clause.split()[0])


def invented(clause: str, about: str) -> Action | None:
    """ "make a poem of the day", "give me three dinner ideas": for an AI agent, whatever the verb is."""
    match = _MAKES.match(clause)
    head = _HEAD.split(match.group(1), maxsplit=1)[0] if match else ""
    if match is None or words.url(clause) or not (nouns.WRITTEN.search(head) or nouns.COMPOSED.search(match.group(1))):
        return None
    return Action("agent", {"prompt": f"Write {match.group(1)}."}, topic=words.bare(match.group(1))[:40])


#: Where the thing itself ends, and what it is about begins.
_HEAD = re.compile(r"\s(?:about|for|on|with|from|that|which|in|to|using|based)\b", re.I)
