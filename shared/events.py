"""The event log's vocabulary: a closed set of frozen models and their one encoding.

An event on the wire is ``{"index","type","ts","runId"?,"agentVersion"?,"data"}`` (protocol.md, "Server → client").
It is encoded once, by its producer, as a *body*: the JSON object without its index and without the opening brace. The
index is known only when the log appends the body; ``join`` puts it in front as text, so nobody ever encodes twice.

Invariant: what is encoded can be parsed again, by readers of this version and, as a bare object, by older ones.
Callers: the agent and the worker (emit), the log (bodies), every reader (``decode``; ``shared.fold`` for the state).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, JsonValue

Mode = Literal["planning", "building", "repair", "conversation"]
#: Which side of a run with agentVersion `both` says an event; absent on what is of the whole run.
Side = Literal["v1", "v2"]


class Data(BaseModel):
    """The `data` member of one event type; ``TYPE`` is the name on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]


class Image(BaseModel):
    """An image as history keeps it: a link, never the bytes."""

    model_config = ConfigDict(frozen=True)
    url: str
    mediaType: str | None = None


class Usage(BaseModel):
    """Tokens a run used, as the provider reports them, and the model calls it made."""

    model_config = ConfigDict(frozen=True)
    inputTokens: int = 0
    outputTokens: int = 0
    cacheReadTokens: int = 0
    cacheWriteTokens: int = 0
    steps: int = 0


class ValidationFault(BaseModel):
    model_config = ConfigDict(frozen=True)
    nodeId: str | None = None
    message: str


class IncompleteField(BaseModel):
    """A field only the user can fill in."""

    model_config = ConfigDict(frozen=True)
    nodeId: str
    field: str
    message: str


class RunResult(BaseModel):
    """What a run left behind. `workflow` is the whole definition when the run touched it; `output` is an execution's.

    results: of a run with agentVersion `both`, by version; the result around it is v2's, or v1's when v2 failed.
    """

    model_config = ConfigDict(frozen=True)
    type: Literal["workflow", "message"] = "message"
    workflow: dict[str, JsonValue] | None = None
    message: str = ""
    output: JsonValue = None
    incompleteFields: tuple[IncompleteField, ...] = ()
    validationErrors: tuple[ValidationFault, ...] = ()
    results: dict[Side, RunResult] | None = None


class MessageUser(Data):
    TYPE = "message.user"
    messageId: str
    text: str
    images: tuple[Image, ...] = ()
    requestId: str | None = None


class RunStarted(Data):
    TYPE = "run.started"
    requestId: str | None = None
    kind: Literal["turn", "execution"] = "turn"
    agentVersion: Literal["v1", "v2", "v3", "both"] = "v3"
    mode: Mode | None = None
    model: str = ""
    attempt: int = 1


class RunRestarted(Data):
    """Another worker took the run over; its events with an index above `keepThrough` no longer count."""

    TYPE = "run.restarted"
    attempt: int
    keepThrough: int


class ModeSelected(Data):
    TYPE = "mode.selected"
    mode: Mode
    reason: str


class Thinking(Data):
    TYPE = "thinking"
    text: str


class MessageStarted(Data):
    TYPE = "message.started"
    messageId: str


class MessageDelta(Data):
    TYPE = "message.delta"
    messageId: str
    text: str


class MessageCompleted(Data):
    TYPE = "message.completed"
    messageId: str
    text: str


class ToolStarted(Data):
    TYPE = "tool.started"
    toolCallId: str
    name: str
    args: dict[str, JsonValue]


class ToolFinished(Data):
    TYPE = "tool.finished"
    toolCallId: str
    name: str
    ok: bool
    result: JsonValue = None
    error: str | None = None
    durationMs: int = 0


class NodeChanged(Data):
    """A node of the working definition was added, updated or removed; `node` is null when removed."""

    TYPE = "node"
    action: Literal["add", "update", "remove"]
    nodeId: str
    node: dict[str, JsonValue] | None = None


class InputRequested(Data):
    """The agent asks; the run ends with outcome `waiting` and the answer begins another one."""

    TYPE = "input.requested"
    inputId: str
    kind: Literal["question", "plan", "template"] = "question"
    body: dict[str, JsonValue] = Field(description="question: {text, options?: [{value, label}], allowText}")
    expiresAt: str


class InputResolved(Data):
    TYPE = "input.resolved"
    inputId: str
    by: str
    value: JsonValue = None


class InputExpired(Data):
    TYPE = "input.expired"
    inputId: str


class ProposalCreated(Data):
    TYPE = "proposal.created"
    proposal: dict[str, JsonValue]


class ProposalApplied(Data):
    TYPE = "proposal.applied"
    proposalId: str
    by: str
    version: int


