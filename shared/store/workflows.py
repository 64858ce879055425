"""Workflows and their versions.

Invariant: `version` grows by one with every definition, and `workflow_versions` holds each of them; a change made
against another version than the current one is refused when the caller names the version it saw.
Callers: the surfaces that keep workflows; the end of a run saves through ``next_version``.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from shared.errors import CaddieError, Fault
from shared.store import cursors
from shared.store.database import Database
from shared.store.records import Json, Page, WorkflowRecord, WorkflowVersionRecord
from shared.store.remains import delete_workflow
from shared.store.tables import Workflow, WorkflowVersion, now
from shared.store.triggers import sync

NAME_MAX = 100
DESCRIPTION_MAX = 500
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,98}[a-z0-9])?")
NUMBER = re.compile(r"[0-9]{1,9}")
SLUG_STEM_MAX = 80
TAKEN_MAX = 50


def workflow_record(row: Workflow) -> WorkflowRecord:
    return WorkflowRecord(
        row.id, row.number, row.org_id, row.user_id, row.slug, row.name, row.description, row.definition,
        row.version, row.created_at, row.updated_at, row.enabled,
    )  # fmt: skip


def version_record(row: WorkflowVersion) -> WorkflowVersionRecord:
    return WorkflowVersionRecord(row.workflow_id, row.version, row.definition, row.created_by, row.created_at, row.note)


class Workflows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        org_id: int,
        user_id: int,
        name: str,
        slug: str | None = None,
        description: str = "",
        definition: Json | None = None,
    ) -> WorkflowRecord:
        """Version 1. Without a slug one is made from the name; a given one that is taken is a CONFLICT."""
        _check(name=name, slug=slug, description=description)

        def work(session: Session) -> WorkflowRecord:
            if slug is not None:
                _require_free(session, org_id, slug)
            moment = now()
            row = Workflow(
                id=str(uuid4()), org_id=org_id, user_id=user_id, slug=slug or _free_slug(session, org_id, name),
                name=name, description=description, definition=definition or {"nodes": {}}, version=1,
                enabled=True, created_at=moment, updated_at=moment,
            )  # fmt: skip
            session.add(row)
            session.flush()
            session.add(_version(row, user_id, "created"))
            sync(session, row)
            session.flush()
            return workflow_record(row)

        return await self._database.settle(work)

    async def get(self, org_id: int, handle: str | int) -> WorkflowRecord | None:
        """By number (int, or decimal digits), UUID or slug."""
        row = await self._database.read(lambda session: _find(session, org_id, handle))
        return workflow_record(row) if row else None

    async def list(
        self, org_id: int, limit: int = 50, cursor: str | None = None, user_id: int | None = None
    ) -> Page[WorkflowRecord]:
        """Newest first."""
        limit = cursors.bounded(limit)
        query = select(Workflow).where(Workflow.org_id == org_id)
        if user_id is not None:
            query = query.where(Workflow.user_id == user_id)
        if cursor is not None:
            query = query.where(Workflow.number < cursors.decode(cursor, int)[1])
        query = query.order_by(Workflow.number.desc()).limit(limit + 1)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        last = rows[limit - 1] if len(rows) > limit else None
        after = cursors.encode(last.created_at, last.number) if last else None
        return Page([workflow_record(row) for row in rows[:limit]], after)

    async def update(
        self,
        org_id: int,
        workflow_id: str,
        *,
        user_id: int,
        expected_version: int | None = None,
        name: str | None = None,
        description: str | None = None,
        slug: str | None = None,
        definition: Json | None = None,
        enabled: bool | None = None,
        note: str = "",
    ) -> WorkflowRecord:
        """Change what is given; another definition is a new version. Not enabled: nothing fires by itself.

        NOT_FOUND; VERSION_CONFLICT with data ``{"expected","actual"}``; CONFLICT when the slug is taken.
        """
        _check(name=name, slug=slug, description=description)

        def work(session: Session) -> WorkflowRecord:
            row = _locked(session, org_id, workflow_id)
            if expected_version is not None and expected_version != row.version:
                raise CaddieError(
                    "VERSION_CONFLICT",
                    f"expected version {expected_version}, got {row.version}",
                    data={"expected": expected_version, "actual": row.version},
                )
            if slug is not None and slug != row.slug:
                _require_free(session, org_id, slug)
            row.name = row.name if name is None else name
            row.description = row.description if description is None else description
            row.slug = row.slug if slug is None else slug
            row.updated_at = now()
            switched = enabled is not None and enabled != row.enabled
            row.enabled = row.enabled if enabled is None else enabled
            if definition is not None and definition != row.definition:
                next_version(session, row, definition, user_id, note)
            if definition is not None or switched:
                # Also of a definition that is the same: its triggers may have been stored by an older version.
                session.flush()
                sync(session, row, rearm=switched and row.enabled)
            session.flush()
            return workflow_record(row)

        return await self._database.settle(work)

    async def delete(self, org_id: int, workflow_id: str) -> bool:
        """With all versions, proposals, executions and threads; other conversations about it stay, without one."""
        gone = await self._database.write(lambda session: delete_workflow(session, org_id, workflow_id))
        return gone is not None

    async def versions(self, org_id: int, workflow_id: str, limit: int = 100) -> Sequence[WorkflowVersionRecord]:
        """Newest first; empty when there is no such workflow here."""
        query = _versions(org_id, workflow_id).order_by(WorkflowVersion.version.desc()).limit(cursors.bounded(limit))
        return await self._database.read(lambda session: [version_record(row) for row in session.scalars(query)])

    async def version(self, org_id: int, workflow_id: str, version: int) -> WorkflowVersionRecord | None:
        query = _versions(org_id, workflow_id).where(WorkflowVersion.version == version)
        row = await self._database.read(lambda session: session.scalar(query))
        return version_record(row) if row else None

    async def restore(self, org_id: int, workflow_id: str, version: int, *, user_id: int) -> WorkflowRecord:
        """An old definition becomes the newest version. NOT_FOUND for an unknown workflow or version."""

        def work(session: Session) -> WorkflowRecord:
            row = _locked(session, org_id, workflow_id)
            old = session.get(WorkflowVersion, (row.id, version))
            if old is None:
                raise CaddieError("NOT_FOUND", f"expected one of {row.version} versions, got {version}")
            if old.definition != row.definition:
                next_version(session, row, old.definition, user_id, f"restored from version {version}")
            session.flush()
            return workflow_record(row)

        return await self._database.write(work)


def next_version(session: Session, row: Workflow, definition: Json, user_id: int, note: str) -> None:
    """Give a locked row its next version, inside the caller's transaction."""
    row.definition = definition
    row.version += 1
    row.updated_at = now()
    session.add(_version(row, user_id, note))
    sync(session, row)


