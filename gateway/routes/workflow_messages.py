"""Messages about a workflow whose answer may carry a proposal, and the decisions on it (document 003).

Invariant: checks come in the order rate, 401, 403 or 404, 400; a message changes no workflow, a decision does, once.
A run goes on when its reader leaves. Callers: the route table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.envelopes import encoded, wrapped
from gateway.issuing import Issuer
from gateway.limits import Limits
from gateway.routes.chat import Text, moment
from gateway.routes.chat_request import MESSAGE_MAX, ClientId, TimeZone
from gateway.routes.user_workflows import UserWorkflow, user_uuid
from gateway.routing import Answer, Call, route
from gateway.waiting import ANSWER_S, ended
from gateway.workflow_access import WORKFLOW, own_workflow, thread_id
from shared.decisions import Decided, Decision, Decisions, shown
from shared.errors import CaddieError
from shared.events import timestamp
from shared.follow import LogReader
from shared.keys import conversation_key
from shared.log import EventLog
from shared.models import ModelNames
from shared.runs import Runs, Submission, TurnContext, TurnInput
from shared.store import Store
from shared.store.records import ConversationRecord, MessageRecord, ProposalRecord, WorkflowRecord

TAG = "workflow messages"
ProposalId = Annotated[str, Field(min_length=1, max_length=64)]


class ProposalShown(BaseModel):
    """Changes that wait for a decision, or what became of them.

    changes: `add_step`, `update_step`, `delete_step`, `reorder_steps`; members beside `type`, `step`, `after`, `stepId`
    and `dependsOn` say what a step cannot, and can be ignored. diff: the fields that differ. issues: what validation
    says of the workflow with the changes. One that expired is shown as rejected, with `expired`.
    """

    id: str
    status: Literal["pending", "applied", "rejected"]
    changes: list[dict[str, Any]]
    summary: str
    diff: list[dict[str, Any]]
    issues: list[dict[str, Any]]
    baseVersion: int
    createdAt: str
    expiresAt: str
    expired: bool | None = None
    appliedAt: str | None = None
    appliedVersion: int | None = None
    appliedChanges: list[int] | None = None
    rebased: bool | None = Field(None, description="Applied to a newer version than its base.")
    rejectedAt: str | None = None
    undoneVersion: int | None = None
    decidedBy: str | None = None


class WorkflowMessage(BaseModel):
    """`proposal` is there only where the agent has changed something."""

    id: str
    workflowId: str
    role: str
    content: str
    proposal: ProposalShown | None = None
    createdAt: str


class WorkflowMessagePair(BaseModel):
    userMessage: WorkflowMessage
    assistantMessage: WorkflowMessage


class WorkflowMessageList(BaseModel):
    """Oldest first. With hasMore, ask again with before and beforeId."""

    messages: list[WorkflowMessage]
    hasMore: bool
    before: str | None
    beforeId: str | None


class ProposalDecided(BaseModel):
    """workflow: as it is now; absent after a rejection."""

    proposal: ProposalShown
    workflow: UserWorkflow | None = None


class WorkflowSession(BaseModel):
    """What a client needs to open its socket on the workflow's messages."""

    sessionToken: str
    socketUrl: str
    socketPath: str
    workflowId: str
    conversationId: str
    sessionId: str
    lastEventIndex: int
    expiresAt: str


class WorkflowMessageCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    content: str = Field(min_length=1, max_length=MESSAGE_MAX)
    modelId: str = Field(min_length=1, max_length=200, description="Any name of GET /api/models, or provider/model.")


