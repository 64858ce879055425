"""Runs: submitted once, done by one worker at a time, ended once.

Invariants: one request id, one run, for ``REQUEST_LIFE``; a conversation that has an unfinished run has exactly one
active one; only the holder of the newest attempt can end a run. Rows are locked in the order conversation, run,
workflow, so writers wait for one another and never deadlock.
Callers: shared.runs (submit, cancel), the worker (claim, finish), its sweeper (unfinished).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import uuid4

from sqlalchemy import Select, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store import cursors
from shared.store.conversations import before, conversation_record, ensure_conversation, title_of
from shared.store.database import Database
from shared.store.endings import INTERRUPTS, Ending
from shared.store.execution_records import ExecutionEnding
from shared.store.execution_tables import Execution
from shared.store.records import (
    EXECUTION,
    UNFINISHED,
    Claim,
    InputRecord,
    InputStatus,
    Json,
    MessageRecord,
    Page,
    ProposalDraft,
    RunRecord,
    RunStatus,
)
from shared.store.steers import STEERED, STEERS
from shared.store.tables import Conversation, Run, now
from shared.store.waking import wake

REQUEST_LIFE = timedelta(hours=24)
QUEUE_MAX = 10
#: Conversations that only executions write to.
MESSAGELESS = ("execution", "thread")
#: A run ends with its questions and its terminal event.
ENDING_EVENTS_MAX = 8
STATUSES: dict[str, RunStatus] = {status: status for status in get_args(RunStatus)}
WhenBusy = Literal["reject", "queue", "interrupt", "steer"]


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
        ``when_busy`` is ``reject``. ``queue`` waits its turn, at most ``QUEUE_MAX`` (RUN_LIMIT); ``interrupt`` asks
        the active run to cancel and comes next; ``steer`` waits for the active run to take it in (``Steers``). A
        waiting run can be claimed once ``active`` names it.
        """

        def work(session: Session) -> tuple[RunRecord, bool]:
            if known := known_run(session, user_id, request_id, body_hash):
                return known, False
            title = title_of(str(input.get("text") or ""))
            owner = ensure_conversation(session, org_id, user_id, conversation, workflow_id, create_session_id, title)
            if owner.kind in MESSAGELESS:
                message = f"expected a conversation that takes messages, got one of kind {owner.kind}"
                raise CaddieError("INVALID", message)
            content = dict(input)
            if owner.active_run_id is not None:
                # A twin of this request may have been first while we waited for the lock, and be the active run.
                if known := known_run(session, user_id, request_id, body_hash):
                    return known, False
                content |= _wait_behind(session, owner, when_busy)
            moment = now()
            row = Run(
                id=str(uuid4()), org_id=org_id, user_id=user_id, conversation_pk=owner.pk, kind=kind,
                request_id=request_id, body_hash=body_hash, input=content, status="queued", attempt=0,
                cancel_requested=False, created_at=moment,
            )  # fmt: skip
            session.add(row)
            owner.active_run_id = owner.active_run_id or row.id
            owner.updated_at = moment
            session.flush()
            return run_record(row, owner.public_id), True

        # A twin in another conversation takes the unique requestId first; what was made here is undone.
        return await self._database.settle(work)

    async def claim(self, run_id: str, max_attempts: int) -> Claim | None:
        """Take the run, or take it over: the former holder can no longer finish it.

        None: unknown, ended, or waiting behind another run of its conversation.
        """

        def work(session: Session) -> Claim | None:
            row = session.scalar(_CLAIM, {"run": run_id, "moment": now()})
            if row is None:
                return None
            owner = session.scalars(_OWNER, {"run": run_id}).one()
            # One that gets on may be taken over, or go on after a wait, as often as it likes.
            useful = session.scalar(_PROGRESS, {"run": run_id}) or 0 if row.kind == EXECUTION else 0
            exhausted = row.attempt - useful > max_attempts
            return Claim(run_record(row, owner.public_id), conversation_record(owner), exhausted)

        return await self._database.write(work)

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
        proposal: ProposalDraft | None = None,
        workflow_version: int | None = None,
        execution: ExecutionEnding | None = None,
    ) -> bool:
        """End the run and keep all it leaves, or nothing: False when ``attempt`` is not the newest or the run is over.

        ``definition`` and ``mode`` None: the conversation keeps its own. ``inputs_closed``: (id, status, by, value).
        ``save_workflow``: a definition that differs becomes a version of the conversation's workflow; over any other
        version than ``workflow_version``, when that is given, the whole end is refused with VERSION_CONFLICT.
        ``execution``: how it ended, of a run that is one; without, as the run did.
        The oldest waiting run of the conversation, if any, becomes the active one.
        """
        ending = Ending(
            status, outcome, terminal, usage, error_code, error_message, tuple(messages), definition, mode,
            tuple(inputs_new), tuple(inputs_closed), save_workflow, first_index, last_index, proposal, workflow_version,
            execution,
        )  # fmt: skip

        def work(session: Session) -> bool:
            pair = _locked(session, run_id)
            if pair is None or pair[0].attempt != attempt:
                return False
            if pair[0].status != "running":
                # A call whose answer was lost is made again.
                return terminal is not None and pair[0].terminal == terminal
            ending.write(session, *pair)
            return True

        return await self._database.write(work)

    async def move_end(self, run_id: str, last_index: int) -> None:
        """Where the log has the last events of a run that is over: after an event of somebody else."""
        change = update(Run).where(Run.id == run_id, Run.finished_at.is_not(None)).values(last_index=last_index)
        await self._database.write(lambda session: session.execute(change) and None)

    async def request_cancel(self, run_id: str) -> bool:
        """Note the wish; the holder of the run obeys it. False when the run is unknown or over."""
        change = update(Run).where(Run.id == run_id, Run.status.in_(UNFINISHED)).values(cancel_requested=True)

        def work(session: Session) -> bool:
            status = session.scalar(change.returning(Run.status))
            if status == "suspended":
                wake(session, run_id)
            return status is not None

        return await self._database.write(work)

    async def get(self, org_id: int, run_id: str) -> RunRecord | None:
        return await self._one(_runs().where(Run.org_id == org_id, Run.id == run_id))

    async def find(self, run_id: str) -> RunRecord | None:
        """For the worker, whose queue names runs by id alone."""
        return await self._one(_runs().where(Run.id == run_id))

    async def models(self, org_id: int, run_ids: Collection[str]) -> dict[str, str]:
        """Which model each run was asked to use, as its request called it; runs that were not asked are absent."""
        query = select(Run.id, Run.input).where(Run.org_id == org_id, Run.id.in_(run_ids))
        found = await self._database.read(lambda session: session.execute(query).all())
        return {run_id: content["model"] for run_id, content in found if content.get("model")}

    async def after(self, conversation_pk: int, index: int) -> RunRecord | None:
        """The oldest run with events above this index of its conversation's log, as far as the store can tell."""
        ends_later = or_(Run.last_index + ENDING_EVENTS_MAX > index, Run.status.in_(UNFINISHED))
        query = _runs().where(Run.conversation_pk == conversation_pk, ends_later)
        query = query.where(func.coalesce(Run.outcome, "") != STEERED).order_by(Run.created_at, Run.id)
        found = await self._database.read(lambda session: session.execute(query.limit(ENDING_EVENTS_MAX)).all())
        records = [run_record(row, conversation) for row, conversation in found]
        return next((run for run in records if run.end == 0 or run.end > index), None)

    async def by_request(self, user_id: int, request_id: str) -> RunRecord | None:
        """The run of a request id that is still remembered."""
        fresh = Run.created_at > now() - REQUEST_LIFE
        return await self._one(_runs().where(Run.user_id == user_id, Run.request_id == request_id, fresh))

    async def active(self, org_id: int, conversation: str) -> RunRecord | None:
        """The unfinished run whose turn it is."""
        values = {"org": org_id, "conversation": conversation}
        found = await self._database.read(lambda session: session.execute(_ACTIVE, values).one_or_none())
        return run_record(*found) if found else None

    async def last_ended(self, org_id: int, conversation: str) -> RunRecord | None:
        """The run that ended last in the conversation, with its terminal event."""
        query = _runs().where(Conversation.org_id == org_id, Conversation.public_id == conversation)
        query = query.where(Run.finished_at.is_not(None), func.coalesce(Run.outcome, "") != STEERED)
        query = query.order_by(Run.finished_at.desc(), Run.id.desc()).limit(1)
        return await self._one(query)

    async def unfinished(self, older_than: datetime, limit: int = 100) -> Sequence[RunRecord]:
        """Active runs not touched since, oldest first: whoever had them may be dead. Nobody has a suspended one."""
        touched = func.coalesce(Run.started_at, Run.created_at)
        left = Run.status.in_(("queued", "running")), Conversation.active_run_id == Run.id, touched < older_than
        query = _runs().where(*left)
        query = query.order_by(Run.created_at, Run.id).limit(cursors.bounded(limit))
        found = await self._database.read(lambda session: session.execute(query).all())
        return [run_record(row, conversation) for row, conversation in found]

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
        found = await self._database.read(lambda session: session.execute(query).all())
        records = [run_record(row, conversation) for row, conversation in found]
        last = records[limit - 1] if len(records) > limit else None
        return Page(records[:limit], cursors.encode(last.created_at, last.id) if last else None)

    async def _one(self, query: Select[Run, str]) -> RunRecord | None:
        found = await self._database.read(lambda session: session.execute(query).one_or_none())
        return run_record(*found) if found else None


