"""What goes with a workflow: its executions, with the conversations of their own, and its threads.

Invariant: no run is left that nobody would ever end, nobody waits for an execution that has gone, and no conversation
names the workflow any more. Rows are locked in the order workflow, executions' conversations (children first), threads,
chats. Callers: ``workflows`` and ``erasure``, in their transactions.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared.store.execution_tables import Execution
from shared.store.linkage import unlink
from shared.store.records import EXECUTION, UNFINISHED
from shared.store.tables import Conversation, Run, Workflow
from shared.store.waking import Forsaken, forsake, wake_each

THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Remains:
    """A conversation that has gone; its log has to follow. ended, unfinished: ids of its runs."""

    conversation: str
    ended: tuple[str, ...]
    unfinished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """What a deletion leaves to be done outside the database. forsaken: runs that have been asked to end."""

    remains: tuple[Remains, ...] = ()
    forsaken: tuple[Forsaken, ...] = ()


def lock_workflow(session: Session, org_id: int, workflow_id: str) -> bool:
    """Whether there is one; from now on no execution of it is made."""
    query = select(Workflow.number).where(Workflow.org_id == org_id, Workflow.id == workflow_id)
    return session.scalar(query.with_for_update()) is not None


def delete_executions(session: Session, workflow_id: str, limit: int | None = None) -> Gone:
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
        return Gone()
    names = {row.public_id for row in found}
    forsaken = forsake(session, sorted(names))
    session.execute(delete(Conversation).where(Conversation.pk.in_([row.pk for row in found])))
    wake_each(session, [row.parent_id for row in found if row.parent_id is not None])
    remains = tuple(
        Remains(row.public_id, (), (row.public_id,))
        if row.status in UNFINISHED
        else Remains(row.public_id, (row.public_id,), ())
        for row in found
    )
    return Gone(remains, tuple(each for each in forsaken if each.run_id not in names))


def delete_workflow(session: Session, org_id: int, workflow_id: str) -> Gone | None:
    """With all that is left of its executions; None when there is no such workflow."""
    if not lock_workflow(session, org_id, workflow_id):
        return None
    gone = delete_executions(session, workflow_id)
    threads = Conversation.org_id == org_id, Conversation.workflow_id == workflow_id, Conversation.kind == THREAD
    names = session.scalars(delete(Conversation).where(*threads).returning(Conversation.public_id)).all()
    forsaken = _release_chats(session, workflow_id)
    unlink(session, org_id, workflow_id)
    session.execute(delete(Workflow).where(Workflow.id == workflow_id))
    return Gone(gone.remains + tuple(Remains(name, (), ()) for name in names), gone.forsaken + forsaken)


def _release_chats(session: Session, workflow_id: str) -> tuple[Forsaken, ...]:
    """Runs in chats stay, as their history; a suspended one goes back to the workers, who will end it. What they wait
    for is asked to end.
    """
    its = select(Execution.id).where(Execution.workflow_id == workflow_id)
    chats = select(Run.conversation_pk).where(Run.id.in_(its))
    # Whoever starts another execution for one of them has done so, or will find none to start it for.
    session.execute(
        select(Conversation.pk).where(Conversation.pk.in_(chats)).order_by(Conversation.pk).with_for_update()
    )
    forsaken = forsake(session, session.scalars(its).all())
    held = select(Conversation.public_id, Run.id).join(Run, Run.conversation_pk == Conversation.pk)
    held = held.where(Run.id.in_(its), Run.status == "running").order_by(Run.id)
    forsaken += [Forsaken(*row) for row in session.execute(held)]
    left = update(Run).where(Run.id.in_(its), Run.status == "suspended").values(status="queued")
    session.execute(left.execution_options(synchronize_session=False))
    parents = select(Execution.parent_id).where(Execution.workflow_id == workflow_id, Execution.parent_id.is_not(None))
    wake_each(session, [parent for parent in session.scalars(parents) if parent is not None])
    return tuple(forsaken)
