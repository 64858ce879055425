"""What goes with a workflow: its executions, with the conversations of their own, and its threads.

Invariant: no run is left that nobody would ever end, and nobody waits for an execution that has gone.
Rows are locked in the order workflow, executions' conversations (children first), threads. Callers: ``workflows`` and
``erasure``, in their transactions.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared.store.execution_tables import Execution
from shared.store.records import EXECUTION, UNFINISHED
from shared.store.tables import Conversation, Run, Workflow
from shared.store.waking import forsake, wake_each

THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Remains:
    """A conversation that has gone; its log has to follow. ended, unfinished: ids of its runs."""

    conversation: str
    ended: tuple[str, ...]
    unfinished: tuple[str, ...]


def lock_workflow(session: Session, org_id: int, workflow_id: str) -> bool:
    """Whether there is one; from now on no execution of it is made."""
    query = select(Workflow.number).where(Workflow.org_id == org_id, Workflow.id == workflow_id)
    return session.scalar(query.with_for_update()) is not None


def delete_executions(session: Session, workflow_id: str, limit: int | None = None) -> list[Remains]:
    """Oldest first: those with a conversation of their own, and that conversation."""
    query = (
        select(Conversation.pk, Conversation.public_id, Run.status, Execution.parent_id)
        .join(Run, Run.conversation_pk == Conversation.pk)
        .join(Execution, Execution.id == Run.id)
        .where(Execution.workflow_id == workflow_id, Conversation.kind == EXECUTION)
    )
    # Children first, as when they end.
    found = session.execute(
        query.order_by(Execution.depth.desc(), Execution.created_at).limit(limit).with_for_update(of=Conversation)
    ).all()
    if not found:
        return []
    forsake(session, [row.public_id for row in found])
    session.execute(delete(Conversation).where(Conversation.pk.in_([row.pk for row in found])))
    wake_each(session, [row.parent_id for row in found if row.parent_id is not None])
    return [
        Remains(row.public_id, (), (row.public_id,))
        if row.status in UNFINISHED
        else Remains(row.public_id, (row.public_id,), ())
        for row in found
    ]


def delete_workflow(session: Session, org_id: int, workflow_id: str) -> list[Remains] | None:
    """With all that is left of its executions; None when there is no such workflow."""
    if not lock_workflow(session, org_id, workflow_id):
        return None
    gone = delete_executions(session, workflow_id)
    threads = Conversation.org_id == org_id, Conversation.workflow_id == workflow_id, Conversation.kind == THREAD
    names = session.scalars(delete(Conversation).where(*threads).returning(Conversation.public_id)).all()
    _release_chats(session, workflow_id)
    session.execute(delete(Workflow).where(Workflow.id == workflow_id))
    return gone + [Remains(name, (), ()) for name in names]


def _release_chats(session: Session, workflow_id: str) -> None:
    """Runs in chats stay, as their history; a suspended one goes back to the workers, who will end it."""
    its = select(Execution.id).where(Execution.workflow_id == workflow_id)
    left = update(Run).where(Run.id.in_(its), Run.status == "suspended").values(status="queued")
    session.execute(left.execution_options(synchronize_session=False))
    parents = select(Execution.parent_id).where(Execution.workflow_id == workflow_id, Execution.parent_id.is_not(None))
    wake_each(session, [parent for parent in session.scalars(parents) if parent is not None])
