"""The workflow a chat is about, keeping the one on its canvas, so that it can run, and choosing its accounts.

Invariant: what is kept is what the user sees: the first time as a new workflow, later as its next version, and never
over something newer. Callers: the route table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.chats import CHAT, own_chat
from gateway.connected import Connected, NodeAccount
from gateway.firing import Firing, Trigger
from gateway.routing import Answer, Call, route
from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.events import timestamp
from shared.proposals import diff
from shared.store import Store
from shared.store.records import ConversationRecord, WorkflowRecord, WorkflowVersionRecord
from shared.validation import validate
from shared.workflows import MAX_NODES, parse_definition

NAME, NAME_MAX = "Workflow", 100
#: Of the workflow's versions, the newest among which a canvas is looked for that is only old.
VERSIONS = 10
FAULTS_MAX = 100
UNCONNECTED = "connector_required"


class WorkflowFault(BaseModel):
    """severity: `incomplete` is for the user to fill in, `error` is a mistake."""

    type: str
    severity: str
    nodeId: str | None
    field: str | None
    message: str


class WorkflowTrigger(BaseModel):
    """webhookUrl: of a webhook, where it takes deliveries, a secret; nextRunAt: of a schedule, null when it is over or
    off.
    """

    nodeId: str
    type: str
    webhookUrl: str | None
    nextRunAt: str | None

    @classmethod
    def of(cls, trigger: Trigger) -> WorkflowTrigger:
        due = timestamp(trigger.due) if trigger.due else None
        return cls(nodeId=trigger.node_id, type=trigger.block, webhookUrl=trigger.url, nextRunAt=due)


class ChatWorkflow(BaseModel):
    """workflowId, version: null until it is kept. faults: why it cannot run; there is none of an empty canvas.

    connectors: the outside accounts of the steps that can have one. triggers: of the version that is kept.
    """

    workflowId: str | None
    name: str
    version: int | None
    definition: dict[str, Any] | None
    faults: list[WorkflowFault]
    triggers: list[WorkflowTrigger]
    connectors: list[NodeAccount]


NodeId = Annotated[str, Field(min_length=1, max_length=64)]
ConnectorId = Annotated[str, Field(min_length=1, max_length=64)]


class ChatWorkflowChange(BaseModel):
    """connectors: the account each of these steps is to use, by id; null: none in particular."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    connectors: dict[NodeId, ConnectorId | None] = Field(min_length=1, max_length=MAX_NODES)


