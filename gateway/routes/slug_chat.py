"""`/api/v1/workflows/{slug}/chat/` (document 004): messages to a workflow's chat trigger, and their history.

Invariant: a message that was accepted has an execution and stands in the caller's thread; one that was refused left
neither. A thread belongs to one user and one workflow, and nobody else reads or clears it. Callers: the route table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.limits import Limits
from gateway.routes.chat import moment
from gateway.routing import Answer, Call, route
from gateway.slug_access import SLUG, slug_workflow
from shared.errors import CaddieError
from shared.events import timestamp
from shared.executions import Executions, chat_thread, trigger_nodes
from shared.store import Store
from shared.store.execution_records import ExecutionStart

CHAT = f"/api/v1/workflows/{SLUG}/chat/"
HISTORY = f"/api/v1/workflows/{SLUG}/chat/history"
TRIGGER = "trigger_chat"
TEXT_MAX = 10_000


class SlugChatRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    text: str = Field(min_length=1, max_length=TEXT_MAX, description="Chat message text")
    trigger_node_id: str | None = Field(
        None, max_length=64, description="Specific chat trigger node ID. If omitted, uses the first trigger_chat node."
    )


class ChatStarted(BaseModel):
    """The response comes over the WebSocket `/ws/`."""

    execution_id: str
    status: Literal["pending"] = "pending"
    response: Literal[""] = ""


class ThreadMessage(BaseModel):
    role: Literal["user", "assistant"]
    text: str
    timestamp: str | None


class ThreadHistory(BaseModel):
    """Oldest first. thread_id: `{user_id}:{workflow_id}`; has_more: there are older ones."""

    messages: list[ThreadMessage]
    thread_id: str
    has_more: bool


class ThreadQuery(BaseModel):
    limit: int = Field(10, ge=1, le=100, description="Max messages to return")
    before: str | None = Field(
        None, max_length=64, description="ISO datetime, UTC without an offset: only messages before this time."
    )


class SlugChat:
    """Say something, read what was said, forget it."""

    def __init__(self, store: Store, executions: Executions, limits: Limits) -> None:
        self._store, self._executions, self._limits = store, executions, limits

    @route(
        "POST", CHAT, summary="Send a chat message: starts an execution", tag="workflow chat", scopes=("write",),
        body=SlugChatRequest, answers={200: Answer(ChatStarted)}, errors=("NOT_FOUND", "RUN_LIMIT"),
    )  # fmt: skip
    async def slug_chat_send(self, call: Call[SlugChatRequest, None]) -> ChatStarted:
        principal, body = call.principal, call.body
        workflow = await slug_workflow(self._store, principal, call.path["slug"])
        triggers = trigger_nodes(workflow.definition, TRIGGER)
        node = body.trigger_node_id if body.trigger_node_id is not None else next(iter(triggers), None)
        if node is None or node not in triggers:
            raise CaddieError("NOT_FOUND", "No chat trigger found.")
        await self._limits.run(principal.org, principal.user)
        execution = await self._executions.start(
            ExecutionStart(
                principal.org, principal.user, workflow.id, workflow.version, "chat", node,
                input={"text": body.text, "files": [], "payload": {}},
                thread=chat_thread(workflow.id, principal.user), text=body.text,
            )
        )  # fmt: skip
        return ChatStarted(execution_id=execution.id)

    @route(
        "GET", HISTORY, summary="The caller's conversation with a workflow", tag="workflow chat", scopes=("read",),
        query=ThreadQuery, answers={200: Answer(ThreadHistory)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def slug_chat_history(self, call: Call[None, ThreadQuery]) -> ThreadHistory:
        principal, query = call.principal, call.query
        before = _before(query.before)
        workflow = await slug_workflow(self._store, principal, call.path["slug"])
        thread = await self._store.conversations.get(principal.org, chat_thread(workflow.id, principal.user))
        found, more = (
            await self._store.conversations.history(principal.org, thread.pk, query.limit, before)
            if thread is not None
            else ([], False)
        )
        messages = [
            ThreadMessage(role=said.role, text=said.text, timestamp=timestamp(said.created_at)) for said in found
        ]
        return ThreadHistory(messages=messages, thread_id=f"{principal.user}:{workflow.number}", has_more=more)

    @route(
        "DELETE", HISTORY, summary="Forget the caller's conversation with a workflow", tag="workflow chat",
        scopes=("write",), answers={204: Answer(description="Nothing is remembered")}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def slug_chat_clear(self, call: Call[None, None]) -> None:
        workflow = await slug_workflow(self._store, call.principal, call.path["slug"])
        await self._store.conversations.clear(call.principal.org, chat_thread(workflow.id, call.principal.user))


def _before(text: str | None) -> datetime | None:
    """Raises INVALID, as 400: the document knows 422 for bodies only."""
    try:
        return moment(text, "before") if text is not None else None
    except CaddieError as error:
        raise CaddieError("INVALID", error.message) from None
