"""What a chat client needs beside the session call: history, list, snapshot, cancel, revoke.

Invariant: a conversation, run or session of another user is answered exactly as one that does not exist.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.auth import Principal
from gateway.routes.chat_request import ClientId, RequestId
from gateway.routing import Answer, Call, route
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.keys import conversation_key
from shared.log import EventLog
from shared.runs import Runs
from shared.sessions import Revocations
from shared.store import Store
from shared.store.records import ConversationRecord, Kind, MessageRecord

#: What this surface lists: a workflow has other threads, which belong to other surfaces.
BUILDERS: tuple[Kind, ...] = ("builder",)
_SPACED_OFFSET = re.compile(r" (?=\d{2}:\d{2}$)")
Text = Annotated[str, Field(min_length=1, max_length=64)]


class Conversation(BaseModel):
    """A conversation as lists show it; sessionId is the create-page session it began in."""

    conversationId: str
    workflowId: str | None
    sessionId: str | None
    title: str
    mode: str | None
    isActive: bool
    createdAt: str
    updatedAt: str

    @classmethod
    def of(cls, record: ConversationRecord) -> Conversation:
        return cls(
            conversationId=record.public_id, workflowId=record.workflow_id, sessionId=record.create_session_id,
            title=record.title, mode=record.mode, isActive=record.active_run_id is not None,
            createdAt=timestamp(record.created_at), updatedAt=timestamp(record.updated_at),
        )  # fmt: skip


class ChatMessage(BaseModel):
    id: str
    runId: str
    role: str
    text: str
    status: str
    images: list[dict[str, Any]]
    createdAt: str

    @classmethod
    def of(cls, record: MessageRecord) -> ChatMessage:
        return cls(
            id=record.id, runId=record.run_id, role=record.role, text=record.text, status=record.status,
            images=list(record.images), createdAt=timestamp(record.created_at),
        )  # fmt: skip


class History(BaseModel):
    """Oldest first. With hasMore, ask again with before and beforeId of the first message."""

    conversationId: str | None
    messages: list[ChatMessage]
    hasMore: bool
    before: str | None
    beforeId: str | None


class Conversations(BaseModel):
    sessions: list[Conversation]
    cursor: str | None


class Snapshot(BaseModel):
    """Where a conversation stands; lastEventIndex is the newest index of its log."""

    conversationId: str
    isActive: bool
    mode: str | None
    pendingInterrupt: dict[str, Any] | None
    lastEventIndex: int
    epoch: str
    runId: str | None


class Cancelled(BaseModel):
    runId: str
    status: str


class ConversationQuery(BaseModel):
    """One of the three names the conversation; of several about one workflow, the last changed."""

    conversationId: ClientId | None = None
    workflowId: ClientId | None = None
    sessionId: ClientId | None = None


class HistoryQuery(ConversationQuery):
    limit: int = Field(20, ge=1, le=100)
    before: Text | None = Field(None, description="ISO 8601; without an offset it is UTC. Strictly before.")
    beforeId: ClientId | None = None


class ConversationsQuery(BaseModel):
    workflowId: ClientId | None = None
    sessionId: ClientId | None = None
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)


class CancelRequest(BaseModel):
    """Names the run by itself, by its requestId, or as the active one of a conversation."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    conversationId: ClientId | None = None
    runId: ClientId | None = None
    requestId: RequestId | None = None


