"""Conditions without a comparison: what somebody means, calls that fail, "when it's lower"."""

from __future__ import annotations

import pytest

from caddie.models.offline import judgement, pointing
from caddie.models.offline import request as asked
from caddie.models.offline.request import Action, Branch, Condition, Loop
from caddie.models.offline.understand import understand


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a customer complains in the chat", "complaint"),
        ("the guest sounds really unhappy", "unhappy"),
        ("they want a refund", "refund"),
        ("it is about delivery", "delivery"),
        ("someone asks for an appointment", "appointment"),
        ("the price is 5", None),
        ("it is above 3", None),
        ("the visitor says hello", None),
    ],
)
def test_what_somebody_means_is_a_label(text: str, label: str | None) -> None:
    assert judgement.meant(text) == label


def test_a_judgement_in_a_chat_is_classified_first() -> None:
    request = understand("If a customer complains in the chat, mail boss@x.com, otherwise answer kindly", "UTC")
    classify, branch = request.steps
    assert request.trigger is not None and request.trigger.block == "trigger_chat"
    assert isinstance(classify, Action) and classify.payload["labels"] == ["complaint", "other"]
    assert isinstance(branch, Branch) and branch.test.conditions == (Condition("", "eq", "complaint"),)
    assert isinstance(branch.otherwise[0], Action) and branch.otherwise[0].block == "reply_chat"


def test_several_judgements_share_a_classification() -> None:
    request = understand(
        "When a chat message comes in: if it's a cancellation tell #retention, if they sound angry tell #care", "UTC"
    )
    assert [each.payload["labels"] for each in request.actions() if each.block == "classify"] == [
        ["cancellation", "angry", "other"]
    ]


@pytest.mark.parametrize("text", ["the call fails", "that goes wrong", "there is an error", "the api is unreachable"])
def test_a_failure_is_told_by_the_status(text: str) -> None:
    assert judgement.failed(text) == asked.Test((Condition("status", "gte", 400),), said=text)


@pytest.mark.parametrize("text", ["the price is 4", "the customer fails the test of 3 questions", "it is high"])
def test_other_conditions_are_no_failure(text: str) -> None:
    assert judgement.failed(text) is None


def test_success_and_failure_are_two_branches_of_one_condition() -> None:
    [_, branch] = understand('Call https://x.com/a. If it works log "a", if it fails log "b"', "UTC").steps
    assert isinstance(branch, Branch)
    assert [[each.said for each in side if isinstance(each, Action)] for side in (branch.then, branch.otherwise)] == [
        ["a"],
        ["b"],
    ]


@pytest.mark.parametrize(
    ("op", "text", "holds"),
    [("gt", "it is lower", False), ("gt", "the level is higher", True), ("lt", "everything is fine", False),
     ("lt", "it is red", None)],
)  # fmt: skip
def test_relative_words_point_at_the_condition_before(op: str, text: str, holds: bool | None) -> None:
    assert judgement.relative(text, asked.Test((Condition("level", op, 3),))) is holds


def test_a_code_told_by_example_becomes_a_pattern() -> None:
    assert judgement.shaped("an order number like AB-12345") == ("an order number", r"[A-Z]{2}\-\d{5}")


def test_there_and_them_are_where_the_last_message_went() -> None:
    sent = Action("slack-send-message", {"channel": "#club"})
    assert pointing.resolved('post "Bye" there', sent, chat=False) == 'post "Bye" to #club'
    assert pointing.resolved("tell them to wait", sent, chat=False) == "tell #club to wait"
    assert pointing.resolved("tell them to wait", sent, chat=True) == "tell them to wait"
    assert pointing.resolved("tell them to wait", None, chat=False) == "tell them to wait"


@pytest.mark.parametrize(
    ("text", "field"),
    [("to the address in the form", "email"), ("their address is in the field mail", "mail"), ("to a@x.com", None)],
)
def test_an_address_may_stand_in_the_data(text: str, field: str | None) -> None:
    assert pointing.addressed(text) == field


def test_each_of_a_list_is_a_loop() -> None:
    steps = understand("Fetch https://x.com/loans and send each borrower a reminder to their email", "UTC").steps
    loop = steps[1]
    assert isinstance(loop, Loop) and loop.items == "borrower"
    assert isinstance(loop.body[0], Action) and loop.body[0].members == ["email"]
