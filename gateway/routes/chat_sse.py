"""`POST` and `GET /v1/ai/workflow/chat/stream` over SSE (document 000): a run as frames, and the way back to it.

Invariant: everything that can be refused is refused before the first byte, with a status; afterwards there is exactly
one terminal frame, or a body that ends without one and a run that can be taken up again. A run without a requestId
lives as long as its reader. Callers: ``gateway.routes.chat_stream`` (POST), the route table (GET).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.auth import Principal
from gateway.images import Picture
from gateway.projection import ChatProjection
from gateway.relay import Opening, Relay
from gateway.routes.chat_request import ChatRequest, RequestId
from gateway.routes.chat_turn import AgentVersion, Turns, require_index
from gateway.routing import Answer, Call, route
from gateway.sse import HEADERS, Streams
from gateway.view import View
from shared.errors import CaddieError, Fault
from shared.follow import LogReader, Watch
from shared.keys import conversation_key
from shared.log import EventLog
from shared.runs import Runs, Submitted
from shared.store import Store
from shared.store.records import RunRecord

FRAMES = (
    "Frames `event:`, `id:` (the event index), `data:` (JSON with the same `type`): chunk, node, done, error; "
    "and thinking, tool_start, tool_result, mode_switch, restart, resync, which readers may ignore."
)
INDEX_DIGITS = 16
#: A run that ended this long ago has its terminal event in the log, or will never have it.
SETTLED_S = 15
#: A cancel that Redis or the database did not take is tried again.
CANCEL_TRIES = 5
CANCEL_RETRY_S = 1.0


class StreamQuery(BaseModel):
    """Which run to follow; the header `Last-Event-ID` counts when it is the larger one."""

    requestId: RequestId
    lastEventIndex: int | None = Field(None, ge=0, lt=2**53, description="Replay what has a larger index.")


class ChatSse:
    """The streams of a chat."""

    def __init__(
        self, store: Store, log: EventLog, reader: LogReader, runs: Runs, turns: Turns, streams: Streams
    ) -> None:
        self._store, self._log, self._reader, self._runs = store, log, reader, runs
        self._turns, self._streams = turns, streams

    async def begin(
        self, call: Call[ChatRequest, None], version: AgentVersion, definition: dict[str, Any] | None,
        pictures: list[Picture | None],
    ) -> web.StreamResponse:  # fmt: skip
        """The stream of a request that was validated: of a new run, or of the one its requestId names."""
        body, principal = call.body, call.principal
        body.require_message("requestId")
        after = last_index(call.request, body.lastEventIndex)
        with Opening(self._streams, self._reader, principal) as opening:
            place = await self._turns.place(principal, body)
            if place.known is None:
                _require_message(body)
                require_index(after, place.head)
            watch = await opening.watch(conversation_key(principal.org, place.conversation))
            if body.message is None and place.known is not None:
                return await self.take_up(opening, watch, place.known, after)
            context = self._turns.context(body, place.workflow_id, version)
            submitting = self._turns.submit(principal, body, place, context, definition, pictures)
            if body.requestId is None:
                submitted = await self._inline(opening, principal, submitting)
            else:
                submitted = await submitting
            run = await self._run(principal.org, submitted.run_id)
            if not submitted.created:
                return await self.take_up(opening, watch, run, after)
            await self._reader.reach(watch, place.head.index)
            projection = ChatProjection(run.id, run.conversation, run.request_id or call.request_id)
            return await self.relayed(opening, watch, run, place.head.index, projection)

    @route(
        "GET", "/v1/ai/workflow/chat/stream", summary="Follow a run that is known by its requestId (EventSource)",
        tag="chat", scopes=("read",), query=StreamQuery, errors=("NOT_FOUND", "NOT_RESUMABLE"),
        answers={
            200: Answer(description="The run's frames", events=FRAMES),
            204: Answer(description="The reader has everything: EventSource stops to reconnect"),
        },
    )  # fmt: skip
    async def chat_follow(self, call: Call[None, StreamQuery]) -> web.StreamResponse:
        principal, query = call.principal, call.query
        after = last_index(call.request, query.lastEventIndex)
        run = await self._runs.find(principal.org, principal.user, request_id=query.requestId)
        if run is None:
            text = "expected one of a run of this user, got an unknown one"
            raise CaddieError("NOT_FOUND", f"requestId: {text}", faults=(Fault("requestId", text),))
        if after and after >= _end(run) > 0:
            return web.Response(status=204)
        if call.request.method == "HEAD":
            return web.Response(headers=HEADERS)
        with Opening(self._streams, self._reader, principal) as opening:
            watch = await opening.watch(conversation_key(principal.org, run.conversation))
            return await self.take_up(opening, watch, run, after)

    async def take_up(
        self, opening: Opening, watch: Watch, known: RunRecord, after: int, view: View | None = None
    ) -> web.StreamResponse:
        """The stream of a run that is known, above ``after``; view: of another surface than this one.

        Raises NOT_RESUMABLE, UNAVAILABLE.
        """
        # In this order: a run that the log does not call active, and that is not over afterwards, has not begun yet.
        head = await self._log.head(watch.conversation)
        run = await self._run(known.org_id, known.id)
        if _over(run):
            head = await self._log.head(watch.conversation)
        await self._reader.reach(watch, head.index)
        projection = view or ChatProjection(run.id, run.conversation, run.request_id or "")
        if not _over(run):
            require_index(after, head)
            first = head.first if head.run_id == run.id else 0
            cursor = max(after, first - 1) if first else head.index
        else:
            first = run.first_index or 0
            cursor = max(after, first - 1)
            whole = 0 < first <= (run.last_index or 0) <= head.index and cursor + 1 >= head.oldest
            if not whole or cursor >= _end(run):
                frames = await self._stored(run, after, projection)
                return opening.stream(lambda stream: stream.send(frames))
        return await self.relayed(opening, watch, run, cursor, projection, first)

    async def relayed(
        self, opening: Opening, watch: Watch, run: RunRecord, cursor: int, projection: View, first: int = 0
    ) -> web.StreamResponse:
        """first: index of the run's first event, when there is one already."""

        async def settled(seen: int) -> bytes | None:
            now = await self._run(run.org_id, run.id)
            ended = now.finished_at
            if ended is None or not _over(now) or ended > datetime.now(UTC) - timedelta(seconds=SETTLED_S):
                return None
            return await self._stored(now, seen, projection)

        relay = Relay(
            self._log, self._reader, watch, cursor, projection, settled=settled, missed=projection.missed,
            broke=lambda error: projection.broke(error.code, error.message, error.retryable),
            survives=run.request_id is not None,
        )  # fmt: skip
        if first:
            await relay.recall(first)
        return opening.stream(relay.play)

    async def _stored(self, run: RunRecord, after: int, projection: View) -> bytes:
        """The end of a run that is over, from the database: its text unless the reader has it, its terminal frame."""
        frames = []
        if after < (run.last_index or after + 1):
            messages = await self._store.conversations.messages(run.conversation_pk)
            text = "\n\n".join(row.text for row in messages if row.run_id == run.id and row.role == "assistant")
            if after >= (run.first_index or 1):
                frames.append(projection.restarted())
            if text:
                frames.append(projection.said(text))
        bodies = _terminal(run)
        for index, body in enumerate(bodies, _end(run) - len(bodies) + 1):
            frames.append(projection.take(index, body))
        if not projection.ended:
            frames.append(projection.broke(run.error_code or "RUN_FAILED", run.error_message or "the run failed", True))
        return b"".join(frames)

    async def _run(self, org: int, run_id: str) -> RunRecord:
        run = await self._store.runs.get(org, run_id)
        if run is None:
            raise CaddieError("NOT_FOUND", "requestId: expected a run that is kept, got one that was deleted")
        return run

    async def _inline(
        self, opening: Opening, principal: Principal, submission: Coroutine[Any, Any, Submitted]
    ) -> Submitted:
        """Submit a run that lives as long as its reader, also one that leaves before it knows of the run."""
        submitting = self._streams.begin(submission)
        opening.on_leave(lambda: self._abandon(principal, submitting))
        return await asyncio.shield(submitting)

    def _abandon(self, principal: Principal, submitting: asyncio.Task[Submitted]) -> None:
        self._streams.begin(self._cancel(principal, submitting))

    async def _cancel(self, principal: Principal, submitting: asyncio.Task[Submitted]) -> None:
        """Cancel what was submitted; nothing happens to a run that is over."""
        await asyncio.wait({submitting})
        if submitting.cancelled() or submitting.exception() is not None:
            return
        submitted = submitting.result()
        for _ in range(CANCEL_TRIES):
            try:
                await self._runs.cancel(
                    principal.org, principal.user, submitted.conversation, run_id=submitted.run_id
                )
                return
            except CaddieError as error:
                if not error.retryable:
                    return
                await asyncio.sleep(CANCEL_RETRY_S)


