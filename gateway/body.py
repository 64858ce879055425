"""Strict reading of JSON bodies: what passes here can be stored, logged as events and encoded again.

Invariant: a value that leaves this module is plain JSON, at most 32 deep, without duplicate members, NUL, lone
surrogates or numbers outside 64 bits; everything else is a 4xx that says expected and got, never a 500.
The limits run before a parser sees the text, because parsers differ in what they let through. Caller: the gate.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared.errors import CaddieError, Fault

DEPTH_MAX = 32
FAULTS_MAX = 50
INT64 = range(-(2**63), 2**63)
INT64_DIGITS = 20
#: Above this size parsing leaves the event loop's thread alone.
THREAD_BYTES = 256 * 1024
# Possessive, with an optional closing quote: linear even on an unterminated string full of escaped quotes.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
#: pydantic's words in ours.
_PHRASES = (
    ("String should match pattern", "a string matching"),
    ("String should have", "a string of"),
    ("List should have", "a list of"),
    (" after validation", ""),
)
Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: web.Request, limit_bytes: int, timeout_s: float) -> Any:
    """The request's JSON value; UNSUPPORTED_TYPE, TOO_LARGE, TIMEOUT or MALFORMED otherwise."""
    if request.content_type != "application/json":
        got = _printable(request.content_type)
        raise CaddieError("UNSUPPORTED_TYPE", f"expected content type application/json, got {got}")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise CaddieError("UNSUPPORTED_TYPE", f"expected charset utf-8, got {_printable(request.charset or '')}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise CaddieError("UNSUPPORTED_TYPE", "expected an uncompressed body, got a Content-Encoding")
    raw = await read_bytes(request, limit_bytes, timeout_s)
    return await asyncio.to_thread(parse_json, raw) if len(raw) > THREAD_BYTES else parse_json(raw)


async def read_bytes(request: web.Request, limit_bytes: int, timeout_s: float) -> bytes:
    """The request's body as it came; TOO_LARGE, TIMEOUT or MALFORMED otherwise."""
    too_large = CaddieError("TOO_LARGE", f"expected a body of at most {limit_bytes} bytes, got more")
    if (request.content_length or 0) > limit_bytes:
        raise too_large
    raw = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > limit_bytes:
                    raise too_large
    except TimeoutError:
        raise CaddieError("TIMEOUT", f"expected the whole body within {timeout_s:g} s, got {len(raw)} bytes") from None
    except web.RequestPayloadError as error:
        raise CaddieError("MALFORMED", "expected a complete body, got a broken transfer encoding") from error
    return bytes(raw)


def parse_json(raw: bytes) -> Any:
    """The JSON value in ``raw``, or MALFORMED."""
    if not raw.strip():
        raise _malformed("a JSON value", "an empty body")
    _check_depth(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("UTF-8", f"an invalid byte at offset {error.start}") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise _malformed("JSON", f"{error.msg} at line {error.lineno} column {error.colno}") from error
    if b"\\u" in raw:
        _check_text(value)
    return value


def validate(model: type[Model], value: Any) -> Model:
    """``value`` as ``model``, without any coercion; INVALID lists every fault."""
    if not isinstance(value, dict):
        raise _malformed("a JSON object", kind(value))
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        raise invalid(error) from None


def validate_query(model: type[Model], request: web.Request) -> Model:
    """The query string as ``model``; a name given twice is a fault, an unknown one is ignored."""
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in model.model_fields and name in values:
            raise CaddieError("INVALID", "invalid query", faults=(Fault(name, "expected one value, got several"),))
        if not _is_clean(value):
            raise CaddieError("INVALID", "invalid query", faults=(Fault(name, "expected text, got NUL or bytes"),))
        values[name] = value
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> CaddieError:
    """INVALID with one fault per finding; the rejected values themselves never appear (they may be secrets)."""
    found = error.errors(include_url=False, include_context=False)
    faults = tuple(Fault(_path(item["loc"]), _message(item["type"], item["msg"], item["input"])) for item in found)
    summary = "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults[:3])
    return CaddieError("INVALID", f"invalid input: {summary}", faults=faults[:FAULTS_MAX])


def kind(value: object) -> str:
    """The JSON name of a value's type."""
    return "null" if value is None else _NAMES.get(type(value), "value")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(_printable(str(part)) for part in location)


def _message(code: str, text: str, value: object) -> str:
    if code == "missing":
        return "expected a value, got none"
    if code == "extra_forbidden":
        return f"expected a documented member, got another ({kind(value)})"
    text = text.removeprefix("Value error, ")
    if text.startswith("expected"):
        return text
    for phrase, plain in _PHRASES:
        text = text.replace(phrase, plain)
    expected = text.removeprefix("Input should be ").removesuffix(".")
    size = f" of length {len(value)}" if isinstance(value, str | list) else ""
    return f"expected {expected[:1].lower()}{expected[1:]}, got {kind(value)}{size}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:100])


def _malformed(expected: str, got: str) -> CaddieError:
    return CaddieError("MALFORMED", f"expected {expected}, got {got}")


def _check_depth(raw: bytes) -> None:
    depth = 0
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > DEPTH_MAX:
                raise _malformed(f"JSON at most {DEPTH_MAX} deep", "deeper nesting")
        elif token in (b"]", b"}"):
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _malformed("unique member names", f"{_printable(twice)!r} twice")
    return value


def _constant(text: str) -> float:
    raise _malformed("a finite number", text)


def _integer(text: str) -> int:
    if len(text) > INT64_DIGITS or int(text) not in INT64:
        raise _malformed("an integer of at most 64 bits", "a larger one")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("a finite number", "one beyond the range of a double")
    return value


def _check_text(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and not _is_clean(item):
            raise _malformed("Unicode text", "NUL or a lone surrogate")
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _is_clean(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
