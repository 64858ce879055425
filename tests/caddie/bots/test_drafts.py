"""Deltas have to add up to the completed text."""

from __future__ import annotations

from typing import Any

from caddie.bots.drafts import Drafts


def judged(*events: tuple[str, dict[str, Any]], drafts: Drafts | None = None) -> list[str]:
    """What is wrong with events of one run, at the indices 1, 2, 3 …"""
    drafts = drafts or Drafts()
    found = [drafts.take(kind, index, "r", data) for index, (kind, data) in enumerate(events, 1)]
    return [wrong for wrong in found if wrong]


def started(message: str = "m") -> tuple[str, dict[str, Any]]:
    return "message.started", {"messageId": message}


def delta(text: str, message: str = "m") -> tuple[str, dict[str, Any]]:
    return "message.delta", {"messageId": message, "text": text}


def completed(text: str, message: str = "m") -> tuple[str, dict[str, Any]]:
    return "message.completed", {"messageId": message, "text": text}


def test_the_same_text_is_right() -> None:
    assert judged(started(), delta("Good "), delta("morning"), completed("Good morning")) == []


def test_another_text_is_found_with_its_place() -> None:
    assert judged(started(), delta("Good "), delta("mourning"), completed("Good morning")) == [
        "message m: expected 12 characters, got 13 from its deltas, alike up to character 7"
    ]


def test_a_lost_and_a_doubled_delta_are_found() -> None:
    assert len(judged(started(), delta("a"), completed("ab"))) == 1
    assert len(judged(started(), delta("ab"), delta("ab"), completed("ab"))) == 1


def test_a_message_whose_beginning_was_not_seen_is_not_judged() -> None:
    assert judged(delta("b"), completed("ab")) == []


def test_what_a_restarted_run_takes_back_does_not_count() -> None:
    restarted = ("run.restarted", {"attempt": 2, "keepThrough": 2})
    assert judged(started(), delta("a"), delta("lost"), restarted, delta("b"), completed("ab")) == []
    drafts = Drafts()
    assert judged(delta("x"), delta("y"), started(), delta("lost"), restarted, drafts=drafts) == []
    assert len(drafts) == 0


def test_nothing_is_kept_of_a_run_that_ended() -> None:
    drafts = Drafts()
    judged(started(), delta("cut"), ("run.finished", {"outcome": "cancelled"}), drafts=drafts)
    assert len(drafts) == 0
