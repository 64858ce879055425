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
