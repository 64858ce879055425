"""Changes to a workflow that is there: another time, another channel, a step more or less.

Invariant: touches only what the message names. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from caddie.models.offline import clauses, conditions, schedule, speak, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import ADD, Change, extended
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Request, Slot
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

_CHANGE = re.compile(
    r"\b(?:change|move|set|make|switch|shift|reschedule|update|use|instead|rather|replace|edit|adjust|raise|lower|increase|decrease|turn|put|not\s+\S+\s+but)\b",
    re.I,
)
_REMOVE = re.compile(
    r"^\s*(?:please\s+)?(?:can\s+you\s+|could\s+you\s+)?(?:please\s+)?(?:remove|delete|drop|get\s+rid\s+of|take\s+out|cut|don['’]t|do\s+not|stop)\s+(.+)$",
    re.I,
)
_TIMING = re.compile(
    r"\b(?:time|schedule|run|runs|start|starts|daily|weekly|hourly|every|each|trigger|at\s+\d|am|pm)\b", re.I
)
_TEXT = re.compile(
    r"\b(?:message|text|wording|body|prompt|question)\s+(?:to|into|should\s+(?:say|be|read)|so\s+(?:that\s+)?it\s+says|says?)\s*:?\s+(.+)$|\bsay\s+(.+?)\s+instead\b",
    re.I,
)


def wanted(said: Talk) -> bool:
    """Whether a message names a change, also in a turn that is about repairing."""
    return bool(said.nodes) and _explicit(said, Canvas(said.start)) is not None


def edits(said: Talk, request: Request) -> Change | None:
    """The change a message asks for, or None when it names none."""
    canvas = Canvas(said.start)
    explicit = _explicit(said, canvas)
    if explicit is not None:
        return explicit
    return extended(said, canvas, request)


def _explicit(said: Talk, canvas: Canvas) -> Change | None:
    text = clauses.without_politeness(said.request)
    for reader in (_removed, _timed, _zoned, _reworded, _retargeted, _threshold):
        found = reader(text, canvas, said)
        if found is not None:
            return found
    return None


def _removed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    match = _REMOVE.match(text)
    if match is None:
        return None
    phrase = re.sub(r"\s+(?:from|in|of)\s+(?:the|this|my)\s+workflow\b.*$", "", match.group(1), flags=re.I)
    if re.match(r"(?:everything|all(?:\s+the)?\s+(?:steps|nodes)|the\s+whole|all)\b", phrase, re.I):
        gone = [*reversed(canvas.order()), *canvas.triggers]
        return Change(Plan([Edit("remove_node", {"nodeId": each}) for each in gone]), "I remove everything.")
    named = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", phrase)
    found = list(dict.fromkeys(each for part in named if (each := canvas.meant(part)) and each not in canvas.triggers))
    if not found:
        return _which(
            said, canvas, "Which step should I remove?", lambda each: Plan(_removal(canvas, each)), "I remove"
        )
    made = [edit for each in found for edit in _removal(canvas, each)]
    told = words.joined([f"`{each}`" for each in found])
    return Change(Plan(made), f"I remove {told} and connect what is around it.")


def _removal(canvas: Canvas, node_id: str) -> list[Edit]:
    """With a condition goes what hangs on it only when it has an else branch; else its steps stay, unconditionally."""
    children = canvas.nodes[node_id].get("children") or []
    orphans = [each for each in children if canvas.nodes.get(each, {}).get("branch") in ("else", "timed_out")]
    return [*(Edit("remove_node", {"nodeId": each}) for each in orphans), Edit("remove_node", {"nodeId": node_id})]


def _which(said: Talk, canvas: Canvas, question: str, plan: Callable[[str], Plan], verb: str) -> Change | None:
    given = next((answer for asked, answer in said.answers if question in asked), None)
    if given is not None:
        node_id = given if given in canvas.nodes else canvas.meant(given)
        return Change(plan(node_id), f"{verb} `{node_id}`.") if node_id else None
    options = tuple((each, canvas.label(each)) for each in canvas.order()[:8])
    return Change(Plan(), "", slots=[Slot("node", "name", question, options)]) if options else None


def _timed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    shadow = words.masked(text)
    found = schedule.find(shadow, changing=bool(_CHANGE.search(text)))
    if (
        found is None
        or not (_CHANGE.search(text) or re.match(r"^\s*(?:run|start|at|every|only\s+on|trigger)\b", text, re.I))
        or not canvas.triggers
    ):
        return None
    rest = _cut(text, found)
    if understand(re.sub(_CHANGE, "", rest), said.context.timezone).steps or not (_TIMING.search(text) or found.freq):
        return None
    root = canvas.triggers[0]
    payload = canvas.payload(root)
    zone = clauses.zone(text) or payload.get("timezone") or said.context.timezone
    merged = _merged(schedule.read(str(payload.get("rrule", ""))) if payload.get("rrule") else None, found)
    args: dict[str, Any] = {"nodeId": root, "payload": {"rrule": merged.rrule(), "timezone": zone}}
    if payload.get("cron"):
        args["payload"]["cron"] = None
    if canvas.nodes[root].get("type") != "cronjob":
        args["type"] = "cronjob"
    return Change(Plan([Edit("update_node", args)]), f"I set the schedule to {schedule.tell(merged.rrule())} ({zone}).")


def _cut(text: str, found: schedule.Schedule) -> str:
    for start, end in sorted(schedule.united(found.spans), reverse=True):
        text = text[:start] + text[end:]
    return text


def _merged(old: schedule.Schedule | None, new: schedule.Schedule) -> schedule.Schedule:
    if old is None:
        return new if new.freq else replace(new, freq="DAILY")
    if new.freq is None:
        days = old if old.freq in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY") else replace(old, freq="DAILY", interval=1)
        return replace(days, hours=new.hours, minute=new.minute)
    keeps = not new.hours and old.hours and new.freq in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
    return replace(new, hours=old.hours, minute=old.minute) if keeps else new


def _zoned(text: str, canvas: Canvas, said: Talk) -> Change | None:
    zone = clauses.zone(text)
    roots = [each for each in canvas.triggers if canvas.nodes[each].get("type") == "cronjob"]
    if zone is None or not roots or not re.search(r"\btime\s?zone|\btime\b", text, re.I):
        return None
    return Change(
        Plan([Edit("update_node", {"nodeId": each, "payload": {"timezone": zone}}) for each in roots]),
        f"I set the time zone to {zone}.",
    )


def _reworded(text: str, canvas: Canvas, said: Talk) -> Change | None:
    fields = {"slack-send-message": "text", "discord-send-message": "text", "send-email": "text", "reply_chat": "text",
              "log": "message", "format": "template", "agent": "prompt", "human_confirmation": "message"}  # fmt: skip
    subject = re.search(r"\bsubject(?:\s+line)?\s+(?:to|should\s+be|into)\s*:?\s+(.+)$", text, re.I)
    if subject and (mails := canvas.of("send-email")):
        value = words.quoted(subject.group(1)) or subject.group(1).strip(" .")
        return Change(
            Plan([Edit("update_node", {"nodeId": mails[-1], "payload": {"subject": value}})]),
            f"I set the subject to “{value}”.",
        )
    match = _TEXT.search(text)
    targets = canvas.of(*fields)
    if match is None or not targets:
        return None
    said_text = match.group(1) or match.group(2)
    value = words.quoted(said_text) or said_text.strip()
    meant = canvas.meant(text[: match.start()])
    node_id = meant if meant in targets else targets[-1]
    name = fields[str(canvas.nodes[node_id].get("type"))]
    return Change(
        Plan([Edit("update_node", {"nodeId": node_id, "payload": {name: value}})]), f"I change the text of `{node_id}`."
    )


def _retargeted(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another channel, recipient or address for a step that has one."""
    if (
        ADD.search(text)
        and not re.search(r"\binstead\b", text, re.I)
        or not (_CHANGE.search(text) or re.match(r"^\s*(?:to|in|on)\s", text, re.I))
    ):
        return None
    address, channel, link = words.emails(text), words.channel(text), words.url(text)
    options: list[tuple[list[str], str, Any]] = [
        (canvas.of("slack-send-message"), "channel", channel if channel and not address else None),
        (canvas.of("send-email"), "to", address[-1] if address else None),
        (canvas.of("http-request", "send-webhook"), "url", link if link and not address else None),
    ]
    for targets, name, value in options:
        if value and targets:
            meant = canvas.meant(text)
            chosen = [meant] if meant in targets and len(targets) > 1 else targets[-1:]
            made = [Edit("update_node", {"nodeId": each, "payload": {name: value}}) for each in chosen if each]
            return Change(
                Plan(made), f"I change {name} of {words.joined([f'`{each}`' for each in chosen])} to {value}."
            )
    return None


