"""What the agent may know of executions, and start: those of its own user, of the workflow the conversation is about.

Invariant: any other execution does not exist here, whatever id is asked for; what is told of one is of bearable size.
Callers: the desk, which hands it to a turn.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import CaddieError
from shared.events import timestamp
from shared.executions import Executions, fired, started_by_hand
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, StepRecord
from shared.store.records import Claim, RunRecord, WorkflowRecord
from shared.workflows import parse_definition

STEPS_TOLD = 40
VALUE_CHARS = VALUE_BYTES = 1_500
#: How long a turn waits for the end of an execution it has started.
WATCH_S = 60.0
LOOK_S = 0.2
NAME = "Workflow"


@dataclass(frozen=True, slots=True)
class StoredExecutions:
    """failed: the run the turn was asked to repair. starter and claim: of a turn that may start some."""

    store: Store
    org_id: int
    user_id: int
    workflow_id: str | None
    failed: str | None = None
    starter: Executions | None = None
    claim: Claim | None = None

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        """One of them, with its steps; without an id the failed one, else the last."""
        wanted = execution_id or self.failed
        if wanted is not None:
            run = await self.store.runs.get(self.org_id, wanted)
            return await self._told(run) if run and await self._allowed(run) else None
        if self.workflow_id is None:
            return None
        page = await self.store.executions.list(self.org_id, self.user_id, 1, workflow_id=self.workflow_id)
        return await self._whole(page.items[0]) if page.items else None

    async def run(self, definition: dict[str, Any], inputs: dict[str, Any], trigger: str | None) -> dict[str, Any]:
        """Start this definition as its stored workflow's newest version; what is known of it after a while.

        Raises CaddieError: INVALID, CONFLICT (the stored workflow is another one), RUN_LIMIT, UNAVAILABLE.
        """
        if self.starter is None or self.claim is None:
            raise CaddieError("INVALID", "expected a turn that may run workflows, got another")
        workflow = await self._stored(self.claim, definition)
        node = started_by_hand(definition, trigger)
        if node is None:
            raise CaddieError("INVALID", f"expected a trigger of the workflow, got {trigger or 'none'}")
        start = fired(workflow, self.user_id, "agent", node, inputs, request_id=f"{self.claim.run.id}.run")
        started = await self.starter.start(start)
        return await self._whole(await self._watched(started))

    async def _stored(self, claim: Claim, definition: dict[str, Any]) -> WorkflowRecord:
        """The conversation's workflow as it is on the canvas; one that was never stored is, now."""
        found = await self.store.workflows.get(self.org_id, self.workflow_id) if self.workflow_id else None
        if found is not None:
            if found.user_id != self.user_id:
                raise CaddieError("INVALID", "expected a workflow of yours, got none")
            if parse_definition(found.definition).wire() != definition:
                message = "expected the stored workflow to be as on the canvas, got another version: save one of them"
                raise CaddieError("CONFLICT", message)
            return found
        title = claim.conversation.title[:100] or NAME
        made = await self.store.workflows.create(self.org_id, self.user_id, title, definition=definition)
        await self.store.conversations.ensure(self.org_id, self.user_id, claim.conversation.public_id, made.id)
        return made

    async def _watched(self, execution: ExecutionRecord) -> ExecutionRecord:
        """Until it ends or waits, for a while."""
        deadline = asyncio.get_running_loop().time() + WATCH_S
        while asyncio.get_running_loop().time() < deadline:
            found = await self.store.executions.get(self.org_id, execution.id)
            if found is None:
                break
            execution = found
            if found.over or found.status == "waiting":
                break
            await asyncio.sleep(LOOK_S)
        return execution

    async def _allowed(self, run: RunRecord) -> bool:
        """The user named the failed one; any other has to be an execution of this workflow."""
        if run.user_id != self.user_id:
            return False
        if run.id == self.failed:
            return True
        execution = await self.store.executions.get(self.org_id, run.id)
        return execution is not None and self.workflow_id == execution.workflow_id

    async def _told(self, run: RunRecord) -> dict[str, Any]:
        execution = await self.store.executions.get(self.org_id, run.id)
        if execution is not None:
            return await self._whole(execution)
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

    async def _whole(self, execution: ExecutionRecord) -> dict[str, Any]:
        steps = await self.store.executions.telling(execution.id, STEPS_TOLD, VALUE_BYTES)
        told = {
            "executionId": execution.id,
            "status": execution.status,
            "trigger": execution.trigger,
            "errorCode": execution.error_code,
            "error": execution.error_message,
            "errorNode": execution.error_node,
            "output": short(execution.output),
            "startedAt": timestamp(execution.started_at) if execution.started_at else None,
            "finishedAt": timestamp(execution.finished_at) if execution.finished_at else None,
            "steps": [_step(step) for step in steps],
        }
        return {name: value for name, value in told.items() if value is not None}


def _step(step: StepRecord) -> dict[str, Any]:
    told = {
        "nodeId": step.node_id,
        "path": step.path or None,
        "status": step.status,
        "input": _previewed(step.input),
        "output": _previewed(step.result),
        "errorCode": step.error_code,
        "error": step.error,
        "durationMs": step.duration_ms,
    }
    return {name: value for name, value in told.items() if value is not None}


def _previewed(shown: Any) -> Any:
    """The value, or how the beginning that the store has given of it goes on."""
    if isinstance(shown, dict) and shown.get("truncated") is True and isinstance(shown.get("preview"), str):
        return f"{shown['preview']}… ({shown.get('bytes')} bytes)"
    return shown


def short(value: Any) -> Any:
    """The value, or how its JSON begins."""
    if value is None:
        return None
    text = orjson.dumps(value).decode()
    return value if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}… ({len(text)} characters)"
