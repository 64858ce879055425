"""More steps for a workflow that is there: at its end, before or after a step.

Invariant: what was there stays. Callers: ``change``, ``dialogue``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from caddie.models.offline import phrasing, speak, thread
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.plan import Edit, Place, Plan, Planner
from caddie.models.offline.request import Branch, Request, Slot, Step, Test
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand
from caddie.models.offline.wiring import PRIMARY, Source

ADD = re.compile(
    r"\b(?:also|add|append|insert|in\s+addition|additionally|another|as\s+well|too|plus|then|afterwards|after\s+that|"
    r"finally|before|after)\b",
    re.I,
)


_BETWEEN = re.compile(r"^(.+?)\s+between\s+(?:the\s+)?(.+?)\s+and\s+(?:the\s+)?(.+?)(?:\s+and\s+.*)?$", re.I)
_INSIDE = re.compile(
    r"\s*,?\s*\b(?:inside|within|in)\s+(?:of\s+)?(?:the|each|every)\s+(?:loop|iteration|"
    r"for[ -]each)(?:\s+body)?\s*,?|\bfor\s+(?:each|every)\s+(?:item|one)\b\s*,?",
    re.I,
)
_PLACE = re.compile(
    r"^\s*(?:and\s+)?(before|after)\s+(?:the\s+)?(.+?)(?:\s+step)?\s*(?:,|\s(?=(?:ask|wait|log|send|post|add|"
    r"summari[sz]e)\b))\s*(.+)$|^(.+?)\s+(before|"
    r"after)\s+(?:the\s+)?([\w# -]+?)(?:\s+(?:step|node|block))?\s*$",
    re.I,
)


_NOUNS = (
    (
        re.compile(r"^(?:add|append|insert|include|put)\s+(?:an?\s+|another\s+)?translation\b(?:\s+step)?", re.I),
        "translate it",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:step|node|block)\s+(?:that|to|which)\s+", re.I
        ),
        "",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+|the\s+)?(?:condition|check|filter)\s*(?:that|:|"
            r",)?\s+(?=if|when|unless)",
            re.I,
        ),
        "",
    ),
    (re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?e-?mail\b", re.I), "send an email"),
    (
        re.compile(
            r"^(?:add|append|insert|include|put)\s+(?:an?\s+|another\s+)?(?:summary|summari[sz]ation)\b(?:\s+step)?",
            re.I,
        ),
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


def extended(text: str, said: Talk, canvas: Canvas, request: Request | None) -> Change | None:
    """More steps for the workflow that is there. request: what the whole message was read as, when it is one."""
    if request is not None and request.trigger is not None and not ADD.search(text):
        return None
    place, where, body = _position(text, canvas)
    labels = [str(label) for each in canvas.of("classify") for label in canvas.payload(each).get("labels") or []]
    extra = understand(_verbal(body), said.context.timezone, labels=labels, standalone=False)
    if not extra.steps:
        return None
    if place is None and (otherwise := _otherwise(extra.steps, canvas)):
        check, steps = otherwise
        plan = Planner(canvas.nodes).extend(steps, Place((check,), "else", canvas.loop_of(check)), canvas.scope(check))
        return Change(
            plan, f"I add this when the condition does not hold: {speak.steps(steps)}.", steps, [], extra.unknown
        )
    open_: list[Slot] = []
    for action, slot in [(each, slot) for each in extra.actions() for slot in each.missing]:
        given = next((answer for asked, answer in said.answers if slot.question in asked), None)
        known = thread.value(slot, given) if given is not None else None
        if known is not None:
            action.payload[slot.field] = known
        elif given is None:
            open_.append(slot)
    if place is None and where == "after":
        place = _hook(extra.steps, canvas)
    plan = _placed(canvas, extra.steps, place, where)
    if where == "between" and plan.edits:
        _reread(plan, canvas, place, canvas.nodes[place].get("children") or [] if place else [])
    elif where == "before" and place and extra.actions()[0].block in ("summarize", "agent", "format"):
        _reread(plan, canvas, None, [place])
    return Change(plan, f"I add this to the workflow: {speak.steps(extra.steps)}.", extra.steps, open_, extra.unknown)


def _otherwise(steps: list[Step], canvas: Canvas) -> tuple[str, list[Step]] | None:
    """A condition that is the opposite of one that is there: its steps belong on that one's other branch."""
    branch, checks = steps[0], canvas.of("if")
    if not isinstance(branch, Branch) or len(steps) > 1 or not checks or branch.otherwise:
        return None
    said = branch.test.said
    opposite = re.match(r"^(?:there\s+(?:is|are)\s+)?(?:no|not)\b|^(?:it|that)\s+(?:is|does)\s+not$", said, re.I)
    if opposite is None:
        return None
    check = checks[-1]
    if any(canvas.nodes.get(each, {}).get("branch") == "else" for each in canvas.nodes[check].get("children") or []):
        return None
    return check, branch.then


