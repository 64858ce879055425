"""The workflow definition: shape, every issue of the validator, and edits that keep a valid definition valid."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.edits import add_node, connect, diff, disconnect, fresh_id, remove_node, set_variables, update_node
from shared.errors import CaddieError
from shared.graph import loop_bodies
from shared.plugins import library
from shared.validation import STRUCTURAL, refuse_unusable, validate
from shared.workflows import BRANCHES, MAX_NODES, Definition, Node, VariableDef, parse_definition, parse_node

CATALOG = library().catalog
Json = dict[str, Any]


def log(*children: str, **more: Any) -> Json:
    return {"type": "log", "payload": {"message": "x"}, "children": list(children), **more}


def sample() -> Json:
    """A definition with a branch, a loop, a connector, an input and a variable."""
    return {
        "nodes": {
            "root": {"type": "manual", "payload": {}, "children": ["fetch"]},
            "fetch": {
                "type": "http-request",
                "payload": {"url": "https://api.example.com/{{$inputs.city}}", "query": {"n": "{{$vars.count}}"}},
                "children": ["check"],
            },
            "check": {
                "type": "if",
                "payload": {"conditions": [{"left": "{{fetch.body.total}}", "op": "gt", "right": 10}]},
                "children": ["each", "quiet"],
            },
            "each": {
                "type": "for-each",
                "payload": {"items": "{{fetch.result.body.rows}}"},
                "branch": "then",
                "children": ["done"],
                "loopBody": ["note"],
            },
            "note": log("post", payload={"message": "{{$index}}: {{$item.name}} of {{root.who || 'nobody'}}"}),
            "post": {
                "type": "slack-send-message",
                "payload": {"channel": "#a", "text": "{{note.message}}"},
                "children": [],
                "connector": {"type": "slack", "id": "s-1"},
            },
            "quiet": log(branch="else"),
            "done": log(payload={"message": "{{each.count}}"}),
        },
        "triggerNodeIds": ["root"],
        "inputSchema": [{"key": "city", "type": "string", "required": True, "description": "Where"}],
        "variableDefs": [
            {"name": "count", "type": "number", "lifetime": "persist", "default": 0, "description": "How many"}
        ],
    }


def changed(change: Callable[[Json], object]) -> Definition:
    value = copy.deepcopy(sample())
    change(value)
    return parse_definition(value)


def put(value: Json, path: str, new: Any) -> None:
    *way, last = path.split("/")
    for step in way:
        value = value[step]
    value[last] = new


def kinds(definition: Definition) -> set[tuple[str, str | None]]:
    return {(issue.type, issue.nodeId) for issue in validate(definition, CATALOG)}


# The shape.


def test_a_full_definition_is_valid_and_keeps_its_wire_form() -> None:
    definition = parse_definition(sample())
    assert validate(definition, CATALOG) == []
    assert parse_definition(definition.wire()) == definition
    wire = definition.wire()
    assert wire["variableDefs"] == sample()["variableDefs"]
    assert wire["nodes"]["each"] == sample()["nodes"]["each"]
    assert wire["nodes"]["post"] == sample()["nodes"]["post"]
    assert json.loads(json.dumps(wire)) == wire


def test_absent_and_null_members_take_their_defaults() -> None:
    node = {"type": "manual", "payload": None, "children": None, "loopBody": None}
    definition = parse_definition({"nodes": {"root": node}, "inputSchema": None, "blockExpansions": None})
    assert definition.wire() == {
        "nodes": {"root": {"type": "manual", "payload": {}, "children": []}},
        "triggerNodeIds": ["root"],
        "inputSchema": [],
        "variableDefs": [],
    }


def test_nulls_inside_free_json_are_kept() -> None:
    definition = changed(lambda value: put(value, "nodes/quiet/payload", {"message": "x", "data": {"a": None}}))
    assert definition.wire()["nodes"]["quiet"]["payload"]["data"] == {"a": None}
    free = {"x": {"y": None, "z": [1]}}
    assert changed(lambda value: put(value, "blockExpansions", free)).wire()["blockExpansions"] == free


@pytest.mark.parametrize(
    ("path", "new", "field"),
    [
        ("extra", 1, "extra"),
        ("nodes/quiet/positon", 1, "nodes.quiet.positon"),
        ("nodes/quiet/type", None, "nodes.quiet.type"),
        ("nodes/quiet/type", "", "nodes.quiet.type"),
        ("nodes/quiet/type", 5, "nodes.quiet.type"),
        ("nodes/quiet/payload", [], "nodes.quiet.payload"),
        ("nodes/quiet/children", "done", "nodes.quiet.children"),
        ("nodes/quiet/children", [1], "nodes.quiet.children.0"),
        ("nodes/post/connector", {"type": "slack"}, "nodes.post.connector.id"),
        ("nodes/post/connector", {"type": "slack", "id": "x", "token": "y"}, "nodes.post.connector.token"),
        ("nodes", [], "nodes"),
        ("nodes", None, "nodes"),
        ("nodes/quiet", "x", "nodes.quiet"),
        ("triggerNodeIds", "root", "triggerNodeIds"),
        ("inputSchema", [{"key": "a", "type": "text"}], "inputSchema.0.type"),
        ("inputSchema", [{"key": "a", "required": "yes"}], "inputSchema.0.required"),
        ("variableDefs", [{"name": "a", "type": "string"}], "variableDefs.0.type"),
        ("variableDefs", [{"name": "a", "type": "text", "lifetime": "always"}], "variableDefs.0.lifetime"),
        ("variableDefs", [{"type": "text"}], "variableDefs.0.name"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_path(path: str, new: Any, field: str) -> None:
    value = copy.deepcopy(sample())
    put(value, path, new)
    with pytest.raises(CaddieError) as caught:
        parse_definition(value)
    assert caught.value.code == "DEFINITION_INVALID"
    assert [fault.field for fault in caught.value.faults] == [field]


def test_all_shape_faults_come_at_once_without_the_values() -> None:
    value = {"nodes": {"a": {"payload": "s3cret"}, "b": {"type": 1}}, "other": "s3cret"}
    with pytest.raises(CaddieError) as caught:
        parse_definition(value)
    fields = {fault.field for fault in caught.value.faults}
    assert fields == {"nodes.a.type", "nodes.a.payload", "nodes.b.type", "other"}
    assert "s3cret" not in caught.value.message + str(caught.value.faults)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "payload",
    [{"x": deep(40)}, {"x": deep(5000)}, {"x": "y" * 1_048_576}, {"x": float("nan")}, {"x": float("inf")},
     {"x": "a\0b"}, {"a\0": 1}, {"x": "\ud800"}, {"x": 2**70}, {"x": object()}],
    ids=["deep", "very deep", "large", "nan", "infinite", "nul", "nul name", "surrogate", "big integer", "not json"],
)  # fmt: skip
def test_what_json_cannot_carry_is_refused(payload: Any) -> None:
    with pytest.raises(CaddieError) as caught:
        parse_definition({"nodes": {"root": {"type": "manual", "payload": payload}}})
    assert caught.value.code == "DEFINITION_INVALID"
    assert caught.value.faults


@pytest.mark.parametrize("value", [None, [], "x", 1, {}])
def test_what_is_no_definition_is_refused(value: Any) -> None:
    with pytest.raises(CaddieError):
        parse_definition(value)


# Validation.


@pytest.mark.parametrize(
    ("path", "new", "issue"),
    [
        ("nodes/quiet/children", ["ghost"], ("missing_child", "quiet")),
        ("nodes/each/loopBody", ["note", "ghost"], ("missing_child", "each")),
        ("nodes/root/children", ["fetch", "fetch"], ("duplicate_child", "root")),
        ("triggerNodeIds", [], ("missing_trigger", None)),
        ("triggerNodeIds", ["root", "ghost"], ("missing_trigger", None)),
        ("triggerNodeIds", ["root", "root"], ("duplicate_trigger", "root")),
        ("triggerNodeIds", ["fetch"], ("not_a_trigger", "fetch")),
        ("triggerNodeIds", ["fetch"], ("trigger_not_root", "fetch")),
        ("triggerNodeIds", ["fetch"], ("trigger_has_parent", "fetch")),
        ("triggerNodeIds", ["fetch"], ("undeclared_trigger", "root")),
        ("triggerNodeIds", ["root", "quiet"], ("root_ambiguous", "root")),
        ("nodes/done/children", ["fetch"], ("cycle", "fetch")),
        ("nodes/done/children", ["done"], ("cycle", "done")),
        ("nodes/post/children", ["each"], ("cycle", "each")),
        ("nodes/lost", log(), ("unreachable", "lost")),
        ("nodes/bad id", log(), ("bad_id", "bad id")),
        ("nodes/" + "x" * 65, log(), ("bad_id", "x" * 65)),
        ("nodes/done/branch", "then", ("bad_branch", "done")),
        ("nodes/quiet/branch", "maybe", ("bad_branch", "quiet")),
        ("nodes/quiet/branch", "resumed", ("bad_branch", "quiet")),
        ("nodes/quiet/loopBody", ["done"], ("not_a_loop", "quiet")),
        ("nodes/quiet/children", ["post"], ("loop_shared", "post")),
        ("nodes/each/children", ["done", "note"], ("loop_shared", "note")),
        ("nodes/post/children", ["done"], ("loop_shared", "done")),
        ("nodes/quiet/type", "teleport", ("unknown_block", "quiet")),
        ("nodes/quiet/payload", {}, ("payload_required", "quiet")),
        ("nodes/quiet/payload", {"message": 7}, ("payload_type", "quiet")),
        ("nodes/quiet/payload", {"message": "x", "level": "loud"}, ("payload_value", "quiet")),
        ("nodes/quiet/payload", {"message": "x", "volume": 1}, ("payload_unknown", "quiet")),
        ("nodes/post/connector", None, ("connector_required", "post")),
        ("nodes/post/connector", {"type": "smtp", "id": "x"}, ("connector_type", "post")),
        ("nodes/quiet/payload", {"message": "{{done.message}}"}, ("bad_reference", "quiet")),
        ("nodes/quiet/payload", {"message": "{{ghost.x}}"}, ("bad_reference", "quiet")),
        ("nodes/quiet/payload", {"message": "{{$item}}"}, ("bad_reference", "quiet")),
        ("nodes/done/payload", {"message": "{{note.message}}"}, ("bad_reference", "done")),
        ("nodes/note/payload", {"message": "{{$parent_item}}"}, ("bad_reference", "note")),
        ("nodes/root/payload", {"x": "{{root.y}}"}, ("bad_reference", "root")),
        ("nodes/quiet/payload", {"message": "{{$vars.ghost}}"}, ("unknown_variable", "quiet")),
        ("nodes/quiet/payload", {"message": "{{$inputs.ghost}}"}, ("unknown_input", "quiet")),
        ("nodes/quiet/payload", {"message": "{{oops"}, ("bad_expression", "quiet")),
        ("nodes/each/children", [], ("unreachable", "done")),
        ("variableDefs", [{"name": "count", "type": "number"}] * 2, ("duplicate_variable", None)),
        ("variableDefs", [{"name": "count", "type": "number", "default": "0"}], ("bad_default", None)),
        ("variableDefs", [{"name": "count", "type": "text", "default": 0}], ("bad_default", None)),
        ("variableDefs", [{"name": "count", "type": "number", "default": True}], ("bad_default", None)),
        ("variableDefs", [{"name": "count", "type": "list", "default": {}}], ("bad_default", None)),
        ("variableDefs", [{"name": "a b", "type": "text"}], ("bad_variable", None)),
        ("inputSchema", [{"key": "city"}, {"key": "city"}], ("duplicate_input", None)),
    ],
)
def test_every_fault_is_found(path: str, new: Any, issue: tuple[str, str | None]) -> None:
    assert issue in kinds(changed(lambda value: put(value, path, new)))


@pytest.mark.parametrize(
    ("name", "issues"),
    [("count", set()), ("{{$inputs.city}}", set()), ("ghost", {("unknown_variable", "quiet")})],
)
def test_a_block_that_writes_a_variable_names_a_declared_one(name: str, issues: set[tuple[str, str]]) -> None:
    writer = {"type": "set-variable", "payload": {"name": name, "value": 1}, "branch": "else"}
    assert kinds(changed(lambda value: put(value, "nodes/quiet", writer))) == issues


@pytest.mark.parametrize(
    ("kind", "default"),
    [("number", 1.5), ("text", ""), ("boolean", False), ("list", []), ("object", {}), ("text", None)],
)
def test_defaults_of_the_right_type_pass(kind: str, default: Any) -> None:
    variable = {"name": "count", "type": kind, "default": default}
    assert not validate(changed(lambda value: put(value, "variableDefs", [variable])), CATALOG)


def test_faults_are_listed_together_and_carry_field_and_severity() -> None:
    def spoil(value: Json) -> None:
        value["nodes"]["quiet"] = {"type": "log", "payload": {}, "branch": "maybe", "children": ["ghost"]}
        value["nodes"]["post"].pop("connector")

    issues = {issue.type: issue for issue in validate(changed(spoil), CATALOG)}
    assert {key: (issue.nodeId, issue.field, issue.severity) for key, issue in issues.items()} == {
        "missing_child": ("quiet", "children.0", "error"),
        "bad_branch": ("quiet", "branch", "error"),
        "payload_required": ("quiet", "payload.message", "incomplete"),
        "connector_required": ("post", "connector", "incomplete"),
    }


def test_a_cycle_is_reported_once_with_its_path() -> None:
    def spoil(value: Json) -> None:
        value["nodes"].update({"a": log("b"), "b": log("c"), "c": log("a", "b"), "s": log("s")})

    cycles = [issue.message for issue in validate(changed(spoil)) if issue.type == "cycle"]
    assert cycles == ["expected no cycle, got a → b → c → a", "expected no cycle, got s → s"]


def test_several_triggers_of_any_kind_are_valid_when_none_is_called_root() -> None:
    nodes: Json = {
        "by-hand": {"type": "manual", "children": ["say"]},
        "hook": {"type": "webhook", "children": ["say"]},
        "chat": {"type": "trigger_chat", "children": ["say"]},
        "daily": {"type": "cronjob", "payload": {"rrule": "FREQ=DAILY"}, "children": ["say"]},
        "say": log(payload={"message": "{{root.text}} {{$trigger.text}} {{hook.body || chat.text}}"}),
    }
    triggers = ["by-hand", "hook", "chat", "daily"]
    assert validate(parse_definition({"nodes": nodes, "triggerNodeIds": triggers}), CATALOG) == []


@pytest.mark.parametrize("kind", ["manual", "trigger_chat", "webhook", "cronjob", "trigger_of_tomorrow"])
def test_a_request_may_bring_any_trigger(kind: str) -> None:
    refuse_unusable(parse_definition({"nodes": {"root": {"type": kind}}}), CATALOG)


def nested(levels: int) -> Json:
    nodes: Json = {"root": {"type": "manual", "children": ["l0"]}}
    for level in range(levels):
        body = [f"l{level + 1}"] if level + 1 < levels else ["leaf"]
        nodes[f"l{level}"] = {"type": "for-each", "payload": {"items": "{{root.x}}"}, "children": [], "loopBody": body}
    nodes["leaf"] = log(payload={"message": "{{$item}} {{$parent_item}}" if levels > 1 else "{{$item}}"})
    return {"nodes": nodes}


def test_loops_nest_ten_deep_and_no_deeper() -> None:
    assert validate(parse_definition(nested(1)), CATALOG) == []
    assert validate(parse_definition(nested(10)), CATALOG) == []
    assert kinds(parse_definition(nested(11))) == {("loop_too_deep", "leaf")}


def test_an_outer_body_may_list_the_nodes_of_an_inner_one() -> None:
    value = nested(2)
    value["nodes"]["l0"]["loopBody"] = ["l1", "leaf"]
    definition = parse_definition(value)
    assert validate(definition, CATALOG) == []
    assert loop_bodies(definition) == {"l0": frozenset({"l1", "leaf"}), "l1": frozenset({"leaf"})}


def test_two_loops_do_not_share_a_body() -> None:
    value = nested(1)
    value["nodes"]["root"]["children"].append("other")
    value["nodes"]["other"] = {**value["nodes"]["l0"]}
    assert ("loop_shared", "leaf") in kinds(parse_definition(value))


def test_the_number_of_nodes_is_limited() -> None:
    nodes = {f"n{i}": log() for i in range(MAX_NODES + 1)}
    assert kinds(parse_definition({"nodes": nodes})) == {("too_many_nodes", None)}
    assert kinds(Definition(nodes={})) == {("empty_nodes", None)}


def test_without_a_catalog_only_the_graph_is_judged() -> None:
    unknown = {"type": "teleport", "payload": {"x": 1}, "branch": "else"}
    assert validate(changed(lambda value: put(value, "nodes/quiet", unknown))) == []


def test_only_structural_faults_refuse_a_definition() -> None:
    def spoil(value: Json) -> None:
        value["nodes"]["quiet"] = {"type": "teleport", "payload": {"x": "{{ghost.x}}"}}
        value["nodes"]["lost"] = log()

    refuse_unusable(changed(spoil), CATALOG)

    def break_graph(value: Json) -> None:
        value["nodes"]["quiet"]["children"] = ["ghost"]
        value["nodes"]["done"]["children"] = ["fetch"]
        value["variableDefs"] *= 2

    with pytest.raises(CaddieError) as caught:
        refuse_unusable(changed(break_graph), CATALOG)
    assert caught.value.code == "DEFINITION_INVALID"
    fields = {fault.field for fault in caught.value.faults}
    assert fields == {"definition.variableDefs.1.name", "definition.nodes.fetch", "definition.nodes.quiet.children.0"}


def test_the_densest_definition_is_judged_quickly() -> None:
    ids = ["root", *(f"{i:x}" for i in range(1, MAX_NODES))]
    nodes = {each: log(*ids[position + 1 :]) for position, each in enumerate(ids)}
    nodes["root"]["type"] = "manual"
    definition = parse_definition({"nodes": nodes})
    begun = time.process_time()
    assert validate(definition, CATALOG) == []
    assert time.process_time() - begun < 5


# Edits.


def errors(definition: Definition) -> list[str]:
    return [f"{issue.type} {issue.nodeId}: {issue.message}" for issue in validate(definition, CATALOG)]


def node(kind: str = "log", **more: Any) -> Node:
    return parse_node({"type": kind, "payload": {"message": "x"} if kind == "log" else {}, **more})


def two_triggers(definition: Definition) -> Definition:
    return add_node(definition, "hook", node("webhook"), trigger=True)


BASE = parse_definition(sample())


def test_a_workflow_is_built_from_nothing() -> None:
    empty = Definition(nodes={})
    one = add_node(empty, "root", node("trigger_chat"))
    two = add_node(one, "agent", node("agent", payload={"prompt": "Answer {{root.text}}"}), after=["root"])
    three = add_node(two, "reply_chat", node("reply_chat", payload={"text": "{{agent.text}}"}), after=["agent"])
    assert errors(three) == []
    assert list(three.nodes) == ["root", "agent", "reply_chat"]
    assert (empty.nodes, list(one.nodes)) == ({}, ["root"])


def test_add_appends_to_every_parent_and_keeps_their_order() -> None:
    edited = add_node(BASE, "end", node(), after=["quiet", "done"])
    assert edited.nodes["quiet"].children == ("end",)
    assert edited.nodes["done"].children == ("end",)
    edited = add_node(edited, "more", node(), after=["check"], branch="else")
    assert edited.nodes["check"].children == ("each", "quiet", "more")
    assert edited.nodes["more"].branch == "else"
    assert errors(edited) == []
    assert errors(BASE) == [] and "end" not in BASE.nodes


def test_add_into_a_loop() -> None:
    edited = add_node(BASE, "first", node(), in_loop="each")
    assert edited.nodes["each"].loopBody == ("note", "first")
    edited = add_node(edited, "second", node(payload={"message": "{{$item}}"}), after=["first"], in_loop="each")
    assert edited.nodes["each"].loopBody == ("note", "first")
    assert errors(edited) == []


def test_a_node_may_be_added_unconnected_on_purpose() -> None:
    edited = add_node(BASE, "spare", node(), after=[])
    assert errors(edited) == ["unreachable spare: expected a way from a trigger to this node, got none"]
    assert errors(connect(edited, "done", "spare")) == []


def test_a_second_trigger_renames_root_and_removing_it_restores_root() -> None:
    two = two_triggers(BASE)
    assert two.triggerNodeIds == ("manual", "hook")
    two = connect(two, "hook", "fetch")
    assert errors(two) == []
    two = update_node(two, "quiet", {"payload": {"message": "{{hook.body}} {{root.x}} {{manual.y}}"}})
    assert errors(two) == []
    one = remove_node(two, "manual")
    assert one.triggerNodeIds == ("root",)
    assert one.nodes["root"].type == "webhook"
    assert one.nodes["quiet"].payload == {"message": "{{root.body}} {{root.x}} {{manual.y}}"}
    assert kinds(one) == {("bad_reference", "quiet")}


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda d: add_node(d, "quiet", node(), after=["done"]), "nodeId"),
        (lambda d: add_node(d, "a", node()), "after"),
        (lambda d: add_node(d, "a", node(), after=["ghost"]), "nodeId"),
        (lambda d: add_node(d, "a", node(), in_loop="ghost"), "nodeId"),
        (lambda d: add_node(d, "a", node(), after=["done"], in_loop="each"), "after"),
        (lambda d: add_node(d, "a b", node(), after=["done"]), "definition.nodes.a b"),
        (lambda d: add_node(d, "a", node(), after=["done"], branch="then"), "definition.nodes.a.branch"),
        (lambda d: add_node(d, "a", node(children=["fetch"]), after=["done"]), "definition.nodes.fetch"),
        (lambda d: add_node(d, "a", node(children=["ghost"]), after=["done"]), "definition.nodes.a.children.0"),
        (lambda d: add_node(d, "a", node(), after=["done", "post"]), "definition.nodes.a"),
        (lambda d: add_node(d, "root2", node("webhook"), after=["done"], trigger=True), "after"),
        (lambda d: add_node(Definition(nodes={}), "start", node("manual")), "nodeId"),
        (lambda d: add_node(two_triggers(d), "root", node("webhook"), trigger=True), "nodeId"),
        (lambda d: update_node(d, "ghost", {}), "nodeId"),
        (lambda d: update_node(d, "done", {"children": []}), "children"),
        (lambda d: update_node(d, "done", {"payload": "x"}), "payload"),
        (lambda d: update_node(d, "done", {"colour": "red"}), "colour"),
        (lambda d: update_node(d, "done", {"type": None}), "type"),
        (lambda d: update_node(d, "done", {"branch": "then"}), "definition.nodes.done.branch"),
        (lambda d: update_node(d, "done", {"payload": {"message": "x" * 1_100_000}}), "definition"),
        (lambda d: remove_node(d, "ghost"), "nodeId"),
        (lambda d: remove_node(d, "root"), "nodeId"),
        (lambda d: connect(d, "done", "ghost"), "nodeId"),
        (lambda d: connect(d, "done", "fetch"), "definition.nodes.fetch"),
        (lambda d: connect(d, "done", "done"), "definition.nodes.done"),
        (lambda d: connect(d, "done", "root"), "definition.nodes.root"),
        (lambda d: connect(d, "done", "post"), "definition.nodes.note"),
        (lambda d: connect(d, "done", "quiet", "then"), "branch"),
        (lambda d: connect(d, "check", "done", "resumed"), "branch"),
        (lambda d: disconnect(d, "done", "quiet"), "target"),
        (lambda d: set_variables(d, [VariableDef(name="a", type="text")] * 2), "variableDefs.1.name"),
        (lambda d: set_variables(d, [VariableDef(name="a", type="text", default=1)]), "variableDefs.0.default"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(edit: Callable[[Definition], Definition], field: str) -> None:
    before = BASE.wire()
    with pytest.raises(CaddieError) as caught:
        edit(BASE)
    assert caught.value.code == "INVALID"
    assert field in [fault.field for fault in caught.value.faults] or field == "definition.nodes.note"
    assert BASE.wire() == before


def test_update_merges_the_payload_and_null_removes() -> None:
    edited = update_node(BASE, "fetch", {"payload": {"method": "POST", "query": None}, "titleOverride": "Get it"})
    assert edited.nodes["fetch"].payload == {"url": sample()["nodes"]["fetch"]["payload"]["url"], "method": "POST"}
    assert edited.nodes["fetch"].titleOverride == "Get it"
    assert edited.nodes["fetch"].children == ("check",)
    assert update_node(edited, "fetch", {"titleOverride": None}).nodes["fetch"].titleOverride is None
    assert errors(edited) == []


def test_a_node_that_stops_branching_frees_its_children() -> None:
    edited = update_node(BASE, "check", {"type": "log", "payload": {"message": "x", "conditions": None}})
    assert (edited.nodes["each"].branch, edited.nodes["quiet"].branch) == (None, None)
    assert errors(edited) == []


def test_remove_links_parents_to_children_in_place() -> None:
    edited = remove_node(BASE, "check")
    assert edited.nodes["fetch"].children == ("each", "quiet")
    assert edited.nodes["each"].branch is None
    assert errors(edited) == []
    edited = remove_node(BASE, "note")
    assert edited.nodes["each"].loopBody == ("post",)
    assert kinds(edited) == {("bad_reference", "post")}


def test_remove_hands_its_branch_on_and_takes_a_loop_with_its_body() -> None:
    edited = remove_node(BASE, "each")
    assert edited.nodes["check"].children == ("done", "quiet")
    assert edited.nodes["done"].branch == "then"
    assert not {"each", "note", "post"} & edited.nodes.keys()


def test_removing_the_last_node_leaves_an_empty_definition() -> None:
    edited = remove_node(add_node(Definition(nodes={}), "root", node("manual")), "root")
    assert edited == Definition(nodes={})


def test_a_trigger_that_is_the_only_way_in_stays() -> None:
    two = two_triggers(BASE)
    with pytest.raises(CaddieError, match="way from a trigger"):
        remove_node(two, "manual")
    assert errors(remove_node(two, "hook")) == []


def test_connect_and_disconnect() -> None:
    edited = connect(BASE, "quiet", "done")
    assert edited.nodes["quiet"].children == ("done",)
    assert connect(edited, "quiet", "done") == edited
    assert disconnect(edited, "quiet", "done") == BASE
    branched = connect(BASE, "check", "done", "else")
    assert branched.nodes["done"].branch == "else"
    assert disconnect(branched, "check", "done") == BASE
    looped = connect(add_node(BASE, "a", node(), after=[]), "each", "a", in_loop=True)
    assert looped.nodes["each"].loopBody == ("note", "a")
    assert errors(looped) == []
    assert disconnect(looped, "each", "a").nodes["each"].loopBody == ("note",)


def test_set_variables_replaces_all() -> None:
    edited = set_variables(BASE, [VariableDef(name="n", type="number", default=1)])
    assert [variable.name for variable in edited.variableDefs] == ["n"]
    assert kinds(edited) == {("unknown_variable", "fetch")}


def test_fresh_ids_are_valid_and_free() -> None:
    definition = add_node(BASE, "log", node(), after=["done"])
    assert fresh_id(definition, "log") == "log-2"
    assert fresh_id(definition, "agent") == "agent"
    assert fresh_id(definition, "root") == "root-2"
    assert fresh_id(definition, "a b/c") == "a-b-c"
    assert fresh_id(definition, "") == "node"
    assert len(fresh_id(definition, "x" * 64)) <= 64


def test_diff_names_what_changed() -> None:
    after = add_node(update_node(BASE, "done", {"description": "end"}), "new", node(), after=["done"])
    after = remove_node(after, "quiet")
    assert diff(BASE, BASE) == []
    assert [(action, node_id) for action, node_id, _ in diff(BASE, after)] == [
        ("remove", "quiet"),
        ("update", "check"),
        ("update", "done"),
        ("add", "new"),
    ]
    assert diff(None, after) == [("add", node_id, each.wire()) for node_id, each in after.nodes.items()]


def test_diff_tells_true_from_one() -> None:
    one, true = (update_node(BASE, "quiet", {"payload": {"data": value}}) for value in (1, True))
    assert [change[:2] for change in diff(one, true)] == [("update", "quiet")]


def test_diff_applied_gives_the_nodes_of_after() -> None:
    after = remove_node(BASE, "check")
    nodes = BASE.wire()["nodes"]
    for action, node_id, value in diff(BASE, after):
        if action == "remove":
            del nodes[node_id]
        else:
            nodes[node_id] = value
    assert nodes == after.wire()["nodes"]


def test_structural_issues_and_branches_are_documented_words() -> None:
    assert {"empty_nodes", "missing_child", "missing_trigger", "cycle", "duplicate_variable"} <= STRUCTURAL
    assert BRANCHES == {"if": ("then", "else"), "wait": ("resumed", "timed_out")}


@given(st.data())
def test_no_sequence_of_edits_makes_a_valid_graph_invalid(data: st.DataObject) -> None:
    definition = add_node(Definition(nodes={}), "root", node("manual"))
    for _ in range(data.draw(st.integers(1, 12))):
        ids = st.sampled_from(sorted(definition.nodes))
        kind = data.draw(st.sampled_from(["log", "if", "wait", "for-each", "webhook"]))
        new = fresh_id(definition, kind)
        step = data.draw(st.sampled_from(["add", "add", "loop", "trigger", "connect", "remove", "update"]))
        try:
            if step == "add":
                branch = data.draw(st.sampled_from([None, "then", "else", "resumed"]))
                parents = data.draw(st.lists(ids, min_size=1, max_size=2))
                definition = add_node(definition, new, node(kind), parents, branch)
            elif step == "loop":
                definition = add_node(definition, new, node(kind), in_loop=data.draw(ids))
            elif step == "trigger":
                definition = add_node(definition, new, node("webhook"), trigger=True)
            elif step == "connect":
                definition = connect(definition, data.draw(ids), data.draw(ids), in_loop=data.draw(st.booleans()))
            elif step == "remove" and len(definition.nodes) > 1:
                definition = remove_node(definition, data.draw(ids))
            else:
                definition = update_node(definition, data.draw(ids), {"type": kind})
        except CaddieError as error:
            assert error.code == "INVALID"
        assert validate(definition) == []
        assert parse_definition(definition.wire()) == definition
