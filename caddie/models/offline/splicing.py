"""New steps between those that are there: edges, and what the steps around then read.

Invariant: what followed a step goes on following, behind what is new. Callers: ``extension``, ``reshape``.
"""

from __future__ import annotations

import re

from caddie.models.offline.canvas import Canvas
from caddie.models.offline.plan import Edit, Place, Plan, Planner
from caddie.models.offline.request import Action, Branch, Condition, Step, Test
from caddie.models.offline.scope import PRIMARY, Source


def reread(plan: Plan, canvas: Canvas, before: str | None, after: list[str]) -> None:
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


def informed(plan: Plan, canvas: Canvas, agent: str) -> None:
    """An agent is told what a step put in front of it finds."""
    added = [
        edit.args
        for edit in plan.edits
        if edit.tool == "add_node" and edit.args["type"] in ("web-search", "http-request")
    ]
    if added:
        prompt = str(canvas.payload(agent).get("prompt") or "").rstrip()
        found = "{{" + f"{added[-1]['nodeId']}.{PRIMARY[added[-1]['type']][0]}" + "}}"
        plan.edits.append(
            Edit("update_node", {"nodeId": agent, "payload": {"prompt": f"{prompt} Use what was found: {found}"}})
        )


def placed(canvas: Canvas, steps: list[Step], node_id: str | None, where: str) -> Plan:
    target = node_id or canvas.leaf()
    if target is None:
        return Plan()
    if where == "inside":
        ends = [each for each in canvas.inside(target) if not canvas.nodes[each].get("children")]
        after = ends[-1] if ends else target
        scope = canvas.scope(after) if ends else canvas.scope(target).add(Source("$item", "item", "", "for-each"))
        return Planner(canvas.nodes).extend(steps, Place((after,), loop=target), scope)
    if where == "before" and canvas.parents(target):
        if len(steps) == 1 and isinstance(steps[0], Action) and steps[0].block == "human_confirmation":
            steps = [*steps, Branch(Test((Condition("approved", "eq", True),)))]
        if len(steps) == 1 and isinstance(steps[0], Branch) and not steps[0].then:
            return gate(canvas, target, steps[0].test)
        parent = canvas.parents(target)[0]
        branch = canvas.nodes[target].get("branch")
        inside = target in (canvas.nodes[parent].get("loopBody") or [])
        place = Place((parent,), branch, parent if inside else canvas.loop_of(target))
        plan = Planner(canvas.nodes).extend(steps, place, canvas.scope(parent))
        return spliced(plan, parent, [target])
    plan = Planner(canvas.nodes).extend(steps, canvas.place_after(target), canvas.scope(target))
    if steps and isinstance(steps[0], Branch):
        # A condition of its own stands beside what follows already, which goes on happening.
        return plan
    following = [] if node_id is None else list(canvas.nodes[target].get("children") or [])
    return (
        spliced(plan, target, following)
        if following and canvas.nodes[target].get("type") not in ("if", "wait")
        else plan
    )


def spliced(plan: Plan, parent: str, following: list[str]) -> Plan:
    """Put the new chain between a node and those that followed it."""
    added = [edit.args["nodeId"] for edit in plan.edits if edit.tool == "add_node"]
    if not added:
        return plan
    gates = [edit.args["nodeId"] for edit in plan.edits if edit.tool == "add_node" and edit.args["type"] == "if"]
    for each in following:
        branch = {"branch": "then"} if added[-1] in gates else {}
        plan.edits.append(Edit("connect_nodes", {"source": added[-1], "target": each, **branch}))
        plan.edits.append(Edit("disconnect_nodes", {"source": parent, "target": each}))
    return plan


def gate(canvas: Canvas, target: str, test: Test) -> Plan:
    """A condition in front of a step: the step runs when it holds."""
    parent = canvas.parents(target)[0]
    inside = target in (canvas.nodes[parent].get("loopBody") or [])
    place = Place((parent,), canvas.nodes[target].get("branch"), parent if inside else canvas.loop_of(target))
    planner = Planner(canvas.nodes)
    scope = canvas.scope(parent)
    if inside:
        scope = scope.add(Source("$item", "item", "item", "for-each"))
    plan = planner.extend([Branch(test)], place, scope)
    check = next(edit.args["nodeId"] for edit in plan.edits if edit.tool == "add_node" and edit.args["type"] == "if")
    plan.edits.append(Edit("disconnect_nodes", {"source": parent, "target": target}))
    plan.edits.append(Edit("connect_nodes", {"source": check, "target": target, "branch": "then"}))
    return plan


def beside_conditions(canvas: Canvas) -> str | None:
    """Where a condition of its own goes when the story ends on a branch of another: beside that one."""
    above = [canvas.leaf() or ""]
    for each in above:
        above.extend(parent for parent in canvas.parents(each) if parent not in above)
    checks = [each for each in above if canvas.nodes.get(each, {}).get("type") == "if" and canvas.parents(each)]
    told = str(canvas.payload(checks[-1]).get("conditions")) if checks else "approved"
    return None if "approved" in told or canvas.loop_of(checks[-1]) else canvas.parents(checks[-1])[0]
