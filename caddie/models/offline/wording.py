"""What a message says, changed: something it should mention too, another text, another language, a softer tone.

Invariant: only the step that is meant is touched, and a text nobody dictated is asked for. Callers: ``change``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Slot
from caddie.models.offline.thread import Talk

TEXTS = {"slack-send-message": "text", "discord-send-message": "text", "send-email": "text", "reply_chat": "text",
         "log": "message", "format": "template", "human_confirmation": "message"}  # fmt: skip
_AI = {"agent": "prompt", "summarize": "instructions"}
_TELLS = r"(?:mention|include|contain|state|show|name|tell|list|have|carry|give|quote|(?:end|begin|start)\s+with)"
_MUST = r"(?:should|must|shall|needs?\s+to|has\s+to|have\s+to|could|ought\s+to|is\s+to|are\s+to|can|might)"
_ALSO = r"(?:\s+(?:also|always|too|additionally|please|as\s+well))*"
_SHOULD = re.compile(
    rf"^(?P<step>(?:the|my|our|that|this|in\s+the)?\s*[\w#' -]{{2,50}}?)\s*,?\s+{_MUST}{_ALSO}\s+(?:{_TELLS}|"
    rf"(?P<say>say|read))\s+(?P<what>.+)$",
    re.I,
)
_MENTION = re.compile(
    rf"^(?:also\s+|please\s+)*(?:{_TELLS}|write|put|add|insert|say)\s+(?P<what>.+?)\s+(?:in|into|to|"
    rf"at\s+the\s+(?:end|start|beginning|top|bottom)\s+of)\s+"
    r"(?P<step>(?:the\s+|that\s+|my\s+|our\s+)?(?:[\w#'-]+\s+){0,4}?(?:subject(?:\s+line)?|e-?mails?|mails?|"
    r"messages?|texts?|body|"
    r"reminders?|posts?|repl(?:y|ies)|answers?|log(?:\s+line)?|notifications?|alerts?|alarms?|question|report|letter|"
    r"rejection|invitation|confirmation|digest)(?:\s+(?:to|of|for|in|on)\s+.+)?)$",
    re.I,
)
_SENTENCE = re.compile(
    r"^(?:that\s+)?(?:(?:they|we|it|he|she|there|you|i|this)\b|[\w' ]+?\s+(?:is|are|was|were|has|have|can|will|must|"
    r"should)\b)",
    re.I,
)
_LANGUAGES = (
    "english german french spanish italian portuguese dutch polish turkish russian ukrainian greek swedish danish "
    "norwegian finnish czech hungarian romanian bulgarian arabic hebrew hindi chinese japanese korean vietnamese thai "
    "catalan latin"
).split()
_LANGUAGE = re.compile(
    rf"\b(?:in|into|to|auf)\s+(?P<name>{'|'.join(_LANGUAGES)})\b(?!\s+(?:time|office|team|site|branch))", re.I
)
_SPEAKS = re.compile(
    r"\b(?:write|send|put|make|mail|translate|post|reply|answer|have|should|must|want|be|word|turn|get|give|change|"
    r"switch|do|is|are|needs?|in)\b", re.I
)
#: "turn the summary into a bullet list"
_FORM = re.compile(
    r"^(?:swap|replace|turn|change|make|convert|switch|write|give|send|put)\s+(?P<step>(?:the|my|our|"
    r"that)\s+[\w' -]{2,30}?)\s+(?:for|with|by|into|to|as|in)\s+"
    r"(?P<form>(?:an?\s+)?(?:short\s+|simple\s+|numbered\s+)*(?:bullet(?:ed)?\s+(?:list|points?)|bullets|list|table|"
    r"headline|one-liner|"
    r"(?:single\s+)?(?:sentence|paragraph)|haiku|poem|\w+\s+(?:sentences|bullets|paragraphs|lines|"
    r"points))(?:\s+format)?)$",
    re.I,
)
_TONE = (
    r"(?:harsh|hard|cold|rude|blunt|formal|stiff|casual|informal|dry|boring|long|short|terse|unfriendly|impersonal|"
    r"unclear|confusing|vague|"
    r"pushy|aggressive|wordy|technical|silly|friendly|negative|nasty|strict|brief|salesy|robotic)"
)
_FELT = re.compile(
    rf"^(?!send\b|post\b|e?mail\b|if\b|when\b|it\b)(?P<step>(?:(?:the|our|that|this|my)\s+)?(?:(?!when\b|if\b|it\b|"
    rf"as\b)[\w#'-]+\s+){{0,3}}"
    rf"(?!it\b|this\b|that\b)[\w#'-]+)\s+(?:is|are|sounds?|feels?|seems?|reads?|comes\s+across(?:\s+as)?|looks?)\s+"
    rf"(?:(?:just|really|way|far|much|a\s+bit|a\s+little|rather|quite|kind\s+of)\s+)*too\s+(?P<how>{_TONE})\b.*$",
    re.I,
)
_MAKE = re.compile(
    rf"^(?:make|keep|have|word|phrase|write|rewrite|reword|rephrase|polish|improve|edit|soften)\s+(?P<step>(?:the|"
    rf"our|that|this|my)\s+[\w#' -]{{2,50}}?)"
    rf"(?:\s+(?:sound\s+|be\s+)?(?P<how>(?:(?:a\s+bit|a\s+little|much|more|less|somewhat|slightly)\s+)*(?:\w+er|"
    rf"{_TONE}|nice|kind|polite|warm|clear|personal|"
    r"professional|cheerful|funny|detailed|simple|serious|neutral)(?:\s+and\s+(?:more\s+|less\s+)?\w+)?))?$",
    re.I,
)


def mentioned(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "the reminder should mention the due date", "put the name into the subject"."""
    bare = re.sub(r"\s+(?:too|also|as\s+well)$", "", text)
    match = _SHOULD.match(text) or _MENTION.match(bare)
    if match is None or re.search(r"\b(?:step|node|block|between)\b", text, re.I):
        return None
    phrase, what = match.group("step"), match.group("what").strip(" .")
    what = re.sub(r"\s*,?\s+(?:too|also|as\s+well|instead|please)$", "", what)
    instead = bool(re.search(r"\binstead\b", text, re.I))
    subject = re.search(r"\bsubject\b", phrase, re.I)
    targets = canvas.of("send-email") if subject else canvas.of(*TEXTS)
    target = _target(phrase, canvas, targets)
    if target is None or words.channel(what) or words.emails(what) or words.url(what):
        return None
    if re.match(r"(?:an?\s+)?(?:category|label|class|column|condition|step|node|filter|branch)\b", what, re.I):
        return None
    name = "subject" if subject else TEXTS[str(canvas.nodes[target].get("type"))]
    old = str(canvas.payload(target).get(name) or "")
    spoken = words.quoted(what)
    says = "say" in match.groupdict() and match.group("say")
    if _written(canvas, target, old) and not spoken and not subject:
        return _told(canvas, _written(canvas, target, old) or "", f"Mention {what}")
    more = re.search(r"\b(?:also|too|as\s+well)\b", text, re.I) or re.match(r"that\b", what, re.I)
    if says and (instead or not more):
        new, told = spoken or words.sentence(what), "say"
    else:
        added, told = _data(what, target, canvas), "mention"
        if spoken or added is None:
            added = spoken or _addressed(re.sub(r"^that\s+", "", what, flags=re.I), canvas, target)
            added += "" if subject or re.search(r"[.!?]$", added) or not old.endswith((".", "!", "?")) else "."
        more = re.search(r"\b(?:also|too|as\s+well|add|append|include)\b", text, re.I)
        if subject and spoken and not more:
            old = ""
        if subject and not spoken:
            added = re.sub(r"^[^{]*: (?=\{\{)", "", added)
        new = f"{old}, {added}" if subject and old else f"{old}\n{added}" if old else added
    if new == old:
        return None
    field = re.findall(r"\{\{[^{}]+\}\}", new[len(old) :])
    notes = [f"I took “{words.bare(what)}” from {each.strip('{}')}" for each in field] if told == "mention" else []
    edit = Edit("update_node", {"nodeId": target, "payload": {name: new}})
    return Change(Plan([edit], notes), f"I let {name} of `{target}` {told}: {new}")


