"""Wishes about a plan that is not built yet: each changes what is planned, as it would change a workflow.

Invariant: a wish that changes nothing is reported, never dropped. Callers: ``dialogue``, ``asides``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from caddie.models.offline import change
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Slot
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand


def planned(start: dict[str, Any], edits: list[Edit]) -> dict[str, Any]:
    """The workflow as it will be after these edits."""
    canvas = Canvas(start).edited(edits)
    named = {edit.args["nodeId"]: edit.args.get("titleOverride") for edit in edits if edit.tool == "add_node"}
    triggers = canvas.triggers or [each for each in canvas.nodes if each in named and not canvas.parents(each)][:1]
    return {**start, "nodes": canvas.nodes, "triggerNodeIds": triggers}


def amended(said: Talk, plan: Plan) -> tuple[Plan, list[Slot], list[str]]:
    """(the plan with all that was wished about it, what is to be asked, the wishes nothing came of)."""
    slots: list[Slot] = []
    unknown: list[str] = []
    for wish in said.wishes:
        found = _changed(said, planned(said.start, plan.edits), wish)
        if found is None or not found.plan.edits:
            unknown.append(wish)
            continue
        more = found.plan
        plan = Plan(
            [*plan.edits, *more.edits], [*plan.assumptions, *more.assumptions], [*plan.variables, *more.variables]
        )
        slots += found.slots
        unknown += found.unknown
    return plan, slots, unknown


def _changed(said: Talk, definition: dict[str, Any], wish: str) -> Change | None:
    context = replace(said.context, start=definition, definition=definition, message=wish)
    then = Talk(context, wish, said.tools)
    return change.edits(then, understand(wish, context.timezone, context.now))
