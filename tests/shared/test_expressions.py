"""The expression grammar: every documented form, malformed ones, bounds, and types that survive."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CaddieError
from shared.expressions import (
    MAX_EXPRESSION_CHARS,
    MAX_OPERANDS,
    MAX_TEXT_CHARS,
    Expression,
    ExpressionError,
    Literal,
    Reference,
    parse,
    references,
    rename,
)
from shared.names import Names, check
from shared.resolution import MAX_OUTPUT_CHARS, Scope, resolve

SCOPE = Scope(
    trigger="hook",
    nodes={
        "hook": {"result": {"text": "hi", "payload": {"vip": True}}, "payload": {"path": "/in"}},
        "step-1": {
            "result": {"results": [{"title": "One"}, {"title": "Two"}], "Content-Type": "x", "a b": 1, "none": None},
            "payload": {"query": "news", "deep": {"x": [1, 2]}},
        },
        "7": {"result": {"0": "zero"}},
        "broken": {"error": {"message": "boom"}},
    },
    variables={"count": 3, "list": ["a", "b"]},
    inputs={"city": "Berlin"},
    workflow={"id": "w-1"},
    items=(({"name": "outer"}, 4), ({"name": "inner", "n": 0}, 1)),
)


def one(text: str) -> Expression:
    (part,) = parse(text)
    assert isinstance(part, Expression)
    return part


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{root.text}}", "hi"),
        ("{{root.result.text}}", "hi"),
        ("{{ root.text }}", "hi"),
        ("{{root.payload.vip}}", True),
        ("{{root.payload}}", {"vip": True}),
        ("{{root.payload.path}}", "/in"),
        ("{{$trigger.text}}", "hi"),
        ("{{$trigger.result.text}}", "hi"),
        ("{{hook.text}}", "hi"),
        ("{{hook.payload.path}}", "/in"),
        ("{{step-1.result.results.0.title}}", "One"),
        ("{{step-1.results.1.title}}", "Two"),
        ("{{step-1.results[1].title}}", "Two"),
        ("{{step-1.results[ 1 ].title}}", "Two"),
        ('{{step-1["a b"]}}', 1),
        ("{{step-1['a b']}}", 1),
        ("{{step-1.Content-Type}}", "x"),
        ("{{step-1.payload.query}}", "news"),
        ("{{step-1.payload.deep.x}}", [1, 2]),
        ("{{7.result.0}}", "zero"),
        ("{{$nodes.step-1.result.results.0}}", {"title": "One"}),
        ("{{$nodes.broken.error.message}}", "boom"),
        ("{{$vars.count}}", 3),
        ("{{$vars.list.1}}", "b"),
        ("{{$inputs.city}}", "Berlin"),
        ("{{$item}}", {"name": "inner", "n": 0}),
        ("{{$item.name}}", "inner"),
        ("{{$index}}", 1),
        ("{{$parent_item.name}}", "outer"),
        ("{{$workflow.id}}", "w-1"),
        ("{{missing.x || root.text}}", "hi"),
        ("{{step-1.none||$vars.count}}", 3),
        ("{{missing.x || 'none'}}", "none"),
        ('{{missing.x || "}} || {{"}}', "}} || {{"),
        ("{{missing.x || 12}}", 12),
        ("{{missing.x || -1.5e2}}", -150.0),
        ("{{missing.x || true}}", True),
        ("{{missing.x || null}}", None),
        ("{{$item.n || 5}}", 0),
        ("{{1.0}}", 1.0),
        ("{{missing.x}}", None),
        ("{{step-1.results.9}}", None),
        ("{{step-1.results.title}}", None),
        ("{{root.text.length}}", None),
        ("{{root.__class__}}", None),
    ],
)
def test_a_whole_expression_keeps_its_type(text: str, value: Any) -> None:
    got = resolve(text, SCOPE)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Say {{root.text}}!", "Say hi!"),
        ("{{root.text}}{{$vars.count}}", "hi3"),
        ("n={{$vars.count}} b={{root.payload.vip}} x={{missing.x}}.", "n=3 b=true x=."),
        ("all: {{$vars.list}} {{$item}}", 'all: ["a","b"] {"name":"inner","n":0}'),
        (" {{$vars.count}}", " 3"),
        ('{"a":{"b":1}}', '{"a":{"b":1}}'),
        ("", ""),
        ("{ {x} }", "{ {x} }"),
    ],
)
def test_an_expression_within_text_becomes_text(text: str, value: str) -> None:
    assert resolve(text, SCOPE) == value


def test_resolves_recursively_and_leaves_keys_and_other_values_alone() -> None:
    payload: Any = {"{{root.text}}": ["{{$vars.count}}", {"x": "<{{root.text}}>"}], "n": 1, "b": None, "f": 1.5}
    expected = {"{{root.text}}": [3, {"x": "<hi>"}], "n": 1, "b": None, "f": 1.5}
    assert resolve(payload, SCOPE) == expected


def test_a_resolved_value_is_not_resolved_again() -> None:
    scope = Scope(variables={"a": "{{$vars.b}}", "b": "secret"})
    assert resolve("{{$vars.a}}", scope) == "{{$vars.b}}"
    assert resolve("<{{$vars.a}}>", scope) == "<{{$vars.b}}>"


def test_loop_values_are_missing_outside_loops() -> None:
    assert resolve(["{{$item}}", "{{$index}}", "{{$parent_item}}"], Scope()) == [None, None, None]
    inner = Scope().inside("x", 7)
    assert resolve(["{{$item}}", "{{$index}}", "{{$parent_item}}"], inner) == ["x", 7, None]
    assert resolve("{{$parent_item}}", inner.inside("y", 0)) == "x"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("{{", 2), ("{{}}", 2), ("{{ }}", 3), ("a {{root.text", 13), ("{{root.text}", 11), ("{{root..x}}", 7),
        ("{{root.}}", 7), ("{{.x}}", 2), ("{{root text}}", 7), ("{{a | b}}", 4), ("{{a || }}", 7), ("{{|| a}}", 2),
        ("{{$unknown.x}}", 2), ("{{$vars}}", 2), ("{{$inputs}}", 2), ("{{$workflow}}", 2), ("{{$nodes.a}}", 2),
        ("{{$nodes.a.other}}", 2), ("{{$index.x}}", 2), ("{{a[}}", 4), ("{{a[x]}}", 4), ("{{a[1}}", 4), ("{{a['x}}", 4),
        ("{{a['x'}}", 7), ("{{a()}}", 3), ("{{a + b}}", 4), ("{{'a}}", 2), ("{{'\\x'}}", 2), ("{{{a}}}", 2),
        ("{{1e999}}", 2), ("{{99999999999999999999}}", 2), ("{{ä.x}}", 2), ("{{" + "a" * 65 + "}}", 2),
    ],
)  # fmt: skip
def test_malformed_expressions_are_refused_with_their_position(text: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.position == position, caught.value.message
    assert caught.value.code == "INVALID"
    assert isinstance(caught.value, CaddieError)
    with pytest.raises(ExpressionError):
        resolve([text], SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "{{a" + ".b" * 33 + "}}",
        "{{" + " || ".join(["a"] * (MAX_OPERANDS + 1)) + "}}",
        "{{'" + "x" * MAX_EXPRESSION_CHARS + "'}}",
        "x" * (MAX_TEXT_CHARS + 1),
    ],
)
def test_oversized_expressions_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_output_and_nesting_are_bounded() -> None:
    scope = Scope(variables={"big": "x" * 1_000_000})
    with pytest.raises(ExpressionError, match=str(MAX_OUTPUT_CHARS)):
        resolve(["a{{$vars.big}}"] * 5, scope)
    value: Any = "x"
    for _ in range(40):
        value = [value]
    with pytest.raises(ExpressionError, match="nested"):
        resolve(value, scope)


def test_references_come_in_order_with_their_node_part_and_fields() -> None:
    payload: Any = {"a": "{{step-1.results.0}} {{$vars.x || root.text}}", "b": ["{{$nodes.z.error}}{{n.payload.q}}"]}
    found = references(payload)
    assert " ".join(map(str, found)) == "step-1.results.0 $vars.x root.text $nodes.z.error n.payload.q"
    assert [(each.node, each.part, each.fields) for each in found if each.node] == [
        ("step-1", "result", ("results", "0")),
        ("root", "result", ("text",)),
        ("z", "error", ()),
        ("n", "payload", ("q",)),
    ]


NAMES = Names(
    nodes=frozenset({"root", "a", "later"}),
    before=frozenset({"root", "a"}),
    variables=frozenset({"v"}),
    inputs=frozenset({"i"}),
)


@pytest.mark.parametrize(
    ("text", "loops", "code"),
    [
        ("{{a.x}} {{root.x}} {{$trigger}} {{$vars.v}} {{$inputs.i}} {{$workflow.id}} {{$nodes.a.error}}", 0, None),
        ("{{nobody.x}}", 0, "bad_reference"),
        ("{{later.x}}", 0, "bad_reference"),
        ("{{$nodes.later.result}}", 0, "bad_reference"),
        ("{{a.x || nobody.x}}", 0, "bad_reference"),
        ("{{$vars.w}}", 0, "unknown_variable"),
        ("{{$inputs.j}}", 0, "unknown_input"),
        ("{{$workflow.secret}}", 0, "bad_reference"),
        ("{{$item}}", 0, "bad_reference"),
        ("{{$index}}", 0, "bad_reference"),
        ("{{$item}} {{$index}}", 1, None),
        ("{{$parent_item}}", 1, "bad_reference"),
        ("{{$parent_item}}", 2, None),
        ("{{oops", 0, "bad_expression"),
    ],
)
def test_names_are_checked(text: str, loops: int, code: str | None) -> None:
    names = Names(NAMES.nodes, NAMES.before, True, NAMES.variables, NAMES.inputs, loops)
    found = check({"x": [text]}, names, "payload")
    assert [(each.type, each.field) for each in found] == ([(code, "payload.x.0")] if code else [])


def test_a_trigger_cannot_refer_to_itself() -> None:
    names = Names(nodes=frozenset({"root"}), before=frozenset(), triggered=False)
    assert [each.type for each in check("{{root.x}} {{$trigger.y}}", names)] == ["bad_reference", "bad_reference"]


def test_rename_changes_references_only() -> None:
    value = {"x": ["hook {{hook.a || 'hook'}} {{$nodes.hook.error}} {{other.hook}}", 1], "bad": "{{hook", "n": None}
    renamed = rename(value, "hook", "root")
    assert renamed["x"] == ['hook {{root.a || "hook"}} {{$nodes.root.error}} {{other.hook}}', 1]
    assert renamed["bad"] == "{{hook"


SEGMENTS = st.one_of(st.from_regex(r"[a-z0-9_-]{1,8}", fullmatch=True), st.text(min_size=0, max_size=8))
HEADS = st.from_regex(r"[a-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(lambda s: s not in ("true", "false", "null"))
PATHS = st.lists(SEGMENTS, max_size=5).map(tuple)
REFERENCES = st.one_of(
    st.builds(Reference, HEADS, PATHS),
    st.builds(lambda name, path: Reference("$vars", (name, *path)), SEGMENTS, PATHS),
    st.builds(lambda name, path: Reference("$nodes", (name, "result", *path)), HEADS, PATHS),
    st.sampled_from([Reference("$item"), Reference("$index"), Reference("$trigger", ("text",))]),
)
NUMBERS = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.floats(-1e300, 1e300))
LITERALS = st.builds(Literal, st.one_of(st.text(max_size=20), NUMBERS, st.booleans(), st.none()))
EXPRESSIONS = st.builds(Expression, st.lists(st.one_of(REFERENCES, LITERALS), min_size=1, max_size=4).map(tuple))


@given(EXPRESSIONS)
def test_what_is_written_is_read_back(expression: Expression) -> None:
    assert one(str(expression)) == expression


@given(st.text(alphabet=st.sampled_from("{}|.$[]'\"\\ ab01-_\n") | st.characters(), max_size=60))
def test_no_text_does_anything_but_parse_or_raise(text: str) -> None:
    for candidate in (text, "{{" + text + "}}", "{{$nodes." + text):
        try:
            parts = parse(candidate)
        except ExpressionError as error:
            assert 0 <= error.position <= len(candidate)
        else:
            assert "".join(map(str, parts)) or not candidate
            resolve(candidate, SCOPE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10).filter(lambda s: "{{" not in s),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_values_without_expressions_are_unchanged(value: Any) -> None:
    assert resolve(value, SCOPE) == value


@given(JSON.filter(lambda value: value is not None))
def test_any_value_passes_through_whole(value: Any) -> None:
    assert resolve("{{$vars.x}}", Scope(variables={"x": value})) == value
