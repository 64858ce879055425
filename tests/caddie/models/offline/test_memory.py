"""Comparisons with the run before, and messages whose condition nobody understood."""

from __future__ import annotations

import pytest

from caddie.models.offline import memory
from caddie.models.offline.plan import Planner
from caddie.models.offline.understand import understand

ASKED = "Every day fetch the price from https://shop.example/price and tell me on Slack #deals if "


@pytest.mark.parametrize(
    ("said", "op"),
    [("it's lower than last time", "lt"), ("it is higher than yesterday", "gt"), ("it has dropped", "lt")],
)
def test_a_comparison_with_the_last_run_is_remembered_on_both_branches(said: str, op: str) -> None:
    edits = Planner().build(understand(ASKED + said, "UTC")).edits
    added = {edit.args["nodeId"]: edit.args for edit in edits if edit.tool == "add_node"}
    condition = added["check_price"]["payload"]["conditions"][0]
    assert (condition["op"], condition["right"]) == (op, "{{$vars.last_price}}")
    assert [each["branch"] for each in added.values() if each["type"] == "set-variable"] == ["then", "else"]
    assert "fetch_price" in added["post_to_slack"]["payload"]["text"]


def test_what_rises_above_a_number_is_compared_with_the_number() -> None:
    assert memory.moved("the price rises above 5") is None


def test_a_message_whose_condition_nobody_understands_is_left_out_and_told() -> None:
    request = understand(f"{ASKED}one of them is cheaper", "UTC")
    assert [each.block for each in request.actions()] == ["http-request"]
    assert any("cheaper" in each for each in request.unknown)


def test_the_rest_is_what_none_of_the_labels_is() -> None:
    said = (
        "When a message arrives by webhook sort it into bug, billing or other; "
        "bugs go to #dev, billing to #pay, the rest to #all"
    )
    edits = Planner().build(understand(said, "UTC")).edits
    added = {edit.args["nodeId"]: edit.args for edit in edits if edit.tool == "add_node"}
    assert (added["check_billing"]["after"], added["check_billing"]["branch"]) == (["check_bug"], "else")
