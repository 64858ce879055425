"""The beginning of an execution: run, conversation, execution and the thread's message, in one transaction.

Invariant: all of them or none; one request id, one execution. Rows are locked in the order workflow, the parent's
conversation, root execution, conversation, thread. Called by ``Executions.create`` and ``discard``.
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4, uuid5

import orjson
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store.conversations import ensure_conversation
from shared.store.endings import append_messages, next_waiting
from shared.store.execution_records import ExecutionStart
from shared.store.execution_tables import Execution, storable
from shared.store.records import EXECUTION, Json, MessageRecord
from shared.store.runs import known_run
from shared.store.tables import Conversation, Run, Workflow, now

DEPTH_MAX = 10
#: Executions that one may bring about, itself among them.
FAMILY_MAX = 1_000
#: What they are called by their sender, once and for all; a second delivery may look a little different.
NAMED_BY_SENDER = ("webhook", "schedule")
_WORKFLOW = (
    select(Workflow.name)
    .where(Workflow.org_id == bindparam("org"), Workflow.id == bindparam("workflow"))
    .with_for_update(read=True, key_share=True)
)
_PARENT = (
    select(Execution.depth, Execution.root_id)
    .join(Run, Run.id == Execution.id)
    .join(Conversation, Conversation.pk == Run.conversation_pk)
    .where(Execution.org_id == bindparam("org"), Execution.id == bindparam("parent"))
    .with_for_update(read=True, key_share=True, of=Conversation)
)
_CONVERSATION = insert(Conversation).returning(Conversation.pk)
_RUN = insert(Run)
_EXECUTION = insert(Execution)


def fingerprint(start: ExecutionStart) -> str:
    """What two starts with one request id must have in common."""
    content: list[Any] = [start.workflow_id, start.trigger, start.trigger_node]
    if start.trigger not in NAMED_BY_SENDER:
        content += [start.input, start.inputs, start.thread, start.text, start.conversation, start.parent_id]
    return hashlib.sha256(orjson.dumps(storable(content), option=orjson.OPT_SORT_KEYS)).hexdigest()


def write_start(session: Session, start: ExecutionStart, body_hash: str) -> tuple[str, bool]:
    """The execution's id, and whether this call made it. Raises like ``Executions.create``."""
    known = known_run(session, start.user_id, start.request_id, body_hash)
    if known is not None:
        return known.id, False
    title = session.scalar(_WORKFLOW, {"org": start.org_id, "workflow": start.workflow_id})
    if title is None:
        raise CaddieError("NOT_FOUND", "expected a workflow of this organisation, got none")
    execution_id = str(uuid4())
    family = _family(session, start, execution_id)
    if start.conversation is None:
        pk = _own_conversation(session, start, execution_id, title)
    else:
        owner = _free_conversation(session, start, start.conversation, body_hash)
        if isinstance(owner, str):
            return owner, False
        owner.active_run_id, owner.updated_at, pk = execution_id, now(), owner.pk
    _write_rows(session, start, execution_id, pk, body_hash, family)
    if start.thread is not None:
        _write_thread(session, start, start.thread, execution_id, title)
    return execution_id, True


def _family(session: Session, start: ExecutionStart, execution_id: str) -> Json:
    """Depth and root. The root is locked, so that executions begun at once are counted one after another, and the
    parent's conversation, so that whoever deletes the parent finds this one, or this one no parent.
    """
    if start.parent_id is None:
        return {"depth": 0, "root_id": execution_id}
    parent = session.execute(_PARENT, {"org": start.org_id, "parent": start.parent_id}).one_or_none()
    if parent is None:
        raise CaddieError("NOT_FOUND", "expected an execution of this organisation as parent, got none")
    if parent.depth >= DEPTH_MAX:
        message = f"expected workflows that start one another at most {DEPTH_MAX} deep, got one more"
        raise CaddieError("RUN_LIMIT", message, retryable=False)
    session.execute(select(Execution.id).where(Execution.id == parent.root_id).with_for_update(key_share=True))
    count = session.scalar(select(func.count()).where(Execution.root_id == parent.root_id)) or 0
    if count >= FAMILY_MAX:
        message = f"expected at most {FAMILY_MAX} executions from one, got one more"
        raise CaddieError("RUN_LIMIT", message, retryable=False)
    return {"depth": parent.depth + 1, "root_id": parent.root_id}


