"""The summary of a conversation's oldest messages, one row a conversation.

Invariant: it counts only while the last message it stands for is there; a cleared conversation has none. Callers: the
worker, for the agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared.store.database import Database
from shared.store.inserts import insert_new
from shared.store.tables import Message, Summary, now


@dataclass(frozen=True, slots=True)
class SummaryRecord:
    """`text` stands for every message up to and with the one whose id is `through`, at `position`."""

    text: str
    through: str
    position: int


class Summaries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, conversation_pk: int) -> SummaryRecord | None:
        query = (
            select(Summary.text, Message.id, Message.position)
            .join(Message, (Message.id == Summary.through) & (Message.conversation_pk == Summary.conversation_pk))
            .where(Summary.conversation_pk == conversation_pk)
        )
        found = await self._database.read(lambda session: session.execute(query).one_or_none())
        return SummaryRecord(*found) if found else None

    async def put(self, conversation_pk: int, text: str, through: str) -> None:
        """Replace the conversation's summary."""

        def work(session: Session) -> None:
            members = {"text": text, "through": through, "created_at": now()}
            insert_new(session, Summary, [{"conversation_pk": conversation_pk, **members}])
            session.execute(update(Summary).where(Summary.conversation_pk == conversation_pk).values(**members))

        await self._database.write(work)
