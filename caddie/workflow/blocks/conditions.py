"""Comparisons of values, as the blocks ``if`` and ``filter`` make them.

Invariant: pure; a value of a type an operator does not know, and a missing one, make the comparison false, never an
error; only an unknown operator and a bad pattern raise StepError. Callers: ``caddie.workflow.blocks.logic``.

A number equals a text that holds it, true and false the texts `true` and `false`; two texts are equal only when they
are the same. true is no 1. Lists and objects are equal when their members are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any, Final

from pydantic import JsonValue

from caddie.workflow.blocks.members import kind
from caddie.workflow.patterns import Matching
from caddie.workflow.runner import StepError
from shared.resolution import as_text

#: Longer texts are texts: reading 4,000 digits as a number is slow, and nobody means it.
NUMBER_CHARS = 64
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
OPERATORS: Final = (
    "eq", "neq", "gt", "gte", "lt", "lte", "contains", "not_contains", "starts_with", "ends_with", "matches", "exists",
    "empty",
)  # fmt: skip


def holds(op: str, left: JsonValue, right: JsonValue = None, matching: Matching | None = None) -> bool:
    """Whether ``left op right``. matching: the budget of time of the step's patterns. Raises StepError."""
    if op in _ORDERS:
        return _ordered(_ORDERS[op], left, right)
    match op:
        case "eq":
            return equal(left, right)
        case "neq":
            return not equal(left, right)
        case "contains":
            return _contains(left, right)
        case "not_contains":
            return not _contains(left, right)
        case "starts_with" | "ends_with":
            return _at_an_end(op, left, right)
        case "matches":
            return _matches(left, right, matching or Matching())
        case "exists":
            return left is not None
        case "empty":
            return left is None or left == [] or left == {} or (isinstance(left, str) and not left.strip())
    raise StepError("INVALID_PAYLOAD", f"op: expected one of {', '.join(OPERATORS)}, got {op[:32]!r}")


def number(value: JsonValue) -> int | float | None:
    """The number a value is, or that its text holds."""
    if isinstance(value, str) and len(value) <= NUMBER_CHARS and (found := _NUMBER.fullmatch(value.strip())):
        read = float(found[0]) if found[1] or found[2] else int(found[0])
        return read if math.isfinite(read) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def equal(left: JsonValue, right: JsonValue) -> bool:
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pending.extend((member, other[key]) for key, member in one.items())
        elif not _same(one, other):
            return False
    return True


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Equality of two values that are not both lists or both objects."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or (isinstance(one, str | bool) and isinstance(other, str | bool) and _word(one, other))
    first, second = number(one), number(other)
    if first is not None and second is not None:
        return first == second
    return one is None and other is None


def _word(one: str | bool, other: str | bool) -> bool:
    return as_text(one).strip() == as_text(other).strip()


def _ordered(order: Callable[[Any, Any], bool], left: JsonValue, right: JsonValue) -> bool:
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return order(first, second)
    return isinstance(left, str) and isinstance(right, str) and order(left, right)


def _contains(left: JsonValue, right: JsonValue) -> bool:
    if isinstance(left, list):
        return any(equal(item, right) for item in left)
    first, second = _scalar(left), _scalar(right)
    return first is not None and second is not None and second in first


def _at_an_end(op: str, left: JsonValue, right: JsonValue) -> bool:
    first, second = _scalar(left), _scalar(right)
    if first is None or second is None:
        return False
    return first.startswith(second) if op == "starts_with" else first.endswith(second)


def _matches(left: JsonValue, right: JsonValue, matching: Matching) -> bool:
    pattern, text = _scalar(right), _scalar(left)
    if pattern is None:
        raise StepError("INVALID_PAYLOAD", f"right: expected a regular expression, got {kind(right)}")
    return text is not None and matching.search(pattern, text)


def _scalar(value: JsonValue) -> str | None:
    """The text of a text, a number, true or false."""
    return None if value is None or isinstance(value, list | dict) else as_text(value)
