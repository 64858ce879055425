"""What is built before all is known, and the answers that complete it."""

from __future__ import annotations

from shared.events import InputRequested
from tests.caddie.agent.conversation import Conversation


async def test_the_workflow_stands_while_its_question_waits() -> None:
    talk = Conversation()
    finished = await talk.say("When an order comes in by webhook, send our accountant an email")
    assert finished.outcome == "waiting" and talk.blocks() == ["webhook", "send-email"]
    assert "payload.to" in {field.field for field in finished.result.incompleteFields}


async def test_an_answer_goes_into_the_open_field_and_adds_no_step() -> None:
    talk = Conversation()
    await talk.say("When an order comes in by webhook, send our accountant an email")
    finished = await talk.say("shop@x.example")
    assert finished.outcome == "completed" and talk.blocks() == ["webhook", "send-email"]
    assert talk.node("send-email")[1]["to"] == "shop@x.example"


async def test_questions_come_one_after_the_other() -> None:
    talk = Conversation()
    await talk.say("every hour fetch the rates and post them to Slack")
    asked = []
    for answer in ("https://x.example/rates", "#fx"):
        asked.append(str(talk.of(InputRequested)[0].body["text"]))
        finished = await talk.say(answer)
    assert finished.outcome == "completed" and len(set(asked)) == 2
    assert talk.node("http-request")[1]["url"] == "https://x.example/rates"
    assert talk.node("slack-send-message")[1]["channel"] == "#fx"
