"""What was left open when the workflow was built, and the answer that fills it.

Invariant: an answer goes only into a field that a block requires and that is empty. Callers: ``dialogue``,
``change``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from caddie.models.offline import answers, recollection, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.guess import index
from caddie.models.offline.language import fields_schema
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Branch, Loop, Slot, SlotKind
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand


class _Asked(NamedTuple):
    """What a question asks for: the fields it may mean; several: one answer fills every such field."""

    question: re.Pattern[str]
    fields: tuple[str, ...]
    kind: SlotKind
    several: bool = False


_ASKED = (
    _Asked(re.compile(r"\(URL\)"), ("url",), "url"),
    _Asked(re.compile(r"\bchannel\b"), ("channel",), "channel", several=True),
    _Asked(re.compile(r"\baddress\b.*\bemail\b"), ("to",), "email", several=True),
    _Asked(re.compile(r"\bHow long\b"), ("seconds", "timeoutSeconds"), "seconds"),
    _Asked(re.compile(r"\bcategories\b"), ("labels",), "labels"),
    _Asked(re.compile(r"\bWhich fields\b"), ("schema",), "fields"),
    _Asked(re.compile(r"\bsearch the web\b"), ("query",), "text"),
    _Asked(re.compile(r"\bsay\?"), ("text", "message", "template"), "text", several=True),
)


def filled(said: Talk) -> Plan | None:
    """The fields the last answer fills; None when its question was not about an open field of the canvas."""
    if not said.answers:
        return None
    question, given = said.answers[-1]
    question = question.rstrip().rsplit("\n", 1)[-1]
    asked = next((each for each in _ASKED if each.question.search(question)), None)
    if asked is None:
        return None
    _, fields, kind, several = asked
    canvas = Canvas(said.start)
    places = _empty(canvas, fields)
    if fields == ("url",):
        posts = bool(re.search(r"\bposted\b", question))
        places = [each for each in places if (canvas.nodes[each[0]].get("type") == "send-webhook") is posts] or places
    if not places:
        return None
    given = recollection.answered(kind, given, said.earlier[:-1], said.start)
    value = answers.value(Slot(fields[0], kind, question), given)
    if kind == "fields" and isinstance(value, list):
        value = fields_schema(value)
    if value is None:
        return Plan(_told_too(canvas, given, fields))
    made = [
        Edit("update_node", {"nodeId": node_id, "payload": {name: value}})
        for node_id, name in (places if several else places[:1])
    ]
    return Plan([*made, *_told_too(canvas, given, fields)])


def _told_too(canvas: Canvas, given: str, fields: tuple[str, ...]) -> list[Edit]:
    """An answer may fill more than it was asked for: "https://…, and the channel is #stock"."""
    told = {"url": words.url(given), "channel": words.channel(given), "to": words.email(given)}
    return [
        Edit("update_node", {"nodeId": node_id, "payload": {name: told[name]}})
        for node_id, name in _empty(canvas, tuple(name for name, value in told.items() if value and name not in fields))
    ]


def completed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """A workflow told once more, all of whose steps are there: what was missing in them is filled in."""
    places = _empty(canvas, None)
    request = understand(text, said.context.timezone, said.context.now)
    told = request.actions()
    if not places or not told or any(isinstance(each, Branch | Loop) for each in request.steps):
        return None
    if request.trigger is None and len(told) < 2 or not {each.block for each in told} <= _there(canvas):
        return None
    made = []
    for node_id in [*canvas.triggers, *dict.fromkeys(place[0] for place in places)]:
        block = str(canvas.nodes[node_id].get("type"))
        same = next((each for each in told if each.block == block), None)
        payload = dict(same.payload) if same else {}
        if request.trigger and request.trigger.block == block and not {"rrule", "cron"} & set(canvas.payload(node_id)):
            payload = dict(request.trigger.payload)
        said_so = {"url": words.url(text), "channel": words.channel(text), "to": words.email(text)}
        payload = {**{name: value for name, value in said_so.items() if value and (node_id, name) in places}, **payload}
        new = {name: value for name, value in payload.items() if not canvas.payload(node_id).get(name)}
        if new:
            made.append(Edit("update_node", {"nodeId": node_id, "payload": new}))
    names = words.joined([f"`{edit.args['nodeId']}`" for edit in made])
    return Change(Plan(made), f"I fill in what was missing in {names}.") if made else None


def _there(canvas: Canvas) -> set[str]:
    return {str(node.get("type")) for node in canvas.nodes.values()}


def left(said: Talk, slots: list[Slot]) -> list[Slot]:
    """Of the questions of a request those that are about a field still empty."""
    canvas = Canvas(said.context.definition or said.start)
    return [
        slot
        for slot in slots
        if _empty(canvas, (slot.field,)) or (slot.field == "text" and _empty(canvas, ("message", "template")))
    ]


def _empty(canvas: Canvas, fields: tuple[str, ...] | None) -> list[tuple[str, str]]:
    """(node, field) of what a block requires and does not have, in reading order."""
    catalog, _ = index()
    found = []
    for node_id in canvas.order():
        block = catalog.get(str(canvas.nodes[node_id].get("type")))
        required = block.payloadSchema.get("required") if block else None
        names = [str(each) for each in required] if isinstance(required, list) else []
        found += [
            (node_id, name)
            for name in names
            if (fields is None or name in fields) and not canvas.payload(node_id).get(name)
        ]
    return found
