"""The end of a wait: an execution that is suspended becomes due now.

Invariant: one that is about to be suspended is waited for, and seen as it is then. Callers: whatever ends a wait, in
the transaction that does: an answer, a cancel, a child's end, a deletion.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, case, select, update
from sqlalchemy.orm import Session

from shared.store.execution_tables import Execution, Step
from shared.store.records import UNFINISHED
from shared.store.tables import Run, UtcTime, now

WAITING = "waiting"
# Not in WHERE: PostgreSQL would pass over a row that another transaction is making wait, instead of waiting for it.
_DUE = case((Execution.status == WAITING, bindparam("moment", type_=UtcTime())), else_=Execution.wake_at)
_WAKE = update(Execution).values(wake_at=_DUE).execution_options(synchronize_session=False)
_WAKE_ONE = _WAKE.where(Execution.id == bindparam("execution")).returning(Execution.status)


def wake(session: Session, execution_id: str) -> bool:
    """Whether it was suspended."""
    values = {"execution": execution_id, "moment": now()}
    return session.connection().execute(_WAKE_ONE, values).scalar() == WAITING


def wake_all(session: Session, which: ColumnElement[bool]) -> None:
    session.connection().execute(_WAKE.where(which), {"moment": now()})


def forsake(session: Session, execution_ids: Sequence[str]) -> None:
    """These executions go: those they wait for are asked to end. Before they go, or a child's end would lock them."""
    waited = select(Step.child_id).where(Step.execution_id.in_(execution_ids), Step.status == WAITING)
    for child in sorted({child for child in session.scalars(waited) if child is not None}):
        wish = update(Run).where(Run.id == child, Run.status.in_(UNFINISHED)).values(cancel_requested=True)
        session.execute(wish.execution_options(synchronize_session=False))
        wake(session, child)


def wake_each(session: Session, execution_ids: Sequence[str]) -> None:
    """In a fixed order, so that two that wake the same ones never wait for one another."""
    for execution_id in sorted(set(execution_ids)):
        wake(session, execution_id)
