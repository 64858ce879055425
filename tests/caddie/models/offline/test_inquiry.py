"""Questions get answers and change nothing; wishes in the form of questions are wishes."""

from __future__ import annotations

import pytest

from bench.evaluation.cases import workflows
from caddie.models.offline import inquiry, product
from tests.caddie.agent.conversation import Conversation


async def asked(workflow: str, *said: str) -> str:
    """The last answer; no message may change the workflow."""
    talk = Conversation(definition=workflows()[workflow])
    for text in said:
        await talk.say(text)
    assert talk.definition is not None and talk.definition["nodes"] == workflows()[workflow]["nodes"]
    return talk.text


@pytest.mark.parametrize(
    "text",
    [
        "what does this do", "does it also send closed tickets?", "hmm and why is there a loop?", "whats the threshold",
        "so it only goes to anna, right?", "can you explain the check to me", "if the sensor is offline, what then?",
        "I don't understand what the filter is for", "is it safe to delete step 2", "give me the gist",
    ],
)  # fmt: skip
def test_a_question_is_one_with_and_without_its_mark(text: str) -> None:
    assert inquiry.asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "could you also post it to Slack?", "what about Discord instead?", "can bob@x.example get it as well?",
        "tell me when the price drops", "would it be possible to also email ann@x.example?", "have it run at 9",
        "why don't we use Slack", "can you explain it and then make it 1.2", "should the price fall, tell #ops",
        "something is wrong, can you fix it?",
    ],
)  # fmt: skip
def test_a_wish_that_is_worded_as_a_question_is_a_wish(text: str) -> None:
    assert not inquiry.asks(text)


@pytest.mark.parametrize(
    ("workflow", "text", "told"),
    [
        ("rates", "is it safe to delete the log step?", "no other step reads `log_it`"),
        ("tickets", "can I drop the summary?", "read by `mail_team`"),
        ("bookings", "what if I decline the booking", "`mail_guest` follows either way"),
        ("plants", "what happens if the sensor is down?", "tried again"),
        ("rates", "what happens below 1.0?", "log_it"),
        ("support", "which steps use the AI?", "sort_topic"),
        ("news", "where does the subject come from", "a fixed value of the step"),
        ("news", "would it mail me twice a week?", "once a run"),
        ("tickets", "does it run on weekends?", "No, not on Saturdays and Sundays"),
        ("plants", "will it run tomorrow?", "Yes: its next run"),
        ("rates", "does it send an email?", "No, no step"),
        ("menu", "does the bot remember what I said before?", "Yes, within one chat"),
        ("tickets", "what happens when a ticket is closed?", "is left out"),
        ("bookings", "which data does it need?", "`name`"),
    ],
)  # fmt: skip
async def test_the_answer_follows_from_the_definition(workflow: str, text: str, told: str) -> None:
    assert told in await asked(workflow, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("how much does this cost me", "cost nothing"), ("who can see my data?", "organisation"),
        ("how do I connect my Slack account?", "incoming webhook"), ("how do variables work here?", "$vars"),
        ("can I test this without posting to slack?", "no dry run"),
        ("can you read my inbox?", "No block reads a mailbox"),
        ("how do I undo a change?", "version"), ("do I need to know how to code?", "plain English"),
    ],
)  # fmt: skip
def test_the_product_is_explained(text: str, told: str) -> None:
    assert told in (product.told(text, canvas=False) or "")


async def test_a_question_that_is_none_of_its_business_builds_nothing() -> None:
    talk = Conversation()
    await talk.say("what's the weather in Paris")
    assert not (talk.definition or {}).get("nodes") and "cannot answer" in talk.text
    await talk.say("tell me a joke")
    assert not (talk.definition or {}).get("nodes")
