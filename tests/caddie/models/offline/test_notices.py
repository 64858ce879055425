"""Messages whose place or content is told elsewhere or not at all."""

from __future__ import annotations

import pytest

from caddie.models.offline import notices, sayings
from caddie.models.offline.request import Action
from caddie.models.offline.understand import understand


def test_a_message_without_a_place_is_an_open_mail() -> None:
    action = notices.notice("send them an invitation to an interview", "")
    assert action is not None and action.block == "send-email"
    assert "to" not in action.payload and [slot.field for slot in action.missing] == ["to"]


def test_a_place_told_later_is_the_messages_place() -> None:
    steps = understand("Remind me every Friday at 4pm to pay. Slack channel #bills is fine.", "UTC").actions()
    assert [(each.block, each.payload, each.missing) for each in steps] == [
        ("slack-send-message", {"channel": "#bills"}, [])
    ]


def test_an_address_stated_is_only_for_a_message_that_lacks_one() -> None:
    told = [Action("send-email", {"to": "a@b.example"})]
    assert not notices.stated("my address is c@d.example", told) and told[0].payload == {"to": "a@b.example"}


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("thank them for the order", "Thank you for the order."),
        ("ask the buyer for a review", "We would like to ask for a review."),
        ("send them a mail asking why they leave", "We would like to know why they leave."),
        ("wish my mum a happy birthday by email", "Happy birthday!"),
        ("send them the data", None),
    ],
)
def test_a_verb_done_by_saying_it_is_what_the_message_says(clause: str, said: str | None) -> None:
    assert sayings.performed(clause) == said


@pytest.mark.parametrize(
    ("clause", "block"),
    [
        ("send me the weather for Hamburg by email", "web-search"),
        ("post a fun fact about space on Discord", "agent"),
        ("email me our sales figures", "http-request"),
        ("send me a reminder", None),
    ],
)
def test_what_a_message_is_about_is_brought_by_a_step(clause: str, block: str | None) -> None:
    source = notices.supply(Action("send-email", clause=clause))
    assert (source.block if source else None) == block
