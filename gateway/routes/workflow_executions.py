"""Executions of a signed-in user's workflows: start, list, look at, cancel, answer, follow over a socket.

Invariant: it is the same execution `/api/v1` shows; one of another organisation is answered exactly as one that does
not exist, a colleague's is refused as such. Callers: the route table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gateway.execution_view import Labels
from gateway.following import Sources
from gateway.issuing import Issuer
from gateway.limits import Limits
from gateway.routes.executions import ExecutionLog, check_inputs, logs
from gateway.routing import Answer, Call, route
from gateway.workflow_access import WORKFLOW, own_workflow
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.executions import Executions, fired, started_by_hand
from shared.keys import conversation_key
from shared.runs import TurnContext
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, ExecutionStatus, TriggerKind
from shared.store.records import InputRecord

TAG = "workflow executions"
EXECUTION = "/api/executions/{executionId:[^/]{1,200}}"


class WorkflowExecution(BaseModel):
    """conversationId: the conversation whose log tells of it. error: why it failed; errorNodeId: at which node."""

    id: str
    workflowId: str
    version: int
    status: ExecutionStatus
    conversationId: str
    trigger: TriggerKind
    triggerNodeId: str
    parentExecutionId: str | None
    createdAt: str
    startedAt: str | None
    finishedAt: str | None
    durationMs: int | None = Field(description="From its start to its end, waiting included.")
    error: str | None
    errorCode: str | None
    errorNodeId: str | None

    @classmethod
    def of(cls, record: ExecutionRecord) -> WorkflowExecution:
        return cls(**_summary(record))


class ExecutionStep(BaseModel):
    """One run of one node; path: the iterations it belongs to, as `loop:index/…`. input, output: previews."""

    nodeId: str
    path: str
    status: str
    block: str | None
    label: str
    branch: str | None
    input: JsonValue
    output: JsonValue
    error: str | None
    errorCode: str | None
    startedAt: str | None
    durationMs: int | None

    @classmethod
    def of(cls, log: ExecutionLog) -> ExecutionStep:
        return cls(
            nodeId=log.node_id, path=log.path, status=log.status, block=log.component_type, label=log.node_label,
            branch=log.branch, input=log.input, output=log.output, error=log.error, errorCode=log.error_code,
            startedAt=log.started_at, durationMs=log.duration_ms,
        )  # fmt: skip


class OpenInput(BaseModel):
    """What an execution waits for, as `input.requested` tells it."""

    inputId: str
    kind: str
    body: dict[str, JsonValue]
    expiresAt: str


class WorkflowExecutionDetails(WorkflowExecution):
    input: JsonValue = Field(description="What the trigger gave.")
    inputs: dict[str, JsonValue]
    output: JsonValue
    nodeRuns: int
    definition: dict[str, Any] | None = Field(description="The version that runs; null: it is no longer kept.")
    waiting: list[OpenInput]
    steps: list[ExecutionStep] = Field(description="In the order they began.")


class WorkflowExecutionList(BaseModel):
    """Newest first; with a cursor there are more."""

    executions: list[WorkflowExecution]
    cursor: str | None


class ExecutionSession(BaseModel):
    """What a client needs to open its socket on the execution's log. It takes commands, and no messages."""

    sessionToken: str
    socketUrl: str
    socketPath: str
    executionId: str
    conversationId: str
    sessionId: str
    lastEventIndex: int = Field(description="The index before the execution's first event.")
    expiresAt: str


class WorkflowExecutionCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    triggerNodeId: str | None = Field(None, max_length=64, description="Absent: a manual trigger, else any.")
    inputs: dict[str, Any] | None = Field(
        None, description="As the workflow's inputSchema says; `text` for a chat trigger."
    )


