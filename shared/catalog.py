"""The block catalog: every node type a workflow may use, and the check of a node against its block.

Invariant: payload and result schemas keep to the keywords in ``KEYWORDS``, the subset of JSON Schema checked here.
The blocks are the JSON files in ``catalog_data`` and those of plugins. Callers: the definition's validator, the
executor, the agent's tools, block search, ``GET /v1/blocks`` and ``GET /api/v1/node-types/``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from shared.names import Finding
from shared.recurrence import faults as schedule_faults
from shared.seal import SEALED

FILES = ("triggers.json", "logic.json", "ai.json", "io.json")
#: The block whose payload `shared.recurrence` reads.
SCHEDULE = "cronjob"
FAMILIES = ("trigger", "logic", "ai", "io")
KEYWORDS = frozenset({
    "type", "description", "required", "enum", "properties", "additionalProperties", "items", "oneOf", "minimum",
    "maximum", "minLength", "pattern", "minItems", "maxItems", "format",
})  # fmt: skip
#: Findings of this type are something only the user can fill in, not a mistake.
INCOMPLETE = frozenset({"payload_required", "connector_required"})


class Example(BaseModel):
    """A use of a block in the words of a user, with a payload that is valid for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    description: str
    payload: dict[str, JsonValue]


class Block(BaseModel):
    """A node type. `connector`: the outside account it needs, `accepts`: one it can use; `branches`: what the `branch`
    of a child may be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str
    title: str
    summary: str
    family: str
    tags: tuple[str, ...]
    payloadSchema: dict[str, JsonValue]
    resultSchema: dict[str, JsonValue]
    connector: str | None = None
    accepts: str | None = None
    examples: tuple[Example, ...] = ()
    trigger: bool = False
    loop: bool = False
    branches: tuple[str, ...] = ()

    def wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class Catalog:
    """Blocks by type, in the order they were given."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = {block.type: block for block in blocks}

    @classmethod
    def builtin(cls) -> Catalog:
        """The catalog that comes with the program, without plugins."""
        folder = resources.files("shared") / "catalog_data"
        blocks = [block for name in FILES for block in orjson.loads((folder / name).read_bytes())]
        return cls(TypeAdapter(list[Block]).validate_python(blocks))

    def get(self, block_type: str) -> Block | None:
        return self._blocks.get(block_type)

    def all(self) -> tuple[Block, ...]:
        return tuple(self._blocks.values())

    def check(self, block_type: str, payload: dict[str, JsonValue], connector: str | None = None) -> list[Finding]:
        """Everything wrong with a node of this type. `connector` is the type of the account it is connected to."""
        block = self.get(block_type)
        if block is None:
            close = difflib.get_close_matches(block_type[:64], self._blocks, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            return [Finding("unknown_block", "type", f"expected a block of the catalog, got {block_type}{hint}")]
        findings = list(check_schema(payload, block.payloadSchema, "payload"))
        if block_type == SCHEDULE and not findings:
            findings += [Finding("payload_value", f"payload.{name}", said) for name, said in schedule_faults(payload)]
        if block.connector and connector is None:
            findings.append(Finding("connector_required", "connector", f"connect a {block.connector} account"))
        elif connector is not None and connector not in (block.connector, block.accepts):
            wanted = block.connector or block.accepts
            expected = f"a connector of type {wanted}" if wanted else "no connector"
            findings.append(Finding("connector_type", "connector", f"expected {expected}, got {connector}"))
        return findings


def block_faults(block: Block, catalog: Catalog) -> list[str]:
    """What keeps a block from being one of ``catalog``, which holds it already."""
    faults = []
    if block.family not in FAMILIES:
        faults.append(f"family: expected one of {', '.join(FAMILIES)}, got {block.family[:64]}")
    if block.trigger != (trigger := block.family == "trigger"):
        faults.append(f"trigger: expected {trigger} in the family {block.family[:64]}, got {block.trigger}")
    if not (block.title and block.summary and block.tags and block.examples):
        faults.append("expected a title, a summary, tags and examples: search needs them")
    for name, schema in (("payloadSchema", block.payloadSchema), ("resultSchema", block.resultSchema)):
        if schema.get("type") != "object":
            faults.append(f"{name}.type: expected object, got {schema.get('type')}")
        faults += _schema_faults(schema, name)
    if not faults:
        for position, example in enumerate(block.examples):
            found = catalog.check(block.type, dict(example.payload), block.connector)
            faults += [f"examples.{position}.{finding.field}: {finding.message}" for finding in found]
    return faults


def _schema_faults(schema: object, path: str) -> Iterator[str]:
    """Keywords that are not checked here would promise what is not kept."""
    if not isinstance(schema, dict):
        yield f"{path}: expected an object, got {json_type(schema)}"
        return
    for keyword in sorted(schema.keys() - KEYWORDS):
        yield f"{path}: expected {', '.join(sorted(KEYWORDS))}, got {keyword}"
    if isinstance(pattern := schema.get("pattern"), str):
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{path}.pattern: {error}"
    properties = schema.get("properties", {})
    for name, member in properties.items() if isinstance(properties, dict) else ():
        yield from _schema_faults(member, f"{path}.{name}")
        if isinstance(member, dict) and "description" not in member:
            yield f"{path}.{name}: expected a description, got none"
    for name in set(schema.get("required", ())) - set(properties):
        yield f"{path}.required: expected one of properties, got {name}"
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from _schema_faults(schema[keyword], f"{path}.{keyword}")


def check_schema(value: JsonValue, schema: dict[str, Any], path: str) -> Iterator[Finding]:
    """Faults of ``value``. A text with an expression, or a sealed one, passes anywhere: its value comes at run time."""
    if isinstance(value, str) and ("{{" in value or value.startswith(SEALED)):
        return
    if (types := schema.get("type")) is not None and not _has_type(value, types):
        yield Finding("payload_type", path, f"expected {_named(types)}, got {json_type(value)}")
        return
    if "enum" in schema and value not in schema["enum"]:
        choices = ", ".join(map(str, schema["enum"]))
        yield Finding("payload_value", path, f"expected one of {choices}, got {value!r:.60}")
    if isinstance(value, dict):
        yield from _check_object(value, schema, path)
    elif isinstance(value, list):
        yield from _check_list(value, schema, path)
    elif isinstance(value, str):
        yield from _check_text(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(value, schema, path)


def _check_object(value: dict[str, JsonValue], schema: dict[str, Any], path: str) -> Iterator[Finding]:
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    extra = schema.get("additionalProperties", True)
    required = set(schema.get("required", ()))
    for name in schema.get("required", ()):
        if _is_blank(value.get(name)):
            hint = properties.get(name, {}).get("description", "")
            yield Finding("payload_required", f"{path}.{name}", f"{name} is required. {hint}".strip())
    for name, member in value.items():
        where = f"{path}.{name}"
        if member is None or (name in required and _is_blank(member)):
            continue
        if name in properties:
            yield from check_schema(member, properties[name], where)
        elif extra is False:
            known = ", ".join(properties) or "no fields"
            yield Finding("payload_unknown", where, f"expected {known}, got {name[:64]}")
        elif isinstance(extra, dict):
            yield from check_schema(member, extra, where)
    yield from _check_choice(value, schema, path)


def _check_choice(value: dict[str, JsonValue], schema: dict[str, Any], path: str) -> Iterator[Finding]:
    """`oneOf`, which the catalog uses only for "exactly one of these fields"."""
    choices: list[str] = [choice["required"][0] for choice in schema.get("oneOf", ())]
    given = [name for name in choices if not _is_blank(value.get(name))]
    if choices and not given:
        yield Finding("payload_required", f"{path}.{choices[0]}", f"one of {', '.join(choices)} is required")
    elif len(given) > 1:
        yield Finding("payload_value", path, f"expected exactly one of {', '.join(choices)}, got {' and '.join(given)}")


def _check_list(value: list[JsonValue], schema: dict[str, Any], path: str) -> Iterator[Finding]:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    if len(value) < low or (high is not None and len(value) > high):
        bounds = f"{low} to {high}" if high is not None else f"at least {low}"
        yield Finding("payload_value", path, f"expected {bounds} items, got {len(value)}")
    if "items" in schema:
        for index, item in enumerate(value):
            yield from check_schema(item, schema["items"], f"{path}.{index}")


def _check_text(value: str, schema: dict[str, Any], path: str) -> Iterator[Finding]:
    if len(value) < schema.get("minLength", 0):
        yield Finding("payload_value", path, f"expected at least {schema['minLength']} characters, got {len(value)}")
    elif "pattern" in schema and re.search(schema["pattern"], value) is None:
        hint = schema.get("description") or schema["pattern"]
        yield Finding("payload_value", path, f"got {value!r:.80}; expected: {hint}")


def _check_number(value: int | float, schema: dict[str, Any], path: str) -> Iterator[Finding]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = " and ".join([f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None))
        yield Finding("payload_value", path, f"expected {bounds}, got {value}")


def _is_blank(value: JsonValue) -> bool:
    return value is None or value == ""


def _has_type(value: JsonValue, types: str | list[str]) -> bool:
    if not isinstance(types, str):
        return any(_has_type(value, each) for each in types)
    got = json_type(value)
    if types == "integer":
        return got == "number" and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    return got == types


def _named(types: str | list[str]) -> str:
    return types if isinstance(types, str) else " or ".join(types)


def json_type(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    names = ((bool, "boolean"), (int | float, "number"), (str, "string"), (list | tuple, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")
