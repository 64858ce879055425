"""What one attempt of a run says: into the log in batches, and into the state that will be stored.

Invariant: the state is the fold of exactly the events that are appended, so the database and the log tell the same.
Deltas that wait for the append under way are merged; when Redis is away the producer is held, not the memory filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import orjson
import structlog

from caddie.patience import patiently
from shared.errors import CaddieError
from shared.events import (
    Data,
    Event,
    InputRequested,
    MessageCompleted,
    MessageDelta,
    Side,
    decode,
    encode,
    encode_delta,
    timestamp,
)
from shared.fold import State
from shared.log import Entry, EventLog, Writer
from shared.store.records import InputRecord, MessageRecord

#: Events that may wait for an append before the producer is held.
PENDING_MAX = 256
_SPOKEN = (MessageDelta, MessageCompleted)
_log = structlog.get_logger()

Body = tuple[str, bytes]


@dataclass(slots=True)
class _Pending:
    """An event that waits for its append. Of a delta: its message, its text and those of later ones merged into it."""

    ts: str
    data: Data
    operation: str
    side: Side | None
    message_id: str = ""
    texts: list[str] = field(default_factory=list)

    def encoded(self, run_id: str) -> bytes:
        if self.texts:
            return encode_delta(self.message_id, "".join(self.texts), run_id, self.ts, self.side)
        return encode(self.data, run_id, self.ts, self.side)


class Recorder:
    """Owned by one attempt; ``flush`` and ``close`` raise what the log refused (FENCED) or Redis could not do."""

    def __init__(self, log: EventLog, writer: Writer, state: State) -> None:
        self._log, self._writer = log, writer
        self._state = state
        #: Deltas of one message that the state does not have yet: adding each would copy the text so far.
        self._spoken: list[str] = []
        self._speaking = ""
        self.first_index = self.last_index = 0
        #: Set when somebody asked for the run's end.
        self.cancelled = asyncio.Event()
        self._pending: list[_Pending] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failure: CaddieError | None = None

    async def emit(self, data: Data, operation: str | None = None, side: Side | None = None) -> None:
        """Take one event. Waits while too many are pending. Raises CaddieError once the log has refused."""
        if self._failure:
            raise self._failure
        self.put(data, operation, side)
        if len(self._pending) >= PENDING_MAX:
            await self.flush()

    async def room(self) -> None:
        """Until what comes next finds room. Raises CaddieError once the log has refused."""
        if len(self._pending) >= PENDING_MAX:
            await self.flush()
        if self._failure:
            raise self._failure

    @property
    def state(self) -> State:
        """The fold of everything emitted so far."""
        self._settle()
        return self._state

    def _settle(self) -> None:
        if self._spoken:
            self._state.say(self._speaking, "".join(self._spoken))
            self._spoken.clear()

    def put(self, data: Data, operation: str | None = None, side: Side | None = None) -> None:
        ts = timestamp()
        if type(data) is MessageDelta:
            self._put_delta(ts, data, side)
        else:
            data, run_id = _readable(data), self._writer.run_id
            self.state.apply(Event(index=0, type=data.TYPE, ts=ts, runId=run_id, agentVersion=side, data=data))
            # The head of the log follows what counts, as the state does.
            operation = "" if side == "v1" else Entry.of(data).operation if operation is None else operation
            self._pending.append(_Pending(ts, data, operation, side))
        self._idle.clear()
        self._wake.set()

    def _put_delta(self, ts: str, data: MessageDelta, side: Side | None) -> None:
        """Most events by far: nothing is made for them that costs more than to say them."""
        message_id, text = data.messageId, _readable_text(data.text)
        if side != "v1":
            if self._speaking != message_id:
                self._settle()
                self._speaking = message_id
            self._spoken.append(text)
        last = self._pending[-1] if self._pending else None
        if last is not None and last.message_id == message_id:
            last.ts = ts
            last.texts.append(text)
        else:
            self._pending.append(_Pending(ts, data, "", side, message_id, [text]))

    def bodies(self, *data: Data) -> list[Body]:
        """Account for the run's last events and encode them, to be stored before they are appended."""
        encoded = []
        for item in data:
            body = encode(item, self._writer.run_id)
            # As readers will see it: encoding replaces what JSON cannot carry, and the store could not hold it either.
            self.state.apply(decode(0, body))
            encoded.append((Entry.of(item).operation, body))
        return encoded

    async def run(self) -> None:
        """Append what is pending until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, []
            if pending:
                run_id = self._writer.run_id
                try:
                    await self.append([(each.operation, each.encoded(run_id)) for each in pending])
                except Exception as error:
                    self._fail(error)
                    return
            if not self._pending:
                self._idle.set()

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, CaddieError):
            _log.exception("recorder.crashed", run_id=self._writer.run_id)
            error = CaddieError("RUN_FAILED", "expected events that can be encoded, got one that cannot")
        self._failure = error
        self._idle.set()

    async def flush(self) -> None:
        """Until everything emitted so far is in the log."""
        await self._idle.wait()
        if self._failure:
            raise self._failure

    async def append(self, bodies: list[Body]) -> None:
        """Append, again and again while Redis is away, as long as patience lasts; the log drops repetitions."""
        self.last_index, cancelled = await patiently(
            lambda: self._log.append(self._writer, bodies), self._writer.run_id
        )
        self.first_index = self.first_index or self.last_index - len(bodies) + 1
        if cancelled:
            self.cancelled.set()


    async def append_ending(self, bodies: list[Body], move: Callable[[int], Awaitable[None]]) -> None:
        """As ``append``; ``move`` gets the index before them when somebody else's event has come in between."""
        expected = self.last_index + len(bodies)
        await self.append(bodies)
        if self.last_index > expected:
            await patiently(partial(move, self.last_index - len(bodies)), self._writer.run_id)


def _readable(data: Data) -> Data:
    """NUL and lone surrogates become U+FFFD here, once, for the log and the store alike."""
    if not isinstance(data, _SPOKEN):
        return data
    text = _readable_text(data.text)
    return data if text == data.text else data.model_copy(update={"text": text})


def _readable_text(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def packed(bodies: list[Body]) -> dict[str, object]:
    """The run's last events as the store keeps them until they are appended."""
    return {"events": [[operation, body.decode()] for operation, body in bodies]}


def unpacked(terminal: dict[str, object]) -> list[Body]:
    rows = orjson.loads(orjson.dumps(terminal))["events"]
    return [(operation, body.encode()) for operation, body in rows]


def message_rows(state: State) -> list[MessageRecord]:
    return [
        MessageRecord(
            id=message.id,
            role=message.role,
            text=message.text,
            created_at=datetime.fromisoformat(message.createdAt),
            status=message.status,
            images=tuple(image.model_dump(mode="json") for image in message.images),
        )
        for message in state.messages
    ]


def input_row(data: InputRequested) -> InputRecord:
    return InputRecord(
        id=data.inputId, kind=data.kind, body=dict(data.body), expires_at=datetime.fromisoformat(data.expiresAt)
    )
