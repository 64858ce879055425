"""The end of a run, written in one transaction.

Invariant: messages, definition, inputs, workflow version and the conversation's next active run appear together
with the run's final status, or not at all. Called by ``Runs.finish``, which holds the locks and the fence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store.conversations import close_input
from shared.store.execution_records import ExecutionEnding
from shared.store.execution_tables import Execution, Step
from shared.store.records import EXECUTION, InputRecord, InputStatus, Json, MessageRecord, ProposalDraft
from shared.store.steers import STEERS
from shared.store.tables import Conversation, Input, Message, Proposal, Run, Workflow, now, whole_ms
from shared.store.waking import wake
from shared.store.workflows import next_version

# Sealed secrets live in a run's input only as long as the run may need them.
SEALED = "sealedKey"
#: Member of a waiting run's input: the run it asked to cancel.
INTERRUPTS = "interrupts"


@dataclass(frozen=True, slots=True)
class Ending:
    """What ``Runs.finish`` was told; its docstring explains the fields."""

    status: str
    outcome: str | None
    terminal: Json | None
    usage: Json | None
    error_code: str | None
    error_message: str | None
    messages: tuple[MessageRecord, ...]
    definition: Json | None
    mode: str | None
    inputs_new: tuple[InputRecord, ...]
    inputs_closed: tuple[tuple[str, InputStatus, str | None, object], ...]
    save_workflow: bool
    first_index: int | None
    last_index: int | None
    proposal: ProposalDraft | None = None
    workflow_version: int | None = None
    execution: ExecutionEnding | None = None

    def write(self, session: Session, run: Run, owner: Conversation) -> None:
        """Both rows are locked by the caller."""
        append_messages(session, run.conversation_pk, run.id, self.messages)
        for item in self.inputs_closed:
            close_input(session, run.org_id, *item)
        self._write_inputs(session, run)
        if self.save_workflow and self.definition is not None and owner.workflow_id is not None:
            self._save_workflow(session, run, owner.workflow_id)
        if self.proposal is not None and owner.workflow_id is not None:
            self._write_proposal(session, run, self.proposal, owner.workflow_id)
        owner.definition = owner.definition if self.definition is None else self.definition
        owner.mode = self.mode or owner.mode
        owner.updated_at = now()
        self._close(run)
        if run.kind == EXECUTION:
            self._write_execution(session, run)
        owner.active_run_id = next_waiting(session, run)

    def _write_inputs(self, session: Session, run: Run) -> None:
        for item in self.inputs_new:
            session.add(
                Input(
                    id=item.id, conversation_pk=run.conversation_pk, run_id=run.id, kind=item.kind, body=item.body,
                    status=item.status, resolved_by=item.resolved_by, value=item.value, created_at=now(),
                    expires_at=item.expires_at,
                )
            )  # fmt: skip

    def _save_workflow(self, session: Session, run: Run, workflow_id: str) -> None:
        query = select(Workflow).where(Workflow.org_id == run.org_id, Workflow.id == workflow_id)
        row = session.scalar(query.with_for_update(key_share=True))
        if row is not None and self.definition is not None and self.definition != row.definition:
            if self.workflow_version not in (None, row.version):
                raise CaddieError(
                    "VERSION_CONFLICT", f"expected version {self.workflow_version}, got {row.version}",
                    data={"expected": self.workflow_version, "actual": row.version},
                )  # fmt: skip
            next_version(session, row, self.definition, run.user_id, f"run {run.id}")

    def _write_proposal(self, session: Session, run: Run, draft: ProposalDraft, workflow_id: str) -> None:
        """Unless the workflow has gone meanwhile."""
        if session.scalar(select(Workflow.number).where(Workflow.id == workflow_id)) is None:
            return
        session.add(
            Proposal(
                id=draft.id, org_id=run.org_id, user_id=run.user_id, workflow_id=workflow_id, run_id=run.id,
                conversation_pk=run.conversation_pk, base_version=draft.base_version, body=draft.body,
                status="pending", created_at=now(), expires_at=draft.expires_at, rebased=False,
            )
        )  # fmt: skip

    def _write_execution(self, session: Session, run: Run) -> None:
        """Its open questions end with it, and whoever waits for it is woken."""
        ended = self.execution or self._execution_ending()
        values = {
            "status": ended.status, "output": ended.output, "error_code": ended.error_code,
            "error_message": ended.error_message, "error_node": ended.error_node, "wake_at": None,
            "finished_at": run.finished_at, "started_at": func.coalesce(Execution.started_at, run.finished_at),
            "node_runs": Execution.node_runs if ended.node_runs is None else ended.node_runs,
            "active_ms": Execution.active_ms if ended.active_ms is None else ended.active_ms,
        }  # fmt: skip
        change = update(Execution).where(Execution.id == run.id).values(values)
        change = change.returning(Execution.thread, Execution.parent_id).execution_options(synchronize_session=False)
        found = session.execute(change).one_or_none()
        pending = update(Input).where(Input.run_id == run.id, Input.status == "pending")
        session.execute(pending.values(status="expired").execution_options(synchronize_session=False))
        if found is None:
            return
        if ended.status != "completed":
            _close_steps(session, run.id)
        if found.thread is not None and ended.thread_messages:
            named = Conversation.org_id == run.org_id, Conversation.public_id == found.thread
            thread = session.scalar(select(Conversation).where(*named).with_for_update(key_share=True))
            if thread is not None:
                append_messages(session, thread.pk, run.id, ended.thread_messages)
                thread.updated_at = now()
        if found.parent_id is not None:
            wake(session, found.parent_id)

    def _execution_ending(self) -> ExecutionEnding:
        """For a run that ended before its executor could."""
        if self.status == "failed":
            return ExecutionEnding("failed", None, self.error_code, self.error_message)
        return ExecutionEnding("cancelled" if self.outcome == "cancelled" else "completed")

    def _close(self, run: Run) -> None:
        run.status = self.status
        run.outcome, run.terminal, run.usage = self.outcome, self.terminal, self.usage
        run.error_code, run.error_message = self.error_code, self.error_message
        # One that was suspended has begun earlier than its last attempt.
        run.first_index = self.first_index if run.first_index is None else run.first_index
        run.last_index = self.last_index
        run.input = {key: value for key, value in run.input.items() if key != SEALED}
        run.finished_at = now()


def _close_steps(session: Session, execution_id: str) -> None:
    """Those nobody could end: their execution failed before it was walked, or its workers died."""
    left = update(Step).where(Step.execution_id == execution_id, Step.status.in_(("running", "waiting")))
    left = left.values(status="failed", error_code="CANCELLED", error="the execution ended before this step did")
    session.execute(left.execution_options(synchronize_session=False))


def append_messages(session: Session, conversation_pk: int, run_id: str, messages: Sequence[MessageRecord]) -> None:
    """Behind all others of a conversation that the caller has locked."""
    if not messages:
        return
    newest = select(func.max(Message.position), func.max(Message.created_at))
    found = session.execute(newest.where(Message.conversation_pk == conversation_pk)).one()
    position: int = found[0] or 0
    last: datetime | None = found[1]
    for message in messages:
        moment = whole_ms(message.created_at)
        # Strictly growing, or a page "before this time" would skip a message of the same millisecond.
        last = moment if last is None or moment > last else last + timedelta(milliseconds=1)
        position += 1
        session.add(
            Message(
                id=message.id, conversation_pk=conversation_pk, run_id=run_id, role=message.role, text=message.text,
                status=message.status, images=list(message.images), position=position, created_at=last,
            )
        )  # fmt: skip


def next_waiting(session: Session, run: Run) -> str | None:
    """The oldest run that waits, or the newest that asked for this one's end."""
    waiting = select(Run.id, Run.input).where(Run.conversation_pk == run.conversation_pk, Run.status == "queued")
    rows = session.execute(waiting.where(Run.id != run.id).order_by(Run.created_at, Run.id)).all()
    if not rows:
        return None
    run_id, content = next((row for row in reversed(rows) if row.input.get(INTERRUPTS) == run.id), rows[0])
    if STEERS in content:
        # Nobody took it in: from now on it is a run like any other.
        own = {name: value for name, value in content.items() if name != STEERS}
        session.execute(update(Run).where(Run.id == run_id).values(input=own))
    return str(run_id)
