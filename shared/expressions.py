"""The expression grammar `{{…}}`: parse a text, list what it refers to, rename a node in it.

    text       = { characters | "{{" expression "}}" }
    expression = operand { "||" operand }
    operand    = string | number | "true" | "false" | "null" | reference
    reference  = (node id | "$" name) { "." segment | "[" (digits | string) "]" }

Invariant: nothing is evaluated. A reference walks members of JSON objects and items of JSON lists, nothing else;
every length, depth and output has a bound. ``1.0`` is a number; field 0 of node ``1`` is ``1.result.0``.
Callers: the check of names (``names``), the executor's values (``resolution``), the edits (``rename``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from pydantic import JsonValue

from shared.errors import CaddieError

MAX_TEXT_CHARS = 1_048_576
MAX_EXPRESSION_CHARS = 2000
#: Of one text, and of one payload at run time: more would take longer than a few milliseconds.
MAX_EXPRESSIONS = 2000
MAX_OPERANDS = 16
MAX_SEGMENTS = 32
MAX_NUMBER_CHARS = 64
#: Texts whose parts are kept, and how long one may be.
REMEMBERED, REMEMBERED_CHARS = 2_000, 500
NAMES = ("$trigger", "$nodes", "$vars", "$inputs", "$item", "$index", "$parent_item", "$workflow")
PARTS = ("result", "payload", "error")
_SPACE = re.compile(r"\s*")
_HEAD = re.compile(r"\$?[A-Za-z0-9_-]{1,64}(?![\w-])")
_SEGMENT = re.compile(r"[\w-]+")
_DIGITS = re.compile(r"[0-9]{1,9}(?=\s*\])")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?=\s|\||\}|$)")
_WORD = re.compile(r"(?:true|false|null)(?=\s|\||\}|$)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class ExpressionError(CaddieError):
    """A malformed or oversized expression; `position` counts characters of the text from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__("INVALID", f"{message} (at character {position})")
        self.position = position


@dataclass(frozen=True, slots=True)
class Reference:
    """`head` is a node id or a `$` name; `path` the segments after it, list positions as digits."""

    head: str
    path: tuple[str, ...] = ()

    @property
    def node(self) -> str | None:
        """The node it reads, `root` for the trigger that fired; None for variables, inputs and loop values."""
        if self.head == "$trigger":
            return "root"
        if self.head == "$nodes":
            return self.path[0]
        return None if self.head.startswith("$") else self.head

    @property
    def part(self) -> str:
        """Of a node: result, payload or error."""
        if self.head == "$nodes":
            return self.path[1]
        return self.path[0] if self.path[:1] in (("result",), ("payload",)) else "result"

    @property
    def fields(self) -> tuple[str, ...]:
        """Of a node: the path inside its part."""
        if self.head == "$nodes":
            return self.path[2:]
        return self.path[1:] if self.path[:1] in (("result",), ("payload",)) else self.path

    def renamed(self, old: str, new: str) -> Reference:
        if self.head == "$nodes" and self.path[0] == old:
            return Reference(self.head, (new, *self.path[1:]))
        return Reference(new, self.path) if self.head == old else self

    def __str__(self) -> str:
        return self.head + "".join(f".{s}" if _SEGMENT.fullmatch(s) else f"[{_quote(s)}]" for s in self.path)


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool | None

    def __str__(self) -> str:
        return _quote(self.value) if isinstance(self.value, str) else orjson.dumps(self.value).decode()


@dataclass(frozen=True, slots=True)
class Expression:
    """`{{a || b}}`: the first operand that is not missing."""

    operands: tuple[Reference | Literal, ...]

    def renamed(self, old: str, new: str) -> Expression:
        return Expression(tuple(o.renamed(old, new) if isinstance(o, Reference) else o for o in self.operands))

    def __str__(self) -> str:
        return "{{" + " || ".join(map(str, self.operands)) + "}}"


def parse(text: str) -> tuple[str | Expression, ...]:
    """The text and the expressions of ``text`` in order. Raises ExpressionError."""
    # A loop fills in the same few texts with every item: reading one takes as long as the rest of a small node.
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _parts(text)


def _parts(text: str) -> tuple[str | Expression, ...]:
    if len(text) > MAX_TEXT_CHARS:
        raise ExpressionError(f"expected at most {MAX_TEXT_CHARS} characters, got {len(text)}", MAX_TEXT_CHARS)
    parts: list[str | Expression] = []
    position = count = 0
    while (start := text.find("{{", position)) >= 0:
        count += 1
        if count > MAX_EXPRESSIONS:
            raise ExpressionError(f"expected at most {MAX_EXPRESSIONS} expressions, got more", start)
        if start > position:
            parts.append(text[position:start])
        reader = _Reader(text, start + 2)
        parts.append(reader.expression())
        position = reader.position
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


_remembered = lru_cache(REMEMBERED)(_parts)


