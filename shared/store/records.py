"""What the store hands out: frozen records, never a database row.

Invariant: every time is aware and UTC in whole milliseconds (the wire's precision, so a time read from the wire
compares equal to the stored one); every record belongs to one organisation, by its own `org_id` or its parent's.
Callers: gateway, server and worker read them; `MessageRecord` and `InputRecord` are also what `runs.finish` takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

Json = dict[str, Any]
Role = Literal["owner", "member"]
#: What a conversation is: of documents 000 and 001, 002, 003, 004, and the log of one execution.
Kind = Literal["builder", "chat", "workflow", "thread", "execution"]
#: `suspended`: waits for a time, an answer or another execution; no job and no worker has it.
RunStatus = Literal["queued", "running", "suspended", "finished", "failed"]
UNFINISHED: tuple[RunStatus, ...] = ("queued", "running", "suspended")
#: The kind of a run that is an execution.
EXECUTION = "execution"
InputStatus = Literal["pending", "resolved", "expired"]
ProposalStatus = Literal["pending", "applied", "rejected"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items and where the next ones begin; `cursor` is None at the end."""

    items: list[T]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class OrganisationRecord:
    id: int
    uuid: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person. The password hash never leaves the store."""

    id: int
    uuid: str
    org_id: int
    email: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """An API key without its secret; `prefix` is what a list may show of it."""

    id: int
    org_id: int
    user_id: int
    name: str
    prefix: str
    scopes: frozenset[str]
    created_at: datetime
    last_used_at: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom an API key stands for."""

    api_key_id: int
    org: OrganisationRecord
    user: UserRecord
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """Whom a browser's cookie stands for; `id` is the digest of the cookie, `agent` how the browser calls itself."""

    id: str
    org: OrganisationRecord
    user: UserRecord
    agent: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """One workflow under its three handles: `id` (UUID), `number` and `slug`. `version` counts definitions from 1.

    Not `enabled`: nothing fires by itself.
    """

    id: str
    number: int
    org_id: int
    user_id: int
    slug: str
    name: str
    description: str
    definition: Json
    version: int
    created_at: datetime
    updated_at: datetime
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class WorkflowVersionRecord:
    workflow_id: str
    version: int
    definition: Json
    created_by: int
    created_at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """`pk` is the store's own number, `public_id` what clients call it; `definition` is the working definition."""

    pk: int
    org_id: int
    user_id: int
    public_id: str
    workflow_id: str | None
    create_session_id: str | None
    title: str
    definition: Json | None
    mode: str | None
    active_run_id: str | None
    created_at: datetime
    updated_at: datetime
    kind: Kind = "builder"


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message of a finished run. `finish` sets `run_id`, `conversation_pk` and `position` itself."""

    id: str
    role: Literal["user", "assistant"]
    text: str
    created_at: datetime
    status: str = "completed"
    images: tuple[Json, ...] = ()
    run_id: str = ""
    conversation_pk: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class InputRecord:
    """A question to the user. `finish` sets `run_id` and `conversation_pk` itself."""

    id: str
    kind: str
    body: Json
    expires_at: datetime
    status: InputStatus = "pending"
    resolved_by: str | None = None
    value: Any = None
    run_id: str = ""
    conversation_pk: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. `conversation` is the public id; `terminal` the run's last event as emitted."""

    id: str
    org_id: int
    user_id: int
    conversation_pk: int
    conversation: str
    kind: str
    request_id: str | None
    body_hash: str
    input: Json
    status: RunStatus
    attempt: int
    cancel_requested: bool
    outcome: str | None
    error_code: str | None
    error_message: str | None
    terminal: Json | None
    usage: Json | None
    first_index: int | None
    last_index: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def over(self) -> bool:
        return self.status in ("finished", "failed")

    @property
    def end(self) -> int:
        """The index of the run's terminal event; 0 while it has none."""
        return (self.last_index or 0) + len((self.terminal or {}).get("events", ())) if self.over else 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do a run: `run.attempt` is the fence. `exhausted`: too many attempts, only fail it."""

    run: RunRecord
    conversation: ConversationRecord
    exhausted: bool


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session: of a token (`conversation` set) or of a browser's cookie (`conversation` None)."""

    id: str
    org_id: int
    user_id: int
    api_key_id: int | None
    conversation: str | None
    scopes: frozenset[str]
    create_session_id: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    context: Json | None = None


@dataclass(frozen=True, slots=True)
class BlobRecord:
    cid: str
    org_id: int
    media_type: str
    size: int
    data: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProposalDraft:
    """A proposal that a run leaves; `finish` sets run, conversation, user and workflow itself."""

    id: str
    base_version: int
    body: Json
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """Changes to a workflow that wait for a decision, or what became of them.

    base_version: what they were made against. chosen: positions of those applied, None for all. A rejected one with an
    `applied_version` had been applied; `undone_version` took it back. `rebased`: applied to a newer version than its
    base. due: the decision its conversation's log lacks. `conversation` is the public id.
    """

    id: str
    org_id: int
    user_id: int
    workflow_id: str
    run_id: str
    conversation: str
    base_version: int
    body: Json
    status: ProposalStatus
    created_at: datetime
    expires_at: datetime
    decided_by: int | None
    applied_at: datetime | None
    rejected_at: datetime | None
    applied_version: int | None
    undone_version: int | None
    chosen: tuple[int, ...] | None
    rebased: bool
    due: ProposalStatus | None


@dataclass(frozen=True, slots=True)
class ConnectorRecord:
    """An outside account. `sealed` is for the worker and never leaves the product."""

    id: str
    org_id: int
    user_id: int
    type: str
    name: str
    sealed: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    tested_at: datetime | None
    test_ok: bool | None


@dataclass(frozen=True, slots=True)
class HookRecord:
    """The address of a webhook trigger. sealed: its secret part, None until its owner is shown it. User, version and
    `enabled` are the workflow's.
    """

    org_id: int
    workflow_id: str
    node_id: str
    sealed: str | None = field(repr=False)
    created_at: datetime
    user_id: int
    version: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule trigger; `rule` is its node's payload. User and version are the workflow's.

    made_at: when it was stored, where a rule without a `start` begins. Not armed: `next_at` is when to compute the
    first due time, and nothing fires then. next_at None: over.
    """

    workflow_id: str
    node_id: str
    org_id: int
    rule: Json
    made_at: datetime
    armed: bool
    next_at: datetime | None
    last_at: datetime | None
    fired: int
    user_id: int
    version: int