def _own_conversation(session: Session, start: ExecutionStart, execution_id: str, title: str) -> int:
    moment = now()
    values = {
        "org_id": start.org_id, "user_id": start.user_id, "public_id": execution_id, "kind": EXECUTION,
        "workflow_id": start.workflow_id, "title": title, "active_run_id": execution_id, "created_at": moment,
        "updated_at": moment,
    }  # fmt: skip
    return session.connection().execute(_CONVERSATION, values).scalar_one()


def _free_conversation(session: Session, start: ExecutionStart, name: str, body_hash: str) -> Conversation | str:
    """The conversation, locked; or the execution a twin of this start has made while we waited for the lock."""
    query = select(Conversation).where(Conversation.org_id == start.org_id, Conversation.public_id == name)
    owner = session.scalar(query.where(Conversation.user_id == start.user_id).with_for_update(key_share=True))
    if owner is None:
        raise CaddieError("NOT_FOUND", "expected a conversation of the caller, got none")
    if owner.active_run_id is not None:
        known = known_run(session, start.user_id, start.request_id, body_hash)
        if known is not None:
            return known.id
        message = "expected a conversation without an active run, got one that has"
        raise CaddieError("RUN_BUSY", message, data={"runId": owner.active_run_id})
    return owner


def _write_rows(
    session: Session, start: ExecutionStart, execution_id: str, pk: int, body_hash: str, family: Json
) -> None:
    moment = now()
    connection = session.connection()
    its = {"id": execution_id, "org_id": start.org_id, "user_id": start.user_id, "created_at": moment}
    run = {
        "conversation_pk": pk, "kind": EXECUTION, "request_id": start.request_id, "body_hash": body_hash, "input": {},
        "status": "queued", "attempt": 0, "cancel_requested": False,
    }  # fmt: skip
    connection.execute(_RUN, its | run)
    execution = {
        "workflow_id": start.workflow_id, "version": start.version, "trigger_node": start.trigger_node,
        "trigger": start.trigger, "input": start.input, "inputs": start.inputs or {}, "status": "pending",
        "parent_id": start.parent_id, "parent_path": start.parent_path, "parent_node": start.parent_node,
        "thread": start.thread, "node_runs": 0, "active_ms": 0, "attempt": 0, "progress_attempt": 0,
    }  # fmt: skip
    connection.execute(_EXECUTION, its | execution | family)


def _write_thread(session: Session, start: ExecutionStart, thread: str, execution_id: str, title: str) -> None:
    owner = ensure_conversation(session, start.org_id, start.user_id, thread, start.workflow_id, None, title, "thread")
    if start.text is not None:
        message = MessageRecord(str(uuid5(UUID(execution_id), "user")), "user", start.text, now())
        append_messages(session, owner.pk, execution_id, [message])
    owner.updated_at = now()


def erase_start(session: Session, execution_id: str) -> bool:
    """Undo ``write_start``, unless a worker has the run by now; the thread's message goes with the run."""
    its = select(Run.conversation_pk).where(Run.id == execution_id).scalar_subquery()
    owner = session.scalar(select(Conversation).where(Conversation.pk == its).with_for_update())
    untouched = Run.id == execution_id, Run.attempt == 0, Run.kind == EXECUTION
    run = session.scalar(select(Run).where(*untouched).with_for_update())
    if owner is None or run is None:
        return False
    if owner.public_id == execution_id:
        session.execute(delete(Conversation).where(Conversation.pk == owner.pk))
        return True
    if owner.active_run_id == execution_id:
        following = next_waiting(session, run)
        change = update(Conversation).where(Conversation.pk == owner.pk)
        session.execute(change.values(active_run_id=following))
    session.execute(delete(Run).where(Run.id == execution_id))
    return True
