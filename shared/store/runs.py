"""Runs: submitted once, done by one worker at a time, ended once.

Invariants: one request id, one run, for ``REQUEST_LIFE``; a conversation that has an unfinished run has exactly one
active one; only the holder of the newest attempt can end a run. Rows are locked in the order conversation, run,
workflow, so writers wait for one another and never deadlock.
Callers: shared.runs (submit, cancel), the worker (claim, finish), its sweeper (unfinished).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import uuid4

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import CaddieError
from shared.store import cursors
from shared.store.conversations import before, conversation_record, ensure_conversation
from shared.store.database import Database
from shared.store.endings import Ending
from shared.store.records import Claim, InputRecord, InputStatus, Json, MessageRecord, Page, RunRecord, RunStatus
from shared.store.tables import Conversation, Run, now

REQUEST_LIFE = timedelta(hours=24)
QUEUE_MAX = 10
UNFINISHED = ("queued", "running")
STATUSES: dict[str, RunStatus] = {status: status for status in get_args(RunStatus)}
WhenBusy = Literal["reject", "queue", "interrupt"]


def run_record(row: Run, conversation: str) -> RunRecord:
    return RunRecord(
        row.id, row.org_id, row.user_id, row.conversation_pk, conversation, row.kind, row.request_id, row.body_hash,
        row.input, STATUSES[row.status], row.attempt, row.cancel_requested, row.outcome, row.error_code,
        row.error_message, row.terminal, row.usage, row.first_index, row.last_index, row.created_at, row.started_at,
        row.finished_at,
    )  # fmt: skip


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(
        self,
        org_id: int,
        user_id: int,
        conversation: str,
        request_id: str | None,
        kind: str,
        body_hash: str,
        input: Json,
        workflow_id: str | None = None,
        create_session_id: str | None = None,
        when_busy: WhenBusy = "reject",
    ) -> tuple[RunRecord, bool]:
        """The run of this request and whether this call made it; makes the conversation too when it is new.

        CONFLICT: the request id was used with another body. RUN_BUSY, data ``{"runId"}``: another run is active and
        ``when_busy`` is ``reject``. ``queue`` waits its turn, at most ``QUEUE_MAX`` (RUN_LIMIT); ``interrupt`` also
        asks the active run to cancel. A waiting run can be claimed once ``active`` names it.
        """

        async def work(session: AsyncSession) -> tuple[RunRecord, bool]:
            if known := await _known(session, user_id, request_id, body_hash):
                return known, False
            owner = await ensure_conversation(session, org_id, user_id, conversation, workflow_id, create_session_id)
            # Again under the lock: a twin of this request may have been first and be the very run that is active.
            if known := await _known(session, user_id, request_id, body_hash):
                # It may be in another conversation; then the one made here belongs to nothing.
                await session.rollback()
                return known, False
            row = Run(
                id=str(uuid4()), org_id=org_id, user_id=user_id, conversation_pk=owner.pk, kind=kind,
                request_id=request_id, body_hash=body_hash, input=input, status="queued", attempt=0,
                cancel_requested=False, created_at=now(),
            )  # fmt: skip
            if owner.active_run_id is None:
                owner.active_run_id = row.id
            else:
                await _wait_behind(session, owner, when_busy)
            owner.updated_at = row.created_at
            session.add(row)
            await session.flush()
            return run_record(row, owner.public_id), True

        return await self._database.settle(work)

    async def claim(self, run_id: str, max_attempts: int) -> Claim | None:
        """Take the run, or take it over: the former holder can no longer finish it.

        None: unknown, ended, or waiting behind another run of its conversation.
        """
        async with self._database.transaction() as session:
            pair = await _locked(session, run_id)
            if pair is None:
                return None
            row, owner = pair
            if row.status not in UNFINISHED or owner.active_run_id != row.id:
                return None
            row.attempt += 1
            row.status = "running"
            row.started_at = now()
            await session.flush()
            return Claim(run_record(row, owner.public_id), conversation_record(owner), row.attempt > max_attempts)

    async def finish(
        self,
        run_id: str,
        attempt: int,
        *,
        status: Literal["finished", "failed"],
        outcome: str | None = None,
        terminal: Json | None = None,
        usage: Json | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
        messages: Sequence[MessageRecord] = (),
        definition: Json | None = None,
        mode: str | None = None,
        inputs_new: Sequence[InputRecord] = (),
        inputs_closed: Sequence[tuple[str, InputStatus, str | None, object]] = (),
        save_workflow: bool = False,
        first_index: int | None = None,
        last_index: int | None = None,
    ) -> bool:
        """End the run and keep all it leaves, or nothing: False when ``attempt`` is not the newest or the run is over.

        ``definition`` and ``mode`` None: the conversation keeps its own. ``inputs_closed``: (id, status, by, value).
        ``save_workflow``: a definition that differs becomes a version of the conversation's workflow.
        The oldest waiting run of the conversation, if any, becomes the active one.
        """
        ending = Ending(
            status, outcome, terminal, usage, error_code, error_message, tuple(messages), definition, mode,
            tuple(inputs_new), tuple(inputs_closed), save_workflow, first_index, last_index,
        )  # fmt: skip
        async with self._database.transaction() as session:
            pair = await _locked(session, run_id)
            if pair is None or pair[0].status != "running" or pair[0].attempt != attempt:
                return False
            await ending.write(session, *pair)
            return True

    async def request_cancel(self, run_id: str) -> bool:
        """Note the wish; the holder of the run obeys it. False when the run is unknown or over."""
        change = update(Run).where(Run.id == run_id, Run.status.in_(UNFINISHED)).values(cancel_requested=True)
        async with self._database.transaction() as session:
            return await session.scalar(change.returning(Run.id)) is not None

    async def get(self, org_id: int, run_id: str) -> RunRecord | None:
        return await self._one(_runs().where(Run.org_id == org_id, Run.id == run_id))

    async def find(self, run_id: str) -> RunRecord | None:
        """For the worker, whose queue names runs by id alone."""
        return await self._one(_runs().where(Run.id == run_id))

    async def by_request(self, user_id: int, request_id: str) -> RunRecord | None:
        """The run of a request id that is still remembered."""
        fresh = Run.created_at > now() - REQUEST_LIFE
        return await self._one(_runs().where(Run.user_id == user_id, Run.request_id == request_id, fresh))

    async def active(self, org_id: int, conversation: str) -> RunRecord | None:
        """The unfinished run whose turn it is."""
        query = _runs().where(Conversation.org_id == org_id, Conversation.public_id == conversation)
        return await self._one(query.where(Run.id == Conversation.active_run_id, Run.status.in_(UNFINISHED)))

    async def last_ended(self, org_id: int, conversation: str) -> RunRecord | None:
        """The run that ended last in the conversation, with its terminal event."""
        query = _runs().where(Conversation.org_id == org_id, Conversation.public_id == conversation)
        query = query.where(Run.finished_at.is_not(None)).order_by(Run.finished_at.desc(), Run.id.desc()).limit(1)
        return await self._one(query)

    async def unfinished(self, older_than: datetime, limit: int = 100) -> Sequence[RunRecord]:
        """Active runs not touched since, oldest first: whoever had them may be dead."""
        touched = func.coalesce(Run.started_at, Run.created_at)
        query = _runs().where(Run.status.in_(UNFINISHED), Conversation.active_run_id == Run.id, touched < older_than)
        query = query.order_by(Run.created_at, Run.id).limit(cursors.bounded(limit))
        async with self._database.reading() as session:
            return [run_record(row, conversation) for row, conversation in await session.execute(query)]

    async def list(
        self,
        org_id: int,
        limit: int = 50,
        cursor: str | None = None,
        *,
        user_id: int | None = None,
        conversation_pk: int | None = None,
        workflow_id: str | None = None,
        kind: str | None = None,
    ) -> Page[RunRecord]:
        """Newest first."""
        limit = cursors.bounded(limit)
        query = _runs().where(Run.org_id == org_id)
        wanted = (
            (Run.user_id, user_id), (Run.conversation_pk, conversation_pk), (Run.kind, kind),
            (Conversation.workflow_id, workflow_id),
        )  # fmt: skip
        for column, value in wanted:
            query = query if value is None else query.where(column == value)
        if cursor is not None:
            query = query.where(before(Run.created_at, Run.id, *cursors.decode(cursor, str)))
        query = query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit + 1)
        async with self._database.reading() as session:
            records = [run_record(row, conversation) for row, conversation in await session.execute(query)]
        last = records[limit - 1] if len(records) > limit else None
        return Page(records[:limit], cursors.encode(last.created_at, last.id) if last else None)

    async def _one(self, query: Select[Run, str]) -> RunRecord | None:
        async with self._database.reading() as session:
            found = (await session.execute(query)).one_or_none()
            return run_record(*found) if found else None


def _runs() -> Select[Run, str]:
    return select(Run, Conversation.public_id).join(Conversation, Conversation.pk == Run.conversation_pk)


async def _known(session: AsyncSession, user_id: int, request_id: str | None, body_hash: str) -> RunRecord | None:
    """The run this request id made already; an id older than its life is set free."""
    if request_id is None:
        return None
    found = (await session.execute(_runs().where(Run.user_id == user_id, Run.request_id == request_id))).one_or_none()
    if found is None:
        return None
    row, conversation = found
    if row.created_at <= now() - REQUEST_LIFE:
        await session.execute(update(Run).where(Run.id == row.id).values(request_id=None))
        session.expunge(row)
        return None
    if row.body_hash != body_hash:
        raise CaddieError("CONFLICT", "expected the body this requestId came with first, got another one")
    return run_record(row, conversation)


async def _wait_behind(session: AsyncSession, owner: Conversation, when_busy: WhenBusy) -> None:
    """Whether a run may wait for the active one; raises when it may not."""
    if when_busy == "reject":
        message = "expected a conversation without an active run, got one that has"
        raise CaddieError("RUN_BUSY", message, data={"runId": owner.active_run_id})
    waiting = select(func.count()).where(
        Run.conversation_pk == owner.pk, Run.status == "queued", Run.id != owner.active_run_id
    )
    if (await session.scalar(waiting) or 0) >= QUEUE_MAX:
        raise CaddieError("RUN_LIMIT", f"expected at most {QUEUE_MAX} waiting runs, got one more")
    if when_busy == "interrupt":
        active = update(Run).where(Run.id == owner.active_run_id, Run.status.in_(UNFINISHED))
        await session.execute(active.values(cancel_requested=True))


async def _locked(session: AsyncSession, run_id: str) -> tuple[Run, Conversation] | None:
    """Run and conversation, locked in this order: conversation, run."""
    pk = await session.scalar(select(Run.conversation_pk).where(Run.id == run_id))
    if pk is None:
        return None
    owner = await session.scalar(select(Conversation).where(Conversation.pk == pk).with_for_update(key_share=True))
    row = await session.scalar(select(Run).where(Run.id == run_id).with_for_update(key_share=True))
    return (row, owner) if row is not None and owner is not None else None