def _runs() -> Select[Run, str]:
    return select(Run, Conversation.public_id).join(Conversation, Conversation.pk == Run.conversation_pk)


# What every run asks for, built once: building a statement costs more than its execution.
_BY_REQUEST = _runs().where(Run.user_id == bindparam("user"), Run.request_id == bindparam("request"))
_ACTIVE = _runs().where(
    Conversation.org_id == bindparam("org"), Conversation.public_id == bindparam("conversation"),
    Run.id == Conversation.active_run_id, Run.status.in_(UNFINISHED),
)  # fmt: skip
_ITS_TURN = select(Conversation.pk).where(
    Conversation.pk == Run.conversation_pk, Conversation.active_run_id == Run.id
)  # fmt: skip
_CLAIM = (
    update(Run)
    .where(Run.id == bindparam("run"), Run.status.in_(UNFINISHED), _ITS_TURN.exists())
    .values(attempt=Run.attempt + 1, status="running", started_at=bindparam("moment"))
    .returning(Run)
)
_PROGRESS = select(Execution.progress_attempt).where(Execution.id == bindparam("run"))
_OWNER = select(Conversation).where(
    Conversation.pk == select(Run.conversation_pk).where(Run.id == bindparam("run")).scalar_subquery()
)
_OWNER_LOCKED = _OWNER.with_for_update(key_share=True)
_RUN_LOCKED = select(Run).where(Run.id == bindparam("run")).with_for_update(key_share=True)


