"""Deletion that leaves nothing: a conversation in the database, its log in Redis, and the tokens that still open it.

Invariant: what was answered with success is gone from both; without Redis nothing is deleted at all, and the call can
be made again. Callers: the routes that delete chats and workflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.insisting import insist
from gateway.revoking import Revoking
from gateway.workflow_access import thread_id
from shared.keys import conversation_key
from shared.log import EventLog
from shared.store import Store
from shared.store.records import WorkflowRecord
from shared.store.remains import Gone
from shared.store.waking import Forsaken


class Eraser:
    def __init__(self, store: Store, log: EventLog, revoking: Revoking) -> None:
        self._store, self._log, self._revoking = store, log, revoking

    async def conversation(self, org: int, user: int, public_id: str) -> bool:
        """Whether there was one; user: whose it is. Raises UNAVAILABLE."""
        key = conversation_key(org, public_id)
        await self._log.delete(key)
        erased = await self._store.erasure.conversation(org, public_id)
        if erased is None:
            return False
        await self._revoking.sessions(user, erased.sessions)
        await insist(partial(self._log.delete, key, erased.ended, erased.unfinished), "erase")
        await self._end(org, erased.forsaken)
        return True

    async def workflow(self, workflow: WorkflowRecord) -> None:
        """With its versions, its proposals, the messages about it, its executions and threads. Raises UNAVAILABLE."""
        org, thread = workflow.org_id, thread_id(workflow, workflow.user_id)
        await self.conversation(org, workflow.user_id, thread)
        while (some := await self._store.erasure.executions(org, workflow.id)).remains:
            await self._forget(org, some)
        await self._forget(org, await self._store.erasure.workflow(org, workflow.id) or Gone())
        # Somebody may have asked for a change in between.
        await self.conversation(org, workflow.user_id, thread)

    async def _forget(self, org: int, gone: Gone) -> None:
        for each in gone.remains:
            key = conversation_key(org, each.conversation)
            await insist(partial(self._log.delete, key, each.ended, each.unfinished), "erase")
        await self._end(org, gone.forsaken)

    async def _end(self, org: int, forsaken: Sequence[Forsaken]) -> None:
        """Tell whoever carries what those that have gone were waiting for; a suspended one is due by itself."""
        for each in forsaken:
            key = conversation_key(org, each.conversation)
            await insist(partial(self._log.request_cancel, key, each.run_id), "cancel")
