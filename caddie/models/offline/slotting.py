"""What a request leaves open, and the answers that fill it before anything is built.

Invariant: an answer goes to the slot whose question it answers. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import answers, words
from caddie.models.offline.language import fields_schema
from caddie.models.offline.plan import Edit, Planner
from caddie.models.offline.reading import LATER
from caddie.models.offline.request import Action, Request, Slot
from caddie.models.offline.thread import Talk

_MESSAGES = ("slack-send-message", "discord-send-message", "send-email", "reply_chat", "log", "format")
_TEXT_OF = {
    "slack-send-message": "the Slack message", "send-email": "the email", "discord-send-message": "the Discord message",
    "reply_chat": "the reply",
}  # fmt: skip


def filled(request: Request, said: Talk) -> list[Slot]:
    """Give the answers to the slots they belong to; what is still to be asked."""
    still: list[Slot] = []
    for action in request.actions():
        for slot in list(action.missing):
            known, value = _given(said, slot)
            if not known:
                still.append(slot)
                continue
            if slot.kind == "fields" and isinstance(value, list):
                value = fields_schema(value)
            if value is not None:
                action.payload[slot.field] = value
            action.missing.remove(slot)
    return list({slot.question: slot for slot in still}.values())


def late(request: Request, said: Talk) -> list[Slot]:
    """What only planning shows to be missing: data for a condition, the text of a message."""
    slot = _blind(request)
    if slot is not None:
        known, given = _given(said, slot)
        if not known:
            return [slot]
        if given:
            fetch = Action("http-request", {"method": "GET", "url": given}, topic=slot.field, clause=f"fetch {given}")
            request.steps.insert(0, fetch)
    bare = [edit.args["type"] for edit in Planner().build(request).edits if edit.tool == "add_node" and _wordless(edit)]
    if not bare:
        return []
    slot = Slot("text", "text", f"What should {_TEXT_OF.get(bare[0], 'the text')} say?", (LATER,))
    known, given = _given(said, slot)
    for action in request.actions():
        if given and action.block in _MESSAGES and not action.said:
            action.said = str(given)
    return [] if known else [slot]


def _blind(request: Request) -> Slot | None:
    """The slot for a condition that has nothing to read its value from."""
    if request.trigger is not None and request.trigger.block not in ("cronjob", "manual"):
        return None
    guesses = (
        re.match(r"I read “(.+?)” .*what starts the workflow", each) for each in Planner().build(request).assumptions
    )
    subject = next((guess.group(1) for guess in guesses if guess), None)
    if subject is None:
        return None
    return Slot(words.slug(subject), "url", f"From which address (URL) can I read the {words.bare(subject)}?", (LATER,))


def _given(said: Talk, slot: Slot) -> tuple[bool, Any]:
    """(whether the slot's question was answered, the value)."""
    given = next((answer for asked, answer in said.answers if slot.question in asked), None)
    return (False, None) if given is None else (True, answers.value(slot, given))


def _wordless(edit: Edit) -> bool:
    if edit.args["type"] not in _MESSAGES:
        return False
    name = {"log": "message", "format": "template"}.get(edit.args["type"], "text")
    return not edit.args["payload"].get(name)