class ChatWorkflows:
    """Reads, keeps and connects the workflow of a chat. own_search: the installation answers searches itself."""

    def __init__(self, store: Store, catalog: Catalog, firing: Firing, own_search: bool = False) -> None:
        self._store, self._catalog, self._firing, self._own_search = store, catalog, firing, own_search

    async def its_chat(self, call: Call[Any, Any]) -> None:
        """Before a body is looked at."""
        await own_chat(self._store, call)

    @route(
        "GET", f"{CHAT}/workflow", summary="The workflow a chat is about", tag="chats",
        answers={200: Answer(ChatWorkflow)}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def chat_workflow(self, call: Call[None, None]) -> ChatWorkflow:
        chat = await own_chat(self._store, call)
        workflow = await self._linked(chat)
        if workflow is None:
            return await self._shown(chat, None, chat.definition, call.request)
        shown = await self._drawn(chat, workflow) or workflow.definition
        return await self._shown(chat, workflow, shown, call.request)

    @route(
        "POST", f"{CHAT}/workflow", summary="Keep the workflow on a chat's canvas", tag="chats",
        answers={200: Answer(ChatWorkflow)}, errors=("NOT_FOUND", "CONFLICT", "VERSION_CONFLICT"), uncut=True,
    )  # fmt: skip
    async def chat_workflow_keep(self, call: Call[None, None]) -> ChatWorkflow:
        chat = await own_chat(self._store, call)
        workflow = await self._kept(chat)
        return await self._shown(chat, workflow, workflow.definition, call.request)

    @route(
        "PATCH", f"{CHAT}/workflow", tag="chats",
        summary="Keep the workflow on a chat's canvas, and choose the accounts of its steps",
        body=ChatWorkflowChange, precheck="its_chat", answers={200: Answer(ChatWorkflow)},
        errors=("NOT_FOUND", "CONFLICT", "VERSION_CONFLICT"), uncut=True,
    )  # fmt: skip
    async def chat_workflow_connect(self, call: Call[ChatWorkflowChange, None]) -> ChatWorkflow:
        chat = await own_chat(self._store, call)
        workflow = await self._kept(chat)
        connected = await self._connected(chat)
        definition = connected.chosen(workflow.definition, call.body.connectors)
        changed = await self._store.workflows.update(
            chat.org_id, workflow.id, user_id=chat.user_id, expected_version=workflow.version, definition=definition,
            note="accounts chosen",
        )  # fmt: skip
        return await self._shown(chat, changed, changed.definition, call.request)

    async def _kept(self, chat: ConversationRecord) -> WorkflowRecord:
        workflow = await self._linked(chat)
        if workflow is None:
            return await self._made(chat)
        drawn = await self._drawn(chat, workflow)
        return await self._next(chat, workflow, drawn) if drawn else workflow

    async def _linked(self, chat: ConversationRecord) -> WorkflowRecord | None:
        if chat.workflow_id is None:
            return None
        found = await self._store.workflows.get(chat.org_id, chat.workflow_id)
        return found if found is not None and found.user_id == chat.user_id else None

    async def _drawn(self, chat: ConversationRecord, workflow: WorkflowRecord) -> dict[str, Any] | None:
        """What is on the canvas and was never kept; None: it is as stored, or only older."""
        canvas = chat.definition
        if not canvas or not canvas.get("nodes") or canvas == workflow.definition:
            return None
        versions = await self._store.workflows.versions(chat.org_id, workflow.id, VERSIONS)
        return None if any(canvas == each.definition for each in versions) else canvas

    async def _next(self, chat: ConversationRecord, workflow: WorkflowRecord, drawn: dict[str, Any]) -> WorkflowRecord:
        """Raises VERSION_CONFLICT when it was drawn on an older version than the one that is stored now."""
        versions = await self._store.workflows.versions(chat.org_id, workflow.id, VERSIONS)
        base = await asyncio.to_thread(_nearest, drawn, versions) or workflow.version
        if base != workflow.version:
            message = f"expected a canvas of version {workflow.version}, got one of {base}: say something to merge them"
            raise CaddieError("VERSION_CONFLICT", message, data={"expected": base, "actual": workflow.version})
        return await self._store.workflows.update(
            chat.org_id, workflow.id, user_id=chat.user_id, expected_version=base, definition=drawn,
            note="from the chat's canvas",
        )  # fmt: skip

    async def _made(self, chat: ConversationRecord) -> WorkflowRecord:
        if not (chat.definition or {}).get("nodes"):
            raise CaddieError("CONFLICT", "expected a workflow on the chat's canvas, got an empty one")
        made = await self._store.workflows.create(
            chat.org_id, chat.user_id, chat.title[:NAME_MAX].strip() or NAME, definition=chat.definition
        )
        kept = await self._store.conversations.ensure(chat.org_id, chat.user_id, chat.public_id, made.id)
        if kept.workflow_id == made.id:
            return made
        # Somebody was first: a chat gains its workflow once.
        await self._store.workflows.delete(chat.org_id, made.id)
        found = await self._linked(kept)
        if found is None:
            raise CaddieError("CONFLICT", "expected the chat's workflow to be there still, got one that was deleted")
        return found

    async def _shown(
        self, chat: ConversationRecord, workflow: WorkflowRecord | None, definition: dict[str, Any] | None,
        request: web.Request,
    ) -> ChatWorkflow:  # fmt: skip
        accounts = (await self._connected(chat)).of(definition)
        faults = await asyncio.to_thread(self._found, definition, accounts) if (definition or {}).get("nodes") else []
        firing = await self._firing.of(workflow, request) if workflow else ()
        return ChatWorkflow(
            workflowId=workflow.id if workflow else None, version=workflow.version if workflow else None,
            name=workflow.name if workflow else chat.title[:NAME_MAX].strip() or NAME,
            definition=definition, faults=faults, connectors=accounts, triggers=[*map(WorkflowTrigger.of, firing)],
        )  # fmt: skip

    async def _connected(self, chat: ConversationRecord) -> Connected:
        accounts = await self._store.connectors.list(chat.org_id, chat.user_id)
        return Connected(self._catalog, accounts, self._own_search)

    def _found(self, value: dict[str, Any] | None, accounts: Sequence[NodeAccount]) -> list[WorkflowFault]:
        try:
            issues = [each for each in validate(parse_definition(value), self._catalog) if each.type != UNCONNECTED]
        except CaddieError as error:
            return [
                WorkflowFault(type="bad_shape", severity="error", nodeId=None, field=fault.field, message=fault.message)
                for fault in error.faults[:FAULTS_MAX]
            ]
        # An account is found when the workflow runs, so which is missing depends on what the user has.
        left = [
            WorkflowFault(
                type=UNCONNECTED, severity="incomplete", nodeId=each.nodeId, field="connector", message=each.missing
            )
            for each in accounts if each.missing
        ]  # fmt: skip
        return [*(WorkflowFault(**issue.model_dump()) for issue in issues), *left][:FAULTS_MAX]


def _nearest(canvas: dict[str, Any], versions: Sequence[WorkflowVersionRecord]) -> int | None:
    """The version from which fewest changes lead to the canvas, the newest of several; None: it is no definition."""
    try:
        drawn = parse_definition(canvas)
        return min(versions, key=lambda each: len(diff(parse_definition(each.definition), drawn))).version
    except CaddieError:
        return None
