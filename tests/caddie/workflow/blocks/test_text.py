"""format and regex: modes, faults, and patterns made to hang."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caddie.workflow.blocks.members import LIST_ITEMS, TEXT_CHARS
from caddie.workflow.blocks.text import REPLACEMENT_CHARS, RUNNERS, Search
from caddie.workflow.runner import Call, Origin, Result, StepError
from shared.catalog import Catalog, check_schema

ORIGIN = Origin("11111111-1111-4111-8111-111111111111", 1, 1, "w")
CATALOG = Catalog.builtin()


async def run(block: str, **payload: Any) -> Result:
    runner, described = RUNNERS[block], CATALOG.get(block)
    assert described is not None
    result = await runner.work(Call("n", block, payload, "s", ORIGIN))
    # An empty text is a result, though it is no value of a payload that requires one.
    found = [each for each in check_schema(result, described.resultSchema, "result") if each.type != "payload_required"]
    assert found == []
    return result


async def refusal(block: str, **payload: Any) -> str:
    with pytest.raises(StepError) as caught:
        await run(block, **payload)
    assert caught.value.code == "INVALID_PAYLOAD"
    return caught.value.message


@pytest.mark.parametrize(
    ("template", "text"),
    [("Hello", "Hello"), (5, "5"), (True, "true"), (None, ""), ([1, "a"], '[1,"a"]'), ({"a": 1.5}, '{"a":1.5}')],
)
async def test_format_gives_text(template: Any, text: str) -> None:
    assert await run("format", template=template) == {"text": text}


async def test_format_is_bounded() -> None:
    assert f"template: expected at most {TEXT_CHARS}" in await refusal("format", template="x" * (TEXT_CHARS + 1))


NOTHING: Result = {"matched": False, "match": "", "groups": [], "matches": []}


async def test_first_is_the_mode_when_none_is_given() -> None:
    result = await run("regex", text="order ORD-12 and ORD-34", pattern=r"ORD-(\d+)(x)?")
    found = {"matched": True, "match": "ORD-12", "groups": ["12", None], "matches": []}
    assert result == {**found, "text": "order ORD-12 and ORD-34"}
    assert await run("regex", text="order ORD-12 and ORD-34", pattern=r"ORD-(\d+)(x)?", mode="test") == result


async def test_all_gives_every_match() -> None:
    result = await run("regex", text="a1b22", pattern=r"\d+", mode="all")
    assert result == {"matched": True, "match": "1", "groups": [], "matches": ["1", "22"], "text": "a1b22"}


@pytest.mark.parametrize("mode", ["test", "first", "all", "replace"])
async def test_no_match_leaves_the_text(mode: str) -> None:
    assert await run("regex", text="abc", pattern="x", mode=mode, replacement="y") == {**NOTHING, "text": "abc"}


@pytest.mark.parametrize(
    ("text", "pattern", "replacement", "expected"),
    [
        ("+49 (30) 1", r"\D", "", "49301"),
        ("+49 (30) 1", r"\D", None, "49301"),
        ("Smith, Ann", r"(\w+), (\w+)", r"\2 \1", "Ann Smith"),
        ("2026-01", r"(?P<y>\d+)-(?P<m>\d+)", r"\g<m>/\g<y>/\g<1>", "01/2026/2026"),
        ("ab", "(a)|(b)", r"[\1\2]", "[a][b]"),
        ("a,b", ",", r"\n\t\\", "a\n\t\\b"),
        ("a", "a", r"C:\dir", r"C:\dir"),
        ("a", "a", r"\0!", "a!"),
        ("abc", "", "-", "-a-b-c-"),
        (20, "0", 5, "25"),
    ],
)
async def test_replace(text: Any, pattern: str, replacement: Any, expected: str) -> None:
    result = await run("regex", text=text, pattern=pattern, mode="replace", replacement=replacement)
    assert result["text"] == expected
    assert result["matched"] is True


async def test_case_is_ignored_on_request() -> None:
    assert (await run("regex", text="HELLO", pattern="hello"))["matched"] is False
    assert (await run("regex", text="HELLO", pattern="hello", ignoreCase=True))["match"] == "HELLO"


@pytest.mark.parametrize(
    ("payload", "part"),
    [
        ({"pattern": "x"}, "text: expected a text, got nothing"),
        ({"text": ["a"], "pattern": "x"}, "text: expected a text, got a list"),
        ({"text": "a"}, "pattern: expected a text, got nothing"),
        ({"text": "a", "pattern": "("}, "expected a regular expression, got one with: "),
        ({"text": "a", "pattern": "x", "mode": "every"}, "mode: expected one of first, test, all, replace"),
        ({"text": "a", "pattern": "x", "ignoreCase": "yes"}, "ignoreCase: expected true or false, got text"),
        ({"text": "x", "pattern": "x", "mode": "replace", "replacement": r"\1"}, r"a group of the pattern, got \1"),
        ({"text": "x", "pattern": "x", "mode": "replace", "replacement": r"\g<n>"}, r"got \g<n>"),
        ({"text": "x", "pattern": "x", "replacement": "y" * (REPLACEMENT_CHARS + 1)}, "replacement: expected at most"),
        ({"text": "a" * (LIST_ITEMS + 1), "pattern": "a", "mode": "all"}, f"at most {LIST_ITEMS} matches"),
        ({"text": "a" * 1_048_577, "pattern": "a"}, "expected a text of at most 1048576 characters"),
    ],
)
async def test_what_is_wrong_is_said(payload: Any, part: str) -> None:
    assert part in await refusal("regex", **payload)


@pytest.mark.parametrize(
    ("text", "pattern", "replacement"),
    [("a" * 1_000_000, "(.+)", r"\1" * 5_000), ("a" * 5_000, "a", "x" * 9_000), ("a" * 9_000, "(?<=(a*))a", r"\1")],
)
async def test_a_replacement_cannot_grow_without_bound(text: str, pattern: str, replacement: str) -> None:
    with pytest.raises(StepError) as caught:
        await run("regex", text=text, pattern=pattern, mode="replace", replacement=replacement)
    assert caught.value.code in ("INVALID_PAYLOAD", "TIMEOUT")


SIMPLE = st.sampled_from([r"a+", r"b", r"[ab]c", r"(a)(b)?", r"\d", r"^a", r"c$", r"a|bc", r"", r"\b", r"(?i)A"])


@settings(deadline=None)
@given(st.text(alphabet="abcABC1 \n", max_size=30), SIMPLE)
def test_plain_patterns_do_what_they_do_in_python(text: str, pattern: str) -> None:
    """The two differ in what only one of them has."""
    found = Search(text, pattern, "all", "", False).result()
    assert found["matches"] == [match.group() for match in re.finditer(pattern, text)]
    replaced = Search(text, pattern, "replace", r"<\g<0>>", False).result()
    assert replaced["text"] == re.sub(pattern, lambda match: f"<{match.group()}>", text)
