"""The end of a wait: an execution that is suspended becomes due now.

Invariant: one that is about to be suspended is waited for, and seen as it is then. Callers: whatever ends a wait, in
the transaction that does: an answer, a cancel, a child's end, a deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, case, exists, func, select, update
from sqlalchemy.orm import Session

from shared.store.execution_tables import Execution, Step
from shared.store.records import UNFINISHED
from shared.store.tables import Conversation, Run, UtcTime, now

WAITING = "waiting"
OPEN = ("pending", "running", WAITING)
# Not in WHERE: PostgreSQL would pass over a row that another transaction is making wait, instead of waiting for it.
_DUE = case((Execution.status == WAITING, bindparam("moment", type_=UtcTime())), else_=Execution.wake_at)
_WAKE = update(Execution).values(wake_at=_DUE).execution_options(synchronize_session=False)
_WAKE_ONE = _WAKE.where(Execution.id == bindparam("execution")).returning(Execution.status)
# A step that has started another execution and succeeded before that is over has only set it off.
_SET_OFF = exists().where(
    Step.execution_id == Execution.parent_id, Step.path == func.coalesce(Execution.parent_path, Step.path),
    Step.node_id == Execution.parent_node, Step.status == "success",
)  # fmt: skip
_AWAITED = (
    select(Execution.id, Conversation.public_id)
    .join(Run, Run.id == Execution.id)
    .join(Conversation, Conversation.pk == Run.conversation_pk)
    .where(Execution.parent_id.in_(bindparam("parents", expanding=True)), Execution.status.in_(OPEN), ~_SET_OFF)
    .order_by(Execution.id)
)


@dataclass(frozen=True, slots=True)
class Forsaken:
    """A run that was asked to end, in the database: whoever carries it hears of it from its conversation's log."""

    conversation: str
    run_id: str


def wake(session: Session, execution_id: str) -> bool:
    """Whether it was suspended."""
    values = {"execution": execution_id, "moment": now()}
    return session.connection().execute(_WAKE_ONE, values).scalar() == WAITING


def wake_all(session: Session, which: ColumnElement[bool]) -> None:
    session.connection().execute(_WAKE.where(which), {"moment": now()})


def awaited(session: Session, execution_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Id and conversation of each unfinished execution that one of these has started and waits for."""
    found = session.connection().execute(_AWAITED, {"parents": list(execution_ids)})
    return [(child, conversation) for child, conversation in found]


def forsake(session: Session, execution_ids: Sequence[str]) -> list[Forsaken]:
    """These executions go: those they wait for are asked to end. Before they go, or a child's end would lock them."""
    children = awaited(session, execution_ids)
    for child, _ in children:
        wish = update(Run).where(Run.id == child, Run.status.in_(UNFINISHED)).values(cancel_requested=True)
        session.execute(wish.execution_options(synchronize_session=False))
        wake(session, child)
    return [Forsaken(conversation, child) for child, conversation in children]


def wake_each(session: Session, execution_ids: Sequence[str]) -> None:
    """In a fixed order, so that two that wake the same ones never wait for one another."""
    for execution_id in sorted(set(execution_ids)):
        wake(session, execution_id)
