"""More steps for a workflow that is there: at its end, before or after a step.

Invariant: what was there stays. Callers: ``change``, ``dialogue``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from caddie.models.offline import clauses, speak, thread
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.plan import Edit, Place, Plan, Planner
from caddie.models.offline.request import Request, Slot, Step
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

ADD = re.compile(
    r"\b(?:also|add|append|insert|in\s+addition|additionally|another|as\s+well|too|plus|then|afterwards|after\s+that|finally|before|after)\b",
    re.I,
)


_PLACE = re.compile(
    r"^\s*(?:and\s+)?(before|after)\s+(?:the\s+)?(.+?)(?:\s+step)?\s*,\s*(.+)$|^(.+?)\s+(before|"
    r"after)\s+(?:the\s+)?([\w# -]+?)(?:\s+(?:step|node|block))?\s*$",
    re.I,
)


_NOUNS = (
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:step|node|block)\s+(?:that|to|which)\s+", re.I
        ),
        "",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+|the\s+)?(?:condition|check|filter)\s*(?:that|:|,)?\s+(?=if|when|unless)",
            re.I,
        ),
        "",
    ),
    (re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?e-?mail\b", re.I), "send an email"),
    (
        re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:summary|summari[sz]ation)\b", re.I),
        "summarize it",
    ),
    (
        re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:delay|pause|wait)\b(?:\s+of)?", re.I),
        "wait",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:approval|confirmation)(?:\s+step)?", re.I
        ),
        "ask me for approval",
    ),
    (re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?=(?:slack|discord)\b)", re.I), "send a "),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:log(?:ging)?)(?:\s+(?:step|line|entry))?", re.I
        ),
        "log it",
    ),
)


@dataclass(slots=True)
class Change:
    """What to do, how to announce it; steps: those that are new; slots: what has to be asked first."""

    plan: Plan
    intro: str
    steps: list[Step] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def extended(said: Talk, canvas: Canvas, request: Request) -> Change | None:
    """More steps for the workflow that is there."""
    text = clauses.without_politeness(said.request)
    adds = bool(ADD.search(text))
    if request.trigger is not None and not adds:
        return None
    place, where, body = _position(text, canvas)
    extra = understand(_verbal(body), said.context.timezone)
    extra.trigger = None
    if not extra.steps:
        return None
    slots = [slot for action in extra.actions() for slot in action.missing]
    open_ = [slot for slot in slots if not any(slot.question in asked for asked, _ in said.answers)]
    for action in extra.actions():
        for slot in action.missing:
            given = next((answer for asked, answer in said.answers if slot.question in asked), None)
            value = thread.value(slot, given) if given is not None else None
            if value is not None:
                action.payload[slot.field] = value
    plan = _placed(canvas, extra.steps, place, where)
    return Change(plan, f"I add this to the workflow: {speak.steps(extra.steps)}.", extra.steps, open_, extra.unknown)


def _verbal(text: str) -> str:
    """ "add an email to …" → "send an email to …"."""
    text = re.sub(
        r"^(?:and\s+|then\s+|also\s*,?\s*|in\s+addition\s*,?\s*|additionally\s*,?\s*|finally\s*,?\s*)+",
        "",
        text.strip(),
        flags=re.I,
    )
    for pattern, verb in _NOUNS:
        if pattern.match(text):
            text = pattern.sub(verb, text, count=1)
            break
    return re.sub(r"\s*,?\s*(?:as\s+well|too|also)\s*[.!]?$", "", text, flags=re.I)


def _position(text: str, canvas: Canvas) -> tuple[str | None, str, str]:
    """(node, before or after, the rest) of "before the Slack step, wait 5 seconds"."""
    match = _PLACE.match(text)
    if match is None:
        return None, "after", text
    where = (match.group(1) or match.group(5)).lower()
    phrase, body = (match.group(2), match.group(3)) if match.group(1) else (match.group(6), match.group(4))
    if re.fullmatch(r"(?:that|this|it|all)", phrase, re.I):
        return None, "after", body
    node_id = canvas.meant(phrase)
    return (node_id, where, body) if node_id else (None, "after", text)


def _placed(canvas: Canvas, steps: list[Step], node_id: str | None, where: str) -> Plan:
    target = node_id or canvas.leaf()
    if target is None:
        return Plan()
    if where == "before" and canvas.parents(target):
        parent = canvas.parents(target)[0]
        branch = canvas.nodes[target].get("branch")
        inside = target in (canvas.nodes[parent].get("loopBody") or [])
        place = Place((parent,), branch, parent if inside else canvas.loop_of(target))
        plan = Planner(canvas.nodes).extend(steps, place, canvas.scope(parent))
        return _spliced(plan, parent, [target])
    plan = Planner(canvas.nodes).extend(steps, canvas.place_after(target), canvas.scope(target))
    following = [] if node_id is None else list(canvas.nodes[target].get("children") or [])
    return (
        _spliced(plan, target, following)
        if following and canvas.nodes[target].get("type") not in ("if", "wait")
        else plan
    )


def _spliced(plan: Plan, parent: str, following: list[str]) -> Plan:
    """Put the new chain between a node and those that followed it."""
    added = [edit.args["nodeId"] for edit in plan.edits if edit.tool == "add_node"]
    if not added:
        return plan
    for each in following:
        plan.edits.append(Edit("connect_nodes", {"source": added[-1], "target": each}))
        plan.edits.append(Edit("disconnect_nodes", {"source": parent, "target": each}))
    return plan


def appended(said: Talk, steps: list[Step]) -> Plan:
    """Steps of a whole new request after those there are."""
    return _placed(Canvas(said.start), steps, None, "after")
