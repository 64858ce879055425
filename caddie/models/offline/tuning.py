"""Changes told by what is wrong or what is wanted: "30 is too little, 45", "only urgent ones", "answer in Italian".

Invariant: as in ``fields``. Callers: ``change``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import actions, conditions, memory, scales, speak, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change, extended
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Condition
from caddie.models.offline.thread import Talk

_N = r"[$€£]?(\d+(?:[.,]\d+)*)(?!\d|:\d)"
_OFF = r"too\s+(?:little|low|small|high|much|big|large|many|few|short|long|strict|sensitive)|not\s+enough"
#: (pattern, group of the old number or 0, group of the new one)
_NUMBERS: tuple[tuple[re.Pattern[str], int, int], ...] = tuple(
    (re.compile(pattern, re.I), old, new) for pattern, old, new in (
    (rf"\b{_N}\s*\S*\s+(?:\w+\s+)?(?:is|are|was|seems?|feels?|sounds?)\s+(?:\w+\s+){{0,2}}?(?:{_OFF})\b\D*?{_N}", 1, 2),
    (rf"\bfrom\s+{_N}\b\D{{0,20}}?\bto\s+{_N}", 1, 2),
    (rf"\b{_N}\b[^\d,.]{{0,25}}?\b(?:instead\s+of|rather\s+than|not)\s+{_N}", 2, 1),
    (rf"\bnot\s+{_N}\b\D{{0,20}}?\bbut\s+{_N}", 1, 2),
    (rf"\b(?:{_OFF})\b\D*?\b(?:to|at|it|make|use|say|try|want|like|better)\b\D{{0,12}}?{_N}", 0, 1),
    (r"\b(?:earlier|later|sooner|already|only)\b\W+(?:(?:already|only|from|starting)\s+)*(?:at|from|below|above|"
     rf"under|over)\s+{_N}\W*$", 0, 1),
    (rf"\b(?:bump|up|raise|lower|drop|reduce|increase|decrease|push)\s+(?:it|that|this|"
        rf"the\s+\w+)\s+(?:up\s+|down\s+)?to\s+{_N}", 0, 1),
))  # fmt: skip
_NARROW = re.compile(
    r"^(?:(?:it|the\s+\w+|they)\s+)?(?:should\s+|must\s+|shall\s+)?(?:only|just)\s+(?:(?:contain|include|"
    r"list|show|have|cover|keep|"
    r"take|send|mail|post|report|use|consider|be\s+about|tell\s+me\s+about|want|"
    r"need)s?\s+)?(?:the\s+)?(?P<word>[a-z]{3,})\s+(?:priority\s+|status\s+)?"
    r"(?P<what>[a-z]\w*s|ones)(?:\s+(?:matter|count|please|are\s+\w+))?$|^(?:leave\s+out|skip|ignore|"
    r"exclude)\s+(?:the\s+|all\s+|any\s+)?(?P<not>[a-z]{3,})\s+"
    r"(?P<what2>[a-z]\w*s|ones)$",
    re.I,
)
#: "leave out tickets with low priority"
_HAVING = re.compile(
    r"^(?P<verb>leave\s+out|skip|ignore|exclude|drop|remove|filter\s+out|only(?:\s+(?:take|keep|send|use|show|"
    r"want))?|keep\s+only|just|show\s+only)\s+"
    r"(?:the\s+|all\s+|any\s+)?\w+s\s+with\s+(?:an?\s+|the\s+)?(?P<value>[a-z]\w*)\s+(?P<field>[a-z]\w*)$",
    re.I,
)
_TOO = re.compile(r"\b(?:too|as\s+well|also|not\s+(?:only|just))\b", re.I)
_WIDER = re.compile(
    r"^(?:also\s+)?(?:include|keep|take|show|list|send|consider|add|allow|get|fetch|mail|report)\s+(?:also\s+|"
    r"in\s+)?(?:the\s+|all\s+|those\s+)?"
    r"(?:(?:\w+s|ones|those)\s+(?:that|which)\s+are\s+(?P<word>[a-z]+)|(?P<word2>[a-z]+)\s+(?:ones|"
    r"[a-z]+s))\b\s*(?:,?\s*(?:too|as\s+well|also))?"
    r"(?:\s*,?\s*(?:and\s+)?not\s+(?:only|just)\s+.*)?$",
    re.I,
)
_QUERY = re.compile(
    r"^(?:please\s+)?(?:search|look|google)(?:\s+(?:the\s+web|online|it|up))*\s+(?:for\s+|"
    r"up\s+)(?P<new>.+?)\s+(?:instead(?:\s+of\s+.+)?|"
    r"rather\s+than\s+.+|and\s+not\s+.+|not\s+.+)$|^(?:change|set|switch)\s+the\s+(?:search|query|topic|"
    r"search\s+terms?)\s+(?:to|into|"
    r"for)\s+(?P<new2>.+)$|^(?:the\s+)?(?:search|query|topic|news)\s+should\s+(?:be\s+(?:about|for|on)?|"
    r"search\s+for|cover)\s*(?P<new3>.+)$|"
    r"^instead\s+of\s+.+?,\s*(?:search|look)\s+for\s+(?P<new4>.+)$|"
    r"^(?:make\s+|have\s+|(?:i|we)\s+(?:would\s+like|want|need|would\s+prefer)\s+)?(?:(?:it|this|them|"
    r"the\s+\w+)\s+)?(?:should\s+)?(?:to\s+)?(?:be\s+)?about\s+(?P<new5>.+?)"
    r"(?:\s+(?:instead|now|rather)(?:\s+of\s+.+)?|\s+rather\s+than\s+.+)?$",
    re.I,
)
_STYLE = re.compile(
    r"^(?:let|make|have)\s+(?:it|them|the\s+\w+)\s+(?P<how>(?:answer|reply|respond|speak|talk|write|sound|"
    r"be|use|keep|stay|ask|greet|"
    r"mention|say)\b.+)$|^(?:it|they|the\s+(?:bot|answers?|ai|agent|assistant|summary))\s+(?:should|must|"
    r"needs?\s+to|has\s+to)\s+"
    r"(?P<how2>(?:always\s+|never\s+|only\s+)?(?:answer|reply|respond|speak|talk|write|sound|be|use|keep|"
    r"stay|mention)\b.+)$|"
    r"^(?P<how3>(?:answer|reply|respond|speak|talk|write)\s+(?:it\s+|them\s+|the\s+\w+\s+)?(?:only\s+|"
    r"always\s+)?(?:in|like|with|more|less|as)\b.+|(?:speak|talk)\s+\w+)$|"
    r"^(?:make|keep|have)\s+(?:it|them|the\s+(?:answers?|tone|repl(?:y|ies)|summary|text|"
    r"result))\s+(?P<adj>(?:a\s+bit\s+|much\s+|"
    r"more\s+|less\s+)*(?:\w+er|short|brief|formal|informal|polite|friendly|detailed|casual|funny))(?:\s+please)?$|"
    r"^be\s+(?P<adj2>(?:a\s+bit\s+|much\s+|more\s+|less\s+)*\w+)$|^(?:as|in|with|"
    r"use)\s+(?P<how4>(?:bullet\s+points|one\s+sentence|"
    r"\w+\s+(?:sentences|bullets|bullet\s+points)|plain\s+\w+))(?:\s+(?:please|instead))?$",
    re.I,
)


def renumbered(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another number where the old one stands, else in the only condition that compares with one."""
    for pattern, old, new in _NUMBERS:
        match = pattern.search(text)
        if match is None:
            continue
        wanted = words.number(match.group(new))
        before = words.number(match.group(old)) if old else None
        places = [place for place in _numeric(canvas) if before is None or place[2] == before]
        if before is None:
            places = [place for place in places if place[1] == "conditions"]
        if wanted is not None and len({place[0] for place in places}) == 1:
            node_id, name, value = places[0]
            payload = {name: _with(canvas.payload(node_id)[name], value, wanted)}
            edit = Edit("update_node", {"nodeId": node_id, "payload": payload})
            return Change(Plan([edit]), f"I change {value:g} to {wanted:g} in `{node_id}`.")
    return None


