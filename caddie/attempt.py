"""One attempt of a run: claim it, let the agent work, store what came of it, say the last word.

Invariant: a run gets exactly one terminal event. The database is written first, in one transaction that only the
newest attempt passes and that holds the last events as they will be appended; then they are appended. Whoever dies in
between leaves a row whose events the next attempt appends; whoever was taken over is refused by both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import structlog

from caddie.canvas import ROUNDS, Canvas, drawn
from caddie.inbox import Inbox, message_id, watch
from caddie.patience import patiently
from caddie.proposing import draft, proposes
from caddie.recorder import Body, Recorder, input_row, message_rows, packed, unpacked
from shared import keys
from shared.errors import CaddieError
from shared.events import (
    Data,
    Image,
    InputExpired,
    InputRequested,
    InputResolved,
    MessageUser,
    ProposalCreated,
    RunFailed,
    RunFinished,
    RunRestarted,
    RunResult,
    RunStarted,
    Sided,
    decode,
)
from shared.fold import State
from shared.follow import LogReader
from shared.log import READ_LIMIT, Claimed, EventLog, Writer
from shared.runs import TurnInput
from shared.store import Store
from shared.store.records import Claim, RunRecord

#: Attempts that claim their run at a time. Hundreds at once would all wait so long that Redis seems to be away.
STARTING_MAX = 16
_HELD_BACK = (InputRequested, ProposalCreated, RunFinished)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """What the agent works on. canvas: of a run that may change the conversation's workflow."""

    claim: Claim
    input: TurnInput
    state: State
    question: dict[str, Any] | None
    inbox: Inbox
    canvas: Canvas | None = None


class Agent(Protocol):
    """Who does the work: `work` is a stream of events whose last one is RunFinished."""

    def model_name(self, content: TurnInput) -> str: ...

    def work(self, job: Job) -> AsyncGenerator[Data | Sided, None]: ...


