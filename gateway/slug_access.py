"""Whose it is: what every route of document 004 looks up first, by slug or by id.

Invariant: a workflow or an execution of somebody else is answered exactly as one that does not exist, in the document's
words. Callers: the routes below `/api/v1`.
"""

from __future__ import annotations

from gateway.auth import Principal
from shared.errors import CaddieError
from shared.store import Store
from shared.store.execution_records import ExecutionRecord
from shared.store.records import WorkflowRecord

SLUG = "{slug:[^/]{1,200}}"
EXECUTION = "{executionId:[^/]{1,200}}"


async def slug_workflow(store: Store, principal: Principal, slug: str) -> WorkflowRecord:
    """The caller's workflow of this slug; numbers and UUIDs are other surfaces' names for it. Raises NOT_FOUND."""
    found = await store.workflows.get(principal.org, slug)
    if found is None or found.user_id != principal.user or found.slug != slug:
        raise CaddieError("NOT_FOUND", "Workflow not found.")
    return found


async def own_execution(store: Store, principal: Principal, execution_id: str) -> ExecutionRecord:
    """Raises NOT_FOUND."""
    found = await store.executions.get(principal.org, execution_id)
    if found is None or found.user_id != principal.user:
        raise CaddieError("NOT_FOUND", "Execution not found.")
    return found
