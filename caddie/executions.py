"""What the agent may know of executions: those of its own user, of the workflow the conversation is about.

Invariant: any other run does not exist here, whatever id is asked for. Callers: the desk, which hands it to a turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.events import timestamp
from shared.store import Store
from shared.store.records import RunRecord


@dataclass(frozen=True, slots=True)
class StoredExecutions:
    """failed: the run the turn was asked to repair."""

    store: Store
    org_id: int
    user_id: int
    workflow_id: str | None
    failed: str | None = None

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        """One of them; without an id the failed one, else the last."""
        wanted = execution_id or self.failed
        if wanted is not None:
            run = await self.store.runs.get(self.org_id, wanted)
            return _told(run) if run and await self._allowed(run) else None
        if self.workflow_id is None:
            return None
        page = await self.store.runs.list(
            self.org_id, 1, user_id=self.user_id, workflow_id=self.workflow_id, kind="execution"
        )
        return _told(page.items[0]) if page.items else None

    async def _allowed(self, run: RunRecord) -> bool:
        """The user named the failed one; any other has to be an execution of this workflow."""
        if run.user_id != self.user_id:
            return False
        if run.id == self.failed:
            return True
        if run.kind != "execution" or self.workflow_id is None:
            return False
        owner = await self.store.conversations.get(self.org_id, run.conversation)
        return owner is not None and owner.workflow_id == self.workflow_id


def _told(run: RunRecord) -> dict[str, Any]:
    told = {
        "executionId": run.id,
        "status": run.status,
        "outcome": run.outcome,
        "errorCode": run.error_code,
        "error": run.error_message,
        "startedAt": timestamp(run.started_at) if run.started_at else None,
        "finishedAt": timestamp(run.finished_at) if run.finished_at else None,
    }
    return {name: value for name, value in told.items() if value is not None}
