"""Conversations, their messages and the questions asked in them.

Invariant: a conversation belongs to one user, and to anybody else it does not exist; the times of its messages
strictly grow, so a page "before this time" neither repeats nor skips one.
Callers: the surfaces (history, lists), the worker (what the agent knows); runs write messages when they end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Select, bindparam, delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from shared.errors import CaddieError, Fault
from shared.store import cursors
from shared.store.database import Database
from shared.store.execution_tables import Execution
from shared.store.inserts import insert_new
from shared.store.linkage import living
from shared.store.records import (
    EXECUTION,
    ConversationRecord,
    InputRecord,
    InputStatus,
    Kind,
    MessageRecord,
    Page,
)
from shared.store.tables import Conversation, Input, Message, Run, now
from shared.store.waking import wake_all

PUBLIC_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
TITLE_MAX = 200
DERIVED_TITLE = 80
# What an agent is told at most; older messages stay in history.
MESSAGES_MAX = 2_000
KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
AskedRecord = tuple[InputRecord, ConversationRecord]


# What every run asks for, built once: building a statement costs more than its execution.
_LOCKED = (
    select(Conversation)
    .where(Conversation.org_id == bindparam("org"), Conversation.public_id == bindparam("name"))
    .with_for_update(key_share=True)
)
_NEWEST = (
    select(Message)
    .where(Message.conversation_pk == bindparam("pk"))
    .order_by(Message.position.desc())
    .limit(MESSAGES_MAX)
)
_ASKED = (
    select(Input)
    .where(Input.conversation_pk == bindparam("pk"), Input.status == "pending")
    .order_by(Input.created_at, Input.id)
    .limit(cursors.LIMIT_MAX)
)


def conversation_record(row: Conversation) -> ConversationRecord:
    return ConversationRecord(
        row.pk, row.org_id, row.user_id, row.public_id, row.workflow_id, row.create_session_id, row.title,
        row.definition, row.mode, row.active_run_id, row.created_at, row.updated_at, KINDS[row.kind],
    )  # fmt: skip


def message_record(row: Message) -> MessageRecord:
    role: Literal["user", "assistant"] = "user" if row.role == "user" else "assistant"
    return MessageRecord(
        row.id, role, row.text, row.created_at, row.status, tuple(row.images), row.run_id, row.conversation_pk,
        row.position,
    )  # fmt: skip


def input_record(row: Input) -> InputRecord:
    statuses: dict[str, InputStatus] = {"pending": "pending", "resolved": "resolved", "expired": "expired"}
    return InputRecord(
        row.id, row.kind, row.body, row.expires_at, statuses[row.status], row.resolved_by, row.value, row.run_id,
        row.conversation_pk,
    )  # fmt: skip


class Conversations:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, org_id: int, public_id: str) -> ConversationRecord | None:
        """Of any user of the organisation; the caller compares `user_id`."""
        if not PUBLIC_ID.fullmatch(public_id):
            return None
        row = await self._database.read(lambda session: session.scalar(_conversation(org_id, public_id)))
        return conversation_record(row) if row else None

    async def ensure(
        self,
        org_id: int,
        user_id: int,
        public_id: str,
        workflow_id: str | None = None,
        create_session_id: str | None = None,
        title: str = "",
        kind: Kind = "builder",
    ) -> ConversationRecord:
        """The conversation, made when new; it gains a create session, a title, or a workflow that is there, once.

        INVALID id; NOT_FOUND when another user has it.
        """

        def work(session: Session) -> ConversationRecord:
            ids = org_id, user_id, public_id, workflow_id, create_session_id
            row = ensure_conversation(session, *ids, title, kind)
            return conversation_record(row)

        return await self._database.write(work)

    async def list(
        self,
        org_id: int,
        user_id: int,
        limit: int = 50,
        cursor: str | None = None,
        workflow_id: str | None = None,
        create_session_id: str | None = None,
        kinds: Collection[Kind] = (),
    ) -> Page[ConversationRecord]:
        """Last changed first; without kinds of every kind."""
        limit = cursors.bounded(limit)
        query = select(Conversation).where(Conversation.org_id == org_id, Conversation.user_id == user_id)
        if workflow_id is not None:
            query = query.where(Conversation.workflow_id == workflow_id)
        if create_session_id is not None:
            query = query.where(Conversation.create_session_id == create_session_id)
        if kinds:
            query = query.where(Conversation.kind.in_(kinds))
        if cursor is not None:
            query = query.where(before(Conversation.updated_at, Conversation.pk, *cursors.decode(cursor, int)))
        query = query.order_by(Conversation.updated_at.desc(), Conversation.pk.desc()).limit(limit + 1)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        last = rows[limit - 1] if len(rows) > limit else None
        after = cursors.encode(last.updated_at, last.pk) if last else None
        return Page([conversation_record(row) for row in rows[:limit]], after)

    async def rename(self, org_id: int, public_id: str, title: str) -> ConversationRecord | None:

        def work(session: Session) -> ConversationRecord | None:
            row = session.scalar(_conversation(org_id, public_id).with_for_update(key_share=True))
            if row is None:
                return None
            row.title = title[:TITLE_MAX]
            return conversation_record(row)

        return await self._database.write(work)

    async def history(
        self,
        org_id: int,
        conversation_pk: int,
        limit: int = 20,
        before: datetime | None = None,
        before_id: str | None = None,
    ) -> tuple[Sequence[MessageRecord], bool]:
        """The last ``limit`` messages before a time or a message, oldest first, and whether there are older ones.

        A known ``before_id`` decides alone; ``before`` is strict.
        """
        limit = cursors.bounded(limit)

        def work(session: Session) -> Sequence[Message]:
            query = _messages(org_id, conversation_pk)
            mark = session.scalar(query.where(Message.id == before_id)) if before_id is not None else None
            if mark is not None:
                order = tuple_(Message.created_at, Message.position, Message.id)
                query = query.where(order < tuple_(mark.created_at, mark.position, mark.id))
            elif before is not None:
                query = query.where(Message.created_at < before)
            query = query.order_by(Message.created_at.desc(), Message.position.desc(), Message.id.desc())
            return session.scalars(query.limit(limit + 1)).all()

        rows = await self._database.read(work)
        return [message_record(row) for row in reversed(rows[:limit])], len(rows) > limit

    async def messages(self, conversation_pk: int) -> Sequence[MessageRecord]:
        """The newest ``MESSAGES_MAX``, oldest first, of a conversation the caller has looked up."""
        rows = await self._database.read(lambda session: session.scalars(_NEWEST, {"pk": conversation_pk}).all())
        return [message_record(row) for row in reversed(rows)]

    async def of_run(self, conversation_pk: int, run_id: str) -> Sequence[MessageRecord]:
        """The messages of one run, oldest first."""
        query = select(Message).where(Message.conversation_pk == conversation_pk, Message.run_id == run_id)
        query = query.order_by(Message.position).limit(cursors.LIMIT_MAX)
        return await self._database.read(lambda session: [message_record(row) for row in session.scalars(query)])

    async def batch(self, conversation_pk: int, after: int, limit: int) -> Sequence[MessageRecord]:
        """The oldest ``limit`` of a position above ``after``, for whoever reads all of them."""
        query = select(Message).where(Message.conversation_pk == conversation_pk, Message.position > after)
        query = query.order_by(Message.position).limit(limit)
        return await self._database.read(lambda session: [message_record(row) for row in session.scalars(query)])

    async def inputs(self, conversation_pk: int) -> Sequence[InputRecord]:
        """The pending ones, oldest first, also those past their end that nobody has closed yet."""
        values = {"pk": conversation_pk}
        return await self._database.read(lambda session: [input_record(row) for row in session.scalars(_ASKED, values)])

    async def input(self, org_id: int, input_id: str) -> AskedRecord | None:
        query = (
            select(Input, Conversation)
            .join(Conversation, Conversation.pk == Input.conversation_pk)
            .where(Conversation.org_id == org_id, Input.id == input_id)
        )
        if not PUBLIC_ID.fullmatch(input_id):
            return None
        found = await self._database.read(lambda session: session.execute(query).one_or_none())
        return (input_record(found[0]), conversation_record(found[1])) if found else None

    async def close_input(
        self, org_id: int, input_id: str, status: InputStatus, by: str | None, value: Any = None
    ) -> bool:
        """Resolve or expire a pending input outside a run; False when somebody was first or there is none here."""
        return await self._database.write(lambda session: close_input(session, org_id, input_id, status, by, value))

    async def overdue_inputs(self, moment: datetime, limit: int = 100) -> Sequence[AskedRecord]:
        """Pending inputs whose time is over, for a sweeper; not those of executions, which look themselves."""
        query = (
            select(Input, Conversation)
            .join(Conversation, Conversation.pk == Input.conversation_pk)
            .join(Run, Run.id == Input.run_id)
            .where(Input.status == "pending", Input.expires_at <= moment, Run.kind != EXECUTION)
            .order_by(Input.expires_at)
            .limit(cursors.bounded(limit))
        )
        found = await self._database.read(lambda session: session.execute(query).all())
        return [(input_record(row), conversation_record(owner)) for row, owner in found]

    async def clear(self, org_id: int, public_id: str) -> ConversationRecord | None:
        """Delete all messages and pending inputs; the conversation, its runs and its definition stay."""

        def work(session: Session) -> ConversationRecord | None:
            row = session.scalar(_conversation(org_id, public_id).with_for_update(key_share=True))
            if row is None:
                return None
            wake_all(session, Execution.id.in_(select(Run.id).where(Run.conversation_pk == row.pk)))
            session.execute(delete(Message).where(Message.conversation_pk == row.pk))
            pending = (Input.conversation_pk == row.pk, Input.status == "pending")
            session.execute(update(Input).where(*pending).values(status="expired"))
            row.updated_at = now()
            return conversation_record(row)

        return await self._database.write(work)


def ensure_conversation(
    session: Session,
    org_id: int,
    user_id: int,
    public_id: str,
    workflow_id: str | None,
    create_session_id: str | None,
    title: str = "",
    kind: Kind = "builder",
) -> Conversation:
    """The locked row, made when new, inside the caller's transaction."""
    if not PUBLIC_ID.fullmatch(public_id):
        message = "expected 1 to 128 characters of [A-Za-z0-9_.:-], got something else"
        raise CaddieError("INVALID", message, faults=(Fault("conversationId", message),))
    named = {"org": org_id, "name": public_id}
    row = session.scalar(_LOCKED, named)
    if workflow_id is not None and (row is None or row.workflow_id is None):
        workflow_id = next(iter(living(session, org_id, [workflow_id])), None)
    if row is None:
        moment = now()
        values = {
            "org_id": org_id, "user_id": user_id, "public_id": public_id, "workflow_id": workflow_id,
            "create_session_id": create_session_id, "title": title[:TITLE_MAX], "kind": kind, "created_at": moment,
            "updated_at": moment,
        }  # fmt: skip
        insert_new(session, Conversation, [values])
        row = session.scalars(_LOCKED, named).one()
    if row.user_id != user_id:
        raise CaddieError("NOT_FOUND", "expected a conversation of the caller, got none")
    row.workflow_id = row.workflow_id or workflow_id
    row.create_session_id = row.create_session_id or create_session_id
    row.title = row.title or title[:TITLE_MAX]
    return row


