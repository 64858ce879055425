"""What starts a workflow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from caddie.models.offline import starts

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "block", "rest"),
    [
        ("The customer fills out the booking form. Log it", "webhook", "Log it"),
        ("on payment received, log it", "webhook", "log it"),
        ("I want a chat where colleagues ask about vacation rules", "trigger_chat", "answer questions about vacation"),
        ("let visitors of our website ask about prices", "trigger_chat", "answer questions about prices"),
        ("in the mornings at 8 and the evenings at 8, log it", "cronjob", "log it"),
        ("if our alarm system fires, log it", "webhook", "log it"),
        ("when a device goes offline, wait 5 minutes", "webhook", "wait 5 minutes"),
        ("a support chat which looks up answers on the web", "trigger_chat", "looks up answers"),
        ("Wed 2pm: log it", "cronjob", "log it"),
        ("Give me a manual workflow: log it", "manual", "log it"),
        ("when an order comes in wait for the payment", "webhook", "wait for the payment"),
        ("when a request comes in ask #ops", "webhook", "ask #ops"),
        ("when the order came in log it", "webhook", "log it"),
        ("after a booking, wait 1 day", "webhook", "wait 1 day"),
        ("Each time our sensor reports more than 80 dB, log it", "webhook", "if it is more than 80 dB, log it"),
        ('if a user types "help" in the chat, log it', "trigger_chat", 'if it contains "help", log it'),
        ("a trigger for Shopify orders that logs it", "webhook", "logs it"),
        ("on Monday 7 December at 11 log it", "cronjob", "log it"),
    ],
)
def test_what_starts_a_workflow_is_cut_from_what_it_does(text: str, block: str, rest: str) -> None:
    trigger, left = starts.trigger(text, "UTC", NOW)
    assert trigger is not None and trigger.block == block and left.startswith(rest)


def test_a_date_no_rule_knows_is_told() -> None:
    trigger, rest = starts.trigger("on the Tuesday after Easter log it", "UTC", NOW)
    assert trigger is not None and (trigger.block, rest) == ("manual", "log it") and "after Easter" in trigger.note


def test_an_hour_taken_for_the_afternoon_is_told() -> None:
    assert starts.trigger("Fridays at 4 log it", "UTC", NOW)[0].note  # type: ignore[union-attr]
    assert not starts.trigger("Fridays at 4pm log it", "UTC", NOW)[0].note  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("post the question to #a at 9:30, and the summary at 10:30", "at 10:30"),
        ("on February 30th log it", "no “on February 30th”"),
        ("daily at 25 o'clock log it", "25 o'clock"),
        ("every 10 seconds log it", "once a minute"),
        ("at sunrise log it", "sunrise"),
        ("remind #me on Friday at 3pm to call the bank", "this Friday"),
    ],
)
def test_what_one_schedule_cannot_hold_is_told(text: str, told: str) -> None:
    trigger, _ = starts.trigger(text, "UTC", NOW)
    assert trigger is not None and told in trigger.note
