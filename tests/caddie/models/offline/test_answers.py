"""What is said instead of an answer, to a plan, and about what was said before."""

from __future__ import annotations

import pytest

from bench.evaluation.cases import workflows
from caddie.models.offline import answers
from shared.events import InputRequested
from tests.caddie.agent.conversation import Conversation

MAIL = "Which address should the email go to?"
URL = "From which address (URL) should I fetch the weather?"
CHANNEL = "Which Slack channel should the message go to?"


@pytest.mark.parametrize(
    ("question", "message", "fits"),
    [
        (MAIL, "ann@x.example", True), (MAIL, "ok, to ann@x.example please", True), (MAIL, "no idea", True),
        (MAIL, "rather on Discord", False), (MAIL, "only on mondays", False), (MAIL, "what do you mean", False),
        (MAIL, "never mind", False), (MAIL, "by mail", False), (CHANNEL, "ops", True),
        (CHANNEL, "email me instead", False),
        (URL, "weekly", False), (URL, "https://x.example", True), ("How long should the workflow wait?", "a day", True),
    ],
)  # fmt: skip
def test_only_what_answers_the_question_is_taken_for_an_answer(question: str, message: str, fits: bool) -> None:
    assert answers.fits(question, message) is fits


async def test_an_answer_fills_all_it_speaks_of() -> None:
    talk = Conversation()
    await talk.say("every morning at 7 fetch the weather and email me")
    await talk.say("https://wx.example.com/today and mail it to jo@home.example")
    assert talk.node("http-request")[1]["url"] == "https://wx.example.com/today"
    assert talk.node("send-email")[1]["to"] == "jo@home.example" and not talk.of(InputRequested)


async def test_another_way_instead_of_an_address_changes_the_way() -> None:
    talk = Conversation()
    await talk.say("every day at 9 post the quote of the day to our slack")
    await talk.say("actually make it discord")
    assert "discord-send-message" in talk.blocks() and "slack-send-message" not in talk.blocks()


async def test_a_question_back_is_answered_and_the_question_put_again() -> None:
    talk = Conversation()
    await talk.say("when an order comes in by webhook, send our accountant an email")
    await talk.say("what do you mean?")
    assert "ann@example.com" in talk.text and talk.of(InputRequested)
    await talk.say("shop@x.example")
    assert talk.node("send-email")[1]["to"] == "shop@x.example"


async def test_a_change_of_mind_ends_the_questions() -> None:
    talk = Conversation()
    await talk.say("every hour fetch the rates and post them to Slack")
    await talk.say("never mind")
    assert not talk.of(InputRequested) and "ask no more" in talk.text


async def test_wishes_about_a_plan_change_the_plan() -> None:
    talk = Conversation()
    await talk.say("plan a workflow that mails me https://fx.example.com every day at 8, me@bank.example")
    await talk.say("make it 9 and only on weekdays")
    assert "weekday at 09:00" in talk.text and not (talk.definition or {}).get("nodes")
    await talk.say("looks good but also log it")
    await talk.say("yes")
    assert "BYHOUR=9" in talk.node("cronjob")[1]["rrule"] and "log" in talk.blocks()


async def test_a_question_about_a_plan_does_not_end_it() -> None:
    talk = Conversation()
    await talk.say("plan: every evening post https://till.example/today to #finance")
    await talk.say("why do you need http-request?")
    assert not (talk.definition or {}).get("nodes")
    await talk.say("go ahead")
    assert talk.blocks() == ["cronjob", "http-request", "slack-send-message"]


async def test_what_was_added_last_can_be_taken_back() -> None:
    talk = Conversation(definition=workflows()["rates"])
    await talk.say("also mail it to me@x.example")
    await talk.say("no, remove that again")
    assert talk.definition is not None and talk.definition["nodes"].keys() == workflows()["rates"]["nodes"].keys()


async def test_an_address_given_before_is_known() -> None:
    talk = Conversation()
    await talk.say("every hour fetch https://api.example.com/x and mail it to lee@x.example")
    await talk.say("also mail the same address when the request fails")
    assert [node.payload["to"] for node in talk.graph.nodes.values() if node.type == "send-email"] == [
        "lee@x.example"
    ] * 2


async def test_a_request_told_in_pieces_becomes_one() -> None:
    talk = Conversation()
    await talk.say("something with our feedback form")
    await talk.say("when a form is submitted by webhook")
    await talk.say("post it to https://crm.example.com/feedback")
    assert talk.blocks()[0] == "webhook" and talk.node("send-webhook")[1]["body"]


async def test_run_it_behind_a_request_is_asked_about_when_it_is_built() -> None:
    talk = Conversation()
    await talk.say("every hour fetch https://api.example.com/x and log it, then run it")
    assert talk.blocks() == ["cronjob", "http-request", "log"]
    assert str(talk.of(InputRequested)[0].body["text"]).startswith("Shall I run the workflow now?")
