"""A proposal in words: what it does, a line a change, and the fields that differ.

Invariant: whatever a definition holds, both keep within their bounds. Caller: the worker, when a proposal is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from shared.steps import AddStep, AnyChange, Changes, DeleteStep, ReorderSteps, Step, UpdateStep, beside_of, steps
from shared.workflows import Definition

FIELDS_MAX = 200
VALUE_CHARS = 2_000
LINES_MAX = 50
NAMES_MAX = 6
_ABSENT = object()


def summary(base: Definition, changes: Changes) -> str:
    """One line a change, for people."""
    before = {step.id: step for step in steps(base)}
    lines = [_line(before, base, change) for change in changes[:LINES_MAX]]
    more = [f"… and {len(changes) - LINES_MAX} more changes."] if len(changes) > LINES_MAX else []
    return "\n".join([*lines, *more])


def fields(base: Definition, changes: Changes) -> list[dict[str, JsonValue]]:
    """`{change, stepId, field, before?, after?}` for each field that differs; change: position of the change."""
    before = {step.id: step for step in steps(base)}
    found: list[dict[str, JsonValue]] = []
    for number, change in enumerate(changes):
        for step_id, field, old, new in _fields(before, base, change):
            told: dict[str, JsonValue] = {"change": number, "stepId": step_id, "field": field}
            told |= {name: _cut(value) for name, value in (("before", old), ("after", new)) if value is not _ABSENT}
            found.append(told)
            if len(found) == FIELDS_MAX:
                return found
    return found


def _line(before: dict[str, Step], base: Definition, change: AnyChange) -> str:
    match change:
        case AddStep(step=step):
            return f"Add {step.id} ({step.toolId}){_after(step.dependsOn)}."
        case DeleteStep(stepId=step_id):
            old = before.get(step_id)
            return f"Remove {step_id}{f' ({old.toolId})' if old else ''}."
        case ReorderSteps(stepId=step_id, dependsOn=parents):
            return f"Move {step_id}{_after(parents) or ' to the start'}."
        case UpdateStep(stepId=step_id):
            names = [field.removeprefix("inputs.") for _, field, _, _ in _fields(before, base, change)]
            shown = ", ".join(names[:NAMES_MAX]) + (", …" if len(names) > NAMES_MAX else "")
            return f"Change {step_id}: {shown or 'nothing'}."


def _after(parents: tuple[str, ...]) -> str:
    shown = ", ".join(parents[:NAMES_MAX]) + (", …" if len(parents) > NAMES_MAX else "")
    return f" after {shown}" if parents else ""


def _fields(before: dict[str, Step], base: Definition, change: AnyChange) -> Iterator[tuple[str, str, Any, Any]]:
    match change:
        case AddStep(step=step, node=beside):
            new = _flat(step) | _flat_of("", beside.wire() if beside else {})
            yield from ((step.id, field, _ABSENT, value) for field, value in new.items())
        case DeleteStep(stepId=step_id) if step_id in before:
            yield from ((step_id, field, value, _ABSENT) for field, value in _flat(before[step_id]).items())
        case ReorderSteps(stepId=step_id, dependsOn=parents) if step_id in before:
            yield step_id, "dependsOn", list(before[step_id].dependsOn), list(parents)
        case UpdateStep(stepId=step_id) if step_id in before:
            was, will = beside_of(base.nodes[step_id]), change.node
            old = _flat(before[step_id]) | _flat_of("", was.wire() if was else {})
            new = _flat(change.step) | _flat_of("", will.wire() if will else {})
            for field in dict.fromkeys((*old, *new)):
                one, other = old.get(field, _ABSENT), new.get(field, _ABSENT)
                # 1, 1.0 and true are three values in JSON and equal in Python.
                if field != "dependsOn" and (type(one), one) != (type(other), other):
                    yield step_id, field, one, other
    for name, value in (change.workflow or {}).items():
        yield "", name, base.wire().get(name, _ABSENT), value


def _flat(step: Step) -> dict[str, Any]:
    wire = step.wire()
    after = {"dependsOn": wire["dependsOn"]} if wire["dependsOn"] else {}
    return {"toolId": wire["toolId"], **_flat_of("inputs", wire["inputs"]), **after}


def _flat_of(prefix: str, value: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}" if prefix else name: member for name, member in value.items()}


def _cut(value: Any) -> JsonValue:
    """No longer than a reader of a difference wants it."""
    if isinstance(value, str):
        return value if len(value) <= VALUE_CHARS else f"{value[:VALUE_CHARS]}…"
    text = str(value) if isinstance(value, dict | list) else ""
    kept: JsonValue = value if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}…"
    return kept
