"""Patterns made to hang, to fill the memory or to be slow to compile end in clear errors; the process goes on."""

from __future__ import annotations

import asyncio
import time

import pytest

from caddie.workflow.patterns import PATTERN_CHARS, Matching, aside, compiled
from caddie.workflow.runner import StepError

#: All of these would take from minutes to ages.
ENDLESS = [
    (r"^(a|aa)+$", "a" * 60 + "b"),
    (r"(x+x+)+y", "x" * 5_000),
    (r"^(?:a|b|ab)*[cd]", "ab" * 500_000),
    (r"(?:(a)|(b)|(ab))*[cd]", "ab" * 500_000),
    (r"(?R)?a(?R)?b", "a" * 5_000),
    (r"(?:(?R)|a)[bc]", "a" * 5_000),
    (r"(?:[abcd]bcdefg[h]){e<=6}[qr]", "zyxw" * 100_000),
    (r"(?=(?:a|aa)+[bc])[xba]", "a" * 40_000),
    (r"[a-z]+[0-9]", "a" * 1_000_000),
    (r"(?i)(.+)\1[xy]", "aA" * 20_000),
]
HUGE = [
    "(?:(?:(?:a?){1000}){1000}){1000}",
    "(?:ab){1000000000}",
    "a{99999999999999999999}",
    "((a{1000}){1000}){1000}",
    "(?:[a-z]{1000}b){1000}",
    "(?x)(?:a?b) {100000}",
    "(?x)(?:a?b)#c\n{100000}",
    "(?:(?:a?b)(?#c){1000}){1000}",
    "(?:(?:a?b){1000,}){1000,}",
]


@pytest.mark.parametrize(("pattern", "text"), ENDLESS)
async def test_a_pattern_that_would_not_end_is_stopped_and_the_loop_goes_on(pattern: str, text: str) -> None:
    work = asyncio.create_task(aside(lambda: Matching().search(pattern, text)))
    longest, last = 0.0, time.monotonic()
    while not work.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    with pytest.raises(StepError) as caught:
        await work
    assert caught.value.code == "TIMEOUT"
    assert "simpler" in caught.value.message
    assert longest < 1.0


@pytest.mark.parametrize("pattern", HUGE)
def test_a_pattern_that_would_fill_the_memory_is_not_compiled(pattern: str) -> None:
    with pytest.raises(StepError, match="fewer repetitions"):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "[", "a**", "\\", "(?P<1>x)", "(?<x", "(?P=nope)", "\\g<9>", "(?(9)a|b)", "\\p{Nope}", "\\N{NOPE}",
        "[z-a]", "x{5,2}", "\\L<words>", "(?Z)", "(" * 900 + ")" * 900, "a{1000}{1000}", "\\x{110000}", "\\U99999999",
    ],
)  # fmt: skip
def test_a_malformed_pattern_is_refused_or_harmless(pattern: str) -> None:
    try:
        Matching().search(pattern, "some text")
    except StepError as error:
        assert error.code == "INVALID_PAYLOAD"
        assert "expected a regular expression" in error.message


def test_a_pattern_has_a_length() -> None:
    assert compiled("a" * PATTERN_CHARS)
    with pytest.raises(StepError, match=str(PATTERN_CHARS)):
        compiled("a" * (PATTERN_CHARS + 1))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(\d{4} ){3}\d{4}$", r"^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$", r"^.{5000}$", r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$",
        r"^[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}$", r"\p{L}{3}", r"a{0,100000}", "a{x}",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ],
)  # fmt: skip
def test_patterns_as_people_write_them_are_compiled(pattern: str) -> None:
    assert compiled(pattern)


def test_a_step_has_a_budget_for_all_its_patterns() -> None:
    matching = Matching(budget_s=0.05)
    with pytest.raises(StepError, match="TIMEOUT"):
        matching.search(*ENDLESS[0])
    with pytest.raises(StepError, match="TIMEOUT"):
        matching.search("a", "a")
