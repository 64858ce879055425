"""Executions: starting them exactly once, cancelling them, answering what they ask.

An execution is a run of kind `execution` with rows of its own in the store (``store.executions``). Invariant: what was
started here has a job or leaves no row; whoever answers or cancels one that is suspended wakes it.
Callers: the gateway, the socket server, the executor (other workflows), the agent's tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from pydantic import JsonValue

from shared.errors import CaddieError
from shared.runs import Runs
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, ExecutionStart, TriggerKind
from shared.store.records import WorkflowRecord

#: What starts a workflow by itself or from outside, and what a person or another workflow can start.
BY_HAND = ("manual", "trigger_chat", "webhook", "cronjob")


def chat_thread(workflow_id: str, user: int) -> str:
    """The conversation with the messages of a user to a workflow (document 004): always the same one."""
    return str(uuid5(UUID(workflow_id), f"chat of user {user}"))


def trigger_nodes(definition: Mapping[str, Any], block: str | None = None) -> list[str]:
    """The triggers of a definition, of one block type or of all, in its order."""
    nodes = definition.get("nodes") or {}
    names = definition.get("triggerNodeIds") or ["root"]
    return [name for name in names if name in nodes and block in (None, nodes[name].get("type"))]


def started_by_hand(definition: Mapping[str, Any], wanted: str | None = None) -> str | None:
    """The trigger that a person or another workflow fires: the named one, else a manual one, else any."""
    if wanted is not None:
        return wanted if wanted in trigger_nodes(definition) else None
    return next((node for block in BY_HAND for node in trigger_nodes(definition, block)), None)


def by_hand_result(definition: Mapping[str, Any], node: str, given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What a trigger gives when a person or another workflow fires it with some inputs."""
    match definition["nodes"][node].get("type"):
        case "trigger_chat":
            return {"text": str(given.get("text") or ""), "files": [], "payload": dict(given)}
        case "webhook":
            return {"body": dict(given), "headers": {}, "query": {}, "method": "POST"}
        case _:
            return dict(given)


def fired(
    workflow: WorkflowRecord, user: int, trigger: TriggerKind, node: str, inputs: Mapping[str, JsonValue], **more: Any
) -> ExecutionStart:
    """What starts a workflow's stored version at one of its triggers, with some inputs; more: of the start."""
    return ExecutionStart(
        workflow.org_id, user, workflow.id, workflow.version, trigger, node,
        input=by_hand_result(workflow.definition, node, inputs), inputs=dict(inputs), **more,
    )  # fmt: skip


class Executions:
    def __init__(self, store: Store, runs: Runs) -> None:
        self._store, self._runs = store, runs

    async def start(self, start: ExecutionStart) -> ExecutionRecord:
        """Make it and give it to the workers; the same requestId makes it once.

        Raises CaddieError: CONFLICT, RUN_BUSY, RUN_LIMIT, NOT_FOUND; UNAVAILABLE, and then nothing is left of it.
        """
        execution, created = await self._store.executions.create(start)
        try:
            if execution.status == "pending":
                await self._runs.enqueue(execution.id)
        except CaddieError:
            # The queue may have taken it and not answered; a worker that has it by now keeps it.
            if not created or await self._store.executions.discard(execution.id):
                raise
        return execution

    async def get(self, org: int, user: int, execution_id: str) -> ExecutionRecord:
        """Raises NOT_FOUND, also for another user's."""
        found = await self._store.executions.get(org, execution_id)
        if found is None or found.user_id != user:
            raise CaddieError("NOT_FOUND", "expected an execution of this user, got none")
        return found

    async def cancel(self, org: int, user: int, execution_id: str) -> ExecutionRecord:
        """Ask for its end; one that is over stays as it is. Raises NOT_FOUND, UNAVAILABLE."""
        found = await self.get(org, user, execution_id)
        if found.over:
            return found
        await self._runs.cancel(org, user, found.conversation, run_id=found.id)
        # One that was suspended is due now: its worker ends it, and what it waits for.
        await self._runs.enqueue(found.id)
        return await self.get(org, user, execution_id)

    async def answer(self, org: int, user: int, input_id: str, value: JsonValue) -> ExecutionRecord:
        """Resolve what a `wait` or a `human_confirmation` asks. Raises NOT_FOUND, INPUT_RESOLVED (data: by)."""
        return await self._runs.resume(org, user, input_id, value)

    async def wake(self, execution: ExecutionRecord) -> None:
        """Give a suspended one its job now, not with the next sweep."""
        if execution.status != "waiting":
            return
        try:
            await self._runs.enqueue(execution.id)
        except CaddieError:
            return
