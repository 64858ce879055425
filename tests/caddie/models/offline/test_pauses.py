"""Waiting, and answers that do not come."""

from __future__ import annotations

import pytest

from caddie.models.offline import paraphrase, pauses


@pytest.mark.parametrize(
    ("clause", "block", "seconds"),
    [
        ("wait two working days", "delay", 172_800),
        ("wait an hour and a half", "delay", 5_400),
        ("wait until tomorrow", "delay", 86_400),
        ("wait a couple of hours", "delay", 7_200),
        ("wait for an answer for a day", "wait", 86_400),
        ("wait for the payment for up to 2 days", "wait", 172_800),
        ("wait until Monday", "delay", None),
    ],
)
def test_a_wait_is_as_long_as_it_is_said_to_be(clause: str, block: str, seconds: int | None) -> None:
    made = pauses.wait(clause, clause)
    assert made is not None and made.block == block
    assert made.payload.get("seconds" if block == "delay" else "timeoutSeconds") == seconds
    assert bool(made.missing) is (seconds is None)


@pytest.mark.parametrize(
    ("said", "waits", "then"),
    [
        ("post it, and if nobody answers within a day, mail x", "wait for an answer for a day", "mail x"),
        ("unless someone replies within 2 hours, post it", "wait for an answer for 2 hours", "post it"),
        ("if they have not paid after 14 days, mail x", "wait for the payment for 14 days", "mail x"),
        ("after 3 days without an answer, remind x", "wait for an answer for 3 days", "remind x"),
    ],
)
def test_an_answer_that_may_not_come_is_waited_for(said: str, waits: str, then: str) -> None:
    assert paraphrase.text(said).endswith(f"{waits}. if it does not come, {then}")


def test_a_wait_after_an_event_follows_the_event() -> None:
    assert paraphrase.text("wait 10 minutes after an order came in and then log it") == (
        "when an order came in, wait 10 minutes, then log it"
    )


def test_seconds_are_told_as_people_say_them() -> None:
    assert [pauses.told(each) for each in (30, 90, 3600, 86_400, 1_209_600)] == [
        "30 seconds", "90 seconds", "1 hour", "1 day", "2 weeks",
    ]  # fmt: skip


def test_a_ticket_nobody_answers_comes_in_first() -> None:
    assert paraphrase.text("if a ticket is not answered within 4 hours, mail x") == (
        "when a ticket comes in, wait for an answer for 4 hours. if it does not come, mail x"
    )
