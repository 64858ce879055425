"""The executor's transactions: begin an attempt, keep what steps have come to, ask, wait.

Invariants: only the attempt that has begun last writes, and it has read all that those before it wrote: begin and
checkpoint take the same row's lock. Whoever ends a wait (an answer, a cancel, a child's end) does so before the
execution is suspended, and is seen, or after it, and wakes it: both take the execution's lock.
Rows are locked in the order run, execution, input. Called by ``Executions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import and_, bindparam, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from shared.errors import CaddieError
from shared.store.conversations import input_record
from shared.store.endings import append_messages
from shared.store.execution_records import Begun, StepKey, StepWrite
from shared.store.execution_rows import find_execution, read_steps
from shared.store.execution_tables import Execution, Step
from shared.store.inserts import insert_new
from shared.store.records import UNFINISHED, InputRecord, MessageRecord
from shared.store.tables import Conversation, Input, Message, Run, UtcTime, WorkflowVersion, now
from shared.store.variables import values as variable_values
from shared.store.variables import write_variables
from shared.store.waking import OPEN, WAITING, wake

_NUMBERS: dict[str, Any] = {"node_runs": bindparam("count"), "active_ms": bindparam("active")}
_ITS_ATTEMPT = select(Run.attempt).where(Run.id == bindparam("execution"), Run.status == "running").scalar_subquery()
_HOLDS = (Execution.id == bindparam("execution"), _ITS_ATTEMPT == bindparam("holder"))
_STATUS = select(Execution.status).where(Execution.id == bindparam("execution"))
_DEFINITION = select(WorkflowVersion.definition).where(
    WorkflowVersion.workflow_id == bindparam("workflow"), WorkflowVersion.version == bindparam("number")
)
_INPUTS = select(Input).where(Input.run_id == bindparam("execution"))
# An attempt that was claimed later may have begun first.
_BEGIN = (
    update(Execution)
    .where(*_HOLDS, Execution.attempt <= bindparam("holder"), Execution.status.in_(OPEN))
    .values(
        status="running", attempt=bindparam("holder"), wake_at=None,
        started_at=func.coalesce(Execution.started_at, bindparam("moment", type_=UtcTime())),
    )
)  # fmt: skip
_PROGRESS = (
    update(Execution)
    .where(*_HOLDS, Execution.attempt == bindparam("holder"), Execution.status == "running")
    .values(progress_attempt=bindparam("holder"), **_NUMBERS)
)
_SUSPEND_RUN = (
    update(Run)
    .where(Run.id == bindparam("execution"), Run.attempt == bindparam("holder"), Run.status == "running")
    .values(
        status="suspended", first_index=func.coalesce(Run.first_index, bindparam("first")),
        last_index=func.coalesce(bindparam("last"), Run.last_index),
    )
    .returning(Run.cancel_requested)
)  # fmt: skip
_SUSPEND = (
    update(Execution)
    .where(Execution.id == bindparam("execution"))
    .values(
        status=WAITING, wake_at=bindparam("moment", type_=UtcTime()), progress_attempt=bindparam("holder"), **_NUMBERS
    )
)
_SUSPENDED = select(Run.id).where(
    Run.id == bindparam("execution"), Run.attempt == bindparam("holder"), Run.status == "suspended"
)
_Child = aliased(Execution)
_ANSWERED = Step.input_id.is_not(None) & ~exists().where(Input.id == Step.input_id, Input.status == "pending")
_CHILD_OVER = Step.child_id.is_not(None) & ~exists().where(_Child.id == Step.child_id, _Child.status.in_(OPEN))
_WAIT_OVER = (
    select(Step.node_id)
    .where(Step.execution_id == bindparam("execution"), Step.status == WAITING, or_(_ANSWERED, _CHILD_OVER))
    .limit(1)
)
_COLUMNS = tuple(column.name for column in Step.__table__.columns)
_FIELDS = attrgetter(*_COLUMNS[1:])
_KEY = ("execution_id", "path", "node_id")
#: What a later write of the step may leave out.
_KEPT = ("input", "started_at", "input_id", "child_id")
_OVERWRITTEN = tuple(name for name in _COLUMNS if name not in (*_KEY, *_KEPT, "position"))


def _upsert(statement: Any) -> Any:
    new = statement.excluded
    changes = {name: new[name] for name in _OVERWRITTEN}
    changes |= {name: func.coalesce(new[name], Step.__table__.c[name]) for name in _KEPT}
    return statement.on_conflict_do_update(index_elements=_KEY, set_=changes)


_UPSERT = {"sqlite": _upsert(sqlite.insert(Step)), "postgresql": _upsert(postgresql.insert(Step))}


def begin(session: Session, run_id: str, attempt: int) -> Begun | None:
    connection = session.connection()
    before = connection.execute(_STATUS, {"execution": run_id}).scalar()
    mine = connection.execute(_BEGIN, {"execution": run_id, "holder": attempt, "moment": now()})
    if mine.rowcount != 1:
        _require_present(session, run_id, attempt)
        return None
    execution = find_execution(session, run_id)
    if execution is None:
        return None
    version = {"workflow": execution.workflow_id, "number": execution.version}
    fresh = before == "pending"
    inputs = () if fresh else session.scalars(_INPUTS, {"execution": run_id})
    return Begun(
        execution=execution,
        definition=connection.execute(_DEFINITION, version).scalar() or {"nodes": {}},
        steps=() if fresh else tuple(read_steps(session, run_id)),
        variables=variable_values(session, execution.workflow_id),
        inputs={row.id: input_record(row) for row in inputs},
        resumed=before == "waiting",
    )


def _require_present(session: Session, run_id: str, attempt: int) -> None:
    """NOT_FOUND for a run that is this attempt's and has lost its execution, with its workflow."""
    if session.scalar(select(Execution.id).where(Execution.id == run_id)) is not None:
        return
    held = Run.id == run_id, Run.attempt == attempt, Run.status == "running"
    if session.scalar(select(Run.id).where(*held)) is not None:
        raise CaddieError("NOT_FOUND", "expected an execution of a workflow, got one whose workflow has gone")


