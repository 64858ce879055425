"""Conversations that go for good: with messages, questions, runs, sessions, and the images nobody else refers to; and
workflows, with their executions and threads.

Invariant: it is one transaction; afterwards nothing a user wrote there is in the database. Caller: the gateway, which
forgets the log too and revokes the sessions named in the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, cast, delete, select
from sqlalchemy.orm import Session as OrmSession

from shared.store.database import Database
from shared.store.execution_tables import Execution
from shared.store.records import UNFINISHED
from shared.store.remains import Gone, delete_executions, delete_workflow, lock_workflow
from shared.store.tables import Blob, Conversation, Message, Run, Session, now
from shared.store.waking import Forsaken, forsake, wake_each

#: Executions in one transaction: others wait for it some ten milliseconds.
TOGETHER_MAX = 50


@dataclass(frozen=True, slots=True)
class Erased:
    """What has gone. ended, unfinished: ids of runs; sessions: ids of those whose tokens may still be alive; forsaken:
    runs elsewhere that have been asked to end.
    """

    ended: tuple[str, ...]
    unfinished: tuple[str, ...]
    sessions: tuple[str, ...]
    forsaken: tuple[Forsaken, ...] = ()


class Erasure:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def conversation(self, org_id: int, public_id: str) -> Erased | None:
        """Erase it; None when there is none. A run under way cannot finish any more."""

        def work(session: OrmSession) -> Erased | None:
            named = Conversation.org_id == org_id, Conversation.public_id == public_id
            row = session.scalar(select(Conversation).where(*named).with_for_update())
            if row is None:
                return None
            runs = session.execute(select(Run.id, Run.status, Run.input).where(Run.conversation_pk == row.pk)).all()
            cids = {image["cid"] for _, _, content in runs for image in content.get("images") or () if image.get("cid")}
            live = (Session.revoked_at.is_(None), Session.expires_at > now())
            its = (Session.org_id == org_id, Session.conversation == public_id)
            sessions = session.scalars(select(Session.id).where(*its, *live)).all()
            session.execute(delete(Session).where(*its))
            parents = select(Execution.parent_id).where(Execution.id.in_([run_id for run_id, _, _ in runs]))
            waiting = [parent for parent in session.scalars(parents) if parent is not None]
            forsaken = forsake(session, [run_id for run_id, _, _ in runs])
            session.execute(delete(Conversation).where(Conversation.pk == row.pk))
            session.flush()
            wake_each(session, waiting)
            for cid in cids:
                if not _referred(session, org_id, cid):
                    session.execute(delete(Blob).where(Blob.org_id == org_id, Blob.cid == cid))
            return Erased(
                tuple(run_id for run_id, status, _ in runs if status not in UNFINISHED),
                tuple(run_id for run_id, status, _ in runs if status in UNFINISHED),
                tuple(sessions),
                tuple(forsaken),
            )

        return await self._database.write(work)

    async def executions(self, org_id: int, workflow_id: str) -> Gone:
        """Erase some executions of a workflow, with their conversations: again, until nothing remains.

        For a workflow with a long history, before ``workflow``, which erases what is left in one transaction.
        """

        def work(session: OrmSession) -> Gone:
            present = lock_workflow(session, org_id, workflow_id)
            return delete_executions(session, workflow_id, TOGETHER_MAX) if present else Gone()

        return await self._database.write(work)

    async def workflow(self, org_id: int, workflow_id: str) -> Gone | None:
        """Erase it with its executions and threads; chats about it go on without one. None when there is none."""
        return await self._database.write(lambda session: delete_workflow(session, org_id, workflow_id))


def _referred(session: OrmSession, org_id: int, cid: str) -> bool:
    """Whether another conversation of the organisation shows this image."""

    def holds(column: ColumnElement[object], text: str) -> ColumnElement[bool]:
        return cast(column, Text).contains(text, autoescape=True)

    run = select(Run.id).where(Run.org_id == org_id, holds(Run.input, f'"{cid}"')).limit(1)  # type: ignore[arg-type]
    shown = select(Message.id).join(Conversation, Conversation.pk == Message.conversation_pk)
    message = shown.where(Conversation.org_id == org_id, holds(Message.images, f'/{cid}"')).limit(1)  # type: ignore[arg-type]
    return session.scalar(run) is not None or session.scalar(message) is not None
