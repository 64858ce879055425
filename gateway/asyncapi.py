"""The AsyncAPI 3.0 document of the sockets: Socket.IO (events of the log, control messages, commands) and `/ws/`.

Invariant: the events' schemas are those of ``shared.events``, so a new event type is documented by existing. Control
messages and commands are declared here from the protocol. Callers: the operations routes (`/asyncapi.json`) and
`python -m gateway asyncapi`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue, create_model
from pydantic.json_schema import models_json_schema

from gateway.watch_messages import COMMANDS as WATCH_COMMANDS
from gateway.watch_messages import MESSAGES as WATCH_MESSAGES
from shared.events import EVENTS, MessageDelta, Mode, Side
from shared.fold import FoldedMessage
from shared.runs import WhenBusy

_REFERENCE = "#/components/schemas/{model}"
ConversationId = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")


class ReplayRange(BaseModel):
    """What the socket is about to replay; `reason` says why it is not complete."""

    first: int = Field(alias="from")
    last: int = Field(alias="to")
    complete: bool
    reason: str | None = None


class ActiveRun(BaseModel):
    runId: str
    status: str


class Ready(BaseModel):
    """The first message of a socket: where the conversation stands."""

    sessionId: str
    conversationId: str
    epoch: str
    head: int
    replay: ReplayRange
    run: ActiveRun | None
    mode: Mode | None
    inputs: list[dict[str, JsonValue]]
    scopes: list[str]
    limits: dict[str, JsonValue]
    serverTime: str
    expiresAt: str
    protocol: Literal[1] = 1


class Resync(BaseModel):
    """The events asked for are no longer kept: this state stands for everything up to `head`."""

    messages: list[FoldedMessage]
    definition: dict[str, JsonValue] | None
    run: ActiveRun | None
    inputs: list[dict[str, JsonValue]]
    mode: Mode | None
    epoch: str
    head: int


class Expiring(BaseModel):
    """Sent 60 s before the token ends: answer with `refresh`."""

    expiresAt: str


class Refreshed(BaseModel):
    expiresAt: str


class Ended(BaseModel):
    """The last message of a socket."""

    reason: Literal["expired", "revoked", "replaced", "drained"]


class Draining(BaseModel):
    """This server is going away: reconnect and resume."""

    deadlineMs: int


class Head(BaseModel):
    """Every 15 s: a client that has less asks for a replay."""

    index: int
    epoch: str


class ImageLink(BaseModel):
    """Over a socket an image is a link; bytes go with the session call."""

    ipfsUrl: str = Field(max_length=2_048, description="ipfs://CID or https.")


class MessageCommand(BaseModel):
    """Submit a turn; idempotent by requestId. Needs scope write.

    whenBusy: what happens while a run is active. `interrupt` cancels it; `steer` hands the text to it: the
    acknowledgement means accepted, a `message.user` event in that run says taken in; otherwise it becomes a run.
    """

    requestId: str = Field(description="UUID4 chosen by the client.")
    text: str = Field(min_length=1, max_length=10_000)
    images: list[ImageLink] = Field(default=[], max_length=8)
    mode: Mode | None = None
    whenBusy: WhenBusy = "reject"


class CancelCommand(BaseModel):
    """End a run, by either runId or requestId. Needs scope write."""

    runId: str | None = None
    requestId: str | None = None


class AnswerCommand(BaseModel):
    """Answer a question; one winner. Needs scope write."""

    inputId: str
    value: JsonValue


class DecideCommand(BaseModel):
    """Apply or reject a proposal; one winner: the others get VERSION_CONFLICT with `by`. Needs scope decide."""

    proposalId: str
    decision: Literal["apply", "reject"]
    changes: list[int] | None = Field(None, description="Positions of the changes to apply; absent: all of them.")


class RefreshCommand(BaseModel):
    """Prolong the socket with a new token of the same user and conversation."""

    token: str


class ReplayCommand(BaseModel):
    """Fill a hole without reconnecting."""

    after: int = Field(ge=0)


class Acknowledgement(BaseModel):
    """Every command is acknowledged with one of these; more members come with ok."""

    ok: bool
    runId: str | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None
    scopeNeeded: str | None = None
    status: str | None = Field(None, description="Of a proposal or a run, after `decide` and `cancel`.")
    by: str | None = Field(None, description="Who was first, with INPUT_RESOLVED and VERSION_CONFLICT.")


class Connect(BaseModel):
    """The CONNECT packet's auth payload. lastEventIndex 0: from the beginning."""

    token: str
    lastEventIndex: int | None = Field(default=None, ge=0)