def _version(row: Workflow, user_id: int, note: str) -> WorkflowVersion:
    return WorkflowVersion(
        workflow_id=row.id, version=row.version, definition=row.definition, created_by=user_id,
        created_at=row.updated_at, note=note[:500],
    )  # fmt: skip


def _check(name: str | None, slug: str | None, description: str | None) -> None:
    faults = []
    if name is not None and not 0 < len(name) <= NAME_MAX:
        faults.append(Fault("name", f"expected 1 to {NAME_MAX} characters, got {len(name)}"))
    if description is not None and len(description) > DESCRIPTION_MAX:
        faults.append(Fault("description", f"expected at most {DESCRIPTION_MAX} characters, got {len(description)}"))
    # Digits alone would be read as a workflow's number, a UUID as its id.
    if slug is not None and (not SLUG.fullmatch(slug) or slug.isdigit() or _is_uuid(slug)):
        faults.append(Fault("slug", "expected up to 100 of a-z 0-9 _ -, not digits alone, got something else"))
    if faults:
        raise CaddieError("INVALID", faults[0].message, faults=tuple(faults))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _stem(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_STEM_MAX].strip("-")
    return f"workflow-{stem}".rstrip("-") if not stem or stem.isdigit() or _is_uuid(stem) else stem


def _free_slug(session: Session, org_id: int, name: str) -> str:
    """The name as a slug, with the first free number behind it, or chance when very many are called so."""
    stem = _stem(name)
    candidates = [stem, *(f"{stem}-{count}" for count in range(2, TAKEN_MAX))]
    query = select(Workflow.slug).where(Workflow.org_id == org_id, Workflow.slug.in_(candidates))
    taken = set(session.scalars(query))
    return next((slug for slug in candidates if slug not in taken), f"{stem}-{secrets.token_hex(4)}")


def _require_free(session: Session, org_id: int, slug: str) -> None:
    query = select(Workflow.number).where(Workflow.org_id == org_id, Workflow.slug == slug)
    if session.scalar(query) is not None:
        message = "expected a slug that is free, got one in use"
        raise CaddieError("CONFLICT", message, faults=(Fault("slug", message),))


def _find(session: Session, org_id: int, handle: str | int) -> Workflow | None:
    query = select(Workflow).where(Workflow.org_id == org_id)
    if isinstance(handle, int) or NUMBER.fullmatch(handle):
        number = int(handle)
        return session.scalar(query.where(Workflow.number == number)) if 0 < number < 2**31 else None
    if _is_uuid(handle):
        return session.scalar(query.where(Workflow.id == handle.lower()))
    # What no slug can be is not asked for: PostgreSQL refuses NUL in a parameter.
    return session.scalar(query.where(Workflow.slug == handle)) if SLUG.fullmatch(handle) else None


def _locked(session: Session, org_id: int, workflow_id: str) -> Workflow:
    query = select(Workflow).where(Workflow.org_id == org_id, Workflow.id == workflow_id)
    row = session.scalar(query.with_for_update(key_share=True))
    if row is None:
        raise CaddieError("NOT_FOUND", "expected a workflow of this organisation, got none")
    return row


def _versions(org_id: int, workflow_id: str) -> Select[WorkflowVersion]:
    return (
        select(WorkflowVersion)
        .join(Workflow, Workflow.id == WorkflowVersion.workflow_id)
        .where(Workflow.org_id == org_id, Workflow.id == workflow_id)
    )
