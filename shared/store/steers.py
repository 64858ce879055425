"""Steers: messages sent to a run under way, kept as waiting runs of the conversation until the run takes them in.

Invariant: a steer is taken by the run it was sent to or becomes a run of its own, never both and never neither: both
happen to its one row, under a lock. Callers: ``Runs`` (marks them), the worker (takes them).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.store.database import Database
from shared.store.records import Json
from shared.store.tables import Conversation, Run, now

#: Member of a waiting run's input: the run it was sent to; and the outcome of one that run has taken in.
STEERS = "steers"
STEERED = "steered"


class Steers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, run_id: str, attempt: int) -> Sequence[tuple[str, str | None, Json]]:
        """(id, request id, input) of what was sent to the run and not taken yet, oldest first; from now on it is.

        Nothing for an attempt that is not the newest, or a run that is over.
        """

        def work(session: Session) -> Sequence[tuple[str, str | None, Json]]:
            its = select(Run.conversation_pk).where(Run.id == run_id).scalar_subquery()
            owner = session.scalar(select(Conversation).where(Conversation.pk == its).with_for_update(key_share=True))
            held = session.scalar(select(Run).where(Run.id == run_id))
            if owner is None or held is None or held.status != "running" or held.attempt != attempt:
                return []
            query = select(Run).where(Run.conversation_pk == owner.pk, Run.status == "queued", Run.id != run_id)
            waiting = session.scalars(query.order_by(Run.created_at, Run.id)).all()
            found = [row for row in waiting if row.input.get(STEERS) == run_id and not row.cancel_requested]
            for row in found:
                row.status, row.outcome, row.finished_at = "finished", STEERED, now()
            return [(row.id, row.request_id, row.input) for row in found]

        return await self._database.write(work)

    async def taken(self, run_id: str) -> Sequence[tuple[str, str | None, Json]]:
        """What an earlier attempt of the run has taken in, oldest first."""
        its = select(Run.conversation_pk).where(Run.id == run_id).scalar_subquery()
        query = select(Run).where(Run.conversation_pk == its, Run.outcome == STEERED).order_by(Run.created_at, Run.id)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [(row.id, row.request_id, row.input) for row in rows if row.input.get(STEERS) == run_id]
