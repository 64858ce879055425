"""JSON Schema as users write it: whether a value satisfies one.

Invariant: the work is bounded by the sizes of value and schema; unknown keywords and texts with ``{{`` get no special
treatment, unlike in the catalog's own check. Callers: the block ``extract-json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import regex  # type: ignore[import-untyped,unused-ignore]
from pydantic import JsonValue

from shared.catalog import json_type

DEPTH, VISITS = 32, 50_000
PATTERN_S = 0.05
_NAMES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_STRUCTURE = frozenset({
    "type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "required", "$schema",
    "additionalProperties", "$defs", "definitions",
})  # fmt: skip
_FORMATS = {
    "email": re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}"),
    "uri": re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}:\S+"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "time": re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?"),
}


def whole(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema from the short form `{"name": "string", "amount": "number"}`; any other stays as it is."""
    short = bool(schema) and not _STRUCTURE & schema.keys()
    if short and all(_is_name(value) or _is_schema(value) for value in schema.values()):
        members = {name: {"type": value} if isinstance(value, str) else value for name, value in schema.items()}
        return {"type": "object", "properties": members}
    return schema


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value in _NAMES


def _is_schema(value: object) -> bool:
    return isinstance(value, dict) and bool(_STRUCTURE & value.keys())


@dataclass(slots=True)
class _Check:
    """root: what references point into. left: schemas that may still be looked at; references can go round."""

    root: Any
    left: int = VISITS


def faults(value: JsonValue, schema: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a value, each with its place."""
    return _faults(value, schema, "", _Check(schema), 0)


def _faults(value: JsonValue, schema: Any, path: str, check: _Check, depth: int) -> Iterator[str]:
    check.left -= 1
    if not isinstance(schema, dict) or depth > DEPTH or check.left < 0:
        if schema is False:
            yield f"{_place(path)}: expected nothing, got {json_type(value)}"
        return
    if isinstance(reference := schema.get("$ref"), str):
        yield from _faults(value, _resolved(reference, check.root), path, check, depth + 1)
    types = schema.get("type")
    wanted = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    if wanted and not any(_is(value, each) for each in wanted) and not (value is None and schema.get("nullable")):
        yield f"{_place(path)}: expected {' or '.join(map(str, wanted))}, got {json_type(value)}"
        return
    choices = schema.get("enum")
    if isinstance(choices, list) and not any(_same(value, each) for each in choices):
        yield f"{_place(path)}: expected one of {', '.join(map(str, choices))[:300]}, got {value!r:.60}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{_place(path)}: expected {schema['const']!r:.60}, got {value!r:.60}"
    yield from _combined(value, schema, path, check, depth)
    if isinstance(value, dict):
        yield from _object(value, schema, path, check, depth)
    elif isinstance(value, list):
        yield from _list(value, schema, path, check, depth)
    elif isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(value, schema, path)


def _combined(value: JsonValue, schema: dict[str, Any], path: str, check: _Check, depth: int) -> Iterator[str]:
    for each in _members(schema, "allOf"):
        yield from _faults(value, each, path, check, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        choices = _members(schema, keyword)
        fitting = sum(not any(_faults(value, each, path, check, depth + 1)) for each in choices)
        if choices and (not fitting or (keyword == "oneOf" and fitting > 1)):
            yield f"{_place(path)}: expected {'one' if keyword == 'oneOf' else 'any'} of {len(choices)} schemas to fit"


def _object(value: dict[str, JsonValue], schema: dict[str, Any], path: str, check: _Check, depth: int) -> Iterator[str]:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for name in _members(schema, "required"):
        if isinstance(name, str) and name not in value:
            yield f"{_place(_under(path, name))}: missing"
    extra = schema.get("additionalProperties", True)
    for name, member in value.items():
        where = _under(path, name)
        if name in properties:
            yield from _faults(member, properties[name], where, check, depth + 1)
        elif extra is False:
            yield f"{_place(where)}: expected only {', '.join(properties)[:300] or 'no fields'}"
        elif isinstance(extra, dict):
            yield from _faults(member, extra, where, check, depth + 1)


def _list(value: list[JsonValue], schema: dict[str, Any], path: str, check: _Check, depth: int) -> Iterator[str]:
    low, high = _bound(schema, "minItems"), _bound(schema, "maxItems")
    if low is not None and len(value) < low:
        yield f"{_place(path)}: expected at least {low:g} items, got {len(value)}"
    if high is not None and len(value) > high:
        yield f"{_place(path)}: expected at most {high:g} items, got {len(value)}"
    if schema.get("uniqueItems") is True and len({repr(each) for each in value}) < len(value):
        yield f"{_place(path)}: expected each item once"
    for index, item in enumerate(value):
        yield from _faults(item, schema.get("items", True), _under(path, str(index)), check, depth + 1)


def _text(value: str, schema: dict[str, Any], path: str) -> Iterator[str]:
    low, high = _bound(schema, "minLength"), _bound(schema, "maxLength")
    if low is not None and len(value) < low:
        yield f"{_place(path)}: expected at least {low:g} characters, got {len(value)}"
    if high is not None and len(value) > high:
        yield f"{_place(path)}: expected at most {high:g} characters, got {len(value)}"
    if isinstance(pattern := schema.get("pattern"), str):
        try:
            fits = regex.search(pattern, value, timeout=PATTERN_S) is not None
        except (regex.error, TimeoutError):
            # A pattern nobody can answer says nothing about the text.
            fits = True
        if not fits:
            yield f"{_place(path)}: expected a text like {pattern[:80]}, got {value!r:.60}"
    form = schema.get("format")
    if isinstance(form, str) and not _formed(value, form):
        yield f"{_place(path)}: expected a text of the format {form[:40]}, got {value!r:.60}"


def _number(value: int | float, schema: dict[str, Any], path: str) -> Iterator[str]:
    low, high = _bound(schema, "minimum"), _bound(schema, "maximum")
    above, below = _bound(schema, "exclusiveMinimum"), _bound(schema, "exclusiveMaximum")
    if (low is not None and value < low) or (above is not None and value <= above):
        yield f"{_place(path)}: expected more, at least {low if above is None else above:g}, got {value:g}"
    if (high is not None and value > high) or (below is not None and value >= below):
        yield f"{_place(path)}: expected less, at most {high if below is None else below:g}, got {value:g}"


def _formed(value: str, form: str) -> bool:
    try:
        if form == "date":
            date.fromisoformat(value)
        elif form == "date-time":
            datetime.fromisoformat(value)
    except ValueError:
        return False
    pattern = _FORMATS.get("uri" if form in ("url", "uri-reference") else form)
    return pattern is None or pattern.fullmatch(value) is not None


def _resolved(reference: str, root: Any) -> Any:
    found = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def _members(schema: dict[str, Any], keyword: str) -> list[Any]:
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def _bound(schema: dict[str, Any], keyword: str) -> float | None:
    found = schema.get(keyword)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _is(value: JsonValue, name: object) -> bool:
    got = json_type(value)
    if name == "integer":
        return got == "number" and float(value).is_integer()  # type: ignore[arg-type]
    return got == name


def _same(value: JsonValue, other: object) -> bool:
    return type(value) is type(other) and value == other


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _place(path: str) -> str:
    return path[:120] or "the answer"
