"""From sentences to steps: grammar, slips, conditions, what is left alone."""

from __future__ import annotations

import pytest

from caddie.models.offline import conditions, phrasing, spelling
from caddie.models.offline.request import Action, Branch, Loop
from caddie.models.offline.understand import understand


def blocks(text: str) -> list[str]:
    return [action.block for action in understand(text, "UTC").actions()]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("evry mondy fecth it", "every monday fetch it"), ("sned it to slck", "send it to slack")],
)
def test_slips_of_request_words_are_mended(typed: str, meant: str) -> None:
    assert spelling.corrected(typed) == meant


@pytest.mark.parametrize(
    "text",
    ["more than the contract", "the beach is wide", "a pest in the barn", "male or female", "tense past", "plot"],
)
def test_real_words_stay(text: str) -> None:
    assert spelling.corrected(text) == text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("the report should be posted to #news", "post the report to #news"),
        ("complaints go to help@x.com", "send complaints to help@x.com"),
        ("I want an email at a@x.com", "send an email at a@x.com"),
        ("the rest gets logged", "log the rest"),
        ("let me know on Slack", "notify me on Slack"),
        ('say "it is posted to nobody"', 'say "it is posted to nobody"'),
    ],
)
def test_statements_of_what_should_happen_become_orders(said: str, told: str) -> None:
    assert phrasing.imperative(said) == told


@pytest.mark.parametrize(
    ("text", "subject", "op", "right"),
    [
        ("the euro is above 1.10", "the euro", "gt", 1.1),
        ("stock drops under ten units", "stock", "lt", 10),
        ("the value is greater than or equal to 3", "the value", "gte", 3),
        ("it is for more than 20 people", "people", "gt", 20),
        ("the name is missing", "the name", "empty", None),
        ("it does not contain spam", "", "not_contains", "spam"),
        ("paid is false", "paid", "eq", False),
    ],
)
def test_comparisons_are_read(text: str, subject: str, op: str, right: object) -> None:
    test = conditions.find(text)
    assert test is not None
    first = test.conditions[0]
    assert (first.subject, first.op, first.right) == (subject, op, right)


def test_either_or_is_any_and_between_is_both() -> None:
    either = conditions.find("either the amount is above 5 or the country is US")
    between = conditions.find("the temperature is between 20 and 25")
    assert either is not None and either.match == "any" and len(either.conditions) == 2
    assert between is not None and [each.op for each in between.conditions] == ["gte", "lte"]


def test_the_rest_is_the_other_branch_of_the_condition_before() -> None:
    request = understand(
        "When a webhook comes in: heavier than 30 kg go to https://x.com/a, the rest gets logged", "UTC"
    )
    (branch,) = request.steps
    assert isinstance(branch, Branch) and branch.test.conditions[0].subject == "weight"
    assert [step.block for step in branch.otherwise if isinstance(step, Action)] == ["log"]


def test_a_label_in_a_sentence_is_a_condition_on_it() -> None:
    text = "When someone writes in the chat, label it easy or hard. Hard ones go to #experts."
    branch = understand(text, "UTC").steps[1]
    assert isinstance(branch, Branch) and branch.test.conditions[0].right == "hard"


def test_a_loop_takes_the_condition_of_its_items() -> None:
    request = understand("Get https://x.com/orders. For each order whose total is more than 250 euros log it", "UTC")
    loop = request.steps[1]
    assert isinstance(loop, Loop) and isinstance(loop.body[0], Branch)
    assert loop.body[0].test.conditions[0].right == 250


def test_what_a_person_is_asked_gates_what_follows() -> None:
    request = understand("When a webhook comes in, ask my boss for approval and then email a@x.com", "UTC")
    branch = request.steps[1]
    assert isinstance(branch, Branch) and branch.test.conditions[0].subject == "approved"


def test_a_condition_told_first_comes_after_what_it_looks_at() -> None:
    assert blocks("Tell #milk when the milk price goes over 45, check it daily at 7") == [
        "http-request",
        "slack-send-message",
    ]


def test_what_hangs_on_a_condition_nobody_understands_is_left_out_with_it() -> None:
    request = understand("Every hour fetch https://x.com/a. If the mood swings sideways, email ops@x.com", "UTC")
    assert [action.block for action in request.actions()] == ["http-request"]
    assert any("mood" in each for each in request.unknown)


def test_conditions_told_one_after_the_other_stand_side_by_side() -> None:
    text = "Each hour get https://x.com/a; if kwh is less than 4 post low to #a, if kwh is more than 30 post high to #b"
    first, second = [step for step in understand(text, "UTC").steps if isinstance(step, Branch)]
    assert first.test.conditions[0].right == 4 and second.test.conditions[0].right == 30


def test_words_nobody_knows_are_named_and_not_guessed() -> None:
    request = understand("zorp the glibble", "UTC")
    assert request.steps == [] and request.unknown == ["zorp the glibble"]
