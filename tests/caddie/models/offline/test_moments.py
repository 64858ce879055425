"""Dates that move: an item's own date field, compared with a date that a step works out."""

from __future__ import annotations

import pytest

from caddie.models.offline import moments


@pytest.mark.parametrize(
    ("said", "field", "op", "right"),
    [
        ("it is older than 30 days", "created_at", "lt", "30 days before today"),
        ("not updated in the last 2 weeks", "updated_at", "lt", "2 weeks before today"),
        ("published in the last hour", "published_at", "gte", "1 hour before now"),
        ("the due date is tomorrow", "due_date", "starts_with", "tomorrow"),
        ("placed yesterday", "placed_at", "starts_with", "yesterday"),
        ("is past its due date", "due_date", "lt", "today"),
        ("has not logged in for 90 days", "last_login", "lt", "90 days before today"),
    ],
)
def test_an_age_is_a_comparison_of_a_date_field(said: str, field: str, op: str, right: str) -> None:
    (found,) = moments.find(said)
    assert (found.subject, found.op, str(found.right)) == (field, op, right)


def test_what_comes_up_lies_between_today_and_then() -> None:
    found = moments.find("the contract ends in the next 30 days")
    assert [(each.op, str(each.right)) for each in found] == [("gte", "today"), ("lte", "30 days after today")]


@pytest.mark.parametrize("said", ["older than 18", "he is older than 18 years", "it is in stock"])
def test_an_age_in_years_of_a_person_is_no_date(said: str) -> None:
    assert moments.find(said) == ()


@pytest.mark.parametrize(
    ("told", "date"),
    [
        ("30 days before today", "2026-10-23"),
        ("1 month before today", "2026-10-22"),
        ("the first day of this week", "2026-11-16"),
        ("the last day of next month", "2026-12-31"),
    ],
)
def test_the_offline_model_reckons_the_date_a_step_asks_for(told: str, date: str) -> None:
    assert moments.reckoned(moments.Moment(told).prompt("2026-11-22T10:00:00Z")) == date
