"""Which outside account each step of a workflow would use if it ran now, and what is left to connect.

Invariant: it is the choice a run makes (``caddie.workflow.accounts``): the account the step names by id or name, else
its user's only one of the type the block needs. Caller: the workflow of a chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from shared.catalog import Block, Catalog
from shared.errors import CaddieError, Fault
from shared.store.records import ConnectorRecord

#: What a search goes to without an account, when the installation has its own.
SEARCH = "web-search"


class NodeAccount(BaseModel):
    """type: of connector. needed: the step does not run without one; else it may have one."""

    nodeId: str
    type: str
    needed: bool
    connectorId: str | None = Field(description="What a run would use now.")
    missing: str | None = Field(description="What is left to do; null: nothing.")


class Connected:
    """The accounts of one user, put to steps. own_search: the installation answers searches itself."""

    def __init__(self, catalog: Catalog, accounts: Iterable[ConnectorRecord], own_search: bool) -> None:
        self._catalog, self._own_search = catalog, own_search
        self._accounts: dict[str, list[ConnectorRecord]] = {}
        for each in accounts:
            self._accounts.setdefault(each.type, []).append(each)

    def of(self, definition: Mapping[str, Any] | None) -> list[NodeAccount]:
        """Of every step that can have one, in the workflow's order."""
        nodes = (definition or {}).get("nodes") or {}
        found = [self._of(node_id, node) for node_id, node in nodes.items() if isinstance(node, dict)]
        return [each for each in found if each is not None]

    def chosen(self, definition: dict[str, Any], choices: Mapping[str, str | None]) -> dict[str, Any]:
        """The definition with these steps naming these accounts, by id; None: none. Raises INVALID."""
        nodes, faults = dict(definition["nodes"]), []
        for node_id, connector_id in choices.items():
            node = nodes.get(node_id)
            block = self._block(node)
            kind = (block.connector or block.accepts) if block else None
            if node is None or kind is None:
                text = "expected a step that can have an account, got another"
                faults.append(Fault(f"connectors.{node_id}", text))
            elif connector_id is not None and connector_id not in {each.id for each in self._accounts.get(kind, ())}:
                text = f"expected a connector of type {kind} of this user, got an unknown id"
                faults.append(Fault(f"connectors.{node_id}", text))
            else:
                named = {"connector": {"type": kind, "id": connector_id}} if connector_id is not None else {}
                nodes[node_id] = {key: value for key, value in node.items() if key != "connector"} | named
        if faults:
            raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=tuple(faults))
        return {**definition, "nodes": nodes}

    def _of(self, node_id: str, node: dict[str, Any]) -> NodeAccount | None:
        block = self._block(node)
        kind = (block.connector or block.accepts) if block else None
        if block is None or kind is None:
            return None
        named, found = node.get("connector"), self._accounts.get(kind, [])
        if isinstance(named, dict):
            # One of another type is a mistake, which the workflow's validation tells.
            used = _named(found, str(named.get("id"))) if named.get("type") == kind else None
            missing = f"connect a {kind} account: the one this step names is gone"
            told = None if used or named.get("type") != kind else missing
        elif block.connector is None or (kind == SEARCH and self._own_search and not found):
            used = told = None
        else:
            used = found[0] if len(found) == 1 else None
            choose = f"choose one of your {len(found)} {kind} accounts"
            told = None if used else choose if found else f"connect a {kind} account"
        return NodeAccount(
            nodeId=node_id, type=kind, needed=block.connector is not None, connectorId=used.id if used else None,
            missing=told,
        )  # fmt: skip

    def _block(self, node: object) -> Block | None:
        return self._catalog.get(str(node.get("type"))) if isinstance(node, dict) else None


def _named(accounts: Sequence[ConnectorRecord], name: str) -> ConnectorRecord | None:
    """By id first: a name may look like the id of another."""
    by_id = (each for each in accounts if each.id == name)
    return next(by_id, None) or next((each for each in accounts if each.name == name), None)