class Attempts:
    """Does attempts for one worker process. execute: does those of executions, which end like any run."""

    def __init__(
        self, store: Store, log: EventLog, reader: LogReader, agent: Agent, enqueue: Callable[[str], Awaitable[None]],
        execute: Callable[[Claim], Awaitable[None]], *, attempts_max: int, timeout_s: float,
    ) -> None:  # fmt: skip
        self._store, self._log, self._reader, self._agent, self._enqueue = store, log, reader, agent, enqueue
        self._execute = execute
        self._attempts_max, self._timeout_s = attempts_max, timeout_s
        self._starting = asyncio.Semaphore(STARTING_MAX)

    async def run(self, run_id: str) -> None:
        """Do one attempt of the run, or what is left to do of it.

        Raises CaddieError: FENCED when another attempt has the run now; anything else is to be tried again.
        """
        async with self._starting:
            claim = await self._store.runs.claim(run_id, self._attempts_max)
            turn = claim is not None and claim.run.kind == "turn"
            begun = await self._begin(claim) if claim is not None and turn else None
        if begun is not None:
            await self._attempt(*begun)
        elif claim is not None:
            await self._execute(claim)
            await self._next_of(claim.run)
        else:
            await self._settle(run_id)

    async def _begin(self, claim: Claim) -> tuple[Job, Recorder, Claimed]:
        """Take the fence in the log, too, and gather what the agent works on."""
        run = claim.run
        writer = Writer(keys.conversation_key(run.org_id, run.conversation), run.id, run.attempt)
        claimed = await self._log.claim(writer)
        recorder = Recorder(self._log, writer, State(definition=claim.conversation.definition))
        job = await self._job(claim, recorder, Inbox(self._store, run, waiting=claimed.steered))
        return job, recorder, claimed

    async def _attempt(self, job: Job, recorder: Recorder, claimed: Claimed) -> None:
        run = job.claim.run
        conversation = keys.conversation_key(run.org_id, run.conversation)
        appending = asyncio.create_task(recorder.run(), name=f"recorder-{run.id}")
        try:
            await self._open(job, recorder, claimed)
            ending = await self._work(job, recorder, conversation, claimed)
            await recorder.flush()
            await self._finish(job, recorder, ending)
        finally:
            appending.cancel()
            await asyncio.gather(appending, return_exceptions=True)
        await self._next_of(run)

    async def _job(self, claim: Claim, recorder: Recorder, inbox: Inbox) -> Job:
        content = TurnInput.model_validate(claim.run.input)
        question = None
        if content.answer:
            found = await self._store.conversations.input(claim.run.org_id, content.answer.inputId)
            question = found[0].body if found else None
        for asked in await self._store.conversations.inputs(claim.conversation.pk):
            recorder.state.inputs[asked.id] = InputRequested(
                inputId=asked.id, kind="question", body=asked.body, expiresAt=asked.expires_at.isoformat()
            )
        canvas = None
        if proposes(claim, content):
            # Its turns work on the workflow as it is stored.
            content = content.model_copy(update={"definition": None, "profile": "proposal"})
        elif content.profile == "builder" and claim.conversation.kind != "chat":
            canvas = await Canvas.begin(self._store, claim, content)
            if canvas is not None and canvas.start is not None:
                content = content.model_copy(update={"definition": canvas.start})
        return Job(claim, content, recorder.state, question, inbox, canvas)

    async def _open(self, job: Job, recorder: Recorder, claimed: Claimed) -> None:
        """The run's first events; an attempt that takes over says what still counts instead."""
        run, content = job.claim.run, job.input
        user = MessageUser(
            messageId=message_id(run.id),
            text=content.text,
            images=tuple(Image(url=image.url, mediaType=image.mediaType) for image in content.images),
            requestId=run.request_id,
        )
        started = RunStarted(
            requestId=run.request_id,
            agentVersion=content.agentVersion,
            mode=content.mode,
            model=self._model_name(content),
            attempt=run.attempt,
        )
        closing: list[Data] = [
            InputResolved(inputId=input_id, by=content.answer.by, value=content.answer.value)
            if content.answer and content.answer.inputId == input_id
            else InputExpired(inputId=input_id)
            for input_id in list(recorder.state.inputs)
        ]
        if claimed.keep_through:
            recorder.first_index = await self._recall(run, recorder.state, claimed.keep_through)
            recorder.put(RunRestarted(attempt=run.attempt, keepThrough=claimed.keep_through))
        else:
            if run.attempt > 1 and await self._has_spoken(run):
                # A log that was lost began anew in the middle of an earlier attempt.
                recorder.put(RunRestarted(attempt=run.attempt, keepThrough=0))
            recorder.put(user, "first")
            for data in closing:
                recorder.put(data)
            recorder.put(started)
        if content.definition is not None:
            for data in drawn(recorder.state.definition or {"nodes": {}}, content.definition):
                recorder.put(data)
            recorder.state.definition = content.definition

    async def _recall(self, run: RunRecord, state: State, keep_through: int) -> int:
        """What an earlier attempt has said that still counts goes into the state; returns the run's first index."""
        conversation = keys.conversation_key(run.org_id, run.conversation)
        first = (await self._log.head(conversation)).first
        for index, body in await self._log.read(conversation, max(first - 1, 0)):
            event = decode(index, body)
            if index <= keep_through and event.runId == run.id:
                state.apply(event)
        return first

    async def _has_spoken(self, run: RunRecord) -> bool:
        """Whether the end of the log holds events of the run."""
        conversation = keys.conversation_key(run.org_id, run.conversation)
        head = await self._log.head(conversation)
        entries = await self._log.read(conversation, max(head.index - READ_LIMIT, 0))
        return any(decode(index, body).runId == run.id for index, body in entries)

    def _model_name(self, content: TurnInput) -> str:
        try:
            return self._agent.model_name(content)
        except CaddieError:
            # The agent says so again, and then it is the run's failure.
            return ""

    async def _work(self, job: Job, recorder: Recorder, conversation: str, claimed: Claimed) -> list[Data]:
        """Let the agent work until it ends, fails, is cancelled or takes too long; returns the last events."""
        run = job.claim.run
        if job.claim.exhausted:
            return [RunFailed(code="RUN_FAILED", message="the run did not finish in time", retryable=True)]
        if claimed.cancelled or run.cancel_requested:
            return [self._cut(recorder, "cancelled")]
        last: list[Data] = []
        working = asyncio.create_task(self._consume(job, recorder, last), name=f"agent-{run.id}")
        watching = asyncio.create_task(
            watch(self._log, self._reader, conversation, run.id, recorder.cancelled, job.inbox), name=f"watch-{run.id}"
        )
        stopping = asyncio.create_task(recorder.cancelled.wait(), name=f"stop-{run.id}")
        try:
            done, _ = await asyncio.wait(
                {working, stopping}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if working in done:
                working.result()
                return last
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            if stopping in done:
                return [self._cut(recorder, "cancelled")]
            return [self._cut(recorder, "limit")]
        except CaddieError as error:
            if error.code == "FENCED":
                raise
            return [RunFailed(code=error.code, message=error.message, retryable=error.retryable)]
        except Exception:
            _log.exception("run.crashed", run_id=run.id)
            return [RunFailed(code="RUN_FAILED", message="the agent failed unexpectedly", retryable=True)]
        finally:
            for task in (working, watching, stopping):
                task.cancel()
            await asyncio.gather(working, watching, stopping, return_exceptions=True)

    async def _consume(self, job: Job, recorder: Recorder, last: list[Data]) -> None:
        """Questions, a proposal and the terminal event are held back: they are stored before anybody sees them."""
        async with aclosing(self._agent.work(job)) as events:
            async for data in events:
                if isinstance(data, Sided):
                    await recorder.emit(data.data, side=data.side)
                elif isinstance(data, _HELD_BACK):
                    last.append(data)
                else:
                    await recorder.emit(data)

    def _cut(self, recorder: Recorder, outcome: Literal["cancelled", "limit"]) -> RunFinished:
        """What was said and built until now stays."""
        definition = recorder.state.definition
        touched = definition is not None and definition != recorder.state.before
        said = next((each.text for each in reversed(recorder.state.messages) if each.role == "assistant"), "")
        kind: Literal["workflow", "message"] = "workflow" if touched else "message"
        return RunFinished(
            outcome=outcome, result=RunResult(type=kind, workflow=definition if touched else None, message=said)
        )

    async def _finish(self, job: Job, recorder: Recorder, ending: list[Data]) -> None:
        run, state = job.claim.run, recorder.state
        if isinstance(ending[-1], RunFinished) and ending[-1].result.workflow is None and job.input.definition:
            # A definition that came with the request is the working one now, also when the agent left it alone.
            result = ending[-1].result.model_copy(update={"workflow": state.definition})
            ending[-1] = ending[-1].model_copy(update={"result": result})
        terminal, version = ending[-1], None
        made = (terminal.result.workflow if isinstance(terminal, RunFinished) else None) or state.definition
        for _ in range(ROUNDS):
            state.definition = made
            if isinstance(terminal, RunFinished) and job.canvas is not None:
                ending[-1], version = await patiently(partial(job.canvas.kept, terminal, made), run.id)
            try:
                return await self._end(job, recorder, ending, version)
            except CaddieError as error:
                if error.code != "VERSION_CONFLICT":
                    raise
        raise CaddieError("UNAVAILABLE", f"expected the workflow to rest for a moment, it moved {ROUNDS} times")

    async def _end(self, job: Job, recorder: Recorder, ending: list[Data], version: int | None) -> None:
        """version: of the workflow, to be saved over; None: it is not. Raises VERSION_CONFLICT when it has another."""
        run, state = job.claim.run, recorder.state
        bodies: list[Body] = recorder.bodies(*ending)
        terminal = ending[-1]
        finished = isinstance(terminal, RunFinished)
        finish = partial(
            self._store.runs.finish,
            run.id,
            run.attempt,
            status="finished" if finished else "failed",
            outcome=terminal.outcome if isinstance(terminal, RunFinished) else None,
            terminal=packed(bodies),
            usage=terminal.usage.model_dump() if isinstance(terminal, RunFinished) else None,
            error_code=terminal.code if isinstance(terminal, RunFailed) else None,
            error_message=terminal.message if isinstance(terminal, RunFailed) else None,
            messages=message_rows(state),
            definition=state.definition,
            mode=state.mode,
            inputs_new=[input_row(data) for data in ending if isinstance(data, InputRequested)],
            inputs_closed=await patiently(lambda: self._closed(job), run.id),
            save_workflow=finished and version is not None,
            workflow_version=version,
            first_index=recorder.first_index or None,
            last_index=recorder.last_index or None,
            proposal=draft(ending),
        )
        # What the model has said was paid for: a database that is away for a moment must not make it say it again.
        if not await patiently(finish, run.id):
            raise CaddieError("FENCED", "the run belongs to another attempt")
        await recorder.append_ending(bodies, partial(self._store.runs.move_end, run.id))
        _log.info("run.ended", run_id=run.id, attempt=run.attempt, end=terminal.TYPE, index=recorder.last_index)

    async def _closed(self, job: Job) -> list[tuple[str, Any, str | None, object]]:
        answer = job.input.answer
        return [
            (asked.id, "resolved", answer.by, answer.value)
            if answer and answer.inputId == asked.id
            else (asked.id, "expired", None, None)
            for asked in await self._store.conversations.inputs(job.claim.conversation.pk)
        ]

    async def _settle(self, run_id: str) -> None:
        """A run that is over in the database: append its last events if their attempt died before it could."""
        run = await self._store.runs.find(run_id)
        if run is None or run.terminal is None or run.status not in ("finished", "failed"):
            return
        writer = Writer(keys.conversation_key(run.org_id, run.conversation), run.id, run.attempt + 1)
        try:
            claimed = await self._log.claim(writer)
            if not claimed.ended:
                bodies = unpacked(run.terminal)
                if (last := (await self._log.append(writer, bodies))[0]) > run.end:
                    await self._store.runs.move_end(run.id, last - len(bodies))
        except CaddieError as error:
            if error.code != "FENCED":
                raise
        await self._next_of(run)

    async def _next_of(self, run: RunRecord) -> None:
        """A run that waited behind this one is the active one now."""
        waiting = await self._store.runs.active(run.org_id, run.conversation)
        if waiting is not None and waiting.id != run.id:
            await self._enqueue(waiting.id)