def _numeric(canvas: Canvas) -> list[tuple[str, str, float]]:
    """(node, field, number) of every number a step has, those of conditions too."""
    found = []
    for node_id in canvas.order():
        for name, value in canvas.payload(node_id).items():
            values = (
                [each.get("right") for each in value if isinstance(each, dict)] if isinstance(value, list) else [value]
            )
            found += [
                (node_id, name, each) for each in values if isinstance(each, int | float) and not isinstance(each, bool)
            ]
    return found


def _with(value: Any, old: float, new: float) -> Any:
    if isinstance(value, list):
        return [
            {**each, "right": new} if isinstance(each, dict) and each.get("right") == old else each for each in value
        ]
    return new


def _names_one(condition: dict[str, Any]) -> bool:
    return condition.get("op") == "eq" and isinstance(condition.get("right"), str)


def widened(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "the pending ones too": one more value for the filter, any of them."""
    match, filters = _WIDER.match(text), canvas.of("filter")
    if match is None or len(filters) != 1 or not _TOO.search(text):
        return None
    old = [dict(each) for each in canvas.payload(filters[0]).get("conditions") or [] if isinstance(each, dict)]
    word = (match.group("word") or match.group("word2")).lower()
    fields = {str(each.get("field")) for each in old}
    if not old or len(fields) != 1 or not all(map(_names_one, old)):
        return None
    if word in (str(each["right"]).lower() for each in old):
        return None
    payload = {"conditions": [*old, {**old[0], "right": word}], "match": "any"}
    edit = Edit("update_node", {"nodeId": filters[0], "payload": payload})
    return Change(Plan([edit]), f"I change the condition: {speak.conditions(payload)}.")


def narrowed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "only urgent tickets": one more condition for the filter, or a filter behind what brings the list."""
    text = _ALSO.sub("", text)
    if (having := _HAVING.match(text)) and (filters := canvas.of("filter")):
        op = "eq" if re.match(r"(?:only|just|keep|show)", having.group("verb"), re.I) else "neq"
        added = {"field": words.field_name(having.group("field")), "op": op, "right": having.group("value").lower()}
        before = [each for each in canvas.payload(filters[-1]).get("conditions") or [] if isinstance(each, dict)]
        kept = [each for each in before if each.get("field") != added["field"]]
        edit = Edit("update_node", {"nodeId": filters[-1], "payload": {"conditions": [*kept, added], "match": "all"}})
        return Change(Plan([edit]), f"I change the condition: {speak.conditions({'conditions': [*kept, added]})}.")
    match = _NARROW.match(text)
    if match is None or words.channel(text) or re.match(r"(?:the|on|at|in|for)$", match.group("word") or "", re.I):
        return None
    word = match.group("word") or match.group("not")
    condition = actions.stated(word, "neq" if match.group("not") else "eq")
    noun = (match.group("what") or match.group("what2")).lower()
    if re.fullmatch(rf"(?:{'|'.join(_DAYS)})s?|times?|steps?|results|words|lines|days", noun):
        return None
    filters = canvas.of("filter")
    if not filters:
        return _filtered(condition, f"{word} {noun}", canvas, said)
    node_id = filters[-1]
    old = [each for each in canvas.payload(node_id).get("conditions") or [] if isinstance(each, dict)]
    kept = [each for each in old if (each.get("field"), each.get("op")) != (condition["field"], condition["op"])]
    edit = Edit("update_node", {"nodeId": node_id, "payload": {"conditions": [*kept, condition]}})
    return Change(
        Plan([edit]), f"From now on `{node_id}` keeps {'all but' if match.group('not') else 'only'} {word} {noun}."
    )


_DAYS = (
    "weekday",
    "weekend",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "morning",
    "evening",
)


def _filtered(condition: dict[str, Any], told: str, canvas: Canvas, said: Talk) -> Change | None:
    source = next(
        (each for each in canvas.order() if canvas.nodes[each].get("type") in ("http-request", "web-search")), None
    )
    children = canvas.nodes[source].get("children") or [] if source else []
    if source is None or len(children) != 1:
        return None
    verb = "skip" if condition["op"] == "neq" else "keep only"
    return extended(f"{verb} the {told} between {source} and {children[0]}", said, canvas, None)


def searched_for(text: str, canvas: Canvas, said: Talk) -> Change | None:
    match, searches = _QUERY.match(text), canvas.of("web-search")
    if match is None or not searches:
        return None
    query = next(each for each in match.groups() if each).strip(" .?\"'“”")
    edit = Edit("update_node", {"nodeId": searches[-1], "payload": {"query": query}})
    return Change(Plan([edit]), f"I search for “{query}”.")


def styled(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """How the AI should write: one more sentence of its prompt, else the instructions of the summary."""
    match = _STYLE.match(text)
    if match is None or words.channel(text) or words.emails(text) or words.url(text):
        return None
    groups = match.groupdict()
    adjective = groups["adj"] or groups["adj2"]
    how = (
        f"Be {adjective}"
        if adjective
        else next(groups[name] for name in ("how", "how2", "how3", "how4") if groups[name])
    )
    how = words.sentence(re.sub(r"\s+(?:instead|please|from\s+now\s+on)$", "", how.strip(" .")))
    agents, summaries = canvas.of("agent"), canvas.of("summarize")
    named = [*summaries] if re.search(r"\bsummar", text, re.I) else []
    targets = named or agents or summaries
    if not targets:
        return None
    target = targets[-1]
    name = "prompt" if canvas.nodes[target].get("type") == "agent" else "instructions"
    before = str(canvas.payload(target).get(name) or "").rstrip(" .")
    payload = {name: f"{before}. {how}.".lstrip(". ")}
    return Change(Plan([Edit("update_node", {"nodeId": target, "payload": payload})]), f"I tell `{target}`: {how}.")


_RULE = re.compile(r"^(?:but\s+|and\s+|also\s+)*only\s+(?:if|when)\s+(?P<only>.+)$", re.I)
_SIFTED = re.compile(
    r"^(?P<verb>drop|remove|ignore|skip|leave\s+out|exclude|throw\s+out|discard|keep\s+only|only\s+keep|"
    r"only)\s+(?:the\s+|all\s+|any\s+)?"
    r"(?:\w+s\s+|ones\s+)(?:(?:that|which|who)\s+(?:are|is)\s+)?(?P<rest>\w.*)$",
    re.I,
)
_ALSO = re.compile(r"^(?:also|and|but|then|please|additionally)\s+(?!only\b)", re.I)
_NAMES = re.compile(
    r"\b(?P<new>[a-z_]\w*)\s*,?\s+(?:not|instead\s+of|"
    r"rather\s+than)\s+(?:the\s+)?(?P<old>[a-z_]\w*)$",
    re.I,
)


def conditioned(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "only if … and the battery is above 10", "drop tickets older than 30 days": more for the condition there is."""
    text = _ALSO.sub("", text)
    rule, sifted = _RULE.match(text), _SIFTED.match(text)
    named = scales.comparative(sifted.group("rest")) if sifted else None
    if rule and len(canvas.of("if")) == 1:
        node_id, test = canvas.of("if")[0], conditions.find(rule.group("only"))
    elif sifted and named and canvas.of("filter"):
        node_id, test = canvas.of("filter")[-1], named[0]
        test = test if re.search(r"\bonly\b", sifted.group("verb"), re.I) else conditions.negated(test)
    else:
        return None
    old = [dict(each) for each in canvas.payload(node_id).get("conditions") or [] if isinstance(each, dict)]
    if (
        test is None
        or not old
        or test.match == "any"
        or any(not each.subject or memory.remembers(each) for each in test.conditions)
    ):
        return None
    for each in test.conditions:
        old = _joined(old, each)
    edit = Edit("update_node", {"nodeId": node_id, "payload": {"conditions": old, "match": "all"}})
    return Change(Plan([edit]), f"I change the condition: {speak.conditions({'conditions': old})}.")


def _joined(old: list[dict[str, Any]], new: Condition) -> list[dict[str, Any]]:
    """The conditions with a new one, in place of one on the same field."""
    name = words.field_name(new.subject)
    made: dict[str, Any] = {"op": new.op, **({} if new.right is None else {"right": new.right})}
    key = "field" if "field" in old[0] else "left"
    path = str(old[0].get(key, ""))
    value = name if key == "field" else re.sub(r"[\w]+(?=\}\}$)", name, path)
    kept = [each for each in old if each.get(key) != value]
    return [*kept, {key: value, **made}]


def respelt(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "look at usd, not euro": another field of the same data."""
    match = _NAMES.search(text)
    if match is None or match.group("new").lower() in ("it", "that", "them", "and", "or"):
        return None
    old, new = match.group("old"), match.group("new")
    edits = []
    for node_id in canvas.of("if", "filter"):
        before = canvas.payload(node_id).get("conditions") or []
        after = [_spelt(each, old, new) for each in before if isinstance(each, dict)]
        if after != before:
            edits.append(Edit("update_node", {"nodeId": node_id, "payload": {"conditions": after}}))
    return Change(Plan(edits), f"I look at {new} instead of {old}.") if edits else None


def _spelt(condition: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    field, left = condition.get("field"), condition.get("left")
    changed: dict[str, Any] = {"field": new} if field == old else {}
    if isinstance(left, str):
        changed["left"] = re.sub(rf"(?<=[.\s{{]){re.escape(old)}(?=\}}\}})", new, left)
    return {**condition, **changed}