CONTROL: dict[str, type[BaseModel]] = {
    "ready": Ready, "resync": Resync, "expiring": Expiring, "refreshed": Refreshed, "ended": Ended,
    "draining": Draining, "head": Head,
}  # fmt: skip
COMMANDS: dict[str, type[BaseModel]] = {
    "message": MessageCommand, "cancel": CancelCommand, "answer": AnswerCommand,
    "decide": DecideCommand, "refresh": RefreshCommand, "replay": ReplayCommand,
}  # fmt: skip


def document(version: str, socket_path: str = "/socket.io/") -> dict[str, Any]:
    """The whole document."""
    events = {kind: _event_model(kind, model) for kind, model in EVENTS.items()}
    models = [*events.values(), *CONTROL.values(), *COMMANDS.values(), Connect, Acknowledgement]
    models += [*WATCH_MESSAGES.values(), *WATCH_COMMANDS.values()]
    pairs: list[Any] = [(model, "validation") for model in models]
    messages = {f"event.{kind}": _message("event", model) for kind, model in events.items()}
    messages |= {name: _message(name, model) for name, model in CONTROL.items()}
    messages |= {f"command.{name}": _message(name, model) for name, model in COMMANDS.items()}
    messages |= {"connect": _message("connect", Connect), "acknowledgement": _message("ack", Acknowledgement)}
    received = [f"event.{kind}" for kind in events] + list(CONTROL)
    watched = {f"watch.{kind}": _message(kind, model) for kind, model in (WATCH_MESSAGES | WATCH_COMMANDS).items()}
    told, asked = ([f"watch.{kind}" for kind in kinds] for kinds in (WATCH_MESSAGES, WATCH_COMMANDS))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Caddie sockets",
            "version": version,
            "description": "Socket.IO 4, namespace /: the token comes from POST /v1/ai/workflow/chat/stream. And the "
            "plain WebSocket /ws/, which tells of executions: the API key in ?token= or in the Authorization header.",
        },
        "defaultContentType": "application/json",
        "servers": {"socket": {**_SERVER, "pathname": socket_path}, "watch": _WATCH_SERVER},
        "channels": {
            "conversation": _channel("/", "socket", messages), "executions": _channel("/ws/", "watch", watched),
        },
        "operations": {
            "follow": _operation("send", received, "The server sends events in index order, and control messages."),
            "open": _operation("receive", ["connect"], "The client's CONNECT."),
            "command": _operation("receive", [f"command.{name}" for name in COMMANDS], "Commands.", reply=True),
            "watch": _operation("send", told, "What executions do; text frames of JSON.", channel="executions"),
            "subscribe": _operation("receive", asked, "At most 20 a second.", channel="executions"),
        },
        "components": {
            "messages": messages | watched,
            "schemas": models_json_schema(pairs, ref_template=_REFERENCE)[1].get("$defs", {}),
        },
    }


_SERVER = {
    "host": "{socketUrl}",
    "protocol": "socketio",
    "variables": {"socketUrl": {"description": "The host of socketUrl, as the session call returned it."}},
}


_WATCH_SERVER = {
    "host": "{gateway}",
    "protocol": "wss",
    "variables": {"gateway": {"description": "The host of this document; ws where it came by plain http."}},
}


def _channel(address: str, server: str, messages: dict[str, Any]) -> dict[str, Any]:
    servers = [{"$ref": f"#/servers/{server}"}]
    return {"address": address, "servers": servers, "messages": {name: _component(name) for name in messages}}


def _event_model(kind: str, data: type[BaseModel]) -> type[BaseModel]:
    literal: Any = Literal[kind]
    # A reader that lags gets adjacent deltas as one, with the first index they stand for.
    merged: dict[str, Any] = {"first": (int | None, Field(None, alias="from"))} if data is MessageDelta else {}
    return create_model(
        f"{data.__name__}Event",
        __doc__=data.__doc__ if data.__doc__ != data.__base__.__doc__ else None,
        index=(int, Field(ge=1)),
        type=(literal, ...),
        ts=(str, ...),
        runId=(str | None, None),
        agentVersion=(Side | None, Field(None, description="Of a run with agentVersion `both`: which side says it.")),
        data=(data, ...),
        **merged,
    )


def _message(name: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"name": name, "title": model.__name__, "payload": {"$ref": _REFERENCE.format(model=model.__name__)}}


def _component(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{name}"}


def _operation(
    action: str, messages: list[str], summary: str, reply: bool = False, channel: str = "conversation"
) -> dict[str, Any]:
    place = {"$ref": f"#/channels/{channel}"}
    references = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]
    operation: dict[str, Any] = {"action": action, "channel": place, "summary": summary, "messages": references}
    if reply:
        answer = [{"$ref": "#/channels/conversation/messages/acknowledgement"}]
        operation["reply"] = {"channel": place, "messages": answer}
    return operation
