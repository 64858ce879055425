"""Values of a definition that hold secrets: payload members that its `sensitivePropKeys` name, or that always do.

They are sealed where a definition comes in and opened where a block runs, so that the database, Redis, events, logs and
clients see `sealed2.…` instead. Sealing is deterministic within an organisation: the same request twice is the same
request, and a definition that a client got can be sent back. Invariant: a sealed value is worth nothing in another
organisation; what cannot be opened is refused where it comes in.
Callers: the gateway and the worker's workspace seal; the executor opens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import CaddieError, Fault
from shared.seal import SEALED, Seal
from shared.workflows import Definition, Node

Change = Callable[[str, str], str]
#: Members that are secrets whether `sensitivePropKeys` names them or not, by block type.
ALWAYS = {"webhook": frozenset({"secret"})}
#: A text that is nothing but a reference holds no secret itself.
_REFERENCE = re.compile(r"\s*\{\{[^{}]*\}\}\s*")


class Sensitive:
    """`org` is part of what is sealed."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def seal(self, definition: Definition, org: int) -> Definition:
        """The definition with nothing to read in it. Raises DEFINITION_INVALID for values sealed elsewhere."""

        def change(text: str, place: str) -> str:
            if not text or _REFERENCE.fullmatch(text):
                return text
            if text.startswith(SEALED):
                self._open(text, place, org)
                return text
            return self._seal.seal_same(text, str(org))

        return _changed(definition, change)

    def open(self, definition: Definition, org: int, note: Callable[[str], None] = lambda secret: None) -> Definition:
        """The definition as its owner wrote it; `note` hears of each secret in it.

        Raises DEFINITION_INVALID for values sealed elsewhere.
        """

        def change(text: str, place: str) -> str:
            if not text.startswith(SEALED):
                return text
            note(opened := self._open(text, place, org))
            return opened

        return _changed(definition, change)

    def _open(self, text: str, place: str, org: int) -> str:
        try:
            return self._seal.open_same(text, str(org))
        except ValueError:
            message = "expected a value sealed for this organisation, got another: enter it again"
            raise CaddieError("DEFINITION_INVALID", f"{place}: {message}", faults=(Fault(place, message),)) from None


def hear(definition: Definition, node: Node, payload: Mapping[str, Any], note: Callable[[str], None]) -> None:
    """`note` hears of what expressions have put into the sensitive members of a node's payload."""
    names = _names(definition) | ALWAYS.get(node.type, frozenset())

    def change(text: str, place: str) -> str:
        note(text)
        return text

    if names:
        _value(payload, "", names, change, named=False)


def _names(definition: Definition) -> frozenset[str]:
    return frozenset(key.rsplit(".", 1)[-1] for key in definition.sensitivePropKeys or ())


def _changed(definition: Definition, change: Change) -> Definition:
    names = _names(definition)
    if not names and not any(node.type in ALWAYS for node in definition.nodes.values()):
        return definition
    nodes = {
        node_id: _node(node, f"nodes.{node_id}.payload", names, change) for node_id, node in definition.nodes.items()
    }
    return definition.model_copy(update={"nodes": nodes})


def _node(node: Node, place: str, names: frozenset[str], change: Change) -> Node:
    payload = _value(node.payload, place, names | ALWAYS.get(node.type, frozenset()), change, named=False)
    return node if payload == node.payload else node.model_copy(update={"payload": payload})


def _value(value: Any, place: str, names: frozenset[str], change: Change, *, named: bool) -> Any:
    if isinstance(value, str):
        return change(value, place) if named else value
    if isinstance(value, dict):
        # A header or form field may be an object with its name beside its value.
        label = value.get("name", value.get("key"))
        beside = isinstance(label, str) and label in names
        return {
            key: _value(
                each, f"{place}.{key}", names, change, named=named or key in names or (beside and key == "value")
            )
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_value(each, f"{place}.{index}", names, change, named=named) for index, each in enumerate(value)]
    return value
