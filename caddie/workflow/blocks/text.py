"""The blocks that work on texts: format and regex.

Invariant: pure; a pattern has the time ``patterns`` gives it, and what a replacement makes is bounded. Caller: the
executor, through ``RUNNERS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import JsonValue

from caddie.workflow.blocks.members import LIST_ITEMS, TEXT_CHARS, choice, kind, text, written
from caddie.workflow.patterns import Matching, aside
from caddie.workflow.runner import Call, Result, Runner, StepError, instant

REPLACEMENT_CHARS = 10_000
MODES = ("first", "test", "all", "replace")
_GROUP: Final = re.compile(r"\\(?:(?P<number>[0-9]{1,2})|g<(?P<name>\w{1,64})>|(?P<mark>[nrt\\]))", re.ASCII)
_MARKS: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def formatted(call: Call) -> Result:
    return {"text": written(call.payload, "template")}


async def matched(call: Call) -> Result:
    payload = call.payload
    material, pattern = text(payload, "text"), text(payload, "pattern")
    mode = choice(payload, "mode", MODES)
    replacement = "" if payload.get("replacement") is None else text(payload, "replacement")
    if len(replacement) > REPLACEMENT_CHARS:
        message = f"replacement: expected at most {REPLACEMENT_CHARS} characters, got {len(replacement)}"
        raise StepError("INVALID_PAYLOAD", message)
    ignore_case = payload.get("ignoreCase")
    if ignore_case is not None and not isinstance(ignore_case, bool):
        raise StepError("INVALID_PAYLOAD", f"ignoreCase: expected true or false, got {kind(ignore_case)}")
    search = Search(material, pattern, mode, replacement, bool(ignore_case))
    return await aside(search.result)


class Search:
    """One use of a pattern."""

    def __init__(self, material: str, pattern: str, mode: str, replacement: str, ignore_case: bool) -> None:
        self._text, self._mode, self._replacement = material, mode, replacement
        self._matches = Matching().every(pattern, material, ignore_case=ignore_case)

    def result(self) -> Result:
        first = next(self._matches, None)
        facts: Result = {
            "matched": first is not None,
            "match": "" if first is None else first.group(),
            "groups": [] if first is None else list(first.groups()),
            "matches": [],
            "text": self._text,
        }
        if first is None:
            return facts
        if self._mode == "all":
            return {**facts, "matches": self._all(first)}
        return {**facts, "text": self._replaced(first)} if self._mode == "replace" else facts

    def _all(self, first: Any) -> list[JsonValue]:
        found: list[JsonValue] = [first.group()]
        for match in self._matches:
            if len(found) == LIST_ITEMS:
                raise StepError("INVALID_PAYLOAD", f"text: expected at most {LIST_ITEMS} matches, got more")
            found.append(match.group())
        return found

    def _replaced(self, first: Any) -> str:
        fill = template(self._replacement, first)
        pieces: list[str] = []
        end, room = 0, TEXT_CHARS
        match: Any = first
        while match is not None:
            pieces += [self._text[end : match.start()], fill(match)]
            room -= len(pieces[-1]) + len(pieces[-2])
            if room < 0:
                raise _too_long()
            end = match.end()
            match = next(self._matches, None)
        return "".join([*pieces, self._text[end:]])


def template(replacement: str, match: Any) -> Callable[[Any], str]:
    r"""What a match is replaced by. `\1` and `\g<name>` stand for groups, `\n`, `\r` and `\t` for what they are in
    JSON; other backslashes stay. Raises StepError for a group the pattern does not have."""
    parts: list[tuple[str, str | int | None]] = []
    end = 0
    for mark in _GROUP.finditer(replacement):
        before, end = replacement[end : mark.start()], mark.end()
        if mark["mark"]:
            parts.append((before + _MARKS[mark["mark"]], None))
            continue
        named = mark["number"] or mark["name"]
        group = int(named) if named.isdigit() and len(named) <= 4 else named
        if group not in match.re.groupindex and not (isinstance(group, int) and group <= match.re.groups):
            raise StepError("INVALID_PAYLOAD", f"replacement: expected a group of the pattern, got {mark[0]}")
        parts.append((before, group))
    tail = replacement[end:]

    names = {name for _, name in parts if name is not None}

    def fill(found: Any) -> str:
        values: dict[str | int | None, str] = {name: found.group(name) or "" for name in names}
        if sum(len(values[name]) for _, name in parts if name is not None) > TEXT_CHARS:
            raise _too_long()
        return "".join([before + values.get(name, "") for before, name in parts]) + tail

    return fill


def _too_long() -> StepError:
    return StepError("INVALID_PAYLOAD", f"text: expected at most {TEXT_CHARS} characters after replacement, got more")


RUNNERS: dict[str, Runner] = {
    "format": instant(formatted),
    "regex": Runner(matched, kind=lambda payload: "instant", time_s=30.0),
}
