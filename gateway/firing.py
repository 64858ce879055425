"""What starts a workflow, as its owner sees it: the addresses others deliver to, and when a schedule is due.

Invariant: only the owner of a workflow is shown its addresses, as URLs that can be pasted elsewhere. Callers: the
routes that show a workflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from gateway.hook_addresses import HookAddresses
from shared.executions import trigger_nodes
from shared.store import Store
from shared.store.records import WorkflowRecord


@dataclass(frozen=True, slots=True)
class Trigger:
    """path, url: of a webhook. due: of a schedule that is on and not over."""

    node_id: str
    block: str
    path: str | None = field(repr=False)
    url: str | None = field(repr=False)
    due: datetime | None


class Firing:
    """public_url: of this gateway; empty: the one the owner has reached it by."""

    def __init__(self, store: Store, addresses: HookAddresses, public_url: str) -> None:
        self._store, self._addresses, self._public_url = store, addresses, public_url.rstrip("/")

    async def of(self, workflow: WorkflowRecord, request: web.Request) -> list[Trigger]:
        """Those of the caller's own workflow, in the order of its definition."""
        paths = await self._addresses.paths(workflow)
        timed = await self._store.triggers.schedules(workflow.org_id, workflow.id)
        due = {each.node_id: each.next_at for each in timed if each.armed and workflow.enabled}
        here = self._public_url or reached(request)
        nodes = workflow.definition.get("nodes") or {}
        return [
            Trigger(
                node_id, str(nodes[node_id].get("type")), paths.get(node_id),
                here + paths[node_id] if node_id in paths else None, due.get(node_id),
            )
            for node_id in trigger_nodes(workflow.definition)
            if isinstance(nodes[node_id], dict)
        ]  # fmt: skip


def reached(request: web.Request) -> str:
    """Where the caller has found this gateway. A header that lies deceives nobody but who has sent it."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme).partition(",")[0].strip().lower()
    return f"{'https' if scheme == 'https' else 'http'}://{request.host}"
