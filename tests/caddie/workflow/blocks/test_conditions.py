"""Comparisons: every operator over every type, and what counts as equal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caddie.workflow.blocks.conditions import NUMBER_CHARS, OPERATORS, equal, holds
from caddie.workflow.runner import StepError
from shared.catalog import Catalog

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
LITERAL = [op for op in OPERATORS if op != "matches"]


def test_the_operators_are_those_of_the_catalog() -> None:
    for block, member in (("if", "left"), ("filter", "field")):
        found: Any = Catalog.builtin().get(block)
        item = found.payloadSchema["properties"]["conditions"]["items"]
        assert tuple(item["properties"]["op"]["enum"]) == OPERATORS
        assert member in item["required"]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1, True), (1, 1.0, True), (1, "1", True), (1.0, "1", True), ("1", 1.0, True), (1.5, " 1.5 ", True),
        (1000, "1e3", True), (7, "007", True), (-2, "-2", True), (2, "+2", True), (0, "", False), (0, "-0", True),
        ("1", "1", True), ("1", "1.0", False), ("1", " 1", False), ("a", "A", False), ("", "", True),
        (True, True, True), (True, "true", True), ("false", False, True), (True, "True", False), (True, 1, False),
        (True, "1", False), (False, 0, False), (False, "", False), (False, None, False),
        (None, None, True), (None, "", False), (None, 0, False), (None, "null", False), (None, [], False),
        ([1, "a"], [1.0, "a"], True), ([1], [True], False), ([1, 2], [2, 1], False), ([1], [1, 1], False),
        ({"a": 1, "b": [2]}, {"b": ["2"], "a": 1}, True), ({"a": 1}, {"a": 2}, False), ({"a": 1}, {"b": 1}, False),
        ([], {}, False), ("[]", [], False), (1, [1], False), ({}, {}, True),
        (2**63, float(2**63), True), (2**53 + 1, float(2**53), False), (1, "1_0", False), (1, "١", False),
        ("1e999", 1e308, False), (10, "1" + "0" * NUMBER_CHARS, False),
    ],
)  # fmt: skip
def test_what_is_equal(left: Any, right: Any, same: bool) -> None:
    assert holds("eq", left, right) is same
    assert holds("eq", right, left) is same
    assert holds("neq", left, right) is not same


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("gt", 2, 1, True), ("gt", 1, 1, False), ("gte", 1, 1.0, True), ("lt", 1, 2, True), ("lte", 2, 1, False),
        ("gt", "10", "9", True), ("gt", "10", 9, True), ("lt", "1.5", 2, True), ("gt", " 10 ", "9", True),
        ("gt", "b", "a", True), ("lt", "2026-01-02", "2026-02-01", True), ("gt", "10 EUR", "9 EUR", False),
        ("gt", 5, "a", False), ("lt", 5, "a", False), ("gte", True, True, False), ("lt", None, 5, False),
        ("gte", None, None, False), ("gt", [2], [1], False), ("gt", {"a": 2}, 1, False), ("lt", "", 5, False),
        ("contains", "urgent: x", "urgent", True), ("contains", "Urgent", "urgent", False),
        ("contains", "order 12", 12, True), ("contains", 12345, 34, True), ("contains", ["a", 1], 1.0, True),
        ("contains", ["a", "1"], 1, True), ("contains", [[1], None], [1], True), ("contains", [None], None, True),
        ("contains", "x", None, False), ("contains", None, "x", False), ("contains", {"a": 1}, "a", False),
        ("contains", "x", ["x"], False), ("contains", "x", "", True), ("contains", "it is true", True, True),
        ("not_contains", "abc", "x", True), ("not_contains", "abc", "b", False), ("not_contains", None, "x", True),
        ("not_contains", [1, 2], 3, True),
        ("starts_with", "+49 30", "+49", True), ("starts_with", 4930, 49, True), ("starts_with", "x", None, False),
        ("starts_with", ["a"], "a", False), ("ends_with", "a.pdf", ".pdf", True), ("ends_with", None, "f", False),
        ("matches", "DE", "^(DE|AT)$", True), ("matches", "DEX", "^(DE|AT)$", False),
        ("matches", 2026, r"^\d{4}$", True),
        ("matches", None, ".*", False), ("matches", ["DE"], "DE", False), ("matches", "a", "(?i)A", True),
        ("matches", "5", 5, True),
        ("exists", "", None, True), ("exists", False, None, True), ("exists", 0, None, True),
        ("exists", [], None, True),
        ("exists", None, "anything", False),
        ("empty", None, None, True), ("empty", "", None, True), ("empty", " \n", None, True), ("empty", [], None, True),
        ("empty", {}, None, True), ("empty", 0, None, False), ("empty", False, None, False),
        ("empty", "0", None, False),
        ("empty", [None], None, False),
    ],
)  # fmt: skip
def test_every_operator(op: str, left: Any, right: Any, expected: bool) -> None:
    assert holds(op, left, right) is expected


@pytest.mark.parametrize(
    ("op", "right", "part"),
    [
        ("like", "x", "op: expected one of eq, neq"),
        ("matches", None, "right: expected a regular expression, got nothing"),
        ("matches", ["x"], "right: expected a regular expression, got a list"),
        ("matches", "(", "expected a regular expression"),
    ],
)
def test_what_cannot_be_compared_is_said(op: str, right: Any, part: str) -> None:
    with pytest.raises(StepError) as caught:
        holds(op, "x", right)
    assert caught.value.code == "INVALID_PAYLOAD"
    assert part in caught.value.message


@given(JSON, JSON, st.sampled_from(LITERAL))
def test_no_pair_of_values_is_an_error_and_opposites_are_opposite(left: Any, right: Any, op: str) -> None:
    assert isinstance(holds(op, left, right), bool)
    assert holds("eq", left, right) is holds("eq", right, left) is not holds("neq", left, right)
    assert holds("contains", left, right) is not holds("not_contains", left, right)
    assert holds("gt", left, right) is holds("lt", right, left)


@given(JSON)
def test_a_value_equals_itself(value: Any) -> None:
    assert equal(value, value)


def test_equality_has_no_depth_it_fails_at() -> None:
    one: Any = 1
    other: Any = 1.0
    for _ in range(5_000):
        one, other = [one], [other]
    assert equal(one, other)
    while isinstance(one, list):  # a deep list frees itself recursively otherwise
        one, other = one[0], other[0]