def checkpoint(
    session: Session, run_id: str, attempt: int, steps: Sequence[StepWrite], node_runs: int, active_ms: int
) -> Mapping[StepKey, Any]:
    connection = session.connection()
    its = {"execution": run_id, "holder": attempt, "count": node_runs, "active": active_ms}
    if connection.execute(_PROGRESS, its).rowcount != 1:
        raise CaddieError("FENCED", f"expected the newest attempt of a run under way, got attempt {attempt}")
    if not steps:
        return {}
    rows = [_row(run_id, step) for step in steps]
    if changes := {number: step.variable for number, step in enumerate(steps) if step.variable is not None}:
        done = _done(session, run_id, steps)
        fresh = {number: change for number, change in changes.items() if steps[number].key not in done}
        written = write_variables(session, run_id, fresh) if fresh else {}
        for number, change in changes.items():
            known = done.get(steps[number].key)
            rows[number]["result"] = known or {"name": change.name, "value": written[number]}
    _reply(session, run_id, [step for step in steps if step.reply is not None])
    connection.execute(_UPSERT[connection.dialect.name], rows)
    return {steps[number].key: rows[number]["result"]["value"] for number in changes}


def _done(session: Session, run_id: str, steps: Sequence[StepWrite]) -> dict[StepKey, Any]:
    """Results of those that have succeeded: a call whose answer was lost is made again, and counts once."""
    query = select(Step.path, Step.node_id, Step.result).where(Step.execution_id == run_id, Step.status == "success")
    keys = [step.key for step in steps if step.variable is not None]
    # By both, or the key's index would not serve, and each count would read all steps.
    query = query.where(Step.path.in_({path for path, _ in keys}), Step.node_id.in_({node for _, node in keys}))
    return {(path, node): result for path, node, result in session.execute(query)}


def _reply(session: Session, run_id: str, steps: Sequence[StepWrite]) -> None:
    """What steps have said becomes messages of the execution's thread, each once."""
    if not steps:
        return
    thread = select(Conversation).join(
        Execution, and_(Execution.thread == Conversation.public_id, Execution.org_id == Conversation.org_id)
    )
    owner = session.scalar(thread.where(Execution.id == run_id).with_for_update(of=Conversation, key_share=True))
    if owner is None:
        return
    said = {str(uuid5(UUID(run_id), f"reply {step.path}|{step.node_id}")): step.reply or "" for step in steps}
    known = set(session.scalars(select(Message.id).where(Message.id.in_(said))))
    fresh = [MessageRecord(name, "assistant", text, now()) for name, text in said.items() if name not in known]
    append_messages(session, owner.pk, run_id, fresh)


def _row(run_id: str, step: StepWrite) -> dict[str, Any]:
    return {"execution_id": run_id, **dict(zip(_COLUMNS[1:], _FIELDS(step), strict=True))}


def suspend(
    session: Session, run_id: str, attempt: int, wake_at: datetime | None, node_runs: int, active_ms: int,
    first_index: int | None, last_index: int | None,
) -> bool:  # fmt: skip
    connection = session.connection()
    its = {"execution": run_id, "holder": attempt}
    cancelled = connection.execute(_SUSPEND_RUN, its | {"first": first_index, "last": last_index}).scalar()
    if cancelled is None:
        # A call whose answer was lost is made again.
        return connection.execute(_SUSPENDED, its).scalar() is not None
    connection.execute(_SUSPEND, its | {"moment": wake_at, "count": node_runs, "active": active_ms})
    # A statement of its own: on PostgreSQL it sees what was committed while the one before waited for the lock.
    if cancelled or connection.execute(_WAIT_OVER, {"execution": run_id}).scalar() is not None:
        wake(session, run_id)
    return True


def ask(session: Session, run_id: str, inputs: Sequence[InputRecord]) -> None:
    unfinished = Run.id == run_id, Run.status.in_(UNFINISHED)
    pk = session.scalar(select(Run.conversation_pk).where(*unfinished).with_for_update(read=True))
    if pk is None:
        raise CaddieError("FENCED", "expected a run under way to ask for, got one that is over")
    moment = now()
    rows = [
        {
            "id": item.id, "conversation_pk": pk, "run_id": run_id, "kind": item.kind, "body": item.body,
            "status": item.status, "resolved_by": item.resolved_by, "value": item.value, "created_at": moment,
            "expires_at": item.expires_at,
        }
        for item in inputs
    ]  # fmt: skip
    if rows:
        insert_new(session, Input, rows)
