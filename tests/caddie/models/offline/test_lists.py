"""Lists as a whole: a part of them, what is new, how many; chains of conditions; limits that are left out."""

from __future__ import annotations

from caddie.models.offline.request import Action, Branch, Loop, Request
from caddie.models.offline.understand import understand


def read(said: str) -> Request:
    return understand(said, "UTC")


def test_only_new_ones_are_those_no_run_before_has_seen() -> None:
    loop = read("check https://news.example/feed hourly and post only new ones to #news").steps[-1]
    assert isinstance(loop, Loop) and isinstance(loop.body[0], Branch)
    assert loop.body[0].test.conditions[0].op == "unseen"


def test_the_first_three_bound_the_loop() -> None:
    loop = read("take the first 3 articles from https://blog.example/feed and translate each to German").steps[-1]
    assert isinstance(loop, Loop) and loop.most == 3


def test_the_ones_older_than_a_month_are_filtered_before_they_are_sent() -> None:
    steps = read("get https://books.example/invoices and email a@books.example the ones older than 30 days").steps
    assert [each.block for each in steps if isinstance(each, Action)] == ["http-request", "filter", "send-email"]


def test_values_told_one_after_the_other_are_asked_one_after_the_other() -> None:
    said = "Incoming webhook: if country is Germany or Austria send to #dach, if it is France to #france, rest to #all"
    (branch,) = read(said).steps
    assert isinstance(branch, Branch) and isinstance(branch.otherwise[0], Branch) and branch.otherwise[0].otherwise


def test_a_condition_at_the_end_holds_for_the_step_before() -> None:
    (branch,) = read("as soon as an invoice is paid, log it, unless the amount is zero").steps
    assert isinstance(branch, Branch) and branch.test.conditions[0].op == "neq"


def test_a_limit_that_nothing_holds_is_said() -> None:
    assert "more than 100 dollars" in read(
        "When our webhook gets a donation, thank donors who gave more than 100 dollars personally via email"
    ).unknown
