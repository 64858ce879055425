"""The tools on the workflow: many changes at once or none, templates, executions, and what the model is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caddie.agent.arguments import CHANGES
from caddie.agent.library import Library
from caddie.agent.mask import Mask
from caddie.agent.profile import PROFILES
from caddie.agent.tools import Outcome, Tools
from caddie.agent.workspace import Workspace
from caddie.models.model import ToolCall
from shared.events import Mode
from shared.plugins import library
from shared.search import TemplateSearch
from shared.validation import refuse_unusable
from tests.caddie.agent.conversation import CATALOG, LIBRARY

TEMPLATES = library().templates
WITH_TEMPLATES = Library(CATALOG, LIBRARY.blocks, TEMPLATES, TemplateSearch(TEMPLATES))
ROOT = {"op": "add_node", "nodeId": "root", "type": "manual"}
FETCH = {
    "op": "add_node", "nodeId": "fetch", "type": "http-request", "after": ["root"],
    "payload": {"method": "GET", "url": "https://example.com/rates"},
}  # fmt: skip


class Bench:
    def __init__(self, definition: dict[str, Any] | None = None, mode: Mode = "building", library: Library = LIBRARY):
        self.workspace = Workspace(definition)
        self.tools = Tools(self.workspace, library, PROFILES["v3"], mode, Mask(self.workspace.wire()))

    async def call(self, name: str, **args: Any) -> Outcome:
        return await self.tools.run(ToolCall("c", name, args))

    async def edit(self, *changes: dict[str, Any]) -> Outcome:
        return await self.call("edit_workflow", changes=list(changes))

    @property
    def nodes(self) -> list[str]:
        return list(self.workspace.current.nodes)


async def test_several_changes_are_made_in_order_and_what_is_left_is_told() -> None:
    bench = Bench()
    post = {**FETCH, "nodeId": "post", "type": "slack-send-message", "after": ["fetch"], "payload": {"text": "x"}}
    outcome = await bench.edit(ROOT, FETCH, post)
    assert outcome.ok and [change[:2] for change in outcome.changes] == [
        ("add", "root"), ("add", "fetch"), ("add", "post"),
    ]  # fmt: skip
    assert outcome.value["valid"] and outcome.value["errors"] == []
    assert {(each["nodeId"], each["field"]) for each in outcome.value["incomplete"]} == {
        ("post", "payload.channel"), ("post", "connector"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({**FETCH, "nodeId": "root"}, "changes.2 (add_node root): expected a new node id"),
        ({**FETCH, "nodeId": "b", "type": "nonsense"}, "got nonsense"),
        ({**FETCH, "nodeId": "b", "after": ["ghost"]}, "got ghost"),
        ({"op": "update_node", "nodeId": "ghost"}, "changes.2 (update_node ghost)"),
        ({"op": "remove_node", "nodeId": "ghost"}, "changes.2 (remove_node ghost)"),
        ({"op": "connect", "source": "fetch", "target": "root"}, "changes.2 (connect root)"),
        ({"op": "disconnect", "source": "fetch", "target": "root"}, "changes.2 (disconnect root)"),
        ({"op": "set_variables", "variables": [{"name": "a", "type": "number"}] * 2}, "changes.2 (set_variables)"),
        ({"op": "set_inputs", "inputs": [{"key": "a"}] * 2}, "changes.2 (set_inputs)"),
        ({"op": "explode"}, "changes.2"),
        ({**FETCH, "nodeId": "b", "connector": {"type": "slack", "id": "1"}}, "connecting is the owner's part"),
    ],
)
async def test_one_bad_change_refuses_all_and_is_named_by_its_position(bad: dict[str, Any], told: str) -> None:
    bench = Bench()
    outcome = await bench.edit(ROOT, FETCH, bad)
    assert not outcome.ok and told in outcome.value and bench.nodes == [] and not outcome.changes


async def test_a_call_has_one_to_fifty_changes() -> None:
    bench = Bench()
    assert not (await bench.edit()).ok
    many = [{**FETCH, "nodeId": f"n{number}"} for number in range(CHANGES - 1)]
    assert not (await bench.edit(ROOT, *many, {**FETCH, "nodeId": "one-more"})).ok and bench.nodes == []
    assert (await bench.edit(ROOT, *many)).ok and len(bench.nodes) == CHANGES


async def test_every_kind_of_change() -> None:
    bench = Bench()
    loop = {
        "op": "add_node", "nodeId": "each", "type": "for-each", "after": ["fetch"],
        "payload": {"items": "{{fetch.result.body}}"},
    }  # fmt: skip
    log = {"op": "add_node", "nodeId": "log", "type": "log", "inLoop": "each", "payload": {"message": "{{$item}}"}}
    assert (await bench.edit(ROOT, FETCH, loop, log)).value["valid"]
    outcome = await bench.edit(
        {"op": "set_variables", "variables": [{"name": "count", "type": "number", "default": 0}]},
        {"op": "set_inputs", "inputs": [{"key": "city", "required": True}]},
        {"op": "update_node", "nodeId": "log", "payload": {"message": "{{$inputs.city}} {{$vars.count}}"},
         "titleOverride": "Log it", "description": "For the record"},
        {"op": "disconnect", "source": "fetch", "target": "each"},
        {"op": "connect", "source": "root", "target": "each"},
        {"op": "update_node", "nodeId": "each", "payload": {"items": "{{root.result}}"}},
        {"op": "remove_node", "nodeId": "fetch"},
    )  # fmt: skip
    assert outcome.ok, outcome.value
    now = bench.workspace.current
    assert outcome.value["errors"] == [] and now.nodes["root"].children == ("each",)
    assert now.nodes["log"].titleOverride == "Log it" and now.inputSchema[0].key == "city"
    assert [change[:2] for change in outcome.changes] == [
        ("remove", "fetch"), ("update", "root"), ("update", "each"), ("update", "log"),
    ]  # fmt: skip


async def test_an_account_of_the_workflow_may_be_used_again_and_falls_away_with_its_block() -> None:
    slack = {"type": "slack", "id": "team-1"}
    kind = CATALOG.get("slack-send-message")
    assert kind is not None and kind.connector is not None
    slack["type"] = kind.connector
    payload = {"channel": "#a", "text": "b"}
    post = {"type": "slack-send-message", "payload": payload, "connector": slack, "children": []}
    bench = Bench({"nodes": {"root": {"type": "manual", "children": ["post"]}, "post": post}})
    again = {
        "op": "add_node", "nodeId": "again", "type": "slack-send-message", "after": ["post"], "payload": payload,
        "connector": slack,
    }  # fmt: skip
    assert (await bench.edit(again)).value["incomplete"] == []
    assert not (await bench.edit({**again, "nodeId": "b", "connector": {**slack, "id": "team-2"}})).ok
    patch = {"message": "x", "text": None, "channel": None}
    assert (await bench.edit({"op": "update_node", "nodeId": "post", "type": "log", "payload": patch})).ok
    assert bench.workspace.current.nodes["post"].connector is None


async def test_a_template_is_found_and_put_on_an_empty_canvas_with_its_inputs() -> None:
    bench = Bench(library=WITH_TEMPLATES)
    wanted = next(each for each in TEMPLATES.all() if any(i.field == "payload.channel" for i in each.inputs))
    found = await bench.call("search_templates", query=wanted.title)
    assert found.value["templates"][0]["templateId"] == wanted.id and found.value["templates"][0]["inputs"]
    key = next(each for each in wanted.inputs if each.field == "payload.channel")
    outcome = await bench.call("use_template", templateId=wanted.id, inputs={key.key: "#mine"})
    assert outcome.ok and outcome.value["errors"] == []
    assert bench.workspace.current.nodes[key.nodeId].payload["channel"] == "#mine"
    assert {change[0] for change in outcome.changes} == {"add"}
    again = await bench.call("use_template", templateId=wanted.id)
    assert not again.ok and "empty canvas" in again.value


async def test_the_mode_of_the_template_search_is_handed_on() -> None:
    library = Library(CATALOG, LIBRARY.blocks, TEMPLATES, TemplateSearch(TEMPLATES), "hybrid")
    found = (await Bench(library=library).call("search_templates", query="invoice")).value
    assert found["templates"] and "hybrid" in found.get("note", "hybrid")


async def test_a_template_takes_only_its_own_inputs_and_no_account() -> None:
    bench = Bench(library=WITH_TEMPLATES)
    assert "search_templates" in (await bench.call("use_template", templateId="no-such")).value
    wanted = next(each for each in TEMPLATES.all() if any(i.field == "connector" for i in each.inputs))
    account = next(each.key for each in wanted.inputs if each.field == "connector")
    for inputs in ({"nobodyKnows": 1}, {account: "acc_1"}):
        assert not (await bench.call("use_template", templateId=wanted.id, inputs=inputs)).ok and not bench.nodes


@pytest.mark.parametrize("template", TEMPLATES.all(), ids=lambda each: each.id)
async def test_every_template_takes_a_value_for_every_input(template: Any) -> None:
    values = {each.key: "{{$vars.x}}" for each in template.inputs if each.field != "connector"}
    outcome = await Bench(library=WITH_TEMPLATES).call("use_template", templateId=template.id, inputs=values)
    assert outcome.ok, outcome.value


class Ledger:
    def __init__(self) -> None:
        self.asked: list[str | None] = []

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        self.asked.append(execution_id)
        return None if execution_id else {"executionId": "e1", "error": "fetch: the host answered 500"}


async def test_an_execution_is_told_and_an_unknown_one_is_not_there() -> None:
    ledger = Ledger()
    bench = Bench(library=Library(CATALOG, LIBRARY.blocks, executions=ledger))
    assert "500" in (await bench.call("get_execution")).value["error"]
    assert not (await bench.call("get_execution", executionId="somebody-elses")).ok
    assert ledger.asked == [None, "somebody-elses"]


async def test_nothing_changes_while_it_plans() -> None:
    bench = Bench(mode="planning", library=WITH_TEMPLATES)
    for name, args in (("edit_workflow", {"changes": [ROOT]}), ("use_template", {"templateId": "x"})):
        outcome = await bench.call(name, **args)
        assert not outcome.ok and "planning" in outcome.value and bench.nodes == []
    assert "edit_workflow" not in {each.name for each in bench.tools.specs()}


IDS = st.sampled_from(["root", "a", "b", "c", "d"])
BLOCKS = st.sampled_from(["manual", "log", "if", "for-each", "wait", "nonsense"])
CHANGE = st.one_of(
    st.fixed_dictionaries(
        {"op": st.just("add_node"), "nodeId": IDS, "type": BLOCKS},
        optional={
            "after": st.lists(IDS, max_size=2), "branch": st.sampled_from(["then", "else", "resumed", "up"]),
            "inLoop": IDS, "trigger": st.booleans(), "payload": st.just({"message": "{{a.result}}"}),
        },
    ),
    st.fixed_dictionaries({"op": st.just("update_node"), "nodeId": IDS}, optional={"type": BLOCKS}),
    st.fixed_dictionaries({"op": st.just("remove_node"), "nodeId": IDS}),
    st.fixed_dictionaries(
        {"op": st.just("connect"), "source": IDS, "target": IDS},
        optional={"branch": st.sampled_from(["then", "else"]), "inLoop": st.booleans()},
    ),
    st.fixed_dictionaries({"op": st.just("disconnect"), "source": IDS, "target": IDS}),
)  # fmt: skip


@given(st.lists(st.lists(CHANGE, min_size=1, max_size=4), max_size=8))
async def test_whatever_is_tried_the_workflow_stays_sound_and_its_events_lead_to_it(calls: list[list[Any]]) -> None:
    bench, shown = Bench(), dict[str, Any]()
    for changes in calls:
        before = bench.workspace.current
        outcome = await bench.edit(*changes)
        assert outcome.ok or (bench.workspace.current is before and not outcome.changes)
        for action, node_id, node in outcome.changes:
            assert (node_id in shown) == (action != "add")
            shown.pop(node_id, None)
            if node is not None:
                shown[node_id] = node
        now = bench.workspace.current
        assert shown == {key: node.wire() for key, node in now.nodes.items()}
        if now.nodes:
            refuse_unusable(now, CATALOG)