def _threshold(text: str, canvas: Canvas, said: Talk) -> Change | None:
    checks = canvas.of("if")
    if not checks or not (_CHANGE.search(text) or re.match(r"^\s*only\b", text, re.I)):
        return None
    meant = canvas.meant(text)
    node_id = meant if meant in checks else checks[-1]
    old = [dict(each) for each in canvas.payload(node_id).get("conditions") or [] if isinstance(each, dict)]
    compared = re.search(
        r"\b(?:above|below|over|under|at\s+least|at\s+most|more\s+than|less\s+than|greater\s+than|exceeds?)\b.*$",
        text,
        re.I,
    )
    test = conditions.find(f"it is {compared.group()}") if compared else None
    plain = re.search(
        rf"\b(?:threshold|limit|value|condition|if|check)\b.*?\b(?:to|at)\s+[$€£]?({words.NUMBER.pattern})", text, re.I
    )
    if not old or not (test or plain):
        return None
    number = test.conditions[0].right if test else words.number(plain.group(1)) if plain else None
    old[0]["right"] = re.sub(r"\s+instead$", "", number) if isinstance(number, str) else number
    if test:
        old[0]["op"] = test.conditions[0].op
    payload = {**canvas.payload(node_id), "conditions": old}
    return Change(
        Plan([Edit("update_node", {"nodeId": node_id, "payload": {"conditions": old}})]),
        f"I change the condition: {speak.conditions(payload)}.",
    )
