"""Which mode a message gets."""

from __future__ import annotations

import pytest

from caddie.agent import modes


@pytest.mark.parametrize(
    ("text", "has_workflow", "mode"),
    [
        ("Every morning fetch the rates", False, "building"),
        ("When a message arrives, answer it", False, "building"),
        ("What does this do?", True, "conversation"),
        ("hello", False, "conversation"),
        ("thanks!", True, "conversation"),
        ("fix the errors", True, "repair"),
        ("it does not work", True, "repair"),
        ("if the call fails, email me", True, "building"),
        ("if it is a bug, post it to #bugs", True, "building"),
        ("there is a bug in it", True, "repair"),
        ("something is wrong with the mail", True, "repair"),
        ("tell me in Discord instead of Slack", True, "building"),
        ("plan a workflow for invoices", False, "planning"),
        ("how would you automate invoices?", False, "planning"),
        ("change the time to 9", True, "building"),
    ],
)
def test_the_words_choose(text: str, has_workflow: bool, mode: str) -> None:
    assert modes.select(text, preferred=None, has_workflow=has_workflow, failed=False, answering=False)[0] == mode


def test_the_users_choice_wins_and_a_failed_execution_means_repair() -> None:
    assert (
        modes.select("hello", preferred="planning", has_workflow=False, failed=True, answering=False)[0] == "planning"
    )
    assert modes.select("hello", preferred=None, has_workflow=True, failed=True, answering=False)[0] == "repair"


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("approve", True), ("Approved.", True), ("yes please", True), ("ok, go ahead", True), ("build it!", True),
        ("Looks good, thanks", True), ("yes but at nine", False), ("no", False), ("change it", False), ("", False),
        ("build it with email instead", False), ("great, except for the first step", False),
    ],
)  # fmt: skip
def test_only_a_plain_yes_approves_a_plan(text: str, yes: bool) -> None:
    assert modes.approves(text) is yes


def test_a_plan_decides_before_the_mode_the_session_began_in() -> None:
    def mode(plan: modes.PlanAnswer) -> str:
        return modes.select(
            "yes", preferred="planning", has_workflow=False, failed=False, answering=True, plan=plan
        )[0]  # fmt: skip

    assert (mode("approved"), mode("changed")) == ("building", "planning")


def test_an_answer_goes_on_where_the_question_was_asked_and_errors_mean_repair() -> None:
    given = {"preferred": None, "has_workflow": True, "failed": False}
    assert modes.select("the first", **given, answering=True, asked_while="planning")[0] == "planning"  # type: ignore[arg-type]
    assert modes.select("have a look", **given, answering=False, faulty=True)[0] == "repair"  # type: ignore[arg-type]
    assert modes.select("what does it do?", **given, answering=False, faulty=True)[0] == "conversation"  # type: ignore[arg-type]
