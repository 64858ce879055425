"""The changes of one `edit_workflow` call, made on a copy: all of them or none.

Invariant: what comes out is sound and holds no account, hidden value or key that the workflow did not hold before.
Callers: the tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from caddie.agent.arguments import (
    AddNode,
    ConnectNodes,
    DisconnectNodes,
    Edit,
    RemoveNode,
    SetInputs,
    SetVariables,
    UpdateNode,
)
from caddie.agent.mask import Mask
from shared import edits, workflows
from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.workflows import Connector, Definition


@dataclass(frozen=True, slots=True)
class Editor:
    """accounts: the connectors the owner had put into the workflow when the turn began. spoken: what the user wrote."""

    catalog: Catalog
    mask: Mask
    accounts: frozenset[tuple[str, str]]
    spoken: Callable[[], str]

    def apply(self, now: Definition, changes: Sequence[Edit]) -> Definition:
        """Raises INVALID naming the position of the first change that cannot be made."""
        for position, change in enumerate(changes):
            try:
                now = self._changed(now, change)
            except CaddieError as error:
                subject = getattr(change, "nodeId", None) or getattr(change, "target", "")
                where = f"changes.{position} ({' '.join(filter(None, [change.op, subject]))})"
                none = f" None of the {len(changes)} changes was made." if len(changes) > 1 else ""
                raise CaddieError("INVALID", f"{where}: {error.message}.{none}", faults=error.faults) from error
        return now

    def _changed(self, now: Definition, change: Edit) -> Definition:
        match change:
            case AddNode():
                return self._added(now, change)
            case UpdateNode():
                return self._updated(now, change)
            case RemoveNode():
                return edits.remove_node(now, change.nodeId)
            case ConnectNodes():
                return edits.connect(now, change.source, change.target, change.branch, in_loop=change.inLoop)
            case DisconnectNodes():
                return edits.disconnect(now, change.source, change.target)
            case SetVariables():
                return edits.set_variables(now, change.variables)
            case SetInputs():
                return edits.set_inputs(now, change.inputs)

    def _added(self, now: Definition, change: AddNode) -> Definition:
        self._known_block(change.type)
        self._known_account(change.connector)
        self.mask.refuse_reading(change.payload)
        members = change.model_dump(include={"type", "description", "titleOverride"}, exclude_none=True)
        connector = change.connector.wire() if change.connector else None
        node = workflows.parse_node(
            {**members, "payload": self.mask.restore(change.payload, None), "connector": connector}
        )
        # A body's first node comes after nothing: models often name the loop itself as its parent.
        first = change.inLoop is not None and change.after in ([], [change.inLoop])
        after = None if first else change.after
        return edits.add_node(now, change.nodeId, node, after, change.branch, change.inLoop, trigger=change.trigger)

    def _updated(self, now: Definition, change: UpdateNode) -> Definition:
        patch = change.model_dump(include={"type", "description", "titleOverride"}, exclude_none=True)
        node = now.nodes.get(change.nodeId)
        if change.type is not None:
            block = self._known_block(change.type)
            if node and node.connector and (block is None or node.connector.type != block):
                patch["connector"] = None
        if change.payload is not None:
            before = node.wire()["payload"] if node else None
            self.mask.refuse_reading(change.payload)
            self.mask.refuse_elsewhere(change.payload, before, self.spoken())
            patch["payload"] = self.mask.restore(change.payload, before)
        if "connector" in change.model_fields_set:
            self._known_account(change.connector)
            patch["connector"] = change.connector.wire() if change.connector else None
        return edits.update_node(now, change.nodeId, patch)

    def _known_block(self, block_type: str) -> str | None:
        """The kind of account the block needs. Raises INVALID for a block that is none."""
        block = self.catalog.get(block_type)
        if block is None:
            known = ", ".join(each.type for each in self.catalog.all())
            raise CaddieError("INVALID", f"expected one of {known}; got {block_type}")
        return block.connector

    def _known_account(self, connector: Connector | None) -> None:
        if connector is not None and (connector.type, connector.id) not in self.accounts:
            message = "expected an account this workflow has already, got another: connecting is the owner's part"
            raise CaddieError("INVALID", message)
