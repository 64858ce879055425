"""Comparisons with several values, ranges, what is missing, and what no condition can compare."""

from __future__ import annotations

from typing import Any

import pytest

from caddie.models.offline import conditions, weather


def compared(said: str) -> tuple[str, list[tuple[str, str, Any]]]:
    test = conditions.find(said)
    assert test is not None
    return test.match, [(each.subject, each.op, each.right) for each in test.conditions]


def test_several_values_are_alternatives() -> None:
    assert compared("country is Germany or Austria") == (
        "any", [("country", "eq", "Germany"), ("country", "eq", "Austria")],
    )  # fmt: skip
    assert compared("country is neither Germany nor Austria")[0] == "all"


def test_alternatives_beside_another_condition_are_one_pattern() -> None:
    assert compared("the country is Germany or Austria and the amount is above 100") == (
        "all", [("the country", "matches", "^(Germany|Austria)$"), ("the amount", "gt", 100)],
    )  # fmt: skip


def test_a_range_may_carry_a_unit() -> None:
    assert compared("temperature is between 10 and 15 degrees") == (
        "all", [("temperature", "gte", 10), ("temperature", "lte", 15)],
    )  # fmt: skip


@pytest.mark.parametrize("said", ["it comes without a phone number", "it has no phone number"])
def test_what_is_lacking_is_empty(said: str) -> None:
    assert compared(said)[1] == [("phone number", "empty", None)]


@pytest.mark.parametrize("said", ["the price falls by more than 10 percent", "it is 20% higher than last time"])
def test_what_cannot_be_reckoned_is_no_condition(said: str) -> None:
    assert conditions.find(said) is None


def test_the_weather_is_searched_for() -> None:
    assert weather.asked("it rains tomorrow") == ("weather forecast tomorrow", "rain", False)
    assert weather.asked("the price is high") is None
