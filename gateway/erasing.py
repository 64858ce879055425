"""Deletion that leaves nothing: a conversation in the database, its log in Redis, and the tokens that still open it.

Invariant: what was answered with success is gone from both; without Redis nothing is deleted at all, and the call can
be made again. Callers: the routes that delete chats and workflows.
"""

from __future__ import annotations

from gateway.workflow_access import thread_id
from shared.keys import conversation_key
from shared.log import EventLog
from shared.sessions import Revocations
from shared.store import Store
from shared.store.records import WorkflowRecord


class Eraser:
    def __init__(self, store: Store, log: EventLog, revocations: Revocations) -> None:
        self._store, self._log, self._revocations = store, log, revocations

    async def conversation(self, org: int, public_id: str) -> bool:
        """Whether there was one. Raises UNAVAILABLE."""
        key = conversation_key(org, public_id)
        await self._log.delete(key)
        erased = await self._store.erasure.conversation(org, public_id)
        if erased is None:
            return False
        for session_id in erased.sessions:
            await self._revocations.revoke("session", session_id)
        await self._log.delete(key, erased.ended, erased.unfinished)
        return True

    async def workflow(self, workflow: WorkflowRecord) -> None:
        """With its versions, its proposals and the messages about it. Raises UNAVAILABLE."""
        await self.conversation(workflow.org_id, thread_id(workflow, workflow.user_id))
        await self._store.workflows.delete(workflow.org_id, workflow.id)
