"""The many ways to say one thing, told in one."""

from __future__ import annotations

import pytest

from caddie.models.offline import paraphrase


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("An hour after somebody pays, send a mail", "when somebody pays, wait An hour, then send a mail"),
        ("if it is over 10,000, log it", "if it is over 10000, log it"),
        ("send it, and two days later a reminder", "send it, then wait two days, then send a reminder"),
        ("log it unless it is spam, in that case tell #a", "if it is spam, tell #a, otherwise log it"),
    ],
)
def test_a_request_is_told_in_the_readers_words(said: str, told: str) -> None:
    assert paraphrase.text(said) == told


@pytest.mark.parametrize("said", ['say "an hour after lunch, call"', "call https://x.example/10,000", "10, 20 or 30"])
def test_quotes_addresses_and_lists_stay_as_they_are(said: str) -> None:
    assert paraphrase.text(said) == said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("anything above 200 needs my approval", "if it is above 200, needs my approval"),
        ("for donations of 1000 or more", "if the amount is 1000 or more"),
        ("approve it by posting to https://x.example/a", "post to https://x.example/a"),
        ("questions about exams also go to a@b.example", "if the message is about exams, send it to a@b.example"),
        ("send everyone on https://x.example/m a mail", "for each person in https://x.example/m: send them a mail"),
        ("send the notes from https://x.example/n to the team", "send the notes from https://x.example/n to the team"),
    ],
)
def test_a_clause_is_told_in_the_readers_words(said: str, told: str) -> None:
    assert paraphrase.clause(said) == told


def test_a_question_that_carries_nothing_is_why_and_not_what() -> None:
    assert paraphrase.rhetorical("Will it rain tomorrow?")
    assert not paraphrase.rhetorical("Is https://x.example up?")
    assert not paraphrase.rhetorical("Check the weather.")
