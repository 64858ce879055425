"""Runs: submitting them exactly once, cancelling them from anywhere, answering their questions.

A run is a row in the database (the truth), a job on the queue (whose key is the run id, so adding it twice is nothing)
and a fence in the log. Invariant: a run accepted here ends with exactly one terminal event: when the submitter dies
between row and job, a worker's sweep finds the row.
Callers: the gateway and the socket server submit; the worker claims (``caddie.worker``).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import orjson
from docket import Docket
from pydantic import BaseModel, ConfigDict, JsonValue
from redis.exceptions import RedisError

from shared import keys
from shared.errors import CaddieError
from shared.events import Mode
from shared.log import EventLog
from shared.store import Store
from shared.store.endings import INTERRUPTS
from shared.store.execution_records import ExecutionRecord
from shared.store.records import EXECUTION, UNFINISHED, RunRecord
from shared.store.steers import STEERED, STEERS

#: Name of the queue's only task; its argument is the run id.
TASK = "run"
#: The queue's own client waits for ever on a server that has stopped answering.
ENQUEUE_TIMEOUT_S = 1.0
#: Commands of this process that are under way together, and how long one may wait for its turn.
TOGETHER_MAX = 32
TURN_S = 5.0
#: As many commands as one process may ever send at once.
QUEUE_CONNECTIONS = 4_096
#: What happens to a message while a run is active: refuse it, let it wait, cancel the run for it, hand it to the run.
WhenBusy = Literal["reject", "queue", "interrupt", "steer"]
#: How a turn is worked on: the loop over a workflow, a general chat, or the loop with its result as a proposal.
Profile = Literal["builder", "chat", "proposal"]
_ANSWERS = uuid5(NAMESPACE_URL, "caddie:answer")


class ImageRef(BaseModel):
    """An image of a message: `url` is what history keeps, `cid` names the bytes in the blob store."""

    model_config = ConfigDict(frozen=True)
    url: str
    mediaType: str | None = None
    cid: str | None = None


class Answer(BaseModel):
    """The user's answer to a question of an earlier run. by: user id."""

    model_config = ConfigDict(frozen=True)
    inputId: str
    value: JsonValue
    by: str


