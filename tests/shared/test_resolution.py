"""Values at run time: every form of the language as the executor uses it, and payloads made to hurt."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from shared.expressions import MAX_EXPRESSION_CHARS, MAX_EXPRESSIONS, MAX_OPERANDS, MAX_TEXT_CHARS, ExpressionError
from shared.resolution import MAX_OUTPUT_CHARS, Scope, as_text, resolve, walk

RESULT: Any = {
    "text": "hi", "n": 0, "f": 1.5, "yes": True, "no": False, "none": None, "empty": "", "list": [1, {"a": [2, 3]}, []],
    "object": {"x": {"y": 1}}, "a b": 1, "0": "zero", "with.dot": "d", "ünï": "ö", "result": "r", "payload": "p",
    "error": "e", "{{root.text}}": "braces",
}  # fmt: skip
TWO_TRIGGERS = Scope(
    trigger="second",
    nodes={
        "second": {"result": {"text": "from the second", "payload": {"vip": True}}, "payload": {"secret": "s"}},
        "call": {"result": RESULT, "payload": {"url": "https://x.example", "deep": [{"q": 1}]}},
        "failed": {"error": "no answer within 30 s", "payload": {"url": "u"}},
        "skipped": {},
        "null": {"result": None},
    },
    variables={"count": 3, "list": ["a"], "none": None},
    inputs={"city": "Berlin", "a key": 1},
    workflow={"id": "w-1"},
    items=(("outermost", 5), ({"rows": [{"n": 1}]}, 0), ({"n": 1, "none": None}, 2)),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # the trigger that fired, by root, by $trigger, by its id; another one did not run
        ("{{root.text}}", "from the second"), ("{{$trigger.text}}", "from the second"),
        ("{{root.result.text}}", "from the second"), ("{{second.text}}", "from the second"),
        ("{{first.text}}", None), ("{{first.text || root.text}}", "from the second"), ("{{$nodes.first.error}}", None),
        ("{{root.payload.vip}}", True), ("{{second.payload.vip}}", True), ("{{$trigger.payload.vip}}", True),
        ("{{root.payload.secret}}", "s"), ("{{second.payload.secret}}", "s"),
        ("{{$nodes.second.payload}}", {"secret": "s"}), ("{{$nodes.root.result.text}}", "from the second"),
        ("{{root}}", {"text": "from the second", "payload": {"vip": True}}),
        # results, short and long
        ("{{call.text}}", "hi"), ("{{call.result.text}}", "hi"), ("{{$nodes.call.result.text}}", "hi"),
        ("{{call}}", RESULT), ("{{call.result}}", RESULT), ("{{$nodes.call.result}}", RESULT),
        ("{{call.result.result}}", "r"), ("{{call.result.payload}}", "p"), ("{{call.error}}", "e"),
        ("{{call.n}}", 0), ("{{call.f}}", 1.5), ("{{call.yes}}", True), ("{{call.no}}", False), ("{{call.none}}", None),
        ("{{call.empty}}", ""), ("{{call.list}}", [1, {"a": [2, 3]}, []]), ("{{call.object}}", {"x": {"y": 1}}),
        # payloads and errors of nodes
        ("{{call.payload.url}}", "https://x.example"), ("{{call.payload.deep.0.q}}", 1), ("{{call.payload.n}}", None),
        ("{{$nodes.call.payload.deep[0]}}", {"q": 1}), ("{{failed.payload.url}}", "u"),
        ("{{$nodes.failed.error}}", "no answer within 30 s"), ("{{$nodes.call.error}}", None),
        ("{{$nodes.skipped.error}}", None), ("{{$nodes.unknown.error}}", None), ("{{$nodes.failed.result}}", None),
        ("{{$nodes.failed.error || call.text}}", "no answer within 30 s"),
        ("{{$nodes.call.error || call.text}}", "hi"), ("{{null}}", None), ("{{$nodes.null.result || 1}}", 1),
        # lists by position, names in quotes
        ("{{call.list.0}}", 1), ("{{call.list[1].a.1}}", 3), ("{{call.list.1.a[0]}}", 2), ("{{call.list.3}}", None),
        ("{{call.list.-1}}", None), ("{{call.list.x}}", None), ("{{call.list.00}}", 1), ("{{call.0}}", "zero"),
        ("{{call[0]}}", "zero"), ('{{call["a b"]}}', 1), ("{{call['with.dot']}}", "d"), ("{{call.with.dot}}", None),
        ("{{call.ünï}}", "ö"), ("{{call['{{root.text}}']}}", "braces"), ('{{call["object"]["x"].y}}', 1),
        ("{{call.list." + "9" * 1900 + "}}", None), ("{{call.list.١}}", None),
        # variables, inputs, the workflow
        ("{{$vars.count}}", 3), ("{{$vars.list[0]}}", "a"), ("{{$vars.none || 'x'}}", "x"), ("{{$vars.other}}", None),
        ("{{$inputs.city}}", "Berlin"), ("{{$inputs['a key']}}", 1), ("{{$workflow.id}}", "w-1"),
        ("{{$workflow.name}}", None),
        # loops
        ("{{$item.n}}", 1), ("{{$item}}", {"n": 1, "none": None}), ("{{$index}}", 2), ("{{$item.none || 'x'}}", "x"),
        ("{{$parent_item.rows.0.n}}", 1), ("{{$parent_item}}", {"rows": [{"n": 1}]}),
        # chains: the first that is neither missing nor null
        ("{{first.x || skipped.y || call.none || $vars.count || 'no'}}", 3), ("{{call.no || 1}}", False),
        ("{{call.n || 1}}", 0), ("{{call.empty || 'x'}}", ""), ("{{a || b || c}}", None), ("{{null || 5}}", 5),
        ("{{x||\n'a' }}", "a"),
        # types of values have no members of their own
        ("{{call.text.0}}", None), ("{{call.text.length}}", None), ("{{call.n.x}}", None), ("{{call.__class__}}", None),
        ("{{call.list.count}}", None), ("{{call.object.keys}}", None),
    ],
)  # fmt: skip
def test_every_form_keeps_the_type_of_its_value(text: str, value: Any) -> None:
    got = resolve(text, TWO_TRIGGERS)
    assert got == value
    assert type(got) is type(value)
    assert resolve([{"a": text}], TWO_TRIGGERS) == [{"a": value}]
    assert resolve(f"<{text}>", TWO_TRIGGERS) == f"<{as_text(value)}>"


def test_the_values_of_the_scope_stay_as_they_are() -> None:
    before = orjson.dumps(RESULT)
    resolve({"a": "{{call}}", "b": "{{call.list}} {{call.object}}"}, TWO_TRIGGERS)
    assert orjson.dumps(RESULT) == before


def test_a_field_is_found_by_names_and_positions() -> None:
    assert walk(RESULT, ("list", "1", "a", "0")) == 2
    assert walk(RESULT, ("list", "9")) is None
    assert walk(RESULT, ()) is RESULT


def quick(value: Any, scope: Scope = TWO_TRIGGERS, limit_s: float = 0.5) -> ExpressionError:
    """The error of a payload, which must come at once; the limit is for machines that are busy."""
    begun = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        resolve(value, scope)
    assert time.process_time() - begun < limit_s
    assert caught.value.code == "INVALID"
    assert len(caught.value.message) < 3_000
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "{{", "{{}}", "{{ }}", "{{}", "{{root", "{{root.text}", "{{root.}}", "{{root..x}}", "{{.x}}", "{{root text}}",
        "{{a | b}}", "{{a || }}", "{{|| a}}", "{{a || || b}}", "{{a && b}}", "{{a ? b : c}}", "{{a + b}}", "{{a()}}",
        "{{a.b()}}", "{{a = 1}}", "{{a; b}}", "{{!a}}", "{{(a)}}", "{{a[}}", "{{a[]}}", "{{a[x]}}", "{{a[1}}",
        "{{a['x}}", "{{a['x'}}", "{{a[-1]}}", "{{a[1.5]}}", "{{a[0:1]}}", "{{a[9999999999]}}", "{{'a}}", "{{\"a'}}",
        "{{'\\x41'}}", "{{'\\u0041'}}", "{{{a}}}", "{{{{a}}}}", "{{a {{b}} }}", "{{$}}", "{{$x}}", "{{$vars}}",
        "{{$vars.}}", "{{$inputs}}", "{{$workflow}}", "{{$nodes}}", "{{$nodes.a}}", "{{$nodes.a.status}}",
        "{{$nodes[0]}}", "{{$index.x}}", "{{$index[0]}}", "{{$Item}}", "{{$parent}}", "{{$parent_item.}}", "{{1e999}}",
        "{{99999999999999999999}}", "{{1.}}", "{{.5}}", "{{0x10}}.{{", "{{ä}}", "{{a\x00}}", "{{\ud800}}",
        "{{__import__('os')}}", "{{root.text|upper}}", "{{#each a}}", "{{% if %}}", "{{a.b\u202e}}", "{{a-}}}}{{",
    ],
)  # fmt: skip
def test_every_malformed_form_is_an_error_with_a_place(text: str) -> None:
    for value in (text, f"x {text} y", {"a": [text]}):
        error = quick(value)
        assert error.position >= 0
        assert "expected" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "{{a}}" * 200_000, "{{a.b}} " * 100_000, "{{" * 500_000, "{{a" * 300_000, "{{'" * 300_000, "{{a || " * 140_000,
        "{{a[" * 250_000, "{{a" + ".b" * 500_000 + "}}", "{{" + " " * 1_000_000 + "a}}", "{{'" + "\\" * 1_000_000,
        "{{'" + "x" * 1_000_000 + "'}}", "{{" + "a" * 1_000_000 + "}}", "{{" + "9" * 1_000_000 + "}}",
        "{{-" + "9" * 1_000_000 + ".0e" + "9" * 40_000 + "}}", "{{a}}" + "x" * MAX_TEXT_CHARS,
        "{{" + " || ".join(["a"] * (MAX_OPERANDS + 1)) + "}}", "{{a['" + "x" * MAX_EXPRESSION_CHARS + "']}}",
    ],
    ids=lambda text: f"{text[:8]}…{len(text)}",
)  # fmt: skip
def test_long_texts_end_at_once(text: str) -> None:
    quick(text)


def test_the_number_of_expressions_in_a_payload_is_bounded() -> None:
    assert resolve(["{{$vars.count}}"] * MAX_EXPRESSIONS, TWO_TRIGGERS) == [3] * MAX_EXPRESSIONS
    error = quick(["{{$vars.count}}"] * (MAX_EXPRESSIONS + 1))
    assert f"at most {MAX_EXPRESSIONS} expressions" in error.message
    quick({str(n): ["{{root.text}}"] * 1_000 for n in range(1_000)})


BIG = Scope(variables={"text": "x" * 1_000_000, "list": ["y" * 1_000] * 1_000, "small": ["z" * 90] * 100})


@pytest.mark.parametrize(
    "value",
    [
        "{{$vars.text}}{{$vars.text}}{{$vars.text}}{{$vars.text}}{{$vars.text}}",
        "a{{$vars.list}}" * 5,
        ["{{$vars.text}}"] * 5,
        ["{{$vars.list}}"] * 5,
        {str(n): "{{$vars.list}}" for n in range(1_000)},
        [["{{$vars.small}}"] * 100] * 10,
        ["{{$vars.list}}"] * 3 + ["{{$vars.text}}"] * 3,
    ],
)
def test_what_is_filled_in_counts_as_often_as_it_is_named(value: Any) -> None:
    """Whole values take no memory here, but they would in the step's record and in the request that is sent."""
    assert str(MAX_OUTPUT_CHARS) in quick(value, BIG).message


def test_growth_from_step_to_step_ends() -> None:
    value: Any = "lol"
    with pytest.raises(ExpressionError, match=str(MAX_OUTPUT_CHARS)):
        for _ in range(40):
            value = resolve(["{{$vars.v}}"] * 10, Scope(variables={"v": value}))


def test_deep_values_are_errors_where_they_cannot_be_written() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    assert "nested at most" in quick(deep).message
    scope = Scope(variables={"deep": deep, "wide": 2**70})
    assert "written as JSON" in quick("{{$vars.deep}}", scope).message
    assert "written as JSON" in quick("<{{$vars.deep}}>", scope).message
    assert "written as JSON" in quick("<{{$vars.wide}}>", scope).message


def test_a_filled_in_text_is_never_read_as_an_expression() -> None:
    scope = Scope(variables={"a": "{{$vars.b}}", "open": "{{", "b": "secret"}, inputs={"x": "$vars.b}}"})
    assert resolve("{{$vars.a}}", scope) == "{{$vars.b}}"
    assert resolve("{{$vars.open}}{{$inputs.x}}", scope) == "{{$vars.b}}"
    assert resolve({"{{$vars.b}}": 1}, scope) == {"{{$vars.b}}": 1}
