"""Running a workflow from the conversation: asked first, agreed to exactly, and told or repaired afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from caddie.models.model import TextDelta
from shared.errors import CaddieError
from shared.events import InputRequested, ModeSelected, NodeChanged, ToolFinished
from tests.caddie.agent.conversation import LIBRARY, Conversation
from tests.caddie.agent.scripted import Scripted, call, edit, talk

NODES = {
    "root": {"type": "manual", "children": ["tell"]},
    "tell": {
        "type": "send-email", "titleOverride": "Tell Bob", "connector": {"type": "smtp", "id": "mail"},
        "payload": {"to": "bob@example.com", "subject": "Hi", "text": "Hello"},
    },
}  # fmt: skip
RUN = call("run_workflow", inputs={"n": 1})


class Started:
    """Executions that end as they are told to."""

    def __init__(self, status: str = "completed", **more: Any) -> None:
        self.told = {"executionId": "e-1", "status": status, **more}
        self.ran: list[tuple[dict[str, Any], dict[str, Any], str | None]] = []
        self.refusal: CaddieError | None = None

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        return self.told

    async def run(self, definition: dict[str, Any], inputs: dict[str, Any], trigger: str | None) -> dict[str, Any]:
        self.ran.append((definition, inputs, trigger))
        if self.refusal:
            raise self.refusal
        return self.told


def asked(started: Started, *steps: Any) -> tuple[Conversation, Scripted]:
    conversation, model = talk(*(steps or ([RUN], [TextDelta("What shall I do instead?")])))
    conversation.library = replace(LIBRARY, executions=started)
    conversation.definition = {"nodes": NODES}
    return conversation, model


async def test_the_user_is_asked_and_told_what_it_will_do_before_anything_runs() -> None:
    started = Started()
    conversation, _ = asked(started)
    finished = await conversation.say("run it")
    (question,) = conversation.of(InputRequested)
    assert finished.outcome == "waiting" and not started.ran
    assert question.body["text"] == "Shall I run the workflow now? It will send e-mail (Tell Bob)."
    assert [each["value"] for each in question.body["options"]] == ["run", "not_now"]  # type: ignore[index,union-attr,call-overload]


@pytest.mark.parametrize("answer", ["run", "yes", "Go ahead!"])
async def test_after_the_consent_it_runs_once_with_the_inputs_agreed_to(answer: str) -> None:
    started = Started(output={"sent": True})
    conversation, model = asked(started)
    await conversation.say("run it")
    finished = await conversation.say(answer)
    assert [(inputs, trigger) for _, inputs, trigger in started.ran] == [({"n": 1}, None)]
    assert finished.outcome == "completed" and '{"sent":true}' in conversation.text
    assert [event.name for event in conversation.of(ToolFinished)] == ["run_workflow"] and len(model.asked) == 1


@pytest.mark.parametrize("answer", ["not_now", "no", "yes but change the subject first"])
async def test_any_other_answer_runs_nothing(answer: str) -> None:
    started = Started()
    conversation, _ = asked(started)
    await conversation.say("run it")
    await conversation.say(answer)
    assert not started.ran


async def test_a_consent_is_to_the_workflow_as_it_was() -> None:
    started = Started()
    conversation, _ = asked(started)
    await conversation.say("run it")
    assert conversation.definition is not None
    tell = {**NODES["tell"], "payload": {"to": "eve@example.com", "subject": "Hi", "text": "Hello"}}
    conversation.definition = {"nodes": {**NODES, "tell": tell}}
    await conversation.say("run")
    assert not started.ran


async def test_a_failed_execution_is_what_the_rest_of_the_turn_repairs() -> None:
    started = Started("failed", error="expected a mail server, got none", errorNode="tell")
    change = {"op": "update_node", "nodeId": "tell", "payload": {"subject": "Hello again"}}
    conversation, model = asked(started, [RUN], [call("get_execution")], [edit(change)], [TextDelta("Mended.")])
    await conversation.say("run it")
    finished = await conversation.say("run")
    assert [event.mode for event in conversation.of(ModeSelected)][-1] == "repair"
    assert "failed at the node tell: expected a mail server" in model.asked[1].turns[-1].text  # type: ignore[union-attr]
    assert conversation.of(NodeChanged) and finished.outcome == "completed" and len(started.ran) == 1


async def test_a_refusal_to_start_is_told_to_the_model() -> None:
    started = Started()
    started.refusal = CaddieError("RUN_LIMIT", "expected fewer runs, got too many")
    conversation, model = asked(started)
    await conversation.say("run it")
    await conversation.say("run")
    assert not conversation.of(ToolFinished)[0].ok
    assert "expected fewer runs" in model.asked[1].turns[-1].text  # type: ignore[union-attr]


async def test_a_model_that_insists_never_runs_anything_by_itself() -> None:
    started = Started()
    conversation, _ = asked(started, [RUN, RUN, RUN])
    for text in ("hello", "not_now", "no", "stop it"):
        await conversation.say(text)
    assert not started.ran


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_versions_that_cannot_ask_cannot_run(version: str) -> None:
    started = Started()
    conversation, model = asked(started)
    await conversation.say("run it", agentVersion=version)
    assert "run_workflow" not in {tool.name for tool in model.asked[0].tools} and not started.ran
    assert not any(event.ok for event in conversation.of(ToolFinished))


async def test_a_workflow_that_lacks_something_is_not_run() -> None:
    started = Started()
    conversation, _ = asked(started, [RUN], [TextDelta("The recipient is missing.")])
    conversation.definition = {"nodes": {**NODES, "tell": {"type": "send-email", "payload": {"subject": "Hi"}}}}
    finished = await conversation.say("run it")
    assert finished.outcome == "completed" and not conversation.of(InputRequested)
    assert not conversation.of(ToolFinished)[0].ok
