"""if, filter, pluck, merge and log: results, clear faults, bounds."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caddie.workflow.blocks.logic import CONDITIONS, RUNNERS
from caddie.workflow.blocks.members import LIST_ITEMS
from caddie.workflow.runner import Call, Origin, Result, StepError
from shared.catalog import Catalog, check_schema

ORIGIN = Origin("11111111-1111-4111-8111-111111111111", 1, 1, "w")
CATALOG = Catalog.builtin()


async def run(block: str, payload: dict[str, Any], *parents: Any) -> Result:
    """The block's result, which keeps to its schema in the catalog."""
    runner, described = RUNNERS[block], CATALOG.get(block)
    assert described is not None
    assert runner.kind(payload) == "instant"
    call = Call("n", block, payload, "s", ORIGIN, parents=parents)
    result = await runner.work(call)
    # An empty text is a result, though it is no value of a payload that requires one.
    found = [each for each in check_schema(result, described.resultSchema, "result") if each.type != "payload_required"]
    assert found == []
    orjson.dumps(result)
    return result


async def refusal(block: str, payload: dict[str, Any], *parents: Any) -> str:
    with pytest.raises(StepError) as caught:
        await run(block, payload, *parents)
    assert caught.value.code == "INVALID_PAYLOAD"
    assert not caught.value.retryable
    return caught.value.message


def condition(left: Any, op: str = "eq", right: Any = None) -> dict[str, Any]:
    return {"left": left, "op": op, "right": right}


HOLDS, FAILS = condition(1, "eq", 1), condition(1, "eq", 2)


@pytest.mark.parametrize(
    ("conditions", "match", "matched"),
    [
        ([HOLDS], None, True), ([FAILS], None, False), ([HOLDS, FAILS], None, False), ([HOLDS, FAILS], "all", False),
        ([HOLDS, FAILS], "any", True), ([FAILS, FAILS], "any", False), ([HOLDS, HOLDS], "all", True),
        ([condition("ORD-7", "matches", r"^ORD-\d$")], None, True), ([{"op": "empty"}], None, True),
    ],
)  # fmt: skip
async def test_if_chooses_a_branch(conditions: Any, match: Any, matched: bool) -> None:
    result = await run("if", {"conditions": conditions, "match": match})
    assert result == {"matched": matched, "branch": "then" if matched else "else"}


async def test_if_stops_at_the_comparison_that_decides() -> None:
    """The second one would be refused."""
    bad = condition("x", "matches", "(")
    assert (await run("if", {"conditions": [FAILS, bad]}))["matched"] is False
    assert (await run("if", {"conditions": [HOLDS, bad], "match": "any"}))["matched"] is True


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "conditions: expected a list, got nothing"),
        ({"conditions": None}, "conditions: expected a list, got nothing"),
        ({"conditions": []}, f"conditions: expected 1 to {CONDITIONS}, got 0"),
        ({"conditions": [HOLDS] * 101}, f"conditions: expected 1 to {CONDITIONS}, got 101"),
        ({"conditions": ["x"]}, "conditions.0: expected an object, got text"),
        ({"conditions": [{"left": 1}]}, "conditions.0.op: expected a name, got nothing"),
        ({"conditions": [HOLDS], "match": "none"}, "match: expected one of all, any, got 'none'"),
        ({"conditions": [HOLDS], "match": 5}, "match: expected one of all, any, got a number"),
    ],
)
async def test_if_says_what_is_wrong(payload: Any, message: str) -> None:
    assert await refusal("if", payload) == message


ORDERS = [
    {"id": 1, "total": 60, "customer": {"country": "DE"}, "tags": ["new"]},
    {"id": 2, "total": "40", "customer": {"country": "AT"}},
    {"id": 3, "total": 90, "customer": {"country": "FR"}, "a.b": 1},
    {"id": 4},
    None,
]


@pytest.mark.parametrize(
    ("conditions", "match", "ids"),
    [
        ([{"field": "total", "op": "gt", "right": 50}], None, [1, 3]),
        ([{"field": "total", "op": "lt", "right": 50}], None, [2]),
        ([{"field": "customer.country", "op": "matches", "right": "^(DE|AT)$"}], None, [1, 2]),
        ([{"field": "tags.0", "op": "eq", "right": "new"}], None, [1]),
        ([{"field": "a.b", "op": "exists"}], None, [3]),
        ([{"field": " total ", "op": "exists"}], "all", [1, 2, 3]),
        ([{"field": "id", "op": "eq", "right": 4}, {"field": "tags", "op": "contains", "right": "new"}], "any", [1, 4]),
        ([{"field": "customer.country.0", "op": "exists"}], None, []),
    ],
)
async def test_filter_keeps_what_fits(conditions: Any, match: Any, ids: list[int]) -> None:
    result: Any = await run("filter", {"items": ORDERS, "conditions": conditions, "match": match})
    assert [each["id"] for each in result["items"]] == ids
    assert result["count"] == len(ids)


@pytest.mark.parametrize("name", ["", None, "  "])
async def test_an_empty_field_is_the_item_itself(name: Any) -> None:
    payload = {"items": [3, "7", "x", None], "conditions": [{"field": name, "op": "gt", "right": 5}]}
    assert await run("filter", payload) == {"items": ["7"], "count": 1}


async def test_a_position_may_be_a_number() -> None:
    payload = {"items": [[1, "a"], [2, "b"]], "conditions": [{"field": 0, "op": "eq", "right": 2}]}
    assert await run("filter", payload) == {"items": [[2, "b"]], "count": 1}


