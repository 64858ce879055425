"""Whose workflow it is: the look-up every cookie route of a workflow begins with, before it reads a body.

Invariant: a workflow of another organisation is answered exactly as one that does not exist; another user's workflow of
the same organisation is refused as such (document 003). Callers: the routes of surface 003.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid5

from gateway.routing import Call
from shared.errors import CaddieError
from shared.store import Store
from shared.store.records import WorkflowRecord

WORKFLOW = "/api/workflows/{workflowId:[^/]{1,200}}"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


async def own_workflow(store: Store, call: Call[Any, Any]) -> WorkflowRecord:
    """The workflow the path names by its UUID. Raises NOT_FOUND, FORBIDDEN."""
    handle = call.path["workflowId"]
    # Slugs and numbers are the other surfaces' names for it.
    found = await store.workflows.get(call.principal.org, handle) if _UUID.fullmatch(handle) else None
    if found is None:
        raise CaddieError("NOT_FOUND", "Workflow does not exist")
    if found.user_id != call.principal.user:
        raise CaddieError("FORBIDDEN", "Cannot access another user's workflow")
    return found


def thread_id(workflow: WorkflowRecord, user: int) -> str:
    """The conversation of a workflow and a user: always the same one."""
    return str(uuid5(UUID(workflow.id), f"messages of user {user}"))