class _Reader:
    """Reads one expression; `position` is the next character."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self._end = position + MAX_EXPRESSION_CHARS
        self.position = position

    def expression(self) -> Expression:
        operands = [self._operand()]
        while self._take("||"):
            if len(operands) == MAX_OPERANDS:
                raise ExpressionError(f"expected at most {MAX_OPERANDS} alternatives", self.position)
            operands.append(self._operand())
        if not self._take("}}"):
            raise ExpressionError(f"expected }}}}, || or a field, got {self._seen()}", self.position)
        if self.position > self._end:
            raise ExpressionError(f"expected an expression of at most {MAX_EXPRESSION_CHARS} characters", self._end)
        return Expression(tuple(operands))

    def _operand(self) -> Reference | Literal:
        self._match(_SPACE)
        start = self.position
        if (string := self._match(_STRING)) is not None:
            return Literal(_unquote(string, start))
        if (word := self._match(_WORD)) is not None:
            return Literal(_WORDS[word])
        if (number := self._match(_NUMBER)) is not None:
            return Literal(_number(number, start))
        return self._reference()

    def _reference(self) -> Reference:
        start = self.position
        head = self._match(_HEAD)
        if head is None:
            raise ExpressionError(f"expected a node id or a name such as $vars, got {self._seen()}", start)
        if head.startswith("$") and head not in NAMES:
            raise ExpressionError(f"expected one of {', '.join(NAMES)}, got {head}", start)
        path: list[str] = []
        while (segment := self._segment()) is not None:
            if len(path) == MAX_SEGMENTS:
                raise ExpressionError(f"expected at most {MAX_SEGMENTS} fields", self.position)
            path.append(segment)
        reference = Reference(head, tuple(path))
        _refuse_incomplete(reference, start)
        return reference

    def _segment(self) -> str | None:
        if self._text.startswith(".", self.position):
            self.position += 1
            segment = self._match(_SEGMENT)
            if segment is None:
                raise ExpressionError(f"expected a field name after the dot, got {self._seen()}", self.position)
            return segment
        if not self._text.startswith("[", self.position):
            return None
        self.position += 1
        self._match(_SPACE)
        start = self.position
        segment = self._match(_DIGITS)
        if segment is None and (string := self._match(_STRING)) is not None:
            segment = _unquote(string, start)
        if segment is None or not self._take("]"):
            raise ExpressionError(f"expected a position or a quoted name and ], got {self._seen()}", self.position)
        return segment

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return match.group()

    def _take(self, mark: str) -> bool:
        self._match(_SPACE)
        if not self._text.startswith(mark, self.position):
            return False
        self.position += len(mark)
        return True

    def _seen(self) -> str:
        return repr(self._text[self.position : self.position + 12]) if self.position < len(self._text) else "the end"


def _refuse_incomplete(reference: Reference, start: int) -> None:
    head, path = reference.head, reference.path
    if head == "$nodes" and (len(path) < 2 or path[1] not in PARTS):
        raise ExpressionError(f"expected $nodes.<id>.result or $nodes.<id>.error, got {reference}", start)
    if head in ("$vars", "$inputs", "$workflow") and not path:
        raise ExpressionError(f"expected {head}.<name>, got {head}", start)
    if head == "$index" and path:
        raise ExpressionError(f"expected $index, which has no fields, got {reference}", start)


def _number(text: str, start: int) -> int | float:
    # Python refuses to read integers of more than 4,300 digits, with an error of its own.
    if len(text) > MAX_NUMBER_CHARS:
        raise ExpressionError(f"expected a number of at most {MAX_NUMBER_CHARS} characters, got {len(text)}", start)
    value = int(text) if re.fullmatch(r"-?[0-9]+", text) else float(text)
    # Beyond these a JSON encoder or reader loses the value (RFC 8259, section 6).
    if abs(value) > (2**63 - 1 if isinstance(value, int) else 1.7e308):
        raise ExpressionError(f"expected a number of at most 64 bits, got {text[:24]}", start)
    return value


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"' + escaped.replace("\t", "\\t") + '"'


def _unquote(quoted: str, start: int) -> str:
    def plain(match: re.Match[str]) -> str:
        if (character := _ESCAPES.get(match.group(1))) is None:
            raise ExpressionError(f"expected one of \\n \\t \\r \\\" \\' \\\\, got \\{match.group(1)}", start)
        return character

    return _ESCAPE.sub(plain, quoted[1:-1])


def texts(value: JsonValue, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text that holds `{{`, with its dotted path. Not deeper than a definition may be."""
    pending: list[tuple[str, JsonValue]] = [(path, value)]
    while pending:
        where, item = pending.pop()
        if isinstance(item, str) and "{{" in item:
            yield where, item
        elif isinstance(item, dict):
            pending.extend((f"{where}.{key}" if where else key, member) for key, member in reversed(item.items()))
        elif isinstance(item, list):
            pending.extend((f"{where}.{i}" if where else str(i), item[i]) for i in reversed(range(len(item))))


def references(value: JsonValue) -> list[Reference]:
    """All references in ``value``, in order. Raises ExpressionError."""
    expressions = [part for _, text in texts(value) for part in parse(text) if isinstance(part, Expression)]
    return [operand for each in expressions for operand in each.operands if isinstance(operand, Reference)]


def rename(value: Any, old: str, new: str) -> Any:
    """``value`` with its references to the node ``old`` pointing to ``new``. Malformed texts stay as they are."""
    if isinstance(value, dict):
        return {key: rename(member, old, new) for key, member in value.items()}
    if isinstance(value, list):
        return [rename(member, old, new) for member in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    try:
        parts = parse(value)
        if not any(each.node == old for each in references(value)):
            return value
    except ExpressionError:
        return value
    return "".join(part if isinstance(part, str) else str(part.renamed(old, new)) for part in parts)