class WorkflowMessageQuery(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    before: Text | None = Field(None, description="ISO 8601; without an offset it is UTC. Strictly before.")
    beforeId: ClientId | None = None


class ProposalApply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    proposalId: ProposalId
    changes: list[Annotated[int, Field(strict=True, ge=0)]] | None = Field(
        None, max_length=2_000, description="Positions of the changes to apply. Absent: all of them."
    )


class ProposalReject(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    proposalId: ProposalId


class WorkflowSessionCreate(BaseModel):
    """What the session's turns begin with."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    timezone: TimeZone | None = Field(None, description="An IANA name.")
    modelId: str | None = Field(None, min_length=1, max_length=200)


class WorkflowMessages:
    """Messages, proposals and sessions of one workflow and user."""

    def __init__(
        self, store: Store, log: EventLog, reader: LogReader, runs: Runs, limits: Limits, issuer: Issuer,
        names: ModelNames, decisions: Decisions, answer_s: float = ANSWER_S,
    ) -> None:  # fmt: skip
        self._store, self._log, self._reader, self._runs, self._limits = store, log, reader, runs, limits
        self._issuer, self._names, self._decisions, self._answer_s = issuer, names, decisions, answer_s

    async def workflow_of(self, call: Call[Any, Any]) -> None:
        """Before a body or a query is looked at."""
        await own_workflow(self._store, call)

    @route(
        "POST", f"{WORKFLOW}/messages", summary="Ask for a change; the answer may carry a proposal", tag=TAG,
        body=WorkflowMessageCreate, precheck="workflow_of", answers={201: Answer(WorkflowMessagePair)},
        timeout_s=ANSWER_S + 10, errors=("NOT_FOUND", "CONFLICT", "RUN_LIMIT", "MODEL_FAILED", "RUN_TIMEOUT"),
    )  # fmt: skip
    async def workflow_message_create(self, call: Call[WorkflowMessageCreate, None]) -> web.Response:
        principal, body = call.principal, call.body
        workflow = await own_workflow(self._store, call)
        self._names.require(body.modelId)
        await self._limits.run(principal.org, principal.user)
        thread = await self._thread(workflow, principal.user)
        turn = TurnInput(
            profile="proposal", agentVersion="v2", model=body.modelId, workflowId=workflow.id, text=body.content
        )
        submitted = await self._runs.submit(
            Submission(principal.org, principal.user, thread.public_id, str(uuid4()), turn, "queue")
        )
        run = await self._store.runs.get(principal.org, submitted.run_id)
        if run is None:
            raise CaddieError("NOT_FOUND", "Workflow does not exist")
        await ended(self._store, self._reader, run, self._answer_s)
        messages = await self._shown(workflow, await self._store.conversations.of_run(thread.pk, run.id))
        # A socket may have said more to the run while it was under way.
        asked = next((each for each in messages if each["role"] == "user"), None)
        answer = next((each for each in reversed(messages) if each["role"] == "assistant"), None)
        if asked is None or answer is None:
            text = "expected an answer, got a run that was cancelled before it began"
            raise CaddieError("CONFLICT", text, data={"runId": run.id})
        return _encoded({"userMessage": asked, "assistantMessage": answer}, 201)

    @route(
        "GET", f"{WORKFLOW}/messages", summary="The user's messages about a workflow", tag=TAG,
        query=WorkflowMessageQuery, precheck="workflow_of", answers={200: Answer(WorkflowMessageList)},
        errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def workflow_message_list(self, call: Call[None, WorkflowMessageQuery]) -> web.Response:
        principal, query = call.principal, call.query
        workflow = await own_workflow(self._store, call)
        before = moment(query.before, "before") if query.before is not None else None
        thread = await self._store.conversations.get(principal.org, thread_id(workflow, principal.user))
        rows: Sequence[MessageRecord] = ()
        more = False
        if thread is not None:
            rows, more = await self._store.conversations.history(
                principal.org, thread.pk, query.limit, before, query.beforeId
            )
            if rows and rows[0].role == "assistant":
                # What one run has said is one message here, also across the edge of a page.
                whole = await self._store.conversations.of_run(thread.pk, rows[0].run_id)
                earlier = [each for each in whole if each.role == "assistant" and each.position < rows[0].position]
                rows = [*earlier, *rows]
        messages = await self._shown(workflow, rows)
        oldest = rows[0] if rows and more else None
        return _encoded(
            {
                "messages": messages, "hasMore": more, "before": timestamp(oldest.created_at) if oldest else None,
                "beforeId": oldest.id if oldest else None,
            }
        )  # fmt: skip

    @route(
        "POST", f"{WORKFLOW}/messages/apply", summary="Apply a proposal, or some of its changes", tag=TAG,
        body=ProposalApply, precheck="workflow_of", answers={200: Answer(ProposalDecided)},
        errors=("NOT_FOUND", "VERSION_CONFLICT", "CONFLICT"),
    )  # fmt: skip
    async def proposal_apply(self, call: Call[ProposalApply, None]) -> web.Response:
        return await self._decide(call, "apply", call.body.changes)

    @route(
        "POST", f"{WORKFLOW}/messages/reject", summary="Reject a proposal", tag=TAG, body=ProposalReject,
        precheck="workflow_of", answers={200: Answer(ProposalDecided)}, errors=("NOT_FOUND", "CONFLICT"),
    )  # fmt: skip
    async def proposal_reject(self, call: Call[ProposalReject, None]) -> web.Response:
        return await self._decide(call, "reject", None)

    @route(
        "POST", f"{WORKFLOW}/messages/undo", summary="Take back an applied proposal, as a new version", tag=TAG,
        body=ProposalReject, precheck="workflow_of", answers={200: Answer(ProposalDecided)},
        errors=("NOT_FOUND", "VERSION_CONFLICT", "CONFLICT"),
    )  # fmt: skip
    async def proposal_undo(self, call: Call[ProposalReject, None]) -> web.Response:
        proposal = await self._proposal(call, call.body.proposalId)
        return _decided(call, await self._decisions.undo(proposal, call.principal.user))

    @route(
        "POST", f"{WORKFLOW}/session", summary="A realtime session on a workflow's messages, by cookie", tag=TAG,
        body=WorkflowSessionCreate, bodiless=True, precheck="workflow_of", answers={200: Answer(WorkflowSession)},
        errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_session(self, call: Call[WorkflowSessionCreate, None]) -> WorkflowSession:
        principal, body = call.principal, call.body
        workflow = await own_workflow(self._store, call)
        if body.modelId is not None:
            self._names.require(body.modelId)
        thread = await self._thread(workflow, principal.user)
        context = TurnContext(
            profile="proposal", agentVersion="v2", model=body.modelId, timezone=body.timezone, workflowId=workflow.id
        )
        head = await self._log.head(conversation_key(thread.org_id, thread.public_id))
        issued = await self._issuer.issue(principal, thread.public_id, context)
        return WorkflowSession(**issued, workflowId=workflow.id, lastEventIndex=head.index)

    async def _thread(self, workflow: WorkflowRecord, user: int) -> ConversationRecord:
        return await self._store.conversations.ensure(
            workflow.org_id, user, thread_id(workflow, user), workflow.id, title=workflow.name, kind="workflow"
        )

    async def _proposal(self, call: Call[Any, Any], proposal_id: str) -> ProposalRecord:
        workflow = await own_workflow(self._store, call)
        proposal = await self._decisions.find(call.principal.org, call.principal.user, proposal_id)
        if proposal.workflow_id != workflow.id:
            raise CaddieError("NOT_FOUND", "expected a proposal of this workflow, got an unknown proposalId")
        return proposal

    async def _decide(
        self, call: Call[Any, None], decision: Decision, chosen: Sequence[int] | None
    ) -> web.Response:
        proposal = await self._proposal(call, call.body.proposalId)
        return _decided(call, await self._decisions.decide(proposal, call.principal.user, decision, chosen))

    async def _shown(self, workflow: WorkflowRecord, rows: Sequence[MessageRecord]) -> list[dict[str, Any]]:
        runs = {row.run_id for row in rows}
        proposals = await self._store.proposals.of_runs(workflow.org_id, runs) if runs else {}
        return _messages(workflow.id, rows, proposals)


def _messages(
    workflow_id: str, rows: Sequence[MessageRecord], proposals: Mapping[str, ProposalRecord]
) -> list[dict[str, Any]]:
    """What a run has said without being interrupted is one message, under the id of the last; its last has the
    proposal.
    """
    told: list[dict[str, Any]] = []
    last = {row.run_id: row.id for row in rows if row.role == "assistant"}
    for position, row in enumerate(rows):
        message: dict[str, Any] = {"id": row.id, "workflowId": workflow_id, "role": row.role, "content": row.text}
        before = rows[position - 1] if position else None
        if before is not None and row.role == before.role == "assistant" and before.run_id == row.run_id:
            said = told.pop()["content"]
            message["content"] = f"{said}\n\n{row.text}" if said and row.text else said or row.text
        if last.get(row.run_id) == row.id and (proposal := proposals.get(row.run_id)) is not None:
            message["proposal"] = shown(proposal)
        told.append({**message, "createdAt": timestamp(row.created_at)})
    return told


def _decided(call: Call[Any, None], decided: Decided) -> web.Response:
    told: dict[str, Any] = {"proposal": shown(decided.proposal)}
    if decided.workflow is not None:
        told["workflow"] = UserWorkflow.of(decided.workflow, user_uuid(call.principal)).model_dump(mode="json")
    return _encoded(told)


def _encoded(data: Any, status: int = 200) -> web.Response:
    """Members that are not there are absent, as document 003 shows them, not null."""
    return encoded(wrapped("api", data, ""), status)