class TurnContext(BaseModel):
    """What a session call fixes for the turns of its session."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    agentVersion: Literal["v1", "v2", "v3", "both"] = "v3"
    mode: Mode | None = None
    timezone: str | None = None
    templateSearchMode: Literal["lightweight", "hybrid"] = "lightweight"
    name: str | None = None
    description: str | None = None
    workflowId: str | None = None
    modelOverride: str | None = None
    temperatureOverride: float | None = None
    #: apiKeyOverride, sealed; opened for one run only.
    sealedKey: str | None = None
    failedRunId: str | None = None
    profile: Profile = "builder"
    #: The model the user chose, by any name of the model table.
    model: str | None = None


class TurnInput(TurnContext):
    """What a turn starts from. `definition`, when given, replaces the conversation's working definition."""

    text: str = ""
    images: tuple[ImageRef, ...] = ()
    definition: dict[str, Any] | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A run to be made. session_meta: the `sessionId` a client gave as metadata of the conversation."""

    org: int
    user: int
    conversation: str
    request_id: str | None
    input: TurnInput
    when_busy: WhenBusy = "reject"
    session_meta: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """created is False when the requestId was known already.

    run_id: of a steer, the run it was sent to, unless it has become a run of its own.
    """

    run_id: str
    conversation: str
    created: bool
    status: str


class Runs:
    def __init__(self, store: Store, log: EventLog, queue: Docket) -> None:
        self._store, self._log, self._queue = store, log, queue
        self._places = asyncio.Semaphore(TOGETHER_MAX)

    async def submit(self, submission: Submission) -> Submitted:
        """One run per (user, requestId), whatever the number of calls.

        A message that steers is a run too, until the run it was sent to takes it in (``shared.store.steers``).
        Raises CaddieError: CONFLICT (same requestId, another body), RUN_BUSY (the conversation has an active run),
        NOT_FOUND (another user's conversation), UNAVAILABLE.
        """
        content = submission.input.model_dump(mode="json", exclude_none=True)
        run, created = await self._store.runs.submit(
            org_id=submission.org,
            user_id=submission.user,
            conversation=submission.conversation,
            request_id=submission.request_id,
            kind="turn",
            body_hash=_digest({**content, "sealedKey": None, "conversation": submission.conversation}),
            input=content,
            workflow_id=submission.input.workflowId,
            create_session_id=submission.session_meta,
            when_busy=submission.when_busy,
        )
        target = run.input.get(STEERS) if run.status == "queued" or run.outcome == STEERED else None
        if run.status == "queued":
            await self._announce(run, submission.when_busy, target)
            await self.enqueue(run.id)
        return Submitted(target or run.id, run.conversation, created, run.status)

    async def _announce(self, run: RunRecord, when_busy: WhenBusy, target: str | None) -> None:
        """Tell whoever carries the active run. A call that is repeated tells again; the wish is in the store."""
        conversation = keys.conversation_key(run.org_id, run.conversation)
        if target is not None:
            await self._log.announce_steer(conversation, target)
        elif when_busy == "interrupt" and (active := run.input.get(INTERRUPTS)):
            await self._log.request_cancel(conversation, active)

    async def enqueue(self, run_id: str) -> None:
        """Put the run's job on the queue; nothing happens when it is there. A failure is left to the sweep."""
        try:
            async with self._turn(), asyncio.timeout(ENQUEUE_TIMEOUT_S):
                await self._queue.add(TASK, key=run_id)(run_id)
        except (RedisError, OSError) as error:
            raise CaddieError("UNAVAILABLE", "the queue is not reachable right now: try again") from error

    async def cancel(
        self, org: int, user: int, conversation: str, *, run_id: str | None = None, request_id: str | None = None
    ) -> RunRecord:
        """Ask for the end of a run; asking again, or after its end, changes nothing. Raises NOT_FOUND, UNAVAILABLE."""
        run = await self.find(org, user, run_id=run_id, request_id=request_id)
        if run is None or run.conversation != conversation:
            raise CaddieError("NOT_FOUND", "run: expected one of this conversation, got an unknown runId or requestId")
        if run.status in UNFINISHED:
            await self._store.runs.request_cancel(run.id)
            async with self._turn():
                await self._log.request_cancel(keys.conversation_key(org, conversation), run.id)
        return run

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """A burst waits its turn here, so that the time a command may take is its own. Raises UNAVAILABLE."""
        try:
            async with asyncio.timeout(TURN_S):
                await self._places.acquire()
        except TimeoutError:
            raise CaddieError("UNAVAILABLE", "too many calls at once: try again") from None
        try:
            yield
        finally:
            self._places.release()

    async def resume(self, org: int, user: int, input_id: str, value: JsonValue) -> ExecutionRecord:
        """Resolve what an execution asks; one answer wins, and it goes on. Raises NOT_FOUND, INPUT_RESOLVED (data: by).

        Without Redis the answer is kept, and a worker's sweep goes on from it.
        """
        execution = await self._store.executions.resolve_input(org, user, input_id, str(user), value)
        if execution.status == "waiting":
            with suppress(CaddieError):
                await self.enqueue(execution.id)
        return execution

    async def find(
        self, org: int, user: int, *, run_id: str | None = None, request_id: str | None = None
    ) -> RunRecord | None:
        run = await self._store.runs.get(org, run_id) if run_id else None
        if run is None and request_id:
            run = await self._store.runs.by_request(user, request_id)
        if run is not None and run.outcome == STEERED:
            # What came of a steer is in the run that took it in.
            run = await self._store.runs.get(org, run.input[STEERS])
        return run if run and run.user_id == user and run.org_id == org else None

    async def answer(
        self, org: int, user: int, conversation: str, input_id: str, value: JsonValue, context: TurnContext
    ) -> Submitted:
        """The answer to a question begins the run that goes on from it; one answer wins.

        Raises CaddieError: NOT_FOUND, INPUT_RESOLVED (data: by), RUN_BUSY, UNAVAILABLE.
        """
        found = await self._store.conversations.input(org, input_id)
        if found is None or found[1].public_id != conversation or found[1].user_id != user:
            raise CaddieError(
                "NOT_FOUND", "input: expected an open question of this conversation, got an unknown inputId"
            )
        asked, _ = found
        if (run := await self._store.runs.get(org, asked.run_id)) is not None and run.kind == EXECUTION:
            await self.resume(org, user, input_id, value)
            return Submitted(run.id, conversation, False, run.status)
        answer = Answer(inputId=input_id, value=value, by=str(user))
        request_id = str(uuid5(_ANSWERS, input_id))
        known = await self._store.runs.by_request(user, request_id)
        if known is None and (asked.status != "pending" or asked.expires_at < datetime.now(UTC)):
            status = "expired" if asked.status == "pending" else asked.status
            raise CaddieError("INPUT_RESOLVED", f"the question is {status}", data={"by": asked.resolved_by})
        turn = TurnInput(**{**context.model_dump(), "answer": answer, "text": answer_text(asked.body, value)})
        try:
            return await self.submit(Submission(org, user, conversation, request_id, turn))
        except CaddieError as error:
            if error.code != "CONFLICT":
                raise
            winner = await self._store.runs.by_request(user, request_id)
            by = (winner.input.get("answer") or {}).get("by") if winner else None
            raise CaddieError("INPUT_RESOLVED", "the question has been answered already", data={"by": by}) from error


def answer_id(run_id: str) -> str:
    """The id of the one message a run with profile `chat` answers with, known before the run begins."""
    return str(uuid5(_ANSWERS, run_id))


def open_queue(redis_url: str) -> Docket:
    """The queue of runs; enter it as an async context manager. A worker registers its own task over ``TASK``."""
    queue = Docket(name=keys.DOCKET, url=_roomy(redis_url))

    async def run(run_id: str) -> None:
        """Only the task's name and arguments travel; workers hold the real one."""

    queue.register(run, [TASK])
    return queue


def _roomy(redis_url: str) -> str:
    """The queue's pool refuses a command when all its connections are busy, and then takes Redis for dead."""
    parts = urlsplit(redis_url)
    if parts.scheme not in ("redis", "rediss", "unix") or "max_connections" in parts.query:
        return redis_url
    return f"{redis_url}{'&' if parts.query else '?'}max_connections={QUEUE_CONNECTIONS}"


def answer_text(body: dict[str, Any], value: JsonValue) -> str:
    """An answer as the user's message: the label of the option it names, else its text."""
    for option in body.get("options") or ():
        if isinstance(option, dict) and option.get("value") == value:
            return str(option.get("label", value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