def _hook(steps: list[Step], canvas: Canvas) -> str | None:
    """The classification a new condition is about: it goes beside the conditions that ask it already."""
    branch = steps[0]
    found = canvas.of("classify")
    if not isinstance(branch, Branch) or not found:
        return None
    asked = {str(each.right).lower() for each in branch.test.conditions}
    fits = [
        each for each in found if asked & {str(label).lower() for label in canvas.payload(each).get("labels") or []}
    ]
    return fits[-1] if fits else None


def _reread(plan: Plan, canvas: Canvas, before: str | None, after: list[str]) -> None:
    """What comes after a step put in between now reads the new step where it read what that one reads."""
    added = next((edit.args for edit in reversed(plan.edits) if edit.tool == "add_node"), None)
    read = re.search(r"\{\{\s*([\w-]+)\.", str(added["payload"])) if added else None
    before = before or (read.group(1) if read else None)
    if added is None or before is None or added["type"] not in PRIMARY:
        return
    path = PRIMARY[added["type"]][0]
    old = re.compile(r"\{\{\s*" + re.escape(before) + r"\.[^{}]*\}\}")
    for child in after:
        changed = {
            name: new
            for name, text in canvas.payload(child).items()
            if isinstance(text, str) and (new := old.sub("{{" + f"{added['nodeId']}.{path}" + "}}", text)) != text
        }
        if changed:
            plan.edits.append(Edit("update_node", {"nodeId": child, "payload": changed}))


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
    """(node, before, after, between or inside, the rest) of "before the Slack step, wait 5 seconds"."""
    if match := _BETWEEN.match(text):
        node_id = canvas.meant(match.group(2))
        return (node_id, "between", match.group(1)) if node_id else (None, "after", text)
    if (match := _INSIDE.search(text)) and (loops := canvas.of("for-each")):
        body = f"{text[: match.start()]} {text[match.end() :]}".strip(" ,")
        return canvas.meant(text, loops) or loops[-1], "inside", body
    match = _PLACE.match(text)
    if match is None:
        return None, "after", text
    where = (match.group(1) or match.group(5)).lower()
    phrase, body = (match.group(2), match.group(3)) if match.group(1) else (match.group(6), match.group(4))
    if re.fullmatch(r"(?:that|this|it|all)", phrase, re.I):
        return None, "after", body
    node_id = canvas.meant(re.sub(r"\s+(?:goes|is|gets|runs|has|was|are)\b.*$", "", phrasing.plainly(phrase)))
    return (node_id, where, body) if node_id else (None, "after", text)


def _placed(canvas: Canvas, steps: list[Step], node_id: str | None, where: str) -> Plan:
    target = node_id or canvas.leaf()
    if target is None:
        return Plan()
    if where == "inside":
        ends = [each for each in canvas.inside(target) if not canvas.nodes[each].get("children")]
        after = ends[-1] if ends else target
        scope = canvas.scope(after) if ends else canvas.scope(target).add(Source("$item", "item", "", "for-each"))
        return Planner(canvas.nodes).extend(steps, Place((after,), loop=target), scope)
    if where == "before" and canvas.parents(target):
        if len(steps) == 1 and isinstance(steps[0], Branch) and not steps[0].then:
            return gate(canvas, target, steps[0].test)
        parent = canvas.parents(target)[0]
        branch = canvas.nodes[target].get("branch")
        inside = target in (canvas.nodes[parent].get("loopBody") or [])
        place = Place((parent,), branch, parent if inside else canvas.loop_of(target))
        plan = Planner(canvas.nodes).extend(steps, place, canvas.scope(parent))
        return _spliced(plan, parent, [target])
    plan = Planner(canvas.nodes).extend(steps, canvas.place_after(target), canvas.scope(target))
    if steps and isinstance(steps[0], Branch):
        # A condition of its own stands beside what follows already, which goes on happening.
        return plan
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


def gate(canvas: Canvas, target: str, test: Test) -> Plan:
    """A condition in front of a step: the step runs when it holds."""
    parent = canvas.parents(target)[0]
    inside = target in (canvas.nodes[parent].get("loopBody") or [])
    place = Place((parent,), canvas.nodes[target].get("branch"), parent if inside else canvas.loop_of(target))
    planner = Planner(canvas.nodes)
    plan = planner.extend([Branch(test)], place, canvas.scope(parent))
    check = next(edit.args["nodeId"] for edit in plan.edits if edit.tool == "add_node" and edit.args["type"] == "if")
    plan.edits.append(Edit("disconnect_nodes", {"source": parent, "target": target}))
    plan.edits.append(Edit("connect_nodes", {"source": check, "target": target, "branch": "then"}))
    return plan


def appended(said: Talk, steps: list[Step]) -> Plan:
    """Steps of a whole new request after those there are."""
    return _placed(Canvas(said.start), steps, None, "after")