class Chat:
    """History, list, snapshot, cancel, revoke."""

    def __init__(self, store: Store, log: EventLog, runs: Runs, revocations: Revocations) -> None:
        self._store, self._log, self._runs, self._revocations = store, log, runs, revocations

    @route(
        "GET", "/v1/ai/workflow/chat/history", summary="Messages of a conversation", tag="chat", scopes=("read",),
        query=HistoryQuery, answers={200: Answer(History)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def chat_history(self, call: Call[None, HistoryQuery]) -> History:
        query = call.query
        before = moment(query.before, "before") if query.before is not None else None
        conversation = await self._conversation(call.principal, query)
        messages, more = await self._store.conversations.history(
            call.principal.org, conversation.pk, query.limit, before, query.beforeId
        )
        found = [ChatMessage.of(message) for message in messages]
        oldest = found[0] if found and more else None
        return History(
            conversationId=conversation.public_id, messages=found, hasMore=more,
            before=oldest.createdAt if oldest else None, beforeId=oldest.id if oldest else None,
        )  # fmt: skip

    @route(
        "GET", "/v1/ai/workflow/chat/sessions", summary="The user's conversations, last changed first", tag="chat",
        scopes=("read",), query=ConversationsQuery, answers={200: Answer(Conversations)},
    )  # fmt: skip
    async def chat_sessions(self, call: Call[None, ConversationsQuery]) -> Conversations:
        principal, query = call.principal, call.query
        workflow_id = await self._workflow_id(principal, query.workflowId)
        page = await self._store.conversations.list(
            principal.org, principal.user, query.limit, query.cursor, workflow_id, query.sessionId, kinds=BUILDERS
        )
        return Conversations(sessions=[Conversation.of(record) for record in page.items], cursor=page.cursor)

    @route(
        "GET", "/v1/ai/workflow/chat/snapshot", summary="Where a conversation stands", tag="chat", scopes=("read",),
        query=ConversationQuery, answers={200: Answer(Snapshot)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def chat_snapshot(self, call: Call[None, ConversationQuery]) -> Snapshot:
        conversation = await self._conversation(call.principal, call.query)
        head = await self._log.head(conversation_key(conversation.org_id, conversation.public_id))
        run_id = conversation.active_run_id or head.run_id
        return Snapshot(
            conversationId=conversation.public_id, isActive=run_id is not None, mode=head.mode or conversation.mode,
            pendingInterrupt=max(head.inputs, key=_expiry, default=None), lastEventIndex=head.index, epoch=head.epoch,
            runId=run_id,
        )  # fmt: skip

    @route(
        "POST", "/v1/ai/workflow/chat/cancel", summary="Ask for the end of a run", tag="chat", scopes=("write",),
        body=CancelRequest, answers={200: Answer(Cancelled)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def chat_cancel(self, call: Call[CancelRequest, None]) -> Cancelled:
        principal, body = call.principal, call.body
        run_id, conversation = body.runId, body.conversationId
        if run_id is None and body.requestId is None:
            found = await self._conversation(principal, ConversationQuery(conversationId=conversation))
            if found.active_run_id is None:
                raise CaddieError("NOT_FOUND", "expected a conversation with an active run, got one without")
            run_id = found.active_run_id
        elif conversation is None:
            run = await self._runs.find(principal.org, principal.user, run_id=run_id, request_id=body.requestId)
            conversation = run.conversation if run is not None else ""
        ended = await self._runs.cancel(
            principal.org, principal.user, conversation or "", run_id=run_id, request_id=body.requestId
        )
        return Cancelled(runId=ended.id, status=ended.status)

    @route(
        "DELETE", "/v1/ai/sessions/{sessionId:[A-Za-z0-9_.:-]{1,128}}", summary="Revoke a session", tag="chat",
        scopes=("read",), answers={204: Answer(description="Refused at once, open sockets closed within 2 s")},
        errors=("NOT_FOUND",),
    )  # fmt: skip
    async def session_revoke(self, call: Call[None, None]) -> None:
        principal, session_id = call.principal, call.path["sessionId"]
        session = await self._store.sessions.get(principal.org, session_id)
        # A cookie's session has no conversation; its id is a digest and never reaches this surface.
        if session is None or session.user_id != principal.user or session.conversation is None:
            raise CaddieError("NOT_FOUND", "expected a session of this user, got an unknown one")
        await self._revocations.revoke("session", session_id)
        await self._store.sessions.revoke(principal.org, session_id)

    async def _conversation(self, principal: Principal, query: ConversationQuery) -> ConversationRecord:
        given = [value for value in (query.conversationId, query.workflowId, query.sessionId) if value is not None]
        if not given:
            text = "expected one of conversationId, workflowId, sessionId, got none"
            raise CaddieError("INVALID", text, faults=(Fault("conversationId", text),))
        if query.conversationId is not None:
            found = await self._store.conversations.get(principal.org, query.conversationId)
        else:
            workflow_id = await self._workflow_id(principal, query.workflowId)
            page = await self._store.conversations.list(
                principal.org, principal.user, 1, None, workflow_id, query.sessionId, kinds=BUILDERS
            )
            found = page.items[0] if page.items else None
        if found is None or found.user_id != principal.user:
            raise CaddieError("NOT_FOUND", "expected a conversation of this user, got an unknown one")
        return found

    async def _workflow_id(self, principal: Principal, handle: str | None) -> str | None:
        """Conversations keep a workflow's UUID; a handle that names none matches nothing by itself."""
        workflow = await self._store.workflows.get(principal.org, handle) if handle is not None else None
        return workflow.id if workflow is not None else handle


def _expiry(question: dict[str, Any]) -> str:
    """Of several open questions the one that lasts longest is the newest: all live equally long."""
    return str(question.get("expiresAt", ""))


def moment(text: str, field: str) -> datetime:
    """A time in a query string; a `+` that was sent unescaped arrives as a space. Raises INVALID."""
    try:
        value = datetime.fromisoformat(_SPACED_OFFSET.sub("+", text.strip()))
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        expected = "expected an ISO 8601 time such as 2025-01-15T10:30:00Z, got something else"
        raise CaddieError("INVALID", f"{field}: {expected}", faults=(Fault(field, expected),)) from None
