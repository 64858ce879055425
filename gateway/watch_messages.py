"""The messages of `/ws/` as documents show them (document 004): their models, by type.

Invariant: what ``gateway.execution_view`` and ``gateway.watcher`` send is valid here; a test holds it against the
schemas. Caller: ``gateway.asyncapi``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue, create_model


class Started(BaseModel):
    """workflow: its slug."""

    workflow: str
    trigger: str


class NodeStatus(BaseModel):
    """A step. path: the iterations it belongs to, `loop:index/…`; input, output: previews of at most 16 KiB."""

    node_id: str
    status: Literal["pending", "running", "success", "failed", "skipped", "waiting"]
    path: str | None = None
    input: JsonValue = None
    output: JsonValue = None
    error: str | None = None
    error_code: str | None = None
    duration_ms: int | None = None
    component_type: str | None
    node_label: str


class ChatMessageData(BaseModel):
    message_id: str
    role: Literal["assistant"]
    text: str


class Completed(BaseModel):
    """response: what was said in the chat, when something was."""

    output: JsonValue
    response: str | None = None


class Failed(BaseModel):
    error: str
    error_code: str


class Interrupted(BaseModel):
    """It waits for an answer: POST /api/v1/executions/{executionId}/resume/."""

    input_id: str
    kind: str
    node_id: str | None
    text: str
    options: list[JsonValue] | None = None
    expires_at: str


class Cancelled(BaseModel):
    pass


class Subscribe(BaseModel):
    """What was missed comes first; subscribing again changes nothing."""

    type: Literal["subscribe"]
    channel: str = Field(pattern=r"^(execution|workflow):[A-Za-z0-9_-]{1,128}$")


class Unsubscribe(BaseModel):
    type: Literal["unsubscribe"]
    channel: str = Field(pattern=r"^(execution|workflow):[A-Za-z0-9_-]{1,128}$")


class Subscribed(BaseModel):
    type: Literal["subscribed"]
    channel: str


class Unsubscribed(BaseModel):
    type: Literal["unsubscribed"]
    channel: str


class WatchError(BaseModel):
    """A message that could not be done; execution_id: of an execution that is not told of any more."""

    type: Literal["error"]
    code: str
    message: str
    channel: str | None = None
    execution_id: str | None = None


class Ping(BaseModel):
    """Every 30 s: answer with `pong` within 10 s."""

    type: Literal["ping"]


class Pong(BaseModel):
    type: Literal["pong"]


def _envelope(kind: str, data: type[BaseModel]) -> type[BaseModel]:
    literal: Any = Literal[kind]
    return create_model(
        "".join(part.title() for part in kind.split("_")) + "Message", type=(literal, ...), channel=(str, ...),
        timestamp=(str, ...), execution_id=(str, ...), data=(data, ...),
    )  # fmt: skip


TOLD: dict[str, type[BaseModel]] = {
    "execution_started": Started, "node_status": NodeStatus, "chat_message": ChatMessageData,
    "execution_completed": Completed, "execution_failed": Failed, "execution_interrupted": Interrupted,
    "execution_cancelled": Cancelled,
}  # fmt: skip
MESSAGES: dict[str, type[BaseModel]] = {kind: _envelope(kind, data) for kind, data in TOLD.items()} | {
    "subscribed": Subscribed, "unsubscribed": Unsubscribed, "error": WatchError, "ping": Ping,
}  # fmt: skip
COMMANDS: dict[str, type[BaseModel]] = {"subscribe": Subscribe, "unsubscribe": Unsubscribe, "pong": Pong}