class ExecutionAnswer(BaseModel):
    """value: `approve` or `decline`, or `{approved, comment}`, for a `human_confirmation`; anything for a `wait`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    inputId: str = Field(min_length=1, max_length=64)
    value: JsonValue


class WorkflowExecutionQuery(BaseModel):
    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)


class WorkflowExecutions:
    """What a user's workflows do, for the page."""

    def __init__(
        self, store: Store, executions: Executions, sources: Sources, limits: Limits, issuer: Issuer
    ) -> None:  # fmt: skip
        self._store, self._executions, self._sources = store, executions, sources
        self._limits, self._issuer = limits, issuer

    async def its_workflow(self, call: Call[Any, Any]) -> None:
        """Before a body or a query is looked at."""
        await own_workflow(self._store, call)

    async def its_execution(self, call: Call[Any, Any]) -> None:
        await self._own(call)

    @route(
        "POST", f"{WORKFLOW}/executions", summary="Run a workflow", tag=TAG, body=WorkflowExecutionCreate,
        bodiless=True, precheck="its_workflow", answers={201: Answer(WorkflowExecution)},
        errors=("NOT_FOUND", "RUN_LIMIT"),
    )  # fmt: skip
    async def workflow_execution_start(self, call: Call[WorkflowExecutionCreate, None]) -> WorkflowExecution:
        principal, body = call.principal, call.body
        workflow = await own_workflow(self._store, call)
        node = started_by_hand(workflow.definition, body.triggerNodeId)
        if node is None:
            text = f"expected a trigger of the workflow, got {body.triggerNodeId or 'a workflow without one'}"
            raise CaddieError("INVALID", text, faults=(Fault("triggerNodeId", text),))
        inputs = body.inputs or {}
        check_inputs(inputs, workflow.definition.get("inputSchema") or ())
        await self._limits.run(principal.org, principal.user)
        started = await self._executions.start(fired(workflow, principal.user, "manual", node, inputs))
        return WorkflowExecution.of(started)

    @route(
        "GET", f"{WORKFLOW}/executions", summary="A workflow's executions, newest first", tag=TAG,
        query=WorkflowExecutionQuery, precheck="its_workflow", answers={200: Answer(WorkflowExecutionList)},
        errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def workflow_execution_list(self, call: Call[None, WorkflowExecutionQuery]) -> WorkflowExecutionList:
        principal, query = call.principal, call.query
        workflow = await own_workflow(self._store, call)
        page = await self._store.executions.list(
            principal.org, principal.user, query.limit, query.cursor, workflow_id=workflow.id
        )
        return WorkflowExecutionList(executions=[WorkflowExecution.of(each) for each in page.items], cursor=page.cursor)

    @route(
        "GET", EXECUTION, summary="An execution with its steps", tag=TAG,
        answers={200: Answer(WorkflowExecutionDetails)}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def workflow_execution_get(self, call: Call[None, None]) -> WorkflowExecutionDetails:
        record = await self._own(call)
        steps = await self._store.executions.previews(record.id)
        waiting = () if record.over else await self._store.executions.pending_inputs(record.id)
        labels = await self._sources.labels(record)
        found = await self._store.workflows.version(record.org_id, record.workflow_id, record.version)
        # Thousands of steps take long enough for others to notice.
        told = await asyncio.to_thread(self._steps, steps, labels)
        return WorkflowExecutionDetails(
            **_summary(record), input=record.input, inputs=record.inputs, output=record.output,
            nodeRuns=record.node_runs, definition=found.definition if found else None,
            waiting=[_open(each) for each in waiting], steps=told,
        )  # fmt: skip

    @route(
        "POST", f"{EXECUTION}/cancel", summary="Ask for an execution's end; one that is over stays as it is", tag=TAG,
        answers={200: Answer(WorkflowExecution)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_execution_cancel(self, call: Call[None, None]) -> WorkflowExecution:
        record = await self._own(call)
        return WorkflowExecution.of(await self._executions.cancel(record.org_id, record.user_id, record.id))

    @route(
        "POST", f"{EXECUTION}/answer", summary="Answer what an execution waits for", tag=TAG, body=ExecutionAnswer,
        precheck="its_execution", answers={200: Answer(WorkflowExecution)}, errors=("NOT_FOUND", "INPUT_RESOLVED"),
    )  # fmt: skip
    async def workflow_execution_answer(self, call: Call[ExecutionAnswer, None]) -> WorkflowExecution:
        record, body = await self._own(call), call.body
        asked = await self._store.conversations.input(record.org_id, body.inputId)
        if asked is None or asked[0].run_id != record.id:
            raise CaddieError("NOT_FOUND", "expected a question of this execution, got an unknown inputId")
        await self._executions.answer(record.org_id, record.user_id, body.inputId, body.value)
        return WorkflowExecution.of(await self._own(call))

    @route(
        "POST", f"{EXECUTION}/session", summary="A realtime session on an execution's log, by cookie", tag=TAG,
        answers={200: Answer(ExecutionSession)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_execution_session(self, call: Call[None, None]) -> ExecutionSession:
        record = await self._own(call)
        issued = await self._issuer.issue(call.principal, record.conversation, TurnContext())
        return ExecutionSession(**issued, executionId=record.id, lastEventIndex=await self._before(record))

    async def _own(self, call: Call[Any, Any]) -> ExecutionRecord:
        """The execution the path names. Raises NOT_FOUND, FORBIDDEN."""
        found = await self._store.executions.get(call.principal.org, call.path["executionId"])
        if found is None:
            raise CaddieError("NOT_FOUND", "Execution does not exist")
        if found.user_id != call.principal.user:
            raise CaddieError("FORBIDDEN", "Cannot access another user's execution")
        return found

    async def _before(self, record: ExecutionRecord) -> int:
        """One with a log of its own begins with it; in a chat it begins where the run does, or will."""
        if record.conversation == record.id:
            return 0
        run = await self._store.runs.get(record.org_id, record.id)
        if run is not None and run.first_index:
            return run.first_index - 1
        head = await self._sources.log.head(conversation_key(record.org_id, record.conversation))
        return head.first - 1 if head.run_id == record.id and head.first else head.index

    def _steps(self, steps: Sequence[Any], labels: Labels) -> list[ExecutionStep]:
        return [ExecutionStep.of(log) for log in logs(steps, labels, self._sources.title)]


def _summary(record: ExecutionRecord) -> dict[str, Any]:
    begun, ended = record.started_at, record.finished_at
    return {
        "id": record.id, "workflowId": record.workflow_id, "version": record.version, "status": record.status,
        "conversationId": record.conversation, "trigger": record.trigger, "triggerNodeId": record.trigger_node,
        "parentExecutionId": record.parent_id, "createdAt": timestamp(record.created_at),
        "startedAt": timestamp(begun) if begun else None, "finishedAt": timestamp(ended) if ended else None,
        "durationMs": round((ended - begun).total_seconds() * 1000) if begun and ended else None,
        "error": record.error_message, "errorCode": record.error_code, "errorNodeId": record.error_node,
    }  # fmt: skip


def _open(asked: InputRecord) -> OpenInput:
    return OpenInput(inputId=asked.id, kind=asked.kind, body=dict(asked.body), expiresAt=timestamp(asked.expires_at))
