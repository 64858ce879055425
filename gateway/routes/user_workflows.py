"""Workflows of a signed-in user (surface 003's siblings): make, list, read, rename, delete.

Invariant: it is the same workflow every other surface sees, shown as steps. Callers: the route table.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.auth import Principal
from gateway.chats import is_user, own_user
from gateway.envelopes import success
from gateway.erasing import Eraser
from gateway.routes.workflows import Description, Name
from gateway.routing import Answer, Call, route
from gateway.workflow_access import WORKFLOW, own_workflow
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.steps import steps
from shared.store import Store
from shared.store.records import WorkflowRecord
from shared.workflows import parse_definition

UserId = Annotated[str, Field(min_length=1, max_length=64)] | Annotated[int, Field(strict=True)]


class WorkflowStep(BaseModel):
    """A node of the workflow: id, block, payload, and what it comes after."""

    id: str
    toolId: str
    inputs: dict[str, Any]
    dependsOn: list[str]


class UserWorkflow(BaseModel):
    """A workflow as steps. userId: the owner's UUID."""

    id: str
    userId: str
    name: str
    description: str
    steps: list[WorkflowStep]
    createdAt: str
    updatedAt: str

    @classmethod
    def of(cls, record: WorkflowRecord, user: str) -> UserWorkflow:
        found = [WorkflowStep.model_validate(step.wire()) for step in steps(parse_definition(record.definition))]
        return cls(
            id=record.id, userId=user, name=record.name, description=record.description, steps=found,
            createdAt=timestamp(record.created_at), updatedAt=timestamp(record.updated_at),
        )  # fmt: skip


class UserWorkflowList(BaseModel):
    """Newest first; with a cursor there are more."""

    workflows: list[UserWorkflow]
    cursor: str | None


class UserWorkflowCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    userId: UserId = Field(description="The caller, by number or UUID.")
    name: Name
    description: Description | None = None


class UserWorkflowChange(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name | None = None
    description: Description | None = None


class UserWorkflowQuery(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)


class UserWorkflows:
    """The workflows themselves; their messages and proposals have routes of their own."""

    def __init__(self, store: Store, eraser: Eraser) -> None:
        self._store, self._eraser = store, eraser

    async def workflow_known(self, call: Call[Any, Any]) -> None:
        """Before a body is looked at."""
        await own_workflow(self._store, call)

    @route(
        "POST", "/api/workflows", summary="Make an empty workflow", tag="workflow messages", body=UserWorkflowCreate,
        answers={201: Answer(UserWorkflow)},
    )  # fmt: skip
    async def user_workflow_create(self, call: Call[UserWorkflowCreate, None]) -> web.Response:
        principal, body = call.principal, call.body
        if not is_user(principal, str(body.userId)):
            raise CaddieError("FORBIDDEN", "Cannot create a workflow for another user")
        made = await self._store.workflows.create(
            principal.org, principal.user, body.name, description=body.description or ""
        )
        return _answer(call, made, 201)

    async def owner_known(self, call: Call[Any, Any]) -> None:
        await own_user(self._store, call, call.path["userId"])

    @route(
        "GET", "/api/users/{userId:[^/]{1,64}}/workflows", summary="A user's workflows, newest first",
        tag="workflow messages", query=UserWorkflowQuery, precheck="owner_known",
        answers={200: Answer(UserWorkflowList)}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def user_workflow_list(self, call: Call[None, UserWorkflowQuery]) -> UserWorkflowList:
        principal, query = call.principal, call.query
        page = await self._store.workflows.list(principal.org, query.limit, query.cursor, user_id=principal.user)
        user = user_uuid(principal)
        # A page of large definitions takes long enough for others to notice.
        found = await asyncio.to_thread(lambda: [UserWorkflow.of(record, user) for record in page.items])
        return UserWorkflowList(workflows=found, cursor=page.cursor)

    @route(
        "GET", WORKFLOW, summary="A workflow as steps", tag="workflow messages", answers={200: Answer(UserWorkflow)},
        errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def user_workflow_get(self, call: Call[None, None]) -> web.Response:
        return _answer(call, await own_workflow(self._store, call), 200)

    @route(
        "PATCH", WORKFLOW, summary="Rename or describe a workflow", tag="workflow messages", body=UserWorkflowChange,
        precheck="workflow_known", answers={200: Answer(UserWorkflow)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def user_workflow_change(self, call: Call[UserWorkflowChange, None]) -> web.Response:
        principal, body = call.principal, call.body
        if body.name is None and body.description is None:
            text = "expected name, description or both, got neither"
            raise CaddieError("INVALID", text, faults=(Fault("name", text),))
        record = await own_workflow(self._store, call)
        changed = await self._store.workflows.update(
            principal.org, record.id, user_id=principal.user, name=body.name, description=body.description
        )
        return _answer(call, changed, 200)

    @route(
        "DELETE", WORKFLOW, summary="Delete a workflow with its versions, messages and proposals",
        tag="workflow messages", answers={204: Answer(description="Gone")}, errors=("NOT_FOUND",), uncut=True,
    )  # fmt: skip
    async def user_workflow_delete(self, call: Call[None, None]) -> None:
        await self._eraser.workflow(await own_workflow(self._store, call))


def user_uuid(principal: Principal) -> str:
    return principal.login.user.uuid if principal.login else str(principal.user)


def _answer(call: Call[Any, Any], record: WorkflowRecord, status: int) -> web.Response:
    response = success("api", UserWorkflow.of(record, user_uuid(call.principal)), status, call.request_id)
    response.headers["ETag"] = f'"{record.version}"'
    return response
