"""The blocks that decide and that work on lists: if, filter, pluck, merge, log.

Invariant: pure, and bounded by the sizes ``members`` allows. Caller: the executor, through ``RUNNERS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from caddie.workflow.blocks.conditions import holds
from caddie.workflow.blocks.members import LIST_ITEMS, TEXT_CHARS, Payload, choice, kind, listed, written
from caddie.workflow.patterns import Matching, aside
from caddie.workflow.runner import Call, Result, Runner, StepError, instant
from shared.expressions import MAX_SEGMENTS
from shared.resolution import as_text, walk

CONDITIONS = 100
#: Of comparisons: more would hold up the event loop for more than a few milliseconds.
AT_ONCE = 2_000
LEVELS = ("info", "debug", "warning", "error")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; `subject` is the value under test of an if, and the name of a field of a filter."""

    subject: JsonValue
    op: str
    right: JsonValue


def conditions(payload: Payload, subject: str) -> list[Condition]:
    """The comparisons of a payload. Raises StepError."""
    given = listed(payload, "conditions")
    if not 1 <= len(given) <= CONDITIONS:
        raise StepError("INVALID_PAYLOAD", f"conditions: expected 1 to {CONDITIONS}, got {len(given)}")
    found = []
    for position, each in enumerate(given):
        if not isinstance(each, dict):
            raise StepError("INVALID_PAYLOAD", f"conditions.{position}: expected an object, got {kind(each)}")
        op = each.get("op")
        if not isinstance(op, str):
            raise StepError("INVALID_PAYLOAD", f"conditions.{position}.op: expected a name, got {kind(op)}")
        found.append(Condition(each.get(subject), op, each.get("right")))
    return found


def _costly(found: list[Condition], items: int) -> bool:
    return len(found) * items > AT_ONCE or any(each.op == "matches" for each in found)


async def decide(call: Call) -> Result:
    found = conditions(call.payload, "left")
    satisfied = any if choice(call.payload, "match", ("all", "any")) == "any" else all
    matching = Matching()

    def compare() -> bool:
        return satisfied(holds(each.op, each.subject, each.right, matching) for each in found)

    matched = await aside(compare) if _costly(found, 1) else compare()
    return {"matched": matched, "branch": "then" if matched else "else"}


async def keep(call: Call) -> Result:
    items, found = listed(call.payload, "items"), conditions(call.payload, "field")
    paths = [path(each.subject, f"conditions.{position}.field") for position, each in enumerate(found)]
    satisfied = any if choice(call.payload, "match", ("all", "any")) == "any" else all
    matching = Matching()

    def fits(item: JsonValue) -> bool:
        pairs = zip(found, paths, strict=True)
        return satisfied(holds(each.op, field(item, where), each.right, matching) for each, where in pairs)

    def kept() -> list[JsonValue]:
        return [item for item in items if fits(item)]

    chosen = await aside(kept) if _costly(found, len(items)) else kept()
    return {"items": chosen, "count": len(chosen)}


def path(name: JsonValue, where: str) -> str:
    """The dotted path of a field; empty for the item itself. Raises StepError."""
    if isinstance(name, bool) or not isinstance(name, str | int | None):
        raise StepError("INVALID_PAYLOAD", f"{where}: expected the name of a field, got {kind(name)}")
    dotted = as_text(name).strip()
    if dotted.count(".") >= MAX_SEGMENTS:
        raise StepError("INVALID_PAYLOAD", f"{where}: expected at most {MAX_SEGMENTS} names in a path, got more")
    return dotted


def field(item: JsonValue, dotted: str) -> JsonValue:
    """The value at a path; a member with the whole path as its name comes first. None when it is missing."""
    if not dotted:
        return item
    if isinstance(item, dict) and dotted in item:
        return item[dotted]
    return walk(item, tuple(dotted.split(".")))


def pluck(call: Call) -> Result:
    items, where = listed(call.payload, "items"), path(call.payload.get("field"), "field")
    if not where:
        raise StepError("INVALID_PAYLOAD", "field: expected the name of a field, got nothing")
    values = [field(item, where) for item in items]
    lines: list[str] = []
    room = TEXT_CHARS
    for value in values:
        if value is not None:
            lines.append(as_text(value))
            room -= len(lines[-1]) + 1
        if room < 0:
            raise StepError("INVALID_PAYLOAD", f"items: expected values of at most {TEXT_CHARS} characters, got more")
    return {"values": values, "count": len(values), "text": "\n".join(lines)}


def merge(call: Call) -> Result:
    given = list(call.parents) if call.payload.get("values") is None else listed(call.payload, "values")
    found = [(position, value) for position, value in enumerate(given) if value is not None]
    match choice(call.payload, "mode", ("list", "object", "first")):
        case "first":
            return {"value": found[0][1] if found else None}
        case "object":
            return {"value": _joined(found)}
        case _:
            return {"value": _flattened(found)}


def _joined(found: Iterable[tuple[int, JsonValue]]) -> dict[str, JsonValue]:
    members: dict[str, JsonValue] = {}
    for position, value in found:
        if not isinstance(value, dict):
            raise StepError("INVALID_PAYLOAD", f"values.{position}: expected an object, got {kind(value)}")
        members.update(value)
    return members


def _flattened(found: Iterable[tuple[int, JsonValue]]) -> list[JsonValue]:
    items: list[JsonValue] = []
    for _, value in found:
        if isinstance(value, list):
            items.extend(value)
        else:
            items.append(value)
        if len(items) > LIST_ITEMS:
            raise StepError("INVALID_PAYLOAD", f"values: expected at most {LIST_ITEMS} items together, got more")
    return items


def note(call: Call) -> Result:
    """The line, which the step's result keeps."""
    line: Result = {"message": written(call.payload, "message"), "level": choice(call.payload, "level", LEVELS)}
    return line if call.payload.get("data") is None else {**line, "data": call.payload["data"]}


RUNNERS: dict[str, Runner] = {
    "if": Runner(decide, kind=lambda payload: "instant", time_s=30.0),
    "filter": Runner(keep, kind=lambda payload: "instant", time_s=30.0),
    "pluck": instant(pluck),
    "merge": instant(merge),
    "log": instant(note),
}
