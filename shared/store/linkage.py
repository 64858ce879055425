"""The workflow a conversation is about: it is linked while it lives, and unlinked when it goes.

Invariant: no conversation names a workflow that is not there: whoever links one holds it until the link is stored, and
whoever deletes it takes the links away. Callers: what makes or extends conversations, ``remains``.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from shared.store.tables import Conversation, Workflow

_LIVING = (
    select(Workflow.id)
    .where(Workflow.org_id == bindparam("org"), Workflow.id.in_(bindparam("ids", expanding=True)))
    .order_by(Workflow.number)
    .with_for_update(read=True, key_share=True)
)


def living(session: Session, org_id: int, workflow_ids: Collection[str]) -> set[str]:
    """Those that are there, and stay until the end of the transaction."""
    found = session.connection().execute(_LIVING, {"org": org_id, "ids": sorted(workflow_ids)})
    return set(found.scalars())


def unlink(session: Session, org_id: int, workflow_id: str) -> None:
    """The workflow goes, and the caller has locked it."""
    named = Conversation.org_id == org_id, Conversation.workflow_id == workflow_id
    change = update(Conversation).where(*named).values(workflow_id=None)
    session.execute(change.execution_options(synchronize_session=False))
