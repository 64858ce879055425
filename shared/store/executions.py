"""Executions: workflows that run. An execution is a run, with the same id.

Invariants: those of ``starts``, ``steps`` and ``endings``, which hold the transactions; a look-up names the
organisation it may see, except for the worker's, whose queue names runs by id alone.
Callers: shared.executions (create, resolve), the executor (begin, checkpoint, suspend), the surfaces (get, list).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store import cursors, starts, steps, variables
from shared.store.conversations import PUBLIC_ID, before, input_record
from shared.store.database import Database
from shared.store.execution_records import (
    Begun,
    ExecutionRecord,
    ExecutionStart,
    ExecutionStatus,
    StepKey,
    StepRecord,
    StepWrite,
)
from shared.store.execution_rows import execution_record, executions, find_execution, read_steps
from shared.store.execution_tables import Execution
from shared.store.previews import read_previews, read_telling
from shared.store.records import InputRecord, Page
from shared.store.tables import Input, Run
from shared.store.waking import WAITING, awaited, wake

#: Executions whose wait is over that are looked up at once.
DUE_MAX = 1_000


class Executions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, start: ExecutionStart) -> tuple[ExecutionRecord, bool]:
        """The execution of this request, pending, and whether this call made it.

        CONFLICT: the request id was used with another content. NOT_FOUND: no such workflow, parent or conversation.
        RUN_BUSY, data ``{"runId"}``: the given conversation has an active run. RUN_LIMIT: too deep, or too many from
        one root.
        """
        body_hash = starts.fingerprint(start)

        def work(session: Session) -> tuple[ExecutionRecord, bool]:
            execution_id, created = starts.write_start(session, start, body_hash)
            session.flush()
            record = find_execution(session, execution_id)
            if record is None:
                raise CaddieError("CONFLICT", "expected a requestId of an execution, got one of another run")
            return record, created

        # A twin takes the unique requestId first; what was made here is undone.
        return await self._database.settle(work)

    async def discard(self, execution_id: str) -> bool:
        """Undo ``create``, for an execution the queue did not take. False: a worker has it already, or nobody."""
        return await self._database.write(lambda session: starts.erase_start(session, execution_id))

    async def begin(self, run_id: str, attempt: int) -> Begun | None:
        """Begin an attempt: from now on those before it write nothing any more.

        None when `attempt` is not the run's newest, or it is over. NOT_FOUND: its workflow has gone and the execution
        with it; the run, in a chat's conversation, is left to be ended.
        """
        return await self._database.write(lambda session: steps.begin(session, run_id, attempt))

    async def checkpoint(
        self, run_id: str, attempt: int, writes: Sequence[StepWrite], *, node_runs: int, active_ms: int
    ) -> Mapping[StepKey, Any]:
        """Keep what these steps have come to, all or none; the new values of the variables they changed, by step.

        FENCED when `attempt` is not the newest or the run is over; INVALID, TOO_LARGE for a variable's change.
        """
        return await self._database.write(
            lambda session: steps.checkpoint(session, run_id, attempt, writes, node_runs, active_ms)
        )

    async def suspend(
        self, run_id: str, attempt: int, *, wake_at: datetime | None, node_runs: int, active_ms: int,
        first_index: int | None = None, last_index: int | None = None,
    ) -> bool:  # fmt: skip
        """Wait without a worker, until `wake_at` or until woken; what has ended the wait already wakes it at once.

        False when `attempt` is not the newest or the run is over. Its inputs must have been asked before.
        """
        return await self._database.write(
            lambda session: steps.suspend(
                session, run_id, attempt, wake_at, node_runs, active_ms, first_index, last_index
            )
        )

    async def ask(self, run_id: str, inputs: Sequence[InputRecord]) -> None:
        """Questions of this run; those known already stay as they are. FENCED when the run is over."""
        await self._database.write(lambda session: steps.ask(session, run_id, inputs))

    async def wake(self, run_id: str) -> bool:
        """Whether it was suspended; it is due now."""
        return await self._database.write(lambda session: wake(session, run_id))

    async def due(self, moment: datetime, limit: int = DUE_MAX) -> Sequence[str]:
        """Suspended executions whose time has come, longest due first."""
        query = select(Execution.id).join(Run, Run.id == Execution.id).where(Run.status == "suspended")
        query = query.where(Execution.status == WAITING, Execution.wake_at <= moment)
        query = query.order_by(Execution.wake_at).limit(limit)
        return await self._database.read(lambda session: session.scalars(query).all())

    async def resolve_input(self, org_id: int, user_id: int, input_id: str, by: str, value: Any) -> ExecutionRecord:
        """Answer a pending question of an execution and wake it. One of many answers wins.

        NOT_FOUND: unknown, another user's, or no execution's. INPUT_RESOLVED, data ``{"by"}``: answered or over.
        """

        def work(session: Session) -> ExecutionRecord:
            run_id = session.scalar(select(Input.run_id).where(Input.id == input_id))
            record = find_execution(session, run_id) if run_id is not None else None
            if record is None or (record.org_id, record.user_id) != (org_id, user_id):
                raise _no_question()
            # The execution's lock first, as at its end.
            wake(session, record.id)
            change = update(Input).where(Input.id == input_id, Input.status == "pending")
            change = change.values(status="resolved", resolved_by=by, value=value).returning(Input.id)
            if session.scalar(change.execution_options(synchronize_session=False)) is None:
                first = session.scalar(select(Input.resolved_by).where(Input.id == input_id))
                raise CaddieError("INPUT_RESOLVED", "the question has been answered already", data={"by": first})
            return record

        if not PUBLIC_ID.fullmatch(input_id):
            raise _no_question()
        return await self._database.write(work)

    async def get(self, org_id: int, execution_id: str) -> ExecutionRecord | None:
        """Of any user of the organisation; the caller compares `user_id`."""
        if not PUBLIC_ID.fullmatch(execution_id):
            return None
        found = await self._database.read(lambda session: find_execution(session, execution_id))
        return found if found is not None and found.org_id == org_id else None

    async def list(
        self,
        org_id: int,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
    ) -> Page[ExecutionRecord]:
        """Newest first."""
        limit = cursors.bounded(limit)
        query = executions().where(Execution.org_id == org_id, Execution.user_id == user_id)
        if workflow_id is not None:
            query = query.where(Execution.workflow_id == workflow_id)
        if status is not None:
            query = query.where(Execution.status == status)
        if cursor is not None:
            query = query.where(before(Execution.created_at, Execution.id, *cursors.decode(cursor, str)))
        query = query.order_by(Execution.created_at.desc(), Execution.id.desc()).limit(limit + 1)
        found = await self._database.read(lambda session: session.execute(query).all())
        records = [execution_record(*row) for row in found]
        last = records[limit - 1] if len(records) > limit else None
        return Page(records[:limit], cursors.encode(last.created_at, last.id) if last else None)

    async def steps(self, execution_id: str) -> Sequence[StepRecord]:
        """In the order they began, of an execution the caller has looked up."""
        return await self._database.read(lambda session: read_steps(session, execution_id))

    async def previews(self, execution_id: str) -> Sequence[StepRecord]:
        """``steps`` to be shown: with as much of their inputs and results as there is room for."""
        return await self._database.read(lambda session: read_previews(session, execution_id))

    async def telling(self, execution_id: str, last: int, limit: int) -> Sequence[StepRecord]:
        """The last steps and those that failed, twice as many at most, with previews of at most so many bytes."""
        return await self._database.read(lambda session: read_telling(session, execution_id, last, limit))

    async def awaited(self, execution_id: str) -> Sequence[str]:
        """The unfinished executions that this one has started and waits for; not those it has only set off."""
        return await self._database.read(lambda session: [name for name, _ in awaited(session, [execution_id])])

    async def pending_inputs(self, execution_id: str) -> Sequence[InputRecord]:
        """Oldest first."""
        query = select(Input).where(Input.run_id == execution_id, Input.status == "pending")
        query = query.order_by(Input.created_at, Input.id).limit(cursors.LIMIT_MAX)
        return await self._database.read(lambda session: [input_record(row) for row in session.scalars(query)])

    async def variables(self, workflow_id: str) -> dict[str, Any]:
        """Those with lifetime `persist` that have been written, of a workflow the caller has looked up."""
        return await self._database.read(lambda session: variables.values(session, workflow_id))


def _no_question() -> CaddieError:
    return CaddieError("NOT_FOUND", "expected a question of one of the caller's executions, got none")
