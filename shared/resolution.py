"""The values of expressions: a scope and the payload filled in from it.

Invariant: a reference walks members of JSON objects and items of JSON lists, nothing else; what was filled in is not
read again. Callers: the executor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import orjson
from pydantic import JsonValue

from shared.expressions import Expression, ExpressionError, Literal, Reference, parse

MAX_OUTPUT_CHARS = 4_194_304
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Scope:
    """Values at run time. `nodes`: id → {result?, payload?, error?}; `items`: (item, index), innermost loop last."""

    trigger: str = "root"
    nodes: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    variables: Mapping[str, JsonValue] = field(default_factory=dict)
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    workflow: Mapping[str, JsonValue] = field(default_factory=dict)
    items: tuple[tuple[JsonValue, int], ...] = ()

    def inside(self, item: JsonValue, index: int) -> Scope:
        """The scope of one iteration of a loop."""
        return replace(self, items=(*self.items, (item, index)))


class _Missing:
    """What a reference that leads nowhere stands for."""


_MISSING: Final = _Missing()


def resolve(value: JsonValue, scope: Scope) -> JsonValue:
    """``value`` with its expressions filled in.

    A text that is one whole expression becomes the value it names, with its JSON type; otherwise it stays text.
    A missing or null value passes on to the next alternative of `||`; without one it is null, in a text empty.
    Raises ExpressionError for malformed texts and for outputs over the limit.
    """
    return _Resolution(scope).fill(value, 0)


class _Resolution:
    """One call of ``resolve``: the scope, and what is left of the output's limit."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._left = MAX_OUTPUT_CHARS

    def fill(self, value: JsonValue, depth: int) -> JsonValue:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"expected a payload nested at most {MAX_DEPTH} deep", 0)
        if isinstance(value, dict):
            return {key: self.fill(member, depth + 1) for key, member in value.items()}
        if isinstance(value, list):
            return [self.fill(member, depth + 1) for member in value]
        return self._text(value) if isinstance(value, str) and "{{" in value else value

    def _text(self, text: str) -> JsonValue:
        parts = parse(text)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return first(parts[0], self._scope)
        written: list[str] = []
        for part in parts:
            piece = part if isinstance(part, str) else as_text(first(part, self._scope))
            self._left -= len(piece)
            if self._left < 0:
                raise ExpressionError(f"expected at most {MAX_OUTPUT_CHARS} characters of resolved text", 0)
            written.append(piece)
        return "".join(written)


def first(expression: Expression, scope: Scope) -> JsonValue:
    """The first operand that is neither missing nor null."""
    for operand in expression.operands:
        value = operand.value if isinstance(operand, Literal) else _look_up(operand, scope)
        if not isinstance(value, _Missing) and value is not None:
            return value
    return None


def as_text(value: JsonValue) -> str:
    """A value inside a text: texts as they are, null as nothing, everything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _look_up(reference: Reference, scope: Scope) -> JsonValue | _Missing:
    node = reference.node
    if node is not None:
        return _look_up_node(reference, node, scope)
    match reference.head:
        case "$vars":
            return _walk(dict(scope.variables), reference.path)
        case "$inputs":
            return _walk(dict(scope.inputs), reference.path)
        case "$workflow":
            return _walk(dict(scope.workflow), reference.path)
        case "$index":
            return scope.items[-1][1] if scope.items else _MISSING
        case "$item":
            return _walk(scope.items[-1][0], reference.path) if scope.items else _MISSING
        case _:
            return _walk(scope.items[-2][0], reference.path) if len(scope.items) > 1 else _MISSING


def _look_up_node(reference: Reference, node: str, scope: Scope) -> JsonValue | _Missing:
    trigger = node == "root"
    values = scope.nodes.get(scope.trigger if trigger else node, {})
    if trigger and reference.part == "payload" and reference.head != "$nodes":
        # A chat trigger's result has a field `payload` of its own: root.payload means that one.
        found = _walk(values.get("result"), reference.path)
        if not isinstance(found, _Missing):
            return found
    return _walk(values[reference.part], reference.fields) if reference.part in values else _MISSING


def _walk(value: JsonValue, path: tuple[str, ...]) -> JsonValue | _Missing:
    for segment in path:
        if isinstance(value, dict) and segment in value:
            value = value[segment]
        elif isinstance(value, list) and segment.isascii() and segment.isdigit() and int(segment) < len(value):
            value = value[int(segment)]
        else:
            return _MISSING
    return value
