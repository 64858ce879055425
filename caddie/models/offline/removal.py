"""Steps that shall go: "remove the log", "no more mails", "we don't need the approval", "drop the manual trigger".

Invariant: what stands around a step that goes is connected; which of several is asked. Callers: ``change``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from caddie.models.offline import options, phrasing, scales, schedule, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Slot
from caddie.models.offline.thread import Talk

_REMOVE = re.compile(
    r"^\s*(?:remove|delete|drop|ditch|scrap|lose|dump|erase|eliminate|strike|axe|nix|kick(?:\s+out)?|get\s+rid\s+of|"
    r"take\s+(?:out|away|off)|throw\s+(?:out|away)|cut(?:\s+out)?|"
    r"kill|do\s+not|never|stop|skip|omit|bypass|leave\s+(?:out|away)|forget(?:\s+about)?|no\s+(?:more|longer|"
    r"need\s+(?:for|of|to))|without|disable|switch\s+off|turn\s+off|no)\s+(.+)$",
    re.I,
)
_UNNEEDED = re.compile(
    r"^(?:i|we|nobody|no\s*one)\s+(?:do\s+not\s+|can\s+do\s+|no\s+longer\s+)?(?:needs?|wants?|uses?|reads?|requires?|"
    r"cares?\s+(?:about|for)|without)\s+(.+?)\s*"
    r"(?:any\s*more|any\s*longer|now|at\s+all)?(?:\s*[,;.]\s*(?:so\s+)?(?:please\s+)?(?:drop|remove|delete|take|"
    r"get)\s+(?:it|that|"
    r"them)(?:\s+out)?)?$|"
    r"^(?P<what>.+?)\s+(?:(?:is|are)\s+(?:not\s+(?:needed|necessary|required)|no\s+longer\s+(?:needed|necessary|"
    r"required)|unnecessary|superfluous|"
    r"obsolete|redundant|useless|pointless|too\s+much)|(?:can|should|must|may|has\s+to|"
    r"needs\s+to)\s+(?:go(?:\s+away)?(?=\s*$|\s+(?:now|please)\b)|disappear|vanish|be\s+(?:removed|deleted|dropped|"
    r"left\s+out|skipped|scrapped)))"
    r"(?:\s+(?:any\s*more|now|please))?\b.*$",
    re.I,
)
_WANTED = re.compile(r"\bnot\b|\bno\b|any\s*more|needless|unnecessary|drop|remove|do\s+without", re.I)
#: Behind "and" something to do, and nothing more to remove.
_DOES = re.compile(
    r"^(?:(?:just|simply|only)\s+)?(?:send|mail|e-?mail|post|forward|use|keep|let|do|just)\s+(?:the|it|them|that|all|"
    r"everything)\b",
    re.I,
)

_PLURAL = re.compile(
    r"\b(?:all|both|every|each|any)\b|\b(?:mails|e-?mails|messages|notifications|posts|logs|steps|waits|pauses|"
    r"checks|calls)\b",
    re.I,
)


_IN_CASE = re.compile(
    r"\b(?:if|when(?:ever)?|unless|until|before|while|more\s+than|less\s+than|at\s+(?:night|weekends?)|"
    r"on\s+\w+days?)\b",
    re.I,
)
_HOLDS_BACK = re.compile(r"^\s*(?:do\s+not|never|stop|skip|bypass|no|without|omit)\b", re.I)
_ALL = re.compile(
    r"(?:everything|all(?:\s+(?:of\s+)?(?:the|it))?(?:\s+(?:steps|nodes))?|the\s+whole(?:\s+(?:thing|workflow|"
    r"flow))?|all|it\s+all)",
    re.I,
)
_AFTER = re.compile(
    r"^(?:everything|all(?:\s+(?:the\s+)?(?:steps|nodes))?|what\s+(?:comes|is)|whatever\s+(?:comes|"
    r"is))\s+(?P<where>after|behind|below|before|but|except(?:\s+for)?)\s+(?P<what>.+)$",
    re.I,
)


def removed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    text = re.sub(r"^(take|throw|leave|cut|switch|turn)\s+(.+?)\s+(out|away|off)\b", r"\1 \3 \2", text, flags=re.I)
    phrase = _phrase(text)
    if phrase is None:
        return None
    phrase = re.sub(r"\s+(?:from|in|of)\s+(?:the|this|my)\s+(?:workflow|flow|canvas)\b.*$", "", phrase, flags=re.I)
    if _ALL.fullmatch(phrase.strip()):
        gone = [*reversed(canvas.order()), *canvas.triggers]
        return Change(Plan([Edit("remove_node", {"nodeId": each}) for each in gone]), "I remove everything.")
    if (field := _field_gone(phrase, canvas)) is not None:
        return field
    phrase = re.sub(r"\s*[,;.]\s*(?:i|we|it|that|just|because|since|so)\b.*$", "", phrase, flags=re.I)
    if (rest := _AFTER.match(phrase)) and (found := _beyond(rest, canvas)):
        return _gone(canvas, found)
    named = [each for each in re.split(r"\s*,\s*(?:and\s+)?|\s+(?:and|or|nor)\s+", phrase) if not _DOES.match(each)]
    free = canvas.triggers if len(canvas.triggers) < 2 else []
    found = []
    for part in named:
        fits = [each for each in canvas.fitting(phrasing.plainly(part)) if each not in free]
        if len(fits) > 1 and not _PLURAL.search(part):
            return which(said, canvas, "Which step should I remove?", lambda each: Plan(removal(canvas, each)), fits)
        found += fits
    if not found:
        return which(said, canvas, "Which step should I remove?", lambda each: Plan(removal(canvas, each)), [])
    return _gone(canvas, list(dict.fromkeys(found)))


def _phrase(text: str) -> str | None:
    """What shall go, when a text says that something shall."""
    match, unneeded = _REMOVE.match(text), _UNNEEDED.match(text)
    if re.search(r"\b\w+s\s+(?:with|that|which|whose|where|older|newer|from)\b", text, re.I):
        return None
    if re.search(options.AGAIN, text, re.I) or (re.search(options.PATIENCE, text, re.I) and re.search(r"\d", text)):
        return None
    if match is None and (unneeded is None or not _WANTED.search(text) and not unneeded.group("what")):
        return None
    bound = _IN_CASE.search(text) or re.search(r"\bfor\b.*\d", text)
    if scales.comparative(text) or (_HOLDS_BACK.match(text) and bound):
        return None
    phrase = match.group(1) if match else unneeded.group(1) or unneeded.group("what") if unneeded else ""
    found = schedule.find(words.masked(phrase))
    return None if found is not None and found.days and not re.search(r"\bsteps?\b", phrase, re.I) else phrase


def _gone(canvas: Canvas, found: list[str]) -> Change:
    told = words.joined([f"`{each}`" for each in found])
    return Change(Plan(removal(canvas, *found)), f"I remove {told} and connect what is around it.")


def _beyond(match: re.Match[str], canvas: Canvas) -> list[str]:
    """ "everything after the filter", "all but the mail"."""
    where = match.group("where").lower()
    if where in ("after", "behind", "below"):
        step = canvas.meant(match.group("what"))
        return canvas.below(step) if step else []
    parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", match.group("what"))
    kept = {each for part in parts if (each := canvas.meant(part))}
    if where == "before":
        return [each for each in canvas.order() if kept & set(canvas.below(each))]
    return [each for each in canvas.order() if each not in kept] if kept else []


#: Fields that may go without their step.
_FIELDS = (
    (re.compile(r"^(?:the\s+)?(?:cc|copy|copies)\b", re.I), "cc"),
    (re.compile(r"^(?:the\s+|any\s+|all\s+)?(?:custom\s+)?headers?\b", re.I), "headers"),
    (re.compile(
        r"^(?:the\s+)?(?:word|length)\s+limit\b|^(?:the\s+)?(?:maximum|max)\s+(?:length|words)\b",
        re.I,
    ), "maxWords"),
    (re.compile(r"^(?:the\s+)?(?:time-?\s?out|time\s+limit|deadline)\b", re.I), "timeoutSeconds"),
    (re.compile(r"^(?:the\s+)?(?:instructions?)\b", re.I), "instructions"),
)


def _field_gone(phrase: str, canvas: Canvas) -> Change | None:
    """A recipient, a copy, a limit that goes while its step stays."""
    for address in words.emails(phrase):
        made = []
        for node in canvas.of("send-email"):
            for name in ("to", "cc"):
                old = canvas.payload(node).get(name)
                if isinstance(old, list) and address in old and (name == "cc" or len(old) > 1):
                    kept = [each for each in old if each != address]
                    made.append(Edit("update_node", {"nodeId": node, "payload": {name: kept or None}}))
        if made:
            return Change(Plan(made), f"I take {address} out.")
    for pattern, name in _FIELDS:
        holders = [each for each in canvas.order() if canvas.payload(each).get(name)]
        holders = [each for each in holders if name != "timeoutSeconds" or canvas.nodes[each].get("type") != "wait"]
        if pattern.match(phrase) and holders:
            node = canvas.meant(phrase, holders) or holders[-1]
            edit = Edit("update_node", {"nodeId": node, "payload": {name: None}})
            return Change(Plan([edit]), f"I take {name} out of `{node}`.")
    return None


def removal(canvas: Canvas, *node_ids: str) -> list[Edit]:
    """With a condition goes its else branch; else its steps stay, unconditionally. Who read it reads what it read."""
    gone = dict.fromkeys(node_ids)
    for node_id in node_ids:
        children = canvas.nodes[node_id].get("children") or []
        if canvas.nodes[node_id].get("type") == "human_confirmation":
            asked = [each for each in children if f"{{{{{node_id}." in str(canvas.payload(each).get("conditions"))]
            gone |= dict.fromkeys(asked)
            children = [below for each in asked for below in canvas.nodes[each].get("children") or []]
        elif canvas.nodes[node_id].get("type") not in ("if", "wait"):
            continue
        others = [each for each in children if canvas.nodes.get(each, {}).get("branch") in ("else", "timed_out")]
        kept = {below for each in children if each not in others for below in (each, *canvas.below(each))}
        gone |= dict.fromkeys(below for each in others for below in (each, *canvas.below(each)) if below not in kept)
    rewired = [edit for key in canvas.nodes if key not in gone and (edit := _rewired(canvas, key, list(gone)))]
    return [*rewired, *(Edit("remove_node", {"nodeId": each}) for each in reversed(gone))]


def _rewired(canvas: Canvas, node_id: str, gone: list[str]) -> Edit | None:
    """A step's fields without references to steps that go; they read what those read."""
    changed: dict[str, Any] = {}
    for name, value in canvas.payload(node_id).items():
        for each in gone:
            read = re.search(r"\{\{[^{}]+\}\}", str(list(canvas.payload(each).values())))
            if isinstance(value, str) and read and not any(f"{{{{{other}." in read.group() for other in gone):
                value = re.sub(r"\{\{\s*" + re.escape(each) + r"\.[^{}]*\}\}", lambda _: read.group(), value)  # noqa: B023
        if value != canvas.payload(node_id)[name]:
            changed[name] = value
    return Edit("update_node", {"nodeId": node_id, "payload": changed}) if changed else None


def which(
    said: Talk, canvas: Canvas, question: str, plan: Callable[[str], Plan], among: list[str], verb: str = "I remove"
) -> Change | None:
    """The change of the step somebody chooses of several, or the question."""
    given = next((answer for asked, answer in said.answers if question in asked), None)
    if given is not None:
        node_id = given if given in canvas.nodes else canvas.meant(given, among or None)
        return Change(plan(node_id), f"{verb} `{node_id}`.") if node_id else None
    choices = tuple((each, canvas.label(each)) for each in (among or canvas.order())[:8])
    return Change(Plan(), "", slots=[Slot("node", "name", question, choices)]) if choices else None
