"""Proposals: stored with the run that made them, decided once.

Invariants: of any number of decisions, in any processes, one finds the proposal pending; an applied one is exactly one
version of its workflow, unless it changed nothing. `due` says that the log may lack the decision, and is set in the
transaction that decides. Rows are locked in the order workflow, proposal. Caller: ``shared.decisions``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from shared.store import cursors
from shared.store.database import Database
from shared.store.records import Json, ProposalRecord, ProposalStatus, WorkflowRecord
from shared.store.tables import Conversation, Proposal, Workflow, now
from shared.store.workflows import next_version, workflow_record

STATUSES: dict[str, ProposalStatus] = {status: status for status in get_args(ProposalStatus)}
Applied = tuple[ProposalRecord, WorkflowRecord]


def proposal_record(row: Proposal, conversation: str) -> ProposalRecord:
    return ProposalRecord(
        row.id, row.org_id, row.user_id, row.workflow_id, row.run_id, conversation, row.base_version, row.body,
        STATUSES[row.status], row.created_at, row.expires_at, row.decided_by, row.applied_at, row.rejected_at,
        row.applied_version, row.undone_version, tuple(row.chosen) if row.chosen is not None else None, row.rebased,
        STATUSES[row.due] if row.due else None,
    )  # fmt: skip


class Proposals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, org_id: int, proposal_id: str) -> ProposalRecord | None:
        """Of any user of the organisation; the caller compares `user_id`."""
        query = _proposals().where(Proposal.org_id == org_id, Proposal.id == proposal_id)
        return await self._database.read(lambda session: _one(session, query))

    async def of_runs(self, org_id: int, run_ids: Collection[str]) -> dict[str, ProposalRecord]:
        """By the run that made it."""
        query = _proposals().where(Proposal.org_id == org_id, Proposal.run_id.in_(run_ids))
        found = await self._database.read(lambda session: session.execute(query).all())
        return {row.run_id: proposal_record(row, conversation) for row, conversation in found}

    async def apply(
        self, proposal: ProposalRecord, user_id: int, *, version: int, definition: Json | None,
        chosen: Sequence[int] | None, note: str,
    ) -> Applied | None:  # fmt: skip
        """Apply a pending one: ``definition``, made from ``version``, becomes the next; None keeps the present one.

        None: it is not pending any more, or the workflow has another version by now, or is gone.
        """

        def work(session: Session) -> Applied | None:
            row = _workflow(session, proposal, version)
            if row is None:
                return None
            values = {"status": "applied", "applied_at": now(), "rebased": version != proposal.base_version}
            values |= {"applied_version": version + (definition is not None)}
            values |= {"chosen": list(chosen) if chosen is not None else None, "due": "applied"}
            if not _changed(session, proposal, user_id, "pending", values):
                return None
            if definition is not None:
                next_version(session, row, definition, user_id, note)
            session.flush()
            return _again(session, proposal), workflow_record(row)

        return await self._database.write(work)

    async def reject(self, proposal: ProposalRecord, user_id: int) -> ProposalRecord | None:
        """None: it is not pending any more."""
        values = {"status": "rejected", "rejected_at": now(), "due": "rejected"}

        def work(session: Session) -> ProposalRecord | None:
            done = _changed(session, proposal, user_id, "pending", values)
            return _again(session, proposal) if done else None

        return await self._database.write(work)

    async def undo(
        self, proposal: ProposalRecord, user_id: int, *, version: int, definition: Json | None, note: str
    ) -> Applied | None:
        """Take an applied one back, as the workflow's next version. None like ``apply``."""

        def work(session: Session) -> Applied | None:
            row = _workflow(session, proposal, version)
            if row is None:
                return None
            values = {"status": "rejected", "rejected_at": now(), "due": "rejected"}
            values |= {"undone_version": version + (definition is not None)}
            if not _changed(session, proposal, user_id, "applied", values):
                return None
            if definition is not None:
                next_version(session, row, definition, user_id, note)
            session.flush()
            return _again(session, proposal), workflow_record(row)

        return await self._database.write(work)

    async def due(self, older_than: datetime, limit: int = 100) -> Sequence[ProposalRecord]:
        """Decided ones whose log may lack the decision, of those decided before ``older_than``."""
        decided = (Proposal.applied_at < older_than) | (Proposal.rejected_at < older_than)
        query = _proposals().where(Proposal.due.is_not(None), decided)
        query = query.order_by(Proposal.created_at).limit(cursors.bounded(limit))
        found = await self._database.read(lambda session: session.execute(query).all())
        return [proposal_record(row, conversation) for row, conversation in found]

    async def told(self, proposal_id: str, due: ProposalStatus) -> None:
        """The log has the decision."""
        done = update(Proposal).where(Proposal.id == proposal_id, Proposal.due == due).values(due=None)
        await self._database.write(lambda session: session.execute(done) and None)


def _proposals() -> Select[Proposal, str]:
    return select(Proposal, Conversation.public_id).join(Conversation, Conversation.pk == Proposal.conversation_pk)


def _one(session: Session, query: Select[Proposal, str]) -> ProposalRecord | None:
    found = session.execute(query).one_or_none()
    return proposal_record(*found) if found else None


def _again(session: Session, proposal: ProposalRecord) -> ProposalRecord:
    session.expire_all()
    row, conversation = session.execute(_proposals().where(Proposal.id == proposal.id)).one()
    return proposal_record(row, conversation)


def _workflow(session: Session, proposal: ProposalRecord, version: int) -> Workflow | None:
    query = select(Workflow).where(Workflow.org_id == proposal.org_id, Workflow.id == proposal.workflow_id)
    row = session.scalar(query.with_for_update(key_share=True))
    return row if row is not None and row.version == version else None


def _changed(session: Session, proposal: ProposalRecord, user_id: int, status: str, values: dict[str, Any]) -> bool:
    """Whether it had this status until now."""
    change = update(Proposal).where(Proposal.id == proposal.id, Proposal.status == status)
    if status == "pending":
        change = change.where(Proposal.expires_at > now())
    change = change.values(**values, decided_by=user_id).returning(Proposal.id)
    return session.scalar(change.execution_options(synchronize_session=False)) is not None
