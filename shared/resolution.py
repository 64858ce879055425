"""The values of expressions: a scope and the payload filled in from it.

Invariant: a reference walks members of JSON objects and items of JSON lists, nothing else; what was filled in is not
read again. Callers: the executor; blocks take ``walk`` and ``as_text``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import orjson
from pydantic import JsonValue

from shared.expressions import MAX_EXPRESSIONS, Expression, ExpressionError, Literal, Reference, parse

MAX_OUTPUT_CHARS = 4_194_304
MAX_DEPTH = 32
#: Digits of a list's position: longer ones are beyond any list, and slow to read.
MAX_POSITION_DIGITS = 9


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
    Raises ExpressionError for malformed texts, too many expressions, and outputs over the limit: what was filled in
    counts as often as it is named, whole values as the JSON they become.
    """
    return _Resolution(scope).fill(value, 0)


class _Resolution:
    """One call of ``resolve``: the scope, and what is left of the limits."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._left = MAX_OUTPUT_CHARS
        self._expressions = MAX_EXPRESSIONS

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
            value = self._value(parts[0])
            self._spend(_size(value))
            return value
        written: list[str] = []
        for part in parts:
            piece = part if isinstance(part, str) else as_text(self._value(part))
            self._spend(len(piece))
            written.append(piece)
        return "".join(written)

    def _value(self, expression: Expression) -> JsonValue:
        self._expressions -= 1
        if self._expressions < 0:
            raise ExpressionError(f"expected at most {MAX_EXPRESSIONS} expressions in a payload, got more", 0)
        return first(expression, self._scope)

    def _spend(self, chars: int) -> None:
        self._left -= chars
        if self._left < 0:
            raise ExpressionError(f"expected at most {MAX_OUTPUT_CHARS} characters of resolved values, got more", 0)


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
    return "" if value is None else _json(value).decode()


def _size(value: JsonValue) -> int:
    if isinstance(value, str):
        return len(value)
    return len(_json(value)) if isinstance(value, list | dict) else 0


def _json(value: JsonValue) -> bytes:
    """Raises ExpressionError for what the encoder refuses: over 254 levels, integers of more than 64 bits."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise ExpressionError(f"expected a value that can be written as JSON, got one with: {error}", 0) from None


def _look_up(reference: Reference, scope: Scope) -> JsonValue | _Missing:
    node = reference.node
    if node is not None:
        return _look_up_node(reference, node, scope)
    match reference.head:
        case "$vars":
            return _member(scope.variables, reference.path)
        case "$inputs":
            return _member(scope.inputs, reference.path)
        case "$workflow":
            return _member(scope.workflow, reference.path)
        case "$index":
            return scope.items[-1][1] if scope.items else _MISSING
        case "$item":
            return _walk(scope.items[-1][0], reference.path) if scope.items else _MISSING
        case _:
            return _walk(scope.items[-2][0], reference.path) if len(scope.items) > 1 else _MISSING


def _look_up_node(reference: Reference, node: str, scope: Scope) -> JsonValue | _Missing:
    fired = scope.trigger if node == "root" else node
    values = scope.nodes.get(fired, {})
    if fired == scope.trigger and reference.part == "payload" and reference.head != "$nodes":
        # A chat trigger's result has a field `payload` of its own: root.payload means that one.
        found = _walk(values.get("result"), reference.path)
        if not isinstance(found, _Missing):
            return found
    return _walk(values[reference.part], reference.fields) if reference.part in values else _MISSING


def _member(values: Mapping[str, JsonValue], path: tuple[str, ...]) -> JsonValue | _Missing:
    return _walk(values[path[0]], path[1:]) if path[0] in values else _MISSING


def walk(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    """The member at a path of names and positions; None when it leads nowhere."""
    found = _walk(value, path)
    return None if isinstance(found, _Missing) else found


def _walk(value: JsonValue, path: tuple[str, ...]) -> JsonValue | _Missing:
    for segment in path:
        if isinstance(value, dict) and segment in value:
            value = value[segment]
        elif isinstance(value, list) and (position := _position(segment)) is not None and position < len(value):
            value = value[position]
        else:
            return _MISSING
    return value


def _position(segment: str) -> int | None:
    digits = len(segment) <= MAX_POSITION_DIGITS and segment.isascii() and segment.isdigit()
    return int(segment) if digits else None
