"""The workflow definition: its model and the parser that refuses what is no definition.

Invariant: a ``Definition`` never changes. Field names are the wire's. Callers: every surface that takes or stores a
definition, the validator, the edits, the executor.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, ValidationError, model_validator

from shared.catalog import json_type
from shared.errors import CaddieError, Fault

MAX_NODES = 500
MAX_BYTES = 1_048_576
MAX_JSON_DEPTH = 32
MAX_FAULTS = 200
ROOT = "root"
NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Block types whose children say on which outcome they run.
BRANCHES: dict[str, tuple[str, ...]] = {"if": ("then", "else"), "wait": ("resumed", "timed_out")}
VariableType = Literal["number", "text", "boolean", "list", "object"]


class _Closed(BaseModel):
    """An object whose members are all known. A null member counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _drop_null(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: member for key, member in value.items() if member is not None}

    def wire(self) -> dict[str, Any]:
        """The JSON object, without absent members."""
        return {key: _wire(getattr(self, key)) for key in type(self).model_fields if getattr(self, key) is not None}


def _wire(value: Any) -> Any:
    if isinstance(value, _Closed):
        return value.wire()
    if isinstance(value, dict):
        return {key: _wire(member) for key, member in value.items()}
    return [_wire(member) for member in value] if isinstance(value, list | tuple) else value


class Connector(_Closed):
    """An outside account: its kind (as the block's `connector`) and which one."""

    type: str = Field(min_length=1, max_length=64)
    id: str = Field(min_length=1, max_length=128)


class InputField(_Closed):
    """An input of the workflow, read as ``{{$inputs.key}}``."""

    key: str = Field(min_length=1, max_length=64)
    type: Literal["string", "number", "boolean", "object", "array"] = "string"
    required: StrictBool = False
    description: str = ""


class VariableDef(_Closed):
    """A variable, read as ``{{$vars.name}}``; `persist` keeps it with the workflow, `reset` with the execution."""

    name: str = Field(min_length=1, max_length=64)
    type: VariableType
    lifetime: Literal["persist", "reset"] = "reset"
    default: JsonValue = None
    description: str = ""


class Node(_Closed):
    """A step. `loopBody` names where the body of a loop begins: the body is those nodes and all they lead to."""

    type: str = Field(min_length=1, max_length=64)
    payload: dict[str, JsonValue] = {}
    children: tuple[str, ...] = Field(default=(), max_length=MAX_NODES)
    branch: str | None = Field(default=None, max_length=64)
    loopBody: tuple[str, ...] | None = Field(default=None, max_length=MAX_NODES)
    connector: Connector | None = None
    description: str | None = None
    titleOverride: str | None = None
    resultSchema: dict[str, JsonValue] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Every node an edge leads to, in order, without repetition."""
        return tuple(dict.fromkeys((*self.children, *(self.loopBody or ()))))


class Definition(_Closed):
    """A workflow. An empty one is where the agent begins; ``validate`` wants at least one node."""

    nodes: dict[str, Node]
    triggerNodeIds: tuple[str, ...] = Field(default=(ROOT,), max_length=MAX_NODES)
    inputSchema: tuple[InputField, ...] = Field(default=(), max_length=MAX_NODES)
    variableDefs: tuple[VariableDef, ...] = Field(default=(), max_length=MAX_NODES)
    blockExpansions: dict[str, JsonValue] | None = None
    sensitivePropKeys: tuple[str, ...] | None = None


def parse_definition(value: object) -> Definition:
    """The definition in a JSON value. Raises DEFINITION_INVALID with every fault of its shape."""
    if (fault := outsized(value)) is not None:
        raise CaddieError("DEFINITION_INVALID", f"definition: {fault.message}", faults=(fault,))
    try:
        return Definition.model_validate(value)
    except ValidationError as error:
        faults = tuple(shape_fault(each) for each in error.errors(include_url=False)[:MAX_FAULTS])
        message = f"expected a workflow definition, got {len(faults)} fault{'s' * (len(faults) > 1)}: {faults[0].field}"
        raise CaddieError("DEFINITION_INVALID", f"{message}: {faults[0].message}", faults=faults) from error


def parse_node(value: object) -> Node:
    """A node of a tool call. Raises INVALID with every fault of its shape."""
    fault = outsized(value)
    try:
        if fault is None:
            return Node.model_validate(value)
        faults: tuple[Fault, ...] = (fault,)
    except ValidationError as error:
        faults = tuple(shape_fault(each) for each in error.errors(include_url=False)[:MAX_FAULTS])
    raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=faults)


def shape_fault(error: Any) -> Fault:
    """A pydantic error in the house's words; never the value itself, which may be a secret."""
    path = ".".join(str(part) for part in error["loc"]) or "definition"
    if error["type"] == "missing":
        return Fault(path, "required, but absent")
    if error["type"] == "extra_forbidden":
        return Fault(path, "unknown field")
    return Fault(path, f"{error['msg']}, got {json_type(error.get('input'))}")


def outsized(value: object) -> Fault | None:
    """What no parser should be given: too deep, too large, or not JSON (RFC 8259: no NaN, no lone surrogates)."""
    pending: list[tuple[object, int, str]] = [(value, 1, "definition")]
    while pending:
        item, depth, name = pending.pop()
        if depth > MAX_JSON_DEPTH:
            return Fault(name, f"expected at most {MAX_JSON_DEPTH} levels of JSON, got more")
        if isinstance(item, dict):
            pending.extend((member, depth + 1, str(key)) for key, member in item.items())
            pending.extend((key, depth, "a member's name") for key in item)
        elif isinstance(item, list | tuple):
            pending.extend((member, depth + 1, name) for member in item)
        elif (isinstance(item, float) and not math.isfinite(item)) or (isinstance(item, str) and "\0" in item):
            return Fault(name[:64], "expected finite numbers and text without NUL")
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError) as error:
        return Fault("definition", f"expected JSON: {error}")
    return Fault("definition", f"expected at most {MAX_BYTES} bytes, got {size}") if size > MAX_BYTES else None