def last_index(request: web.Request, given: int | None) -> int:
    """The index a reader has: what its body or query says, or the header EventSource sends when that is larger.

    A page keeps the address it opened the stream with, so the header is the newer word. Raises INVALID.
    """
    header = request.headers.get("Last-Event-ID", "").strip()
    if not header:
        return given or 0
    if not (header.isascii() and header.isdecimal() and len(header) <= INDEX_DIGITS):
        text = f"expected an integer of at most {INDEX_DIGITS} digits, got something else"
        raise CaddieError("INVALID", f"Last-Event-ID: {text}", faults=(Fault("Last-Event-ID", text),))
    return max(int(header), given or 0)


def _require_message(body: ChatRequest) -> None:
    if body.message is None:
        text = "expected a message, or the requestId of a run that is known, got neither"
        raise CaddieError("INVALID", f"message: {text}", faults=(Fault("message", text),))


def _over(run: RunRecord) -> bool:
    return run.status in ("finished", "failed")


def _terminal(run: RunRecord) -> list[bytes]:
    """The bodies of the run's last events."""
    return [body.encode() for _, body in (run.terminal or {}).get("events", ())]


def _end(run: RunRecord) -> int:
    """The index of the run's terminal event; 0 while it has none."""
    return (run.last_index or 0) + len(_terminal(run)) if _over(run) else 0
