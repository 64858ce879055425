"""From the rows of executions and steps to their records.

Invariant: every execution that is read is read by ``executions``, with its workflow's handles and its conversation.
Callers: the modules that read executions.
"""

from __future__ import annotations

from typing import get_args

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from shared.store.execution_records import ExecutionRecord, ExecutionStatus, StepRecord, TriggerKind
from shared.store.execution_tables import Execution, Step
from shared.store.tables import Conversation, Run, Workflow

STATUSES: dict[str, ExecutionStatus] = {status: status for status in get_args(ExecutionStatus)}
TRIGGERS: dict[str, TriggerKind] = {kind: kind for kind in get_args(TriggerKind)}
_STEPS = (
    select(*Step.__table__.columns)
    .where(Step.execution_id == bindparam("execution"))
    .order_by(Step.position, Step.path, Step.node_id)
)
Found = Select[Execution, int, str, str, str]


def executions() -> Found:
    """Each with number, slug and name of its workflow and the public id of its conversation."""
    return (
        select(Execution, Workflow.number, Workflow.slug, Workflow.name, Conversation.public_id)
        .join(Workflow, Workflow.id == Execution.workflow_id)
        .join(Run, Run.id == Execution.id)
        .join(Conversation, Conversation.pk == Run.conversation_pk)
    )


def execution_record(row: Execution, number: int, slug: str, name: str, conversation: str) -> ExecutionRecord:
    return ExecutionRecord(
        row.id, row.org_id, row.user_id, row.workflow_id, row.version, row.trigger_node, TRIGGERS[row.trigger],
        row.input, row.inputs, STATUSES[row.status], row.depth, row.root_id, row.parent_id, row.parent_path,
        row.parent_node, row.thread, row.output, row.error_code, row.error_message, row.error_node, row.node_runs,
        row.active_ms, row.attempt, row.progress_attempt, row.wake_at, row.created_at, row.started_at,
        row.finished_at, number, slug, name, conversation,
    )  # fmt: skip


# Built once: building a statement costs more than its execution.
_BY_ID = executions().where(Execution.id == bindparam("execution"))


def find_execution(session: Session, execution_id: str) -> ExecutionRecord | None:
    found = session.execute(_BY_ID, {"execution": execution_id}).one_or_none()
    return execution_record(*found) if found else None


def read_steps(session: Session, execution_id: str) -> list[StepRecord]:
    """In the order they began."""
    # Rows, not objects: an execution may have ten thousand of them. The table's columns are the record's fields.
    found = session.connection().execute(_STEPS, {"execution": execution_id})
    return [StepRecord(*row) for row in found]