def translated(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A message in another language: told to the step that writes it; a fixed text goes through a translation."""
    match = _LANGUAGE.search(words.masked(text))
    if match is None or not _SPEAKS.search(text) or re.search(r"\b(?:if|when)\b", text[: match.start()], re.I):
        return None
    if re.match(r"translate\b", text, re.I) and re.search(r"\b(?:before|after|then|and|too|also)\b", text, re.I):
        return None
    language = match.group("name").capitalize()
    around = f"{text[: match.start()]} {text[match.end() :]}"
    rest = re.sub(r"\b(?:translate|write|send|put|make|have|post)\b", " ", around, flags=re.I)
    able = canvas.of(*_AI, *TEXTS)
    target = _target(rest, canvas, able)
    if target is None:
        writers = canvas.of(*_AI)
        senders = [each for each in canvas.order() if each in able and canvas.nodes[each].get("type") != "log"]
        target = writers[-1] if writers else senders[-1] if len(senders) == 1 else None
    if target is None:
        return None
    block = str(canvas.nodes[target].get("type"))
    if block in _AI:
        return _told(canvas, target, f"Write in {language}")
    old = str(canvas.payload(target).get(TEXTS[block]) or "")
    if writer := _written(canvas, target, old):
        return _told(canvas, writer, f"Write in {language}")
    return _translation(canvas, target, TEXTS[block], old, language) if old else None


def toned(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A text somebody wrote cannot be made nicer by rule: the new one is asked for; a written one is told how."""
    if (form := _FORM.match(text)) and (writer := _target(form.group("step"), canvas, canvas.of(*_AI))):
        return _told(canvas, writer, f"Write it as {form.group('form')}")
    match = _FELT.match(text) or _MAKE.match(text)
    if match is None:
        return None
    target = _target(match.group("step"), canvas, canvas.of(*TEXTS, *_AI))
    writers = canvas.of(*_AI)
    manner = re.search(r"\b(?:tone|wording|style|answers?|voice)\b", match.group("step"), re.I)
    if target is None and len(writers) == 1 and manner:
        target = writers[0]
    if target is None:
        return None
    block, how = str(canvas.nodes[target].get("type")), (match.group("how") or "").strip()
    old = str(canvas.payload(target).get(TEXTS.get(block, "")) or "")
    writer = target if block in _AI else _written(canvas, target, old)
    if writer:
        if re.search(r"\b(?:short|long|brief|wordy)(?:er)?\b", how) and canvas.nodes[writer].get("type") == "summarize":
            return None
        felt = match.re is _FELT
        return _told(canvas, writer, f"Be less {how}" if felt else f"Be {how}") if how else None
    question = f"What should `{target}` say instead of “{re.sub(chr(10), ' ', old)[:200]}”?"
    given = next((answer for asked, answer in said.answers if f"What should `{target}` say" in asked), None)
    if given is None:
        return Change(Plan(), "", slots=[Slot(TEXTS[block], "text", question)])
    edit = Edit("update_node", {"nodeId": target, "payload": {TEXTS[block]: words.quoted(given) or given}})
    return Change(Plan([edit]), f"I change the text of `{target}`.")


def _addressed(sentence: str, canvas: Canvas, target: str) -> str:
    """ "they can pay by card" is said to those who get the message."""
    if "{{" in str(canvas.payload(target).get("to", "")):
        for pattern, to in ((r"\bthey\b", "you"), (r"\btheir\b", "your"), (r"\bthem\b", "you")):
            sentence = re.sub(pattern, to, sentence, flags=re.I)
    return words.sentence(sentence)


def _target(phrase: str, canvas: Canvas, among: list[str]) -> str | None:
    bare = re.sub(r"\b(?:subject(?:\s+line)?|text|body|wording|tone)\s*(?:of|in|for)?\b", " ", phrase, flags=re.I)
    found = canvas.meant(bare, among)
    vague = re.search(r"\b(?:it|subject|text|body|message)\b", phrase, re.I)
    return found or (among[0] if len(among) == 1 and vague else None)


def _written(canvas: Canvas, target: str, text: str) -> str | None:
    """The step whose words a message passes on as they are."""
    whole = re.fullmatch(r"\s*\{\{\s*([\w-]+)\.(?:result\.)?text\s*\}\}\s*", text)
    return whole.group(1) if whole and whole.group(1) in canvas.of(*_AI) else None


def _told(canvas: Canvas, step: str, wish: str) -> Change:
    """One more sentence of what a step that writes is told."""
    name = _AI[str(canvas.nodes[step].get("type"))]
    before = str(canvas.payload(step).get(name) or "").rstrip(" .")
    payload = {name: f"{before}. {wish}.".lstrip(". ")}
    return Change(Plan([Edit("update_node", {"nodeId": step, "payload": payload})]), f"I tell `{step}`: {wish}.")


def _data(what: str, target: str, canvas: Canvas) -> str | None:
    """The expression of the data a phrase names, when it is no sentence: "the budget", "the date"."""
    if _SENTENCE.match(what) or len(what.split()) > 6:
        return None
    parts = [each for each in words.listed(what) if each]
    found = {part: each for part in parts if (each := _expression(part, target, canvas))}
    if not found or len(found) < len(parts):
        return None
    return "\n".join(f"{words.sentence(words.bare(part))}: {each}" for part, each in found.items())


def _expression(what: str, target: str, canvas: Canvas) -> str | None:
    """Known data of that name before the step; else the field so called of the nearest data."""
    name = words.slug(re.sub(r"\s+(?:of|from|in)\s+(?:the|that|each|a)\s+.*$", "", words.bare(what)))
    name = re.sub(r"^(?:their|his|her|its|customer_s?_|current_)", "", name)
    parents = canvas.parents(target)
    if not parents or not name:
        return None
    if re.fullmatch(r"(?:todays_|today_s_|current_)?(?:date|day|time|weekday)", name) and canvas.of("cronjob"):
        return "{{root.result.scheduledAt}}"
    for path, keys in _known(canvas, target):
        for key in keys:
            if key == name or key in name.split("_") or name in key.split("_"):
                return "{{" + f"{path}.{key}" + "}}"
    if canvas.loop_of(target) is not None:
        return "{{$item." + name + "}}"
    scope = canvas.scope(parents[0])
    texts = {"summary": "summarize", "answer": "agent", "label": "classify", "category": "classify", "result": "",
             "results": "web-search", "search_results": "web-search"}  # fmt: skip
    if name in texts and (source := scope.of(texts[name]) if texts[name] else scope.nearest()):
        return source.expression()
    nearest = scope.nearest("item", "data")
    return nearest.member(name) if nearest else None


def _known(canvas: Canvas, target: str) -> list[tuple[str, list[str]]]:
    """(path, names) of the data that steps before are known to give: a schema's, and what is read already."""
    before = [target]
    for each in before:
        before.extend(parent for parent in canvas.parents(each) if parent not in before)
    found: list[tuple[str, list[str]]] = []
    for each in before[1:]:
        schema = canvas.payload(each).get("schema")
        if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            found.append((f"{each}.result.data", [str(key) for key in schema["properties"]]))
    read: dict[str, list[str]] = {}
    for each in canvas.nodes:
        for path, key in re.findall(r"\{\{\s*([\w$.-]*?)\.(\w+)\s*\}\}", _text(canvas.payload(each))):
            if path.split(".")[0] in before[1:] or path in ("$item", "$vars"):
                read.setdefault(path, []).append(key)
    inside = canvas.loop_of(target) is not None
    return found + [(path, keys) for path, keys in read.items() if path != "$item" or inside]


def _text(payload: dict[str, Any]) -> str:
    return str(list(payload.values()))


def _translation(canvas: Canvas, target: str, name: str, old: str, language: str) -> Change | None:
    """A step that translates in front of a message whose text is fixed."""
    parents = canvas.parents(target)
    if not parents:
        return None
    new = next(each for each in ("translate", *(f"translate_{at}" for at in range(2, 99))) if each not in canvas.nodes)
    parent = parents[0]
    inside = target in (canvas.nodes[parent].get("loopBody") or [])
    prompt = f"Translate the text into {language}. Answer with the translation only."
    args: dict[str, Any] = {"nodeId": new, "type": "agent", "payload": {"prompt": prompt, "input": old}}
    args |= {"inLoop": parent} if inside else {"after": [parent]}
    if canvas.nodes[target].get("branch") and not inside:
        args["branch"] = canvas.nodes[target]["branch"]
    made = [
        Edit("add_node", args),
        Edit("connect_nodes", {"source": new, "target": target}),
        Edit("disconnect_nodes", {"source": parent, "target": target}),
        Edit("update_node", {"nodeId": target, "payload": {name: "{{" + f"{new}.result.text" + "}}"}}),
    ]
    return Change(Plan(made), f"I let the text of `{target}` be translated into {language} first.")
