"""Proposals: the changes between two definitions lead from one to the other, alone, in part, and on a newer one."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import edits
from shared.errors import CaddieError
from shared.graph import Graph
from shared.proposals import apply, diff, inverse, rebase
from shared.steps import AddStep, Changes, DeleteStep, ReorderSteps, UpdateStep, parse_changes, steps
from shared.validation import check_shape
from shared.workflows import Definition, InputField, VariableDef, parse_definition, parse_node

TYPES = ("log", "if", "wait", "for-each", "http-request")
EMPTY = parse_definition({"nodes": {}})


def node(type: str, *children: str, **more: Any) -> dict[str, Any]:
    return {"type": type, "payload": {}, "children": list(children), **more}


def graph(**nodes: dict[str, Any]) -> Definition:
    return parse_definition({"nodes": nodes})


CHAIN = graph(root=node("manual", "search"), search=node("web-search", payload={"query": "x"}))


def edited(definition: Definition, rng: random.Random) -> Definition:
    """One edit such as the agent makes; what it refuses changes nothing."""
    ids = list(definition.nodes)
    try:
        if not ids:
            return edits.add_node(definition, "root", parse_node(node("manual")))
        some = rng.choice(ids)
        match rng.randrange(8):
            case 0 | 1:
                return _added(definition, rng, some)
            case 2:
                return edits.remove_node(definition, some)
            case 3:
                branch = rng.choice([None, None, "then", "else", "resumed"])
                return edits.connect(definition, some, rng.choice(ids), branch, in_loop=rng.random() < 0.2)
            case 4:
                return edits.disconnect(definition, some, rng.choice(ids))
            case 5:
                patch: dict[str, Any] = {"payload": {"x": rng.choice([1, True, 1.0, None, "{{root.y}}"])}}
                patch |= rng.choice([{}, {"type": rng.choice(TYPES)}, {"connector": {"type": "slack", "id": "s"}}])
                return edits.update_node(definition, some, patch | rng.choice([{}, {"description": "d"}]))
            case 6:
                names = rng.sample("abc", rng.randrange(3))
                return edits.set_variables(definition, [VariableDef(name=name, type="text") for name in names])
            case _:
                keys = rng.sample("abc", rng.randrange(3))
                return edits.set_inputs(definition, [InputField(key=key) for key in keys])
    except CaddieError:
        return definition


def _added(definition: Definition, rng: random.Random, some: str) -> Definition:
    made = parse_node({**node(rng.choice(TYPES)), "payload": {"n": rng.randrange(3)}})
    fresh = f"n{rng.randrange(40)}"
    if rng.random() < 0.1:
        return edits.add_node(definition, fresh, parse_node(node("webhook")), trigger=True)
    if definition.nodes[some].type == "for-each" and rng.random() < 0.5:
        return edits.add_node(definition, fresh, made, [], None, some)
    branch = {"if": "then", "wait": "timed_out"}.get(definition.nodes[some].type)
    return edits.add_node(definition, fresh, made, [some], branch)


def grown(definition: Definition, rng: random.Random, count: int) -> Definition:
    for _ in range(count):
        definition = edited(definition, rng)
    return definition


def wire(definition: Definition) -> bytes:
    return orjson.dumps(definition.wire(), option=orjson.OPT_SORT_KEYS)


def again(changes: Changes) -> Changes:
    """As they come back from the store."""
    return parse_changes(orjson.loads(orjson.dumps([change.wire() for change in changes])))


def told(changes: Changes) -> list[dict[str, Any]]:
    return [change.wire() for change in changes]


@given(st.integers(0, 2**32), st.integers(0, 25), st.integers(0, 12))
@settings(max_examples=300, deadline=None)
def test_the_changes_lead_from_one_definition_to_the_other(seed: int, before: int, after: int) -> None:
    rng = random.Random(seed)
    a = grown(EMPTY, rng, before)
    b = grown(a, rng, after)
    changes = diff(a, b)
    if a.nodes or b.nodes:
        assert wire(apply(a, again(changes))) == wire(b)
    assert (not changes) == (wire(a) == wire(b)) or not b.nodes


@given(st.integers(0, 2**32), st.integers(0, 15), st.integers(0, 15))
@settings(max_examples=150, deadline=None)
def test_also_between_definitions_that_share_little(seed: int, before: int, after: int) -> None:
    rng = random.Random(seed)
    a, b = grown(EMPTY, rng, before), grown(EMPTY, rng, after)
    if b.nodes:
        assert wire(apply(a, again(diff(a, b)))) == wire(b)


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 10))
@settings(max_examples=100, deadline=None)
def test_the_inverse_takes_back_what_was_applied(seed: int, before: int, after: int) -> None:
    rng = random.Random(seed)
    a = grown(EMPTY, rng, before)
    b = grown(a, rng, after)
    if not (a.nodes and b.nodes):
        return
    made, back = inverse(a, diff(a, b))
    assert wire(made) == wire(b)
    assert wire(apply(b, again(back))) == wire(a)


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_a_rebase_and_a_part_give_a_sound_definition_or_refuse(seed: int, before: int, mine: int, theirs: int) -> None:
    rng = random.Random(seed)
    base = grown(EMPTY, rng, before)
    changes = diff(base, grown(base, rng, mine))
    now = grown(base, rng, theirs)
    chosen = None if rng.random() < 0.5 else [n for n in range(len(changes)) if rng.random() < 0.5]
    try:
        result = rebase(base, changes, now, chosen)
    except CaddieError as error:
        assert error.code in ("VERSION_CONFLICT", "INVALID") and error.faults
        return
    # On its own base a whole proposal may leave a step alone that the agent has left alone.
    if result.nodes and now.nodes and (now is not base or chosen is not None):
        known = {(issue.type, issue.nodeId) for issue in check_shape(Graph(now))}
        assert {(issue.type, issue.nodeId) for issue in check_shape(Graph(result))} <= known
    assert parse_definition(result.wire()) == result


def test_a_new_step_is_one_change_as_document_003_shows_it() -> None:
    after = edits.add_node(
        CHAIN, "step-2", parse_node({"type": "summarize", "payload": {"text": "{{search.results}}"}}), ["search"]
    )
    assert told(diff(CHAIN, after)) == [
        {
            "type": "add_step",
            "step": {
                "id": "step-2", "toolId": "summarize", "inputs": {"text": "{{search.results}}"}, "dependsOn": ["search"]
            },
            "after": "search",
        }
    ]  # fmt: skip


def test_removing_a_step_in_the_middle_is_one_change() -> None:
    a = graph(root=node("manual", "one"), one=node("log", "two"), two=node("log", "three"), three=node("log"))
    b = edits.remove_node(a, "two")
    assert told(diff(a, b)) == [{"type": "delete_step", "stepId": "two"}]
    assert apply(a, diff(a, b)) == b


def test_other_inputs_are_an_update_and_another_place_a_reordering() -> None:
    a = graph(root=node("manual", "one", "two"), one=node("log"), two=node("log"))
    b = edits.update_node(a, "one", {"payload": {"message": "hi"}})
    b = edits.disconnect(edits.connect(b, "one", "two"), "root", "two")
    first, second = diff(a, b)
    assert isinstance(first, UpdateStep) and first.step.inputs == {"message": "hi"}
    assert isinstance(second, ReorderSteps) and second.dependsOn == ("one",)
    assert apply(a, (first, second)) == b


def test_branch_loop_account_and_order_of_children_survive() -> None:
    a = graph(root=node("manual"))
    b = graph(
        root=node("manual", "check"),
        check=node("if", "last", "each"),
        each=node("for-each", "after", loopBody=["body"], branch="then", resultSchema={"type": "object"}),
        body=node("slack-send-message", connector={"type": "slack", "id": "s-1"}, titleOverride="Tell"),
        after=node("log", description="Says so"),
        last=node("log", branch="else"),
    )
    changes = diff(a, b)
    assert all(isinstance(change, AddStep) for change in changes)
    assert apply(a, again(changes)) == b
    body = next(change for change in changes if isinstance(change, AddStep) and change.step.id == "body")
    assert body.step.dependsOn == ("each",) and body.links is not None and body.links.inLoop == ("each",)


def test_variables_come_with_the_first_change() -> None:
    b = edits.set_variables(CHAIN, [VariableDef(name="count", type="number", default=0)])
    (only,) = diff(CHAIN, b)
    assert isinstance(only, UpdateStep) and only.stepId == "root"
    assert apply(CHAIN, again((only,))) == b


def test_steps_are_nodes_with_what_they_come_after() -> None:
    assert [step.wire() for step in steps(CHAIN)] == [
        {"id": "root", "toolId": "manual", "inputs": {}, "dependsOn": []},
        {"id": "search", "toolId": "web-search", "inputs": {"query": "x"}, "dependsOn": ["root"]},
    ]


def two_steps() -> tuple[Definition, Changes]:
    b = edits.add_node(CHAIN, "one", parse_node(node("log")), ["search"])
    b = edits.add_node(b, "two", parse_node(node("log")), ["one"])
    return b, diff(CHAIN, b)


def test_some_of_the_changes_are_applied_and_the_others_are_not() -> None:
    _, changes = two_steps()
    assert list(apply(CHAIN, changes, [0]).nodes) == ["root", "search", "one"]


def test_a_change_that_needs_another_is_refused_with_its_position() -> None:
    _, changes = two_steps()
    with pytest.raises(CaddieError) as caught:
        apply(CHAIN, changes, [1])
    assert caught.value.code == "INVALID"
    assert [(fault.field, "one" in fault.message) for fault in caught.value.faults] == [("changes.1", True)]


def test_every_fault_is_named_and_nothing_is_made() -> None:
    _, changes = two_steps()
    now = edits.add_node(CHAIN, "one", parse_node(node("if")), ["root"])
    now = edits.add_node(now, "two", parse_node(node("if")), ["root"])
    with pytest.raises(CaddieError) as caught:
        rebase(CHAIN, changes, now)
    assert caught.value.code == "VERSION_CONFLICT"
    assert [fault.field for fault in caught.value.faults] == ["changes.0", "changes.1"]


def test_changes_are_rebased_over_changes_elsewhere() -> None:
    after, changes = two_steps()
    now = edits.update_node(CHAIN, "root", {"description": "By hand"})
    now = edits.add_node(now, "mine", parse_node(node("log")), ["root"])
    both = rebase(CHAIN, changes, now)
    assert set(both.nodes) == {*after.nodes, "mine"}
    assert both.nodes["root"].description == "By hand" and both.nodes["search"].children == ("one",)


def test_a_step_changed_on_both_sides_is_a_conflict_unless_to_the_same() -> None:
    mine = edits.update_node(CHAIN, "search", {"payload": {"query": "y"}})
    theirs = edits.update_node(CHAIN, "search", {"payload": {"query": "z"}})
    changes = diff(CHAIN, mine)
    with pytest.raises(CaddieError, match="VERSION_CONFLICT"):
        rebase(CHAIN, changes, theirs)
    assert rebase(CHAIN, changes, mine) == mine


def test_a_step_added_on_both_sides_is_a_conflict_unless_it_is_the_same_in_the_same_place() -> None:
    after, changes = two_steps()
    assert rebase(CHAIN, changes, after) == after
    moved = edits.add_node(CHAIN, "one", after.nodes["one"].model_copy(update={"children": ()}), ["root"])
    with pytest.raises(CaddieError, match="VERSION_CONFLICT"):
        rebase(CHAIN, changes, moved)
    with pytest.raises(CaddieError, match="INVALID"):
        apply(after, changes)


def test_a_step_that_was_changed_is_not_deleted_unseen() -> None:
    changes = diff(CHAIN, edits.remove_node(CHAIN, "search"))
    assert changes == (DeleteStep(stepId="search"),)
    with pytest.raises(CaddieError, match="VERSION_CONFLICT"):
        rebase(CHAIN, changes, edits.update_node(CHAIN, "search", {"payload": {"query": "z"}}))
    gone = edits.remove_node(CHAIN, "search")
    assert rebase(CHAIN, changes, gone) == gone


def test_changes_on_a_step_that_is_gone_are_a_conflict() -> None:
    _, changes = two_steps()
    with pytest.raises(CaddieError, match="VERSION_CONFLICT"):
        rebase(CHAIN, changes, edits.remove_node(CHAIN, "search"))


def test_a_whole_workflow_is_taken_away_and_built() -> None:
    assert apply(CHAIN, diff(CHAIN, EMPTY)) == EMPTY
    assert apply(EMPTY, diff(EMPTY, CHAIN)) == CHAIN
    assert diff(CHAIN, CHAIN) == ()