def title_of(text: str) -> str:
    """A title for a conversation that begins with this message: its beginning, cut between words."""
    words = " ".join(text.split())
    if len(words) <= DERIVED_TITLE:
        return words
    cut = words[: DERIVED_TITLE - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:.-") + "…"


def close_input(session: Session, org_id: int, input_id: str, status: InputStatus, by: str | None, value: Any) -> bool:
    """Whether this call closed the input, inside the caller's transaction."""
    ours = select(Conversation.pk).where(Conversation.org_id == org_id)
    change = update(Input).where(Input.id == input_id, Input.status == "pending", Input.conversation_pk.in_(ours))
    change = change.values(status=status, resolved_by=by, value=value)
    return session.scalar(change.returning(Input.id)) is not None


def _conversation(org_id: int, public_id: str) -> Select[Conversation]:
    return select(Conversation).where(Conversation.org_id == org_id, Conversation.public_id == public_id)


def _messages(org_id: int, conversation_pk: int) -> Select[Message]:
    return (
        select(Message)
        .join(Conversation, Conversation.pk == Message.conversation_pk)
        .where(Conversation.org_id == org_id, Message.conversation_pk == conversation_pk)
    )


def before(moment_column: Any, key_column: Any, moment: datetime, key: str | int) -> Any:
    return or_(moment_column < moment, (moment_column == moment) & (key_column < key))
