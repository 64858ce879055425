"""Plans: proposed, approved, changed; and what a turn in planning mode may not do."""

from __future__ import annotations

import pytest

from caddie.models.model import TextDelta
from shared.events import InputRequested, ModeSelected, NodeChanged, ToolFinished
from tests.caddie.agent.conversation import Conversation
from tests.caddie.agent.scripted import ROOT, call, edit, talk
from tests.caddie.agent.test_offline_requests import GOLDEN

PLAN = call(
    "propose_plan",
    summary="Fetch the rates every morning and post them.",
    steps=[{"title": "Start at 8", "block": "cronjob"}, {"title": "Fetch", "detail": "from the bank"}],
)


async def test_a_plan_is_asked_as_an_event_and_told_as_text() -> None:
    conversation, _ = talk([PLAN])
    finished = await conversation.say("plan it", mode="planning")
    asked = conversation.of(InputRequested)[0]
    assert finished.outcome == "waiting" and asked.kind == "plan"
    assert asked.body["text"] == "Fetch the rates every morning and post them."
    assert asked.body["steps"] == (PLAN.args or {})["steps"]
    assert [option["value"] for option in asked.body["options"]] == ["approve", "change"]
    assert "1. Start at 8 (cronjob)\n2. Fetch: from the bank" in conversation.text


@pytest.mark.parametrize("answer", ["approve", "Approve", "yes", "ok, go ahead", "Looks good, build it!"])
async def test_approval_builds_with_the_plan_in_view_also_in_a_session_that_plans(answer: str) -> None:
    conversation, model = talk([PLAN], [edit(ROOT)], [TextDelta("Done.")])
    await conversation.say("plan it", mode="planning")
    finished = await conversation.say(answer, mode="planning")
    assert conversation.of(ModeSelected)[0].mode == "building" and finished.outcome == "completed"
    assert conversation.of(NodeChanged) and "approved plan" in model.asked[1].turns[-1].text  # type: ignore[union-attr]
    assert "2. Fetch: from the bank" in model.asked[1].turns[-1].text  # type: ignore[union-attr]


async def test_any_other_answer_changes_the_plan() -> None:
    conversation, model = talk([PLAN])
    await conversation.say("plan it", mode="planning")
    finished = await conversation.say("yes but post it to #fx at nine")
    assert conversation.of(ModeSelected)[0].mode == "planning" and finished.outcome == "waiting"
    assert "wants changed" in model.asked[1].turns[-1].text  # type: ignore[union-attr]


async def test_edits_are_refused_by_the_tools_while_it_plans() -> None:
    conversation, model = talk([edit(ROOT), PLAN])
    await conversation.say("plan it", mode="planning")
    assert [event.ok for event in conversation.of(ToolFinished)] == [False, True]
    assert conversation.definition is None
    assert "edit_workflow" not in {tool.name for tool in model.asked[0].tools}


async def test_a_question_asked_while_planning_leads_back_to_planning() -> None:
    conversation, _ = talk([call("ask_user", question="Which bank?")], [PLAN])
    await conversation.say("plan it", mode="planning")
    await conversation.say("the first one")
    assert conversation.of(ModeSelected)[0].mode == "planning"


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_other_versions_neither_ask_nor_propose(version: str) -> None:
    conversation, model = talk([PLAN, call("ask_user", question="Which?")], [TextDelta("My plan: …")])
    finished = await conversation.say("plan it", mode="planning", agentVersion=version)
    assert finished.outcome == "completed" and not conversation.of(InputRequested)
    assert not any(event.ok for event in conversation.of(ToolFinished))
    assert not {"ask_user", "propose_plan", "edit_workflow"} & {tool.name for tool in model.asked[0].tools}


async def test_the_offline_model_plans_is_corrected_and_builds() -> None:
    conversation = Conversation()
    assert (await conversation.say(GOLDEN, mode="planning")).outcome == "waiting"
    first = conversation.of(InputRequested)[0]
    assert first.kind == "plan" and len(first.body["steps"]) == 4  # type: ignore[arg-type]
    await conversation.say("change")
    assert conversation.of(InputRequested)[0].body["text"] == "What should be different?"
    await conversation.say("also email the rates to bob@example.com")
    assert conversation.of(InputRequested)[0].kind == "plan" and conversation.definition is None
    finished = await conversation.say("approve")
    assert finished.outcome == "completed" and "slack-send-message" in conversation.blocks()


async def test_the_offline_model_tells_its_plan_where_it_cannot_ask() -> None:
    conversation = Conversation()
    finished = await conversation.say(GOLDEN, mode="planning", agentVersion="v2")
    assert finished.outcome == "completed" and conversation.definition is None and "My plan" in conversation.text
