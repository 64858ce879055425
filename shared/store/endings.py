"""The end of a run, written in one transaction.

Invariant: messages, definition, inputs, workflow version and the conversation's next active run appear together
with the run's final status, or not at all. Called by ``Runs.finish``, which holds the locks and the fence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared.store.conversations import close_input
from shared.store.records import InputRecord, InputStatus, Json, MessageRecord, ProposalDraft
from shared.store.steers import STEERS
from shared.store.tables import Conversation, Input, Message, Proposal, Run, Workflow, now, whole_ms
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

    def write(self, session: Session, run: Run, owner: Conversation) -> None:
        """Both rows are locked by the caller."""
        self._write_messages(session, run)
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
        owner.active_run_id = _next_waiting(session, run)

    def _write_messages(self, session: Session, run: Run) -> None:
        newest = select(func.max(Message.position), func.max(Message.created_at))
        found = session.execute(newest.where(Message.conversation_pk == run.conversation_pk)).one()
        position: int = found[0] or 0
        last: datetime | None = found[1]
        for message in self.messages:
            moment = whole_ms(message.created_at)
            # Strictly growing, or a page "before this time" would skip a message of the same millisecond.
            last = moment if last is None or moment > last else last + timedelta(milliseconds=1)
            position += 1
            session.add(
                Message(
                    id=message.id, conversation_pk=run.conversation_pk, run_id=run.id, role=message.role,
                    text=message.text, status=message.status, images=list(message.images), position=position,
                    created_at=last,
                )
            )  # fmt: skip

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

    def _close(self, run: Run) -> None:
        run.status = self.status
        run.outcome, run.terminal, run.usage = self.outcome, self.terminal, self.usage
        run.error_code, run.error_message = self.error_code, self.error_message
        run.first_index, run.last_index = self.first_index, self.last_index
        run.input = {key: value for key, value in run.input.items() if key != SEALED}
        run.finished_at = now()


def _next_waiting(session: Session, run: Run) -> str | None:
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
