"""The working definition of one turn.

Invariant: it is a sound ``Definition`` at every moment, also when the turn is cut short: the worker reads it then.
Callers: the tools (change it), the worker (reads it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.catalog import Catalog
from shared.edits import Change, diff
from shared.validation import Issue, validate
from shared.workflows import Definition, parse_definition


class Workspace:
    """definition: the wire form to start from, None for a conversation without a workflow. protect: what every
    definition goes through before it is shown to anybody.
    """

    def __init__(
        self, definition: dict[str, Any] | None, protect: Callable[[Definition], Definition] = lambda given: given
    ) -> None:
        self.protect = protect
        self._empty = not definition or not definition.get("nodes")
        self.current = parse_definition({**(definition or {}), "nodes": (definition or {}).get("nodes") or {}})
        self._start = self.current
        #: The outside accounts the owner has connected.
        self.accounts = frozenset(
            (node.connector.type, node.connector.id) for node in self.current.nodes.values() if node.connector
        )

    @property
    def touched(self) -> bool:
        return self.current != self._start

    def wire(self) -> dict[str, Any] | None:
        """The whole definition, or None when there is none and never was."""
        return None if self._empty and not self.touched else self.current.wire()

    def change(self, definition: Definition) -> list[Change]:
        """Put the edited definition in place; what that did to its nodes."""
        definition = self.protect(definition)
        changes = diff(self.current, definition)
        self.current = definition
        return changes

    def issues(self, catalog: Catalog) -> list[Issue]:
        return validate(self.current, catalog) if self.current.nodes else []
