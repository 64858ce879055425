"""The second reading of a request: by what it names, when the first one has gaps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from caddie.models.offline import evidence, sketch
from caddie.models.offline.request import Request
from caddie.models.offline.understand import understand
from tests.caddie.agent.conversation import Conversation

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def read(text: str) -> Request:
    return understand(text, "Europe/Berlin", NOW)


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("Could you check our stock list at https://shop.example/api/stock each morning at 7 and tell #purchasing "
         "which products have fewer than 10 pieces left?", ["http-request", "filter", "slack-send-message"]),
        ("Parents report sick children through the form on our school website, it can call a webhook. The class "
         "teacher should get an email (the teacher's address is in the form), and the school office should see it in "
         "Slack, channel #office.", ["send-email", "slack-send-message"]),
        ("Our podcast host calls a webhook when a new episode is out. Post title and link to Discord and also to "
         "#episodes on Slack.", ["discord-send-message", "slack-send-message"]),
        ("I'd like to paste my meeting notes into a chat and get back the to-dos with who does what", ["agent"]),
        ("Every Thursday at 10am let the AI draft a short newsletter about our wines. I want to read it first, and "
         "only if I say yes it should be mailed to customers@weingut.example",
         ["agent", "human_confirmation", "send-email"]),
    ],
)  # fmt: skip
def test_what_a_request_names_is_built_however_it_is_told(text: str, blocks: list[str]) -> None:
    assert sorted(step.block for step in read(text).actions()) == sorted(blocks)


async def test_what_is_told_behind_otherwise_is_the_other_branch() -> None:
    talk = Conversation()
    await talk.say("The backup program posts its result to a webhook with a field status. When status is failed, email "
                   "admin@praxis.example and warn #it, otherwise just write it to the log.")  # fmt: skip
    branches = {node["type"]: node.get("branch") for node in (talk.definition or {})["nodes"].values()}
    assert branches["send-email"] == "then" and branches["log"] == "else"


async def test_an_approval_told_last_comes_before_what_it_is_for() -> None:
    talk = Conversation()
    await talk.say("Every Monday at 9 load https://verein.example/events, let the AI write a newsletter about them and "
                   "send it to all@verein.example. I want to check the text before it goes out.")  # fmt: skip
    assert talk.blocks() == ["cronjob", "http-request", "agent", "human_confirmation", "if", "send-email"]


def test_a_condition_nobody_understands_ends_the_second_reading() -> None:
    assert sketch.read(["if in doubt email ann@example.com"], "webhook", "") == []


def test_a_reading_without_what_the_text_names_has_gaps() -> None:
    text = "every day at 8 fetch https://x.example/a and mail it to ann@example.com, otherwise tell #ops"
    assert evidence.gaps(text, Request()) >= 4
    whole = "every day at 8 fetch https://x.example/a"
    assert evidence.gaps(whole, read(whole)) == 0


async def test_a_person_whose_data_comes_in_is_written_to_at_the_address_in_it() -> None:
    talk = Conversation()
    await talk.say("Somebody fills in the contact form: send the person a thank-you email")
    assert talk.node("send-email")[1]["to"] == "{{root.result.body.email}}"
    assert "field email of what comes in" in talk.text
