"""What of a workflow the model does not get to see: the values of members that hold secrets.

Invariant: a hidden value is in nothing that ``hide`` has been over, neither at its own place nor quoted in a text; and
a mark that comes back stands for what was there, or for nothing. Callers: the turn, the tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.errors import CaddieError, Fault
from shared.expressions import Reference, references
from shared.redaction import is_secret_name

MARK = "[hidden]"
#: Shorter values would blot out ordinary words of other texts.
QUOTED_CHARS = 6
_HOST = re.compile(r"(?:https?:)?//([^/\s?#\"']+)", re.I)
_ADDRESS = re.compile(r"url|uri|host|endpoint|address|domain|server", re.I)
_EXPRESSION = re.compile(r"\s*\{\{[^{}]*\}\}\s*")


class Mask:
    """Made of the definition a turn begins with. `sensitivePropKeys` name members, alone or with a path before."""

    def __init__(self, definition: Mapping[str, Any] | None) -> None:
        keys = (definition or {}).get("sensitivePropKeys") or ()
        self._keys = frozenset(str(key).rsplit(".", 1)[-1] for key in keys)
        nodes = (definition or {}).get("nodes") or {}
        self._payloads = {node_id: node.get("payload") or {} for node_id, node in nodes.items()}
        found = {text for payload in self._payloads.values() for text in self._secrets(payload, hidden=False)}
        self._values = sorted((text for text in found if len(text) >= QUOTED_CHARS), key=len, reverse=True)

    def hide(self, value: Any) -> Any:
        """The JSON value without secrets."""
        if isinstance(value, str):
            for secret in self._values:
                value = value.replace(secret, MARK)
            return value
        if isinstance(value, dict):
            named = self._named(value)
            return {
                self.hide(key): self._blotted(each) if named(key) else self.hide(each) for key, each in value.items()
            }
        return [self.hide(each) for each in value] if isinstance(value, list | tuple) else value

    def restore(self, value: Any, before: Any) -> Any:
        """The value with what the marks in it stand for. Raises INVALID when they stand for nothing here."""
        if isinstance(value, str):
            if MARK not in value:
                return value
            if before is not None and value in (MARK, self.hide(before)):
                return before
            raise _invalid(f"expected {MARK} only where a hidden value stands already, got it elsewhere")
        if isinstance(value, dict):
            old = before if isinstance(before, dict) else {}
            return {key: self.restore(each, old.get(key)) for key, each in value.items()}
        if isinstance(value, list):
            was = before if isinstance(before, list) else []
            return [self.restore(each, was[n] if n < len(was) else None) for n, each in enumerate(value)]
        return value

    def refuse_reading(self, value: Any) -> None:
        """Raises INVALID for an expression that reads a hidden member of another node's payload."""
        if isinstance(value, str):
            try:
                found = list(references(value))
            except CaddieError:
                # What cannot be parsed is never resolved; validation names it.
                return
            for reference in found:
                if reference.part == "payload" and self._reads(reference):
                    raise _invalid(f"expected no expression that reads a hidden field, got {reference}")
        elif isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                self.refuse_reading(each)

    def refuse_elsewhere(self, value: Any, before: Any, spoken: str) -> None:
        """Raises INVALID for a new address in a node that holds a secret, unless the user has named its host."""
        if not any(True for _ in self._secrets(before, hidden=False)):
            return
        known = {host.lower() for text in _texts(before) for host in _HOST.findall(text)}
        for name, text in _members(value):
            hosts = {host.lower() for host in _HOST.findall(text)}
            blind = bool(_ADDRESS.search(name)) and not hosts and text not in set(_texts(before))
            if blind or any(host not in known and host not in spoken.lower() for host in hosts):
                raise _invalid("expected an address the user has named, since this node holds a secret; got another")

    def _reads(self, reference: Reference) -> bool:
        if any(self._hidden(name) for name in reference.fields):
            return True
        node = self._payloads.get(reference.node or "")
        # A node of this turn, or the trigger that fired, which any of them may be.
        payloads = self._payloads.values() if node is None else (node,)
        return any(self._holds(payload, reference.fields) for payload in payloads)

    def _holds(self, value: Any, path: Sequence[str]) -> bool:
        """Whether what stands at the path is a secret, or has one in it."""
        for segment in path:
            if isinstance(value, list | tuple):
                value = value[int(segment)] if segment.isdigit() and int(segment) < len(value) else None
            elif isinstance(value, dict):
                if self._named(value)(segment):
                    return True
                value = value.get(segment)
            else:
                return False
        return any(True for _ in self._secrets(value, hidden=False))

    def _hidden(self, name: str) -> bool:
        return name in self._keys or is_secret_name(name)

    def _named(self, value: Mapping[str, Any]) -> Any:
        """Which members of an object are hidden: by their name, or by the `name` beside a `value`."""
        label = value.get("name", value.get("key"))
        labelled = isinstance(label, str) and self._hidden(label)
        return lambda key: self._hidden(str(key)) or (key == "value" and labelled)

    def _blotted(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._blotted(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._blotted(each) for each in value]
        return MARK if isinstance(value, str) and value and not _EXPRESSION.fullmatch(value) else value

    def _secrets(self, value: Any, *, hidden: bool) -> Iterator[str]:
        if isinstance(value, str):
            if hidden and not _EXPRESSION.fullmatch(value):
                yield value
        elif isinstance(value, dict):
            named = self._named(value)
            for key, each in value.items():
                yield from self._secrets(each, hidden=hidden or named(key))
        elif isinstance(value, list | tuple):
            for each in value:
                yield from self._secrets(each, hidden=hidden)


def _members(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text, with the name of the member it stands in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _members(each, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _members(each, name)


def _texts(value: Any) -> Iterator[str]:
    return (text for _, text in _members(value))


def _invalid(message: str) -> CaddieError:
    return CaddieError("INVALID", message, faults=(Fault("payload", message),))