def known_run(session: Session, user_id: int, request_id: str | None, body_hash: str) -> RunRecord | None:
    """The run this request id made already; an id older than its life is set free."""
    if request_id is None:
        return None
    found = session.execute(_BY_REQUEST, {"user": user_id, "request": request_id}).one_or_none()
    if found is None:
        return None
    row, conversation = found
    if row.created_at <= now() - REQUEST_LIFE:
        session.execute(update(Run).where(Run.id == row.id).values(request_id=None))
        session.expunge(row)
        return None
    if row.body_hash != body_hash:
        raise CaddieError("CONFLICT", "expected the body this requestId came with first, got another one")
    return run_record(row, conversation)


def _wait_behind(session: Session, owner: Conversation, when_busy: WhenBusy) -> Json:
    """What a run that waits for the active one adds to its input; raises when it may not wait."""
    if when_busy == "reject":
        message = "expected a conversation without an active run, got one that has"
        raise CaddieError("RUN_BUSY", message, data={"runId": owner.active_run_id})
    waiting = select(func.count()).where(
        Run.conversation_pk == owner.pk, Run.status == "queued", Run.id != owner.active_run_id
    )
    if (session.scalar(waiting) or 0) >= QUEUE_MAX:
        raise CaddieError("RUN_LIMIT", f"expected at most {QUEUE_MAX} waiting runs, got one more")
    if when_busy == "interrupt":
        active = update(Run).where(Run.id == owner.active_run_id, Run.status.in_(UNFINISHED))
        session.execute(active.values(cancel_requested=True))
        if owner.active_run_id is not None:
            wake(session, owner.active_run_id)
        return {INTERRUPTS: owner.active_run_id}
    return {STEERS: owner.active_run_id} if when_busy == "steer" else {}


def _locked(session: Session, run_id: str) -> tuple[Run, Conversation] | None:
    """Run and conversation, locked in this order: conversation, run."""
    owner = session.scalar(_OWNER_LOCKED, {"run": run_id})
    row = session.scalar(_RUN_LOCKED, {"run": run_id}) if owner else None
    return (row, owner) if row is not None and owner is not None else None
