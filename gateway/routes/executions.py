"""Executions under `/api/v1/executions/` (document 004): start, list, read with a log per node, cancel, resume.

Invariant: an answer is of bounded size whatever an execution has made; another user's execution does not exist here.
Callers: the route table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gateway.envelopes import success
from gateway.execution_view import Labels, Titles
from gateway.following import Sources
from gateway.limits import Limits
from gateway.routing import Answer, Call, route
from gateway.slug_access import EXECUTION, own_execution, slug_workflow
from shared.catalog import json_type
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.executions import Executions, fired, started_by_hand
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, ExecutionStatus, StepRecord, TriggerKind
from shared.store.records import InputRecord

PATH = f"/api/v1/executions/{EXECUTION}/"
INPUTS_BYTES = 1_048_576
COMMENT_MAX = 2_000
Slug = Annotated[str, Field(min_length=1, max_length=200)]


class ExecutionSummary(BaseModel):
    """workflow is its slug. error: why it failed; error_node_id: at which node."""

    execution_id: str
    workflow: str
    workflow_name: str
    version: int
    status: ExecutionStatus
    trigger: TriggerKind
    trigger_node_id: str
    parent_execution_id: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    duration_ms: int | None = Field(description="From its start to its end, waiting included.")
    error: str | None
    error_code: str | None
    error_node_id: str | None

    @classmethod
    def of(cls, record: ExecutionRecord) -> ExecutionSummary:
        return cls(**_summary(record))


class ExecutionLog(BaseModel):
    """One step: a node, in one iteration of each loop around it (`path`, as `loop:index/…`, empty outside loops).

    input, output: previews; a large value is `{"truncated": true, "bytes", "preview"}`.
    """

    node_id: str
    path: str
    status: str
    component_type: str | None
    node_label: str
    branch: str | None
    input: JsonValue
    output: JsonValue
    error: str | None
    error_code: str | None
    started_at: str | None
    duration_ms: int | None


class Waiting(BaseModel):
    """What an execution waits for: `resume` answers it."""

    node_id: str
    text: str
    options: list[JsonValue]
    expires_at: str


class ExecutionDetails(ExecutionSummary):
    input: JsonValue = Field(description="What the trigger gave.")
    inputs: dict[str, JsonValue]
    output: JsonValue
    node_runs: int
    waiting: list[Waiting]
    logs: list[ExecutionLog] = Field(description="In the order the steps began.")


class ExecutionList(BaseModel):
    """Newest first; with a cursor there are more."""

    executions: list[ExecutionSummary]
    cursor: str | None


class ExecutionsQuery(BaseModel):
    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)
    status: ExecutionStatus | None = None
    workflow: str | None = Field(None, min_length=1, max_length=200, description="Its slug.")


class ExecutionRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    workflow: Slug = Field(description="Its slug.")
    trigger_node_id: str | None = Field(None, max_length=64, description="Absent: a manual trigger, else any.")
    inputs: dict[str, Any] | None = Field(None, description="As the workflow's inputSchema says.")


class ResumeRequest(BaseModel):
    """data for a `wait`, approved and comment for a `human_confirmation`. node_id: needed when several wait."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    node_id: str | None = Field(None, max_length=64)
    data: JsonValue = None
    approved: bool | None = None
    comment: str | None = Field(None, max_length=COMMENT_MAX)


