"""Errors: what a turn mends of its own, what it is told at the start, when it stops trying."""

from __future__ import annotations

from typing import Any

from caddie.models.model import ModelEvent, TextDelta, UserTurn
from shared.events import ModeSelected
from tests.caddie.agent.conversation import Conversation
from tests.caddie.agent.scripted import ROOT, edit, talk

BAD = {
    "op": "add_node", "nodeId": "say", "type": "format", "after": ["root"], "payload": {"template": "{{ghost.result}}"},
}  # fmt: skip
MEND = {"op": "update_node", "nodeId": "say", "payload": {"template": "{{root.result}}"}}
FAULTY: dict[str, Any] = {
    "nodes": {
        "root": {"type": "manual", "children": ["say"]},
        "say": {"type": "format", "payload": {"template": "{{ghost.result}}"}, "children": []},
    }
}


async def test_errors_that_remain_are_told_to_the_model_which_mends_them() -> None:
    conversation, model = talk([edit(ROOT, BAD)], [TextDelta("Done.")], [edit(MEND)], [TextDelta("Mended.")])
    finished = await conversation.say("build")
    nudge = model.asked[2].turns[-1]
    assert isinstance(nudge, UserTurn) and "ghost" in nudge.text
    assert finished.result.validationErrors == () and finished.result.message == "Mended."


async def test_it_tries_no_more_than_twice_and_says_what_is_left() -> None:
    other: dict[str, Any] = {"op": "update_node", "nodeId": "say", "payload": {"template": "{{phantom.result}}"}}
    steps: list[list[ModelEvent | Exception]] = [
        [edit(ROOT, BAD)], [TextDelta("Done.")], [edit(other)], [TextDelta("So.")], [edit(BAD | {"nodeId": "more"})],
        [TextDelta("Enough.")],
    ]  # fmt: skip
    conversation, model = talk(*steps)
    finished = await conversation.say("build")
    assert len(model.asked) == 6 and finished.outcome == "completed"
    assert {fault.nodeId for fault in finished.result.validationErrors} == {"say", "more"}


async def test_a_model_that_does_nothing_about_it_is_asked_once() -> None:
    conversation, model = talk([edit(ROOT, BAD)], [TextDelta("Done.")])
    finished = await conversation.say("build")
    assert len(model.asked) == 3 and len(finished.result.validationErrors) == 1


async def test_one_call_is_one_call_also_with_errors() -> None:
    conversation, model = talk([TextDelta("Done."), edit(ROOT, BAD)])
    finished = await conversation.say("build", agentVersion="v1")
    assert len(model.asked) == 1 and finished.result.validationErrors


async def test_errors_of_a_workflow_the_turn_leaves_alone_are_nobodys_business() -> None:
    conversation, model = talk([TextDelta("It says hello.")])
    conversation.definition = FAULTY
    await conversation.say("what does it do?")
    assert len(model.asked) == 1


async def test_a_faulty_definition_that_comes_along_means_repair_and_its_errors_are_told() -> None:
    conversation, model = talk([TextDelta("Hm.")])
    conversation.definition = FAULTY
    await conversation.say("please look at it", definition=FAULTY)
    assert conversation.of(ModeSelected)[0].mode == "repair"
    assert "validation reports" in model.asked[0].turns[-1].text  # type: ignore[union-attr]


async def test_the_offline_model_mends_what_comes_along() -> None:
    fetch = {"type": "http-request", "payload": {"url": "https://x.com/a"}, "children": ["say"]}
    nodes = {**FAULTY["nodes"], "root": {"type": "manual", "children": ["gost"]}, "gost": fetch}
    conversation = Conversation(definition={"nodes": nodes})
    finished = await conversation.say("please look at it", definition={"nodes": nodes})
    assert finished.result.validationErrors == () and conversation.errors() == []
