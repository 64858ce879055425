"""The end of a wait: an execution that is suspended becomes due now.

Invariant: one that is about to be suspended is waited for, and seen as it is then. Callers: whatever ends a wait, in
the transaction that does: an answer, a cancel, a child's end, a deletion.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, case, update
from sqlalchemy.orm import Session

from shared.store.execution_tables import Execution
from shared.store.tables import UtcTime, now

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


def wake_each(session: Session, execution_ids: Sequence[str]) -> None:
    """In a fixed order, so that two that wake the same ones never wait for one another."""
    for execution_id in sorted(set(execution_ids)):
        wake(session, execution_id)
