"""What a log amounts to: the messages, the working definition, the active run, the open questions.

Invariant: for every run, ``fold`` of the log equals what the store keeps of it, also after merged deltas, a cancel or a
worker that died. Callers: the recorder (as the run goes), the snapshot of a `resync`, tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from shared.events import (
    DELTA_PREFIX,
    ConversationCleared,
    Event,
    Image,
    InputExpired,
    InputRequested,
    InputResolved,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    MessageUser,
    Mode,
    ModeSelected,
    NodeChanged,
    RunFailed,
    RunFinished,
    RunRestarted,
    RunStarted,
)


class FoldedMessage(BaseModel):
    """A message as history shows it. status: streaming, completed, cancelled (cut by the user) or failed."""

    id: str
    role: Literal["user", "assistant"]
    text: str = ""
    status: Literal["streaming", "completed", "cancelled", "failed"] = "completed"
    runId: str | None = None
    images: tuple[Image, ...] = ()
    createdAt: str = ""


class State(BaseModel):
    """What a log amounts to: messages, working definition, active run, open questions, mode."""

    messages: list[FoldedMessage] = []
    definition: dict[str, Any] | None = None
    runId: str | None = None
    mode: Mode | None = None
    inputs: dict[str, InputRequested] = {}
    #: Definition when the active run began, to which a failed run returns.
    before: dict[str, Any] | None = None

    def apply(self, event: Event) -> None:
        """Account for one event. Events must come in index order.

        Of a run on which v1 and v2 work side by side, v1's events are shown; what is kept is v2's.
        """
        if event.agentVersion == "v1":
            return
        match event.data:
            case MessageUser() as data:
                self.messages.append(
                    FoldedMessage(
                        id=data.messageId,
                        role="user",
                        text=data.text,
                        runId=event.runId,
                        images=data.images,
                        createdAt=event.ts,
                    )
                )
            case RunStarted(mode=mode):
                self.runId, self.before = event.runId, self.definition
                self.mode = mode or self.mode
            case ModeSelected(mode=mode):
                self.mode = mode
            case MessageStarted(messageId=message_id):
                self.messages.append(
                    FoldedMessage(
                        id=message_id, role="assistant", status="streaming", runId=event.runId, createdAt=event.ts
                    )
                )
            case MessageDelta(messageId=message_id, text=text):
                self.say(message_id, text)
            case MessageCompleted(messageId=message_id, text=text):
                if message := self._message(message_id):
                    message.text, message.status = text, "completed"
            case NodeChanged() as data:
                self._change(data)
            case InputRequested() as data:
                self.inputs = {**self.inputs, data.inputId: data}
            case InputResolved(inputId=input_id) | InputExpired(inputId=input_id):
                self.inputs = {key: value for key, value in self.inputs.items() if key != input_id}
            case RunFinished() as data:
                self._end(event, "cancelled" if data.outcome == "cancelled" else "completed")
                if data.result.workflow is not None:
                    self.definition = data.result.workflow
            case RunFailed():
                self._end(event, "failed")
                self.definition = self.before
            case ConversationCleared():
                self.messages = []
            case _:
                pass

    def say(self, message_id: str, text: str) -> None:
        """What the deltas of a message add to it."""
        if message := self._message(message_id):
            message.text += text

    def _message(self, message_id: str) -> FoldedMessage | None:
        return next((message for message in reversed(self.messages) if message.id == message_id), None)

    def _change(self, data: NodeChanged) -> None:
        definition = self.definition or {"nodes": {}}
        nodes = {
            key: value
            for key, value in definition.get("nodes", {}).items()
            if key != data.nodeId or data.node is not None
        }
        if data.node is not None:
            nodes[data.nodeId] = data.node
        self.definition = {**definition, "nodes": nodes}

    def _end(self, event: Event, status: Literal["completed", "cancelled", "failed"]) -> None:
        for message in self.messages:
            if message.runId == event.runId and message.status == "streaming":
                message.status = status
        self.runId = None


def surviving(events: Iterable[Event]) -> list[Event]:
    """The events that still count: a restarted run's earlier output above `keepThrough` does not."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event.data, RunRestarted):
            limit = event.data.keepThrough
            kept = [other for other in kept if other.runId != event.runId or other.index <= limit]
        kept.append(event)
    return kept


def fold(events: Iterable[Event], base: State | None = None) -> State:
    """The state after ``events`` (in index order), starting from ``base``.

    A run that was restarted takes back what came before, so ``base`` must not end inside such a run.
    """
    state = base.model_copy(deep=True) if base else State()
    for event in surviving(events):
        state.apply(event)
    return state


def merge_deltas(bodies: Sequence[tuple[int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Merge adjacent `message.delta` of one message: (index, body) → (first index, last index, body).

    For readers that lag: one frame instead of many, the same text. A merged event carries the last index and
    `from`, the first one it stands for.
    """
    merged: list[tuple[int, int, bytes]] = []
    pending: list[dict[str, Any]] = []
    span = (0, 0)

    def flush() -> None:
        if len(pending) == 1:
            merged.append((span[0], span[1], single))
        elif pending:
            value = {**pending[0], "ts": pending[-1]["ts"], "from": span[0]}
            value["data"] = {**pending[0]["data"], "text": "".join(item["data"]["text"] for item in pending)}
            merged.append((span[0], span[1], orjson.dumps(value)[1:]))
        pending.clear()

    single = b""
    for index, body in bodies:
        if not body.startswith(DELTA_PREFIX):
            flush()
            merged.append((index, index, body))
            continue
        value = orjson.loads(b"{" + body)
        if pending and pending[0]["data"]["messageId"] != value["data"]["messageId"]:
            flush()
        if not pending:
            span, single = (index, index), body
        pending.append(value)
        span = (span[0], index)
    flush()
    return merged