async def test_a_list_written_as_json_is_that_list() -> None:
    one = [{"field": "", "op": "gt", "right": 1}]
    assert await run("filter", {"items": " [1, 2]", "conditions": one}) == {"items": [2], "count": 1}
    assert "no JSON" in await refusal("filter", {"items": "[1, 2", "conditions": one})


@pytest.mark.parametrize(
    ("items", "got"),
    [(None, "nothing"), ("a,b", "text"), ({"a": 1}, "an object"), (5, "a number"), (True, "true or false")],
)
async def test_what_is_no_list_is_refused(items: Any, got: str) -> None:
    message = f"items: expected a list, got {got}"
    assert await refusal("filter", {"items": items, "conditions": [{"field": "", "op": "exists"}]}) == message
    assert await refusal("pluck", {"items": items, "field": "x"}) == message


async def test_lists_and_paths_are_bounded() -> None:
    long = [0] * (LIST_ITEMS + 1)
    assert f"at most {LIST_ITEMS} items" in await refusal("pluck", {"items": long, "field": "x"})
    assert f"at most {LIST_ITEMS} items" in await refusal("merge", {"values": [[0] * LIST_ITEMS, 1]})
    assert "names in a path" in await refusal("pluck", {"items": [], "field": ".".join("a" * 40)})
    assert "name of a field, got a list" in await refusal("pluck", {"items": [], "field": ["a"]})
    assert (await run("pluck", {"items": [["x"]], "field": "9" * 9_000}))["values"] == [None]


async def test_the_loop_goes_on_while_a_long_list_is_filtered() -> None:
    """Ten thousand items against a hundred comparisons would hold it up for a second."""
    conditions = [{"field": "a.b.c", "op": "neq", "right": "x"}] * CONDITIONS
    work = asyncio.create_task(run("filter", {"items": [{"a": {"b": {"c": "y"}}}] * 2_000, "conditions": conditions}))
    ticks = 0
    while not work.done():
        await asyncio.sleep(0)
        ticks += 1
    assert (await work)["count"] == 2_000
    assert ticks > 10


async def test_patterns_of_one_step_share_a_budget_of_time() -> None:
    items = [{"text": "a" * 60 + f"b{number}"} for number in range(1_000)]
    conditions = [{"field": "text", "op": "matches", "right": "^(a|aa)+$"}]
    begun = time.monotonic()
    with pytest.raises(StepError) as caught:
        await run("filter", {"items": items, "conditions": conditions})
    assert caught.value.code == "TIMEOUT"
    assert time.monotonic() - begun < 10
    simple = [{"field": "text", "op": "matches", "right": r"b\d{3}$"}]
    assert (await run("filter", {"items": items, "conditions": simple}))["count"] == 900


async def test_pluck_takes_a_field_of_every_item() -> None:
    items = [{"a": {"b": "x"}}, {"a": {"b": 2}}, {"a": None}, {"a": {"b": [1]}}, "text", None, {"a": {"b": ""}}]
    result = await run("pluck", {"items": items, "field": "a.b"})
    assert result == {"values": ["x", 2, None, [1], None, None, ""], "count": 7, "text": "x\n2\n[1]\n"}
    assert await run("pluck", {"items": [], "field": "x"}) == {"values": [], "count": 0, "text": ""}
    assert "field: expected the name" in await refusal("pluck", {"items": [], "field": None})


@pytest.mark.parametrize(
    ("mode", "values", "value"),
    [
        ("list", [[1, 2], 3, None, [[4]], {"a": 5}], [1, 2, 3, [4], {"a": 5}]),
        (None, [[1], [2]], [1, 2]),
        ("list", [], []),
        ("object", [{"a": 1, "b": 1}, None, {"b": 2}], {"a": 1, "b": 2}),
        ("object", [], {}),
        ("first", [None, False, 1], False),
        ("first", [None], None),
        ("first", [], None),
    ],
)
async def test_merge_combines(mode: Any, values: Any, value: Any) -> None:
    assert await run("merge", {"mode": mode, "values": values}) == {"value": value}
    if None not in values:
        assert await run("merge", {"mode": mode}, *values) == {"value": value}
        assert await run("merge", {"mode": mode, "values": None}, *values) == {"value": value}


async def test_merge_says_what_is_wrong() -> None:
    assert await refusal("merge", {"mode": "object", "values": [{}, 5]}) == "values.1: expected an object, got a number"
    assert await refusal("merge", {"values": "x"}) == "values: expected a list, got text"
    assert "mode: expected one of list, object, first" in await refusal("merge", {"mode": "zip"})


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=4))
def test_merged_lists_hold_every_item_in_order(lists: list[list[int]]) -> None:
    assert (compute := RUNNERS["merge"].compute) is not None
    result: Any = compute(Call("n", "merge", {"values": [*lists]}, "s", ORIGIN))
    assert result["value"] == [item for each in lists for item in each]


async def test_log_keeps_the_line() -> None:
    assert await run("log", {"message": "hi"}) == {"message": "hi", "level": "info"}
    full = {"message": {"a": 1}, "level": "error", "data": [1]}
    assert await run("log", full) == {"message": '{"a":1}', "level": "error", "data": [1]}
    assert await run("log", {"message": None}) == {"message": "", "level": "info"}
    assert "level: expected one of" in await refusal("log", {"message": "x", "level": "loud"})
