"""What the store hands out of executions, and what it is told of them: frozen records.

Invariant: like ``records``. A record that is written (`ExecutionStart`, `StepWrite`, `ExecutionEnding`) holds no
secret: whoever makes it has masked its values. Callers: gateway and worker, through ``Store.executions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shared.store.records import InputRecord, Json, MessageRecord

ExecutionStatus = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
StepStatus = Literal["running", "waiting", "success", "failed", "skipped"]
TriggerKind = Literal["manual", "chat", "webhook", "schedule", "workflow", "agent"]
StepKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """An execution to be made. input: the trigger's result; inputs: `$inputs`.

    request_id: the same one makes one execution; of webhooks and schedules it alone decides, else the content must be
    the same, too. thread and text: the conversation of kind "thread" that gains this user message. conversation: an
    existing one to run in, instead of one of its own. parent_path, parent_node: the step of the parent that starts it.
    """

    org_id: int
    user_id: int
    workflow_id: str
    version: int
    trigger: TriggerKind
    trigger_node: str
    input: Any = None
    inputs: Json | None = None
    request_id: str | None = None
    thread: str | None = None
    text: str | None = None
    conversation: str | None = None
    parent_id: str | None = None
    parent_path: str | None = None
    parent_node: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """An execution; its id is its run's. `conversation` is the public id of the one whose log it writes.

    attempt: the newest that has begun. progress_attempt: the newest that has left something.
    """

    id: str
    org_id: int
    user_id: int
    workflow_id: str
    version: int
    trigger_node: str
    trigger: TriggerKind
    input: Any
    inputs: Json
    status: ExecutionStatus
    depth: int
    root_id: str
    parent_id: str | None
    parent_path: str | None
    parent_node: str | None
    thread: str | None
    output: Any
    error_code: str | None
    error_message: str | None
    error_node: str | None
    node_runs: int
    active_ms: int
    attempt: int
    progress_attempt: int
    wake_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    workflow_number: int
    workflow_slug: str
    workflow_name: str
    conversation: str

    @property
    def over(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One run of one node: `path` is "" at the top level, "each:3" in the 4th iteration of the loop `each`."""

    execution_id: str
    path: str
    node_id: str
    position: int
    status: StepStatus
    attempt: int
    branch: str | None
    input: Any
    result: Any
    error: str | None
    error_code: str | None
    started_at: datetime | None
    duration_ms: int | None
    wake_at: datetime | None
    input_id: str | None
    child_id: str | None

    @property
    def key(self) -> StepKey:
        return self.path, self.node_id


@dataclass(frozen=True, slots=True)
class VariableWrite:
    """A change of a variable with lifetime `persist`. type: as declared; default: the declared value of a new one."""

    name: str
    operation: Literal["set", "increment", "append"]
    value: Any
    type: str
    default: Any = None


@dataclass(frozen=True, slots=True)
class StepWrite:
    """What a step has come to. Of a known step `position` stays, and so do `input`, `started_at`, `input_id` and
    `child_id` where they are None here."""

    path: str
    node_id: str
    position: int
    status: StepStatus
    attempt: int
    branch: str | None = None
    input: Any = None
    result: Any = None
    error: str | None = None
    error_code: str | None = None
    started_at: datetime | None = None
    duration_ms: int | None = None
    wake_at: datetime | None = None
    input_id: str | None = None
    child_id: str | None = None
    variable: VariableWrite | None = None
    #: What the step has said in the chat; the execution's thread, if it has one, gains it as a message.
    reply: str | None = None

    @property
    def key(self) -> StepKey:
        return self.path, self.node_id


@dataclass(frozen=True, slots=True)
class Begun:
    """An execution whose attempt has begun: all that it has left so far.

    steps: by position. variables: those with lifetime `persist`. inputs: by id. resumed: it was suspended, and has not
    lost its worker.
    """

    execution: ExecutionRecord
    definition: Json
    steps: tuple[StepRecord, ...]
    variables: Mapping[str, Any]
    inputs: Mapping[str, InputRecord]
    resumed: bool


@dataclass(frozen=True, slots=True)
class ExecutionEnding:
    """How an execution ended, for ``Runs.finish``. thread_messages: what its thread gains."""

    status: Literal["completed", "failed", "cancelled"]
    output: Any = None
    error_code: str | None = None
    error_message: str | None = None
    error_node: str | None = None
    node_runs: int | None = None
    active_ms: int | None = None
    thread_messages: tuple[MessageRecord, ...] = ()
