"""Workflows by their slug under `/api/v1/workflows/`, and the node types they are made of (document 004's siblings).

Invariant: it is the same workflow every other surface sees; another user's does not exist here. Callers: the route
table.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gateway.definitions import Definitions
from gateway.erasing import Eraser
from gateway.firing import Firing
from gateway.routes.workflows import Description, Name, Slug
from gateway.routing import Answer, Call, route
from gateway.slug_access import SLUG, slug_workflow
from shared.catalog import Block, Catalog
from shared.events import timestamp
from shared.store import Store
from shared.store.records import WorkflowRecord

PATH = f"/api/v1/workflows/{SLUG}/"


class SlugWorkflowSummary(BaseModel):
    """is_active: webhooks and schedules fire."""

    id: str
    number: int
    slug: str
    name: str
    description: str
    is_active: bool
    version: int
    created_at: str
    updated_at: str


class SlugTrigger(BaseModel):
    """Where a workflow begins. webhook_path, webhook_url: of a webhook, where it takes deliveries; next_run_at: of a
    schedule, null when it is over or off.
    """

    node_id: str
    component_type: str
    webhook_path: str | None = None
    webhook_url: str | None = None
    next_run_at: str | None = None


class SlugWorkflow(SlugWorkflowSummary):
    definition: dict[str, Any]
    triggers: list[SlugTrigger]


class SlugWorkflowList(BaseModel):
    """Newest first; with a cursor there are more."""

    workflows: list[SlugWorkflowSummary]
    cursor: str | None


class SlugWorkflowsQuery(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)


class SlugWorkflowCreate(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Name
    slug: Slug | None = None
    description: Description | None = None
    definition: dict[str, Any] | None = Field(None, description="Absent: an empty workflow.")
    is_active: bool = True


class SlugWorkflowChange(BaseModel):
    """What is given changes; another definition is a new version."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Name | None = None
    slug: Slug | None = None
    description: Description | None = None
    definition: dict[str, Any] | None = None
    is_active: bool | None = None


class NodeType(BaseModel):
    """A block. branches: what the `branch` of a child may be; connector: the outside account it needs."""

    component_type: str
    title: str
    description: str
    family: str
    tags: list[str]
    is_trigger: bool
    is_loop: bool
    branches: list[str]
    connector: str | None
    payload_schema: dict[str, JsonValue]
    result_schema: dict[str, JsonValue]

    @classmethod
    def of(cls, block: Block) -> NodeType:
        return cls(
            component_type=block.type, title=block.title, description=block.summary, family=block.family,
            tags=list(block.tags), is_trigger=block.trigger, is_loop=block.loop, branches=list(block.branches),
            connector=block.connector, payload_schema=block.payloadSchema, result_schema=block.resultSchema,
        )  # fmt: skip


class NodeTypes(BaseModel):
    node_types: list[NodeType]


class SlugWorkflows:
    """Make, list, read, change, delete."""

    def __init__(
        self, store: Store, catalog: Catalog, definitions: Definitions, eraser: Eraser, firing: Firing
    ) -> None:
        self._store, self._catalog, self._definitions, self._eraser = store, catalog, definitions, eraser
        self._firing = firing

    @route(
        "GET", "/api/v1/workflows/", summary="The caller's workflows, newest first", tag="workflows by slug",
        scopes=("read",), query=SlugWorkflowsQuery, answers={200: Answer(SlugWorkflowList)},
    )  # fmt: skip
    async def slug_workflow_list(self, call: Call[None, SlugWorkflowsQuery]) -> SlugWorkflowList:
        principal, query = call.principal, call.query
        page = await self._store.workflows.list(principal.org, query.limit, query.cursor, principal.user)
        return SlugWorkflowList(
            workflows=[SlugWorkflowSummary(**_summary(record)) for record in page.items], cursor=page.cursor
        )

    @route(
        "POST", "/api/v1/workflows/", summary="Make a workflow", tag="workflows by slug", scopes=("write",),
        body=SlugWorkflowCreate, answers={201: Answer(SlugWorkflow)}, errors=("DEFINITION_INVALID", "CONFLICT"),
    )  # fmt: skip
    async def slug_workflow_create(self, call: Call[SlugWorkflowCreate, None]) -> SlugWorkflow:
        body, principal = call.body, call.principal
        definition = await asyncio.to_thread(self._definitions.usable, body.definition, principal.org)
        record = await self._store.workflows.create(
            principal.org, principal.user, body.name, body.slug, body.description or "", definition
        )
        if not body.is_active:
            record = await self._store.workflows.update(
                principal.org, record.id, user_id=principal.user, enabled=False
            )
        return await self._shown(record, call.request)

    @route(
        "GET", PATH, summary="A workflow with its triggers", tag="workflows by slug", scopes=("read",),
        answers={200: Answer(SlugWorkflow)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def slug_workflow_get(self, call: Call[None, None]) -> SlugWorkflow:
        return await self._shown(await slug_workflow(self._store, call.principal, call.path["slug"]), call.request)

    @route(
        "PATCH", PATH, summary="Change a workflow, or switch it on or off", tag="workflows by slug", scopes=("write",),
        body=SlugWorkflowChange, answers={200: Answer(SlugWorkflow)},
        errors=("NOT_FOUND", "DEFINITION_INVALID", "CONFLICT"),
    )  # fmt: skip
    async def slug_workflow_change(self, call: Call[SlugWorkflowChange, None]) -> SlugWorkflow:
        body, principal = call.body, call.principal
        record = await slug_workflow(self._store, principal, call.path["slug"])
        definition = await asyncio.to_thread(self._definitions.usable, body.definition, principal.org)
        changed = await self._store.workflows.update(
            principal.org, record.id, user_id=principal.user, name=body.name, description=body.description,
            slug=body.slug, definition=definition, enabled=body.is_active,
        )  # fmt: skip
        return await self._shown(changed, call.request)

    @route(
        "DELETE", PATH, summary="Delete a workflow with its executions and threads", tag="workflows by slug",
        scopes=("write",), answers={204: Answer(description="Gone")}, errors=("NOT_FOUND",), uncut=True,
    )  # fmt: skip
    async def slug_workflow_delete(self, call: Call[None, None]) -> None:
        await self._eraser.workflow(await slug_workflow(self._store, call.principal, call.path["slug"]))

    @route(
        "GET", "/api/v1/node-types/", summary="What nodes there are", tag="workflows by slug", scopes=("read",),
        answers={200: Answer(NodeTypes)},
    )  # fmt: skip
    async def node_type_list(self, call: Call[None, None]) -> NodeTypes:
        return NodeTypes(node_types=[NodeType.of(block) for block in self._catalog.all()])

    async def _shown(self, record: WorkflowRecord, request: web.Request) -> SlugWorkflow:
        triggers = [
            SlugTrigger(
                node_id=each.node_id, component_type=each.block, webhook_path=each.path, webhook_url=each.url,
                next_run_at=timestamp(each.due) if each.due else None,
            )
            for each in await self._firing.of(record, request)
        ]  # fmt: skip
        return SlugWorkflow(**_summary(record), definition=record.definition, triggers=triggers)


def _summary(record: WorkflowRecord) -> dict[str, Any]:
    return {
        "id": record.id, "number": record.number, "slug": record.slug, "name": record.name,
        "description": record.description, "is_active": record.enabled, "version": record.version,
        "created_at": timestamp(record.created_at), "updated_at": timestamp(record.updated_at),
    }  # fmt: skip