class ExecutionRoutes:
    """What runs, ran and waits."""

    def __init__(self, store: Store, executions: Executions, sources: Sources, limits: Limits) -> None:
        self._store, self._executions, self._sources, self._limits = store, executions, sources, limits

    @route(
        "GET", "/api/v1/executions/", summary="The caller's executions, newest first", tag="executions",
        scopes=("read",), query=ExecutionsQuery, answers={200: Answer(ExecutionList)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def execution_list(self, call: Call[None, ExecutionsQuery]) -> ExecutionList:
        principal, query = call.principal, call.query
        workflow = await slug_workflow(self._store, principal, query.workflow) if query.workflow is not None else None
        page = await self._store.executions.list(
            principal.org, principal.user, query.limit, query.cursor, status=query.status,
            workflow_id=workflow.id if workflow else None,
        )  # fmt: skip
        return ExecutionList(executions=[ExecutionSummary.of(each) for each in page.items], cursor=page.cursor)

    @route(
        "POST", "/api/v1/executions/", summary="Start a workflow by hand", tag="executions", scopes=("write",),
        body=ExecutionRequest, answers={201: Answer(ExecutionSummary)}, errors=("NOT_FOUND", "RUN_LIMIT"),
    )  # fmt: skip
    async def execution_start(self, call: Call[ExecutionRequest, None]) -> ExecutionSummary:
        principal, body = call.principal, call.body
        workflow = await slug_workflow(self._store, principal, body.workflow)
        node = started_by_hand(workflow.definition, body.trigger_node_id)
        if node is None:
            raise CaddieError("NOT_FOUND", "No trigger found.")
        inputs = body.inputs or {}
        check_inputs(inputs, workflow.definition.get("inputSchema") or ())
        await self._limits.run(principal.org, principal.user)
        started = await self._executions.start(fired(workflow, principal.user, "manual", node, inputs))
        return ExecutionSummary.of(started)

    @route(
        "GET", PATH, summary="An execution with a log entry per step", tag="executions", scopes=("read",),
        answers={200: Answer(ExecutionDetails)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def execution_get(self, call: Call[None, None]) -> web.Response:
        record = await own_execution(self._store, call.principal, call.path["executionId"])
        steps = await self._store.executions.previews(record.id)
        waiting = () if record.over else await self._store.executions.pending_inputs(record.id)
        labels = await self._sources.labels(record)

        def answered() -> web.Response:
            return success("api_v1", self._details(record, steps, waiting, labels), 200, call.request_id)

        # Thousands of steps take long enough for others to notice.
        return await asyncio.to_thread(answered)

    @route(
        "POST", f"{PATH}cancel/", summary="Ask for an execution's end; one that is over stays as it is",
        tag="executions", scopes=("write",), answers={200: Answer(ExecutionSummary)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def execution_cancel(self, call: Call[None, None]) -> ExecutionSummary:
        principal = call.principal
        record = await own_execution(self._store, principal, call.path["executionId"])
        return ExecutionSummary.of(await self._executions.cancel(principal.org, principal.user, record.id))

    @route(
        "POST", f"{PATH}resume/", summary="Answer what an execution waits for", tag="executions", scopes=("write",),
        body=ResumeRequest, bodiless=True, answers={200: Answer(ExecutionSummary)},
        errors=("NOT_FOUND", "CONFLICT", "INPUT_RESOLVED"),
    )  # fmt: skip
    async def execution_resume(self, call: Call[ResumeRequest, None]) -> ExecutionSummary:
        principal, body = call.principal, call.body
        record = await own_execution(self._store, principal, call.path["executionId"])
        pending = [] if record.over else await self._store.executions.pending_inputs(record.id)
        asked = [each for each in pending if body.node_id in (None, each.body.get("nodeId"))]
        if not asked:
            raise CaddieError("CONFLICT", "expected an execution that waits for an answer, got one that does not")
        nodes = {str(each.body.get("nodeId")) for each in asked}
        if len(nodes) > 1:
            text = f"expected one of {', '.join(sorted(nodes))[:500]}, got none"
            raise CaddieError("INVALID", f"node_id: {text}", faults=(Fault("node_id", text),))
        value = _answer(asked[0], body)
        return ExecutionSummary.of(await self._executions.answer(principal.org, principal.user, asked[0].id, value))

    def _details(
        self, record: ExecutionRecord, steps: Sequence[StepRecord], waiting: Sequence[InputRecord], labels: Labels
    ) -> ExecutionDetails:
        return ExecutionDetails(
            **_summary(record), input=record.input, inputs=record.inputs, output=record.output,
            node_runs=record.node_runs, waiting=[_waiting(each) for each in waiting],
            logs=logs(steps, labels, self._sources.title),
        )  # fmt: skip


def logs(steps: Sequence[StepRecord], labels: Labels, title: Titles) -> list[ExecutionLog]:
    """What the steps have come to, as the store previews them."""
    return [_log(step, labels, title) for step in steps]


def _log(step: StepRecord, labels: Labels, title: Titles) -> ExecutionLog:
    block, label = labels.get(step.node_id, (None, None))
    return ExecutionLog(
        node_id=step.node_id, path=step.path, status=step.status, component_type=block,
        node_label=label or (title(block) if block else None) or step.node_id, branch=step.branch,
        input=step.input, output=step.result, error=step.error, error_code=step.error_code,
        started_at=_time(step.started_at), duration_ms=step.duration_ms,
    )  # fmt: skip


def _summary(record: ExecutionRecord) -> dict[str, Any]:
    begun, ended = record.started_at, record.finished_at
    return {
        "execution_id": record.id, "workflow": record.workflow_slug, "workflow_name": record.workflow_name,
        "version": record.version, "status": record.status, "trigger": record.trigger,
        "trigger_node_id": record.trigger_node, "parent_execution_id": record.parent_id,
        "created_at": timestamp(record.created_at), "started_at": _time(begun), "finished_at": _time(ended),
        "duration_ms": round((ended - begun).total_seconds() * 1000) if begun and ended else None,
        "error": record.error_message, "error_code": record.error_code, "error_node_id": record.error_node,
    }  # fmt: skip


def _time(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment is not None else None


def _waiting(asked: InputRecord) -> Waiting:
    body = asked.body
    return Waiting(
        node_id=str(body.get("nodeId") or ""), text=str(body.get("text") or ""),
        options=list(body.get("options") or ()), expires_at=timestamp(asked.expires_at),
    )  # fmt: skip


def _answer(asked: InputRecord, body: ResumeRequest) -> JsonValue:
    """As the waiting node reads it: a decision where there are options to choose from, else the data."""
    if not asked.body.get("options"):
        return body.data
    if body.approved is None:
        raise CaddieError("INVALID", "invalid input", faults=(Fault("approved", "expected a value, got none"),))
    return {"approved": body.approved, "comment": body.comment or ""}


def check_inputs(inputs: dict[str, Any], schema: Sequence[dict[str, Any]]) -> None:
    """Raises INVALID with every fault."""
    faults = []
    for field in schema:
        key, expected = field["key"], field.get("type", "string")
        value = inputs.get(key)
        if value is None:
            if field.get("required"):
                faults.append(Fault(f"inputs.{key}", "expected a value, got none"))
        elif (got := json_type(value)) != expected and (got, expected) != ("integer", "number"):
            faults.append(Fault(f"inputs.{key}", f"expected {expected}, got {got}"))
    if len(orjson.dumps(inputs)) > INPUTS_BYTES:
        faults.append(Fault("inputs", f"expected at most {INPUTS_BYTES} bytes, got more"))
    if faults:
        raise CaddieError("INVALID", "invalid inputs", faults=tuple(faults))
