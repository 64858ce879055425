"""The members of a payload, read as the type a block expects.

Invariant: a wrong type ends in INVALID_PAYLOAD that names the member, what was expected and what came. Callers: the
blocks of logic and text.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from pydantic import JsonValue

from caddie.workflow.runner import StepError
from shared.catalog import json_type
from shared.resolution import as_text

LIST_ITEMS = 10_000
TEXT_CHARS = 4_194_304
Payload = Mapping[str, JsonValue]
_KINDS = {"null": "nothing", "string": "text", "array": "a list", "object": "an object", "boolean": "true or false"}


def kind(value: JsonValue) -> str:
    """The value's type in the words of a message."""
    name = json_type(value)
    return _KINDS.get(name, f"a {name}")


def listed(payload: Payload, name: str) -> list[JsonValue]:
    """A list, also one that is written as JSON in a text: what models and plain-text answers give."""
    value = payload.get(name)
    if isinstance(value, str) and len(value) <= TEXT_CHARS and value.lstrip()[:1] == "[":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise StepError("INVALID_PAYLOAD", f"{name}: expected a list, got text that is no JSON ({error})") from None
    if not isinstance(value, list):
        raise StepError("INVALID_PAYLOAD", f"{name}: expected a list, got {kind(value)}")
    if len(value) > LIST_ITEMS:
        raise StepError("INVALID_PAYLOAD", f"{name}: expected at most {LIST_ITEMS} items, got {len(value)}")
    return value


def written(payload: Payload, name: str) -> str:
    """Any value as the text an expression within a text would give: null is empty, lists and objects are JSON."""
    return bounded(name, as_text(payload.get(name)))


def text(payload: Payload, name: str) -> str:
    """A text; numbers, true and false as JSON writes them."""
    value = payload.get(name)
    if value is None or isinstance(value, list | dict):
        raise StepError("INVALID_PAYLOAD", f"{name}: expected a text, got {kind(value)}")
    return bounded(name, as_text(value))


def bounded(name: str, value: str) -> str:
    if len(value) > TEXT_CHARS:
        raise StepError("INVALID_PAYLOAD", f"{name}: expected at most {TEXT_CHARS} characters, got {len(value)}")
    return value


def choice(payload: Payload, name: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the first one when absent."""
    value = payload.get(name)
    if value is None:
        return choices[0]
    if not isinstance(value, str) or value not in choices:
        got = f"{value[:32]!r}" if isinstance(value, str) else kind(value)
        raise StepError("INVALID_PAYLOAD", f"{name}: expected one of {', '.join(choices)}, got {got}")
    return value
