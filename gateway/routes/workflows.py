"""Workflows and their versions under `/v1/workflows`.

Invariant: a workflow of another user or organisation is answered as one that does not exist; a change against an
older version than the newest is refused when the client says which version it saw.
"""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.auth import Principal
from gateway.definitions import Definitions
from gateway.envelopes import encoded, success, wrapped
from gateway.erasing import Eraser
from gateway.routing import Answer, Call, route
from shared.catalog import Catalog
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.store import Store
from shared.store.records import WorkflowRecord, WorkflowVersionRecord
from shared.validation import validate
from shared.workflows import parse_definition

HANDLE = "{workflow:[A-Za-z0-9_-]{1,100}}"
VERSION = "{version:[0-9]{1,9}}"
_VERSION_MAX = 2**31 - 1
Name = Annotated[str, Field(min_length=1, max_length=100)]
Description = Annotated[str, Field(max_length=500)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?$", description="Not digits alone.")]


class WorkflowSummary(BaseModel):
    """Three handles of one workflow: id (UUID), number, slug."""

    id: str
    number: int
    slug: str
    name: str
    description: str
    version: int
    createdAt: str
    updatedAt: str


class Workflow(WorkflowSummary):
    definition: dict[str, Any]

    @classmethod
    def of(cls, record: WorkflowRecord) -> Workflow:
        return cls(**_summary(record), definition=record.definition)


class Workflows(BaseModel):
    workflows: list[WorkflowSummary]
    cursor: str | None


class VersionSummary(BaseModel):
    version: int
    note: str
    createdBy: int
    createdAt: str


class Version(VersionSummary):
    definition: dict[str, Any]


class Versions(BaseModel):
    versions: list[VersionSummary]


class Finding(BaseModel):
    type: str
    nodeId: str | None = None
    field: str | None = None
    message: str


class Report(BaseModel):
    """valid: no errors. incompleteFields are for the user to fill in and do not make a workflow invalid."""

    valid: bool
    errors: list[Finding]
    incompleteFields: list[Finding]


class WorkflowCreate(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Name
    slug: Slug | None = None
    description: Description | None = None
    definition: dict[str, Any] | None = Field(None, description="Absent: an empty workflow.")


class WorkflowUpdate(BaseModel):
    """What is given changes; another definition is a new version."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Name | None = None
    slug: Slug | None = None
    description: Description | None = None
    definition: dict[str, Any] | None = None
    version: int | None = Field(
        None, ge=1, le=_VERSION_MAX, description="The version the change is made against; or If-Match."
    )
    note: Annotated[str, Field(max_length=500)] | None = None


class DefinitionCheck(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    definition: dict[str, Any]


class RestoreRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    version: int = Field(ge=1, le=_VERSION_MAX)


class WorkflowsQuery(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)


class VersionsQuery(BaseModel):
    limit: int = Field(100, ge=1, le=200)


class WorkflowRoutes:
    """Create, read, change, delete, versions, validation."""

    def __init__(self, store: Store, catalog: Catalog, definitions: Definitions, eraser: Eraser) -> None:
        self._store, self._catalog, self._definitions, self._eraser = store, catalog, definitions, eraser

    @route(
        "POST", "/v1/workflows", summary="Create a workflow", tag="workflows", scopes=("write",), body=WorkflowCreate,
        answers={201: Answer(Workflow)}, errors=("DEFINITION_INVALID", "CONFLICT"),
    )  # fmt: skip
    async def workflow_create(self, call: Call[WorkflowCreate, None]) -> web.Response:
        body, principal = call.body, call.principal
        definition = self._definitions.usable(body.definition, principal.org)
        record = await self._store.workflows.create(
            principal.org, principal.user, body.name, body.slug, body.description or "", definition
        )
        return _answer(call, record, 201)

    @route(
        "GET", "/v1/workflows", summary="The user's workflows, newest first", tag="workflows", scopes=("read",),
        query=WorkflowsQuery, answers={200: Answer(Workflows)},
    )  # fmt: skip
    async def workflow_list(self, call: Call[None, WorkflowsQuery]) -> Workflows:
        principal, query = call.principal, call.query
        page = await self._store.workflows.list(principal.org, query.limit, query.cursor, principal.user)
        return Workflows(workflows=[WorkflowSummary(**_summary(record)) for record in page.items], cursor=page.cursor)

    @route(
        "POST", "/v1/workflows/validate", summary="Check a definition", tag="workflows", scopes=("read",),
        body=DefinitionCheck, answers={200: Answer(Report)},
    )  # fmt: skip
    async def workflow_validate(self, call: Call[DefinitionCheck, None]) -> web.Response:
        report = self._report(call.body.definition).model_dump(mode="json", exclude_none=True)
        return encoded(wrapped("v1", report, call.request_id))

    @route(
        "GET", f"/v1/workflows/{HANDLE}", summary="A workflow by id, number or slug", tag="workflows", scopes=("read",),
        answers={200: Answer(Workflow)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_get(self, call: Call[None, None]) -> web.Response:
        return _answer(call, await self._find(call.principal, call.path["workflow"]), 200)

    @route(
        "PATCH", f"/v1/workflows/{HANDLE}", summary="Change a workflow", tag="workflows", scopes=("write",),
        body=WorkflowUpdate, answers={200: Answer(Workflow)},
        errors=("NOT_FOUND", "DEFINITION_INVALID", "CONFLICT", "VERSION_CONFLICT"),
    )  # fmt: skip
    async def workflow_update(self, call: Call[WorkflowUpdate, None]) -> web.Response:
        body, principal = call.body, call.principal
        expected = _expected_version(call)
        record = await self._find(principal, call.path["workflow"])
        definition = self._definitions.usable(body.definition, principal.org)
        changed = await self._store.workflows.update(
            principal.org, record.id, user_id=principal.user, expected_version=expected, name=body.name,
            description=body.description, slug=body.slug, definition=definition, note=body.note or "",
        )  # fmt: skip
        return _answer(call, changed, 200)

    @route(
        "DELETE", f"/v1/workflows/{HANDLE}", summary="Delete a workflow with its versions", tag="workflows",
        scopes=("write",), answers={204: Answer(description="Gone")}, errors=("NOT_FOUND",), uncut=True,
    )  # fmt: skip
    async def workflow_delete(self, call: Call[None, None]) -> None:
        await self._eraser.workflow(await self._find(call.principal, call.path["workflow"]))

    @route(
        "GET", f"/v1/workflows/{HANDLE}/versions", summary="Versions, newest first", tag="workflows", scopes=("read",),
        query=VersionsQuery, answers={200: Answer(Versions)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_versions(self, call: Call[None, VersionsQuery]) -> Versions:
        record = await self._find(call.principal, call.path["workflow"])
        found = await self._store.workflows.versions(call.principal.org, record.id, call.query.limit)
        return Versions(versions=[VersionSummary(**_version(version)) for version in found])

    @route(
        "GET", f"/v1/workflows/{HANDLE}/versions/{VERSION}", summary="One version", tag="workflows", scopes=("read",),
        answers={200: Answer(Version)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_version(self, call: Call[None, None]) -> Version:
        record = await self._find(call.principal, call.path["workflow"])
        number = min(int(call.path["version"]), _VERSION_MAX)
        found = await self._store.workflows.version(call.principal.org, record.id, number)
        if found is None:
            raise CaddieError("NOT_FOUND", f"expected a version from 1 to {record.version}, got {number}")
        return Version(**_version(found), definition=found.definition)

    @route(
        "POST", f"/v1/workflows/{HANDLE}/restore", summary="Make an old version the newest", tag="workflows",
        scopes=("write",), body=RestoreRequest, answers={200: Answer(Workflow)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def workflow_restore(self, call: Call[RestoreRequest, None]) -> web.Response:
        principal = call.principal
        record = await self._find(principal, call.path["workflow"])
        restored = await self._store.workflows.restore(
            principal.org, record.id, call.body.version, user_id=principal.user
        )
        return _answer(call, restored, 200)

    async def _find(self, principal: Principal, handle: str) -> WorkflowRecord:
        record = await self._store.workflows.get(principal.org, handle)
        if record is None or record.user_id != principal.user:
            raise CaddieError("NOT_FOUND", "expected a workflow of this user, got an unknown id, number or slug")
        return record

    def _report(self, value: dict[str, Any]) -> Report:
        try:
            issues = validate(parse_definition(value), self._catalog)
        except CaddieError as error:
            shape = [Finding(type="bad_shape", field=fault.field, message=fault.message) for fault in error.faults]
            return Report(valid=False, errors=shape, incompleteFields=[])
        found = {
            severity: [
                Finding(type=issue.type, nodeId=issue.nodeId, field=issue.field, message=issue.message)
                for issue in issues
                if issue.severity == severity
            ]
            for severity in ("error", "incomplete")
        }
        return Report(valid=not found["error"], errors=found["error"], incompleteFields=found["incomplete"])


def _summary(record: WorkflowRecord) -> dict[str, Any]:
    return {
        "id": record.id, "number": record.number, "slug": record.slug, "name": record.name,
        "description": record.description, "version": record.version,
        "createdAt": timestamp(record.created_at), "updatedAt": timestamp(record.updated_at),
    }  # fmt: skip


def _version(record: WorkflowVersionRecord) -> dict[str, Any]:
    return {
        "version": record.version, "note": record.note, "createdBy": record.created_by,
        "createdAt": timestamp(record.created_at),
    }  # fmt: skip


def _answer(call: Call[Any, Any], record: WorkflowRecord, status: int) -> web.Response:
    response = success("v1", Workflow.of(record), status, call.request_id)
    response.headers["ETag"] = f'"{record.version}"'
    return response


def _expected_version(call: Call[WorkflowUpdate, None]) -> int | None:
    """From the body, else from If-Match (RFC 9110): the entity tag is the version in quotes, `*` is any."""
    tag = call.request.headers.get("If-Match", "*").strip()
    if call.body.version is not None or tag == "*":
        return call.body.version
    number = tag.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        text = 'expected a version in quotes such as "3", got something else'
        raise CaddieError("INVALID", f"If-Match: {text}", faults=(Fault("If-Match", text),))
    return int(number)