class ProposalRejected(Data):
    TYPE = "proposal.rejected"
    proposalId: str
    by: str
    version: int | None = None


class ExecutionNode(Data):
    """A step of an execution. A block that computes at once says only its end.

    input, output: previews of bounded size, without secrets; the whole is in the store. path: the iterations the step
    belongs to, as `loop:index`, the outermost first, joined by `/`.
    """

    TYPE = "execution.node"
    nodeId: str
    status: Literal["pending", "running", "success", "failed", "skipped", "waiting"]
    block: str | None = None
    path: str | None = None
    input: JsonValue = None
    output: JsonValue = None
    error: str | None = None
    code: str | None = None
    durationMs: int | None = None
    label: str | None = None


class RunFinished(Data):
    TYPE = "run.finished"
    outcome: Literal["completed", "cancelled", "waiting", "limit"]
    result: RunResult = RunResult()
    usage: Usage = Usage()


class RunFailed(Data):
    TYPE = "run.failed"
    code: str
    message: str
    retryable: bool


class ConversationCleared(Data):
    TYPE = "conversation.cleared"
    by: str


EVENTS: dict[str, type[Data]] = {
    model.TYPE: model
    for model in (
        MessageUser, RunStarted, RunRestarted, ModeSelected, Thinking, MessageStarted, MessageDelta, MessageCompleted,
        ToolStarted, ToolFinished, NodeChanged, InputRequested, InputResolved, InputExpired, ProposalCreated,
        ProposalApplied, ProposalRejected, ExecutionNode, RunFinished, RunFailed, ConversationCleared,
    )
}  # fmt: skip
TERMINAL = (RunFinished.TYPE, RunFailed.TYPE)
DELTA_PREFIX = b'"type":"message.delta",'


class Event(BaseModel):
    """One indexed fact. `data` is the typed model, or the bare object when the type is newer than this code."""

    model_config = ConfigDict(frozen=True)
    index: int
    type: str
    ts: str
    runId: str | None = None
    agentVersion: Side | None = None
    data: InstanceOf[Data] | dict[str, Any]


def timestamp(moment: datetime | None = None) -> str:
    """UTC, ISO 8601, milliseconds, `Z`: the only time format on the wire."""
    if moment is None:
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"
    moment = moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@lru_cache(maxsize=2)
def _second(unix_s: int) -> str:
    """Every event has its time, thousands in the same second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s))


class Sided(NamedTuple):
    """An event of one side of a run with agentVersion `both`, on its way to the log."""

    side: Side
    data: Data


def encode(data: Data, run_id: str | None = None, ts: str | None = None, side: Side | None = None) -> bytes:
    """The body of an event: ``"type":…,"ts":…,"runId":…,"agentVersion":…,"data":{…}}``: all but ``{"index":N,``."""
    head = b'"type":"%b","ts":"%b",' % (data.TYPE.encode(), (ts or timestamp()).encode())
    run = b'"runId":"%b",' % run_id.encode() if run_id else b""
    if side:
        run += b'"agentVersion":"%b",' % side.encode()
    value = data.model_dump(mode="json", exclude_none=True)
    try:
        text = orjson.dumps(value)
    except TypeError:
        text = orjson.dumps(_portable(value))
    return head + run + b'"data":' + text + b"}"


def encode_delta(message_id: str, text: str, run_id: str, ts: str, side: Side | None = None) -> bytes:
    """``encode`` of a message.delta without its model: most events by far. text: without lone surrogates."""
    version = f'"agentVersion":"{side}",' if side else ""
    head = f'"type":"message.delta","ts":"{ts}","runId":"{run_id}",{version}"data":'
    return b'%b{"messageId":%b,"text":%b}}' % (head.encode(), orjson.dumps(message_id), orjson.dumps(text))


def _portable(value: Any) -> Any:
    """What a model put into a tool's arguments and JSON readers disagree on: integers beyond 64 bits (as text, for no
    digit may be lost) and lone surrogates (as U+FFFD).
    """
    if isinstance(value, dict):
        return {_portable(key): _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value


def join(index: int, body: bytes) -> bytes:
    """The whole JSON of an event."""
    return b'{"index":%d,%b' % (index, body)


def parse(raw: bytes | dict[str, Any]) -> Event:
    """An event from its JSON; an unknown type is kept as a bare object (readers ignore it)."""
    value = orjson.loads(raw) if isinstance(raw, bytes) else raw
    model = EVENTS.get(value["type"])
    data = model.model_validate(value["data"]) if model else value["data"]
    return Event(
        index=value["index"], type=value["type"], ts=value["ts"], runId=value.get("runId"),
        agentVersion=side if (side := value.get("agentVersion")) in ("v1", "v2") else None, data=data,
    )  # fmt: skip


def decode(index: int, body: bytes) -> Event:
    return parse(join(index, body))
