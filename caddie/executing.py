"""One attempt of an execution: claim it, walk on from its last stored step, store what came of it, say the last word.

Invariant: an execution gets exactly one terminal event, as every run (``caddie.attempt``); between attempts it is
nothing but rows, so that waiting costs no worker. Caller: ``Attempts``, for runs of kind `execution`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from caddie.inbox import Inbox, message_id, watch
from caddie.patience import patiently
from caddie.recorder import Recorder, message_rows, packed
from caddie.saying import Speaker, final_text, outcome, terminal
from caddie.stepping import StoredJournal, Surroundings
from caddie.workflow import beginning
from caddie.workflow.executor import Executor
from caddie.workflow.flow import Flow
from caddie.workflow.masking import Mask
from caddie.workflow.program import Program
from caddie.workflow.runner import Runner
from caddie.workflow.terms import Bounds, Failure, Stopped
from shared import keys
from shared.errors import CaddieError
from shared.events import ExecutionNode, InputExpired, MessageUser, RunFailed, RunRestarted, RunStarted, decode
from shared.executions import Executions
from shared.fold import State
from shared.follow import LogReader
from shared.log import EventLog, Writer
from shared.sensitive import Sensitive
from shared.store import Store
from shared.store.execution_records import Begun, ExecutionEnding
from shared.store.records import Claim, MessageRecord

Told = frozenset[tuple[str, str, str]]
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What executions of one worker have in common. clock: what waits are measured by. leaving: it begins no more."""

    store: Store
    log: EventLog
    reader: LogReader
    executions: Executions
    runners: Mapping[str, Runner]
    sensitive: Sensitive
    clock: Callable[[], datetime]
    active_s: float = 600.0
    bounds: Bounds = Bounds()
    leaving: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Attempt:
    """What an attempt works with."""

    begun: Begun
    claim: Claim
    recorder: Recorder
    journal: StoredJournal
    speaker: Speaker


class ExecutionAttempts:
    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def run(self, claim: Claim) -> None:
        """Do one attempt. Raises CaddieError: FENCED when another has it; anything else is to be tried again."""
        shop, run = self._shop, claim.run
        begun = await self._begun(claim)
        if begun is None:
            return
        conversation = keys.conversation_key(run.org_id, run.conversation)
        writer = Writer(conversation, run.id, run.attempt)
        claimed = await patiently(partial(shop.log.claim, writer), run.id)
        recorder = Recorder(shop.log, writer, State(definition=claim.conversation.definition))
        appending = asyncio.create_task(recorder.run(), name=f"recorder-{run.id}")
        try:
            told = await self._open(claim, begun, recorder)
            speaker = Speaker(run.id, recorder.state, joined=claim.conversation.kind != "execution")
            journal = StoredJournal(shop.store, recorder, begun.execution, run.attempt, time.monotonic())
            attempt = _Attempt(begun, claim, recorder, journal, speaker)
            if claimed.cancelled or run.cancel_requested:
                recorder.cancelled.set()
            await self._walk(attempt, told)
        finally:
            appending.cancel()
            await asyncio.gather(appending, return_exceptions=True)

    async def _begun(self, claim: Claim) -> Begun | None:
        """What there is to go on from; None when another attempt has it, or there is nothing to go on with."""
        run = claim.run
        try:
            return await self._shop.store.executions.begin(run.id, run.attempt)
        except CaddieError as error:
            if error.code != "NOT_FOUND":
                raise
        writer = Writer(keys.conversation_key(run.org_id, run.conversation), run.id, run.attempt)
        await self._shop.log.claim(writer)
        recorder = Recorder(self._shop.log, writer, State(definition=claim.conversation.definition))
        failed = RunFailed(code="NOT_FOUND", message="the workflow has been deleted", retryable=False)
        bodies = recorder.bodies(failed)
        if await self._shop.store.runs.finish(
            run.id, run.attempt, status="failed", terminal=packed(bodies), error_code=failed.code,
            error_message=failed.message,
        ):  # fmt: skip
            await recorder.append(bodies)
        return None

    async def _open(self, claim: Claim, begun: Begun, recorder: Recorder) -> Told:
        """The first events, or, of a later attempt, what the log has of those before."""
        run, execution = claim.run, begun.execution
        conversation = keys.conversation_key(run.org_id, run.conversation)
        head = await patiently(partial(self._shop.log.head, conversation), run.id)
        told: set[tuple[str, str, str]] = set()
        spoken = False
        after = max((head.first or run.first_index or 1) - 1, 0) if run.attempt > 1 else head.index
        while after < head.index:
            entries = await patiently(partial(self._shop.log.read, conversation, after), run.id)
            if not entries:
                break
            for index, body in entries:
                event = decode(index, body)
                if event.runId == run.id:
                    spoken = True
                    recorder.state.apply(event)
                    recorder.first_index = recorder.first_index or index
                    if isinstance(event.data, ExecutionNode):
                        told.add((event.data.path or "", event.data.nodeId, event.data.status))
            after = entries[-1][0]
        if told and head.oldest > (head.first or run.first_index or 1):
            # What came before the oldest event that is kept has been told, too.
            kept = {(path, node_id) for path, node_id, _ in told}
            oldest = min((step.position for step in begun.steps if step.key in kept), default=0)
            told |= {(*step.key, step.status) for step in begun.steps if step.position < oldest}
        if spoken:
            if not begun.resumed:
                recorder.put(RunRestarted(attempt=run.attempt, keepThrough=head.index))
            return frozenset(told)
        if claim.conversation.kind != "execution" or execution.trigger == "chat":
            text = execution.inputs.get("text") or _text_of(execution.input)
            recorder.put(
                MessageUser(messageId=message_id(run.id), text=str(text or ""), requestId=run.request_id), "first"
            )
            recorder.put(RunStarted(requestId=run.request_id, kind="execution", attempt=run.attempt))
        else:
            recorder.put(RunStarted(requestId=run.request_id, kind="execution", attempt=run.attempt), "first")
        return frozenset()

    async def _walk(self, attempt: _Attempt, told: Told) -> None:
        execution, mask = attempt.begun.execution, Mask()
        left_s = self._shop.active_s - execution.active_ms / 1000
        if attempt.claim.exhausted:
            message = "expected a step to end, but the workers that tried it died, one after another"
            await self._finish(attempt, Stopped(Failure("RUN_FAILED", message)))
            return
        try:
            program = beginning.program(attempt.begun, self._shop.sensitive, mask)
        except CaddieError as error:
            await self._finish(attempt, Stopped(Failure(error.code, error.message)))
            return
        outside = Surroundings(self._shop.store, self._shop.executions, execution, attempt.speaker)
        flow = Flow(program.definition, outside)
        given = beginning.given(attempt.begun, program, told)
        executor = Executor(
            program, given, attempt.journal, self._shop.runners, flow, mask, self._shop.clock, self._shop.bounds,
            self._shop.leaving.is_set,
        )  # fmt: skip
        attempt.journal.count = lambda: executor.node_runs
        stopped = await self._until_stopped(attempt, executor, left_s)
        if stopped.waits:
            await self._suspend(attempt, stopped)
        else:
            await self._finish(attempt, stopped, program)

    async def _until_stopped(self, attempt: _Attempt, executor: Executor, left_s: float) -> Stopped:
        """Let it walk until it stops by itself, is cancelled, or has used up its time."""
        run, recorder = attempt.claim.run, attempt.recorder
        conversation = keys.conversation_key(run.org_id, run.conversation)
        inbox = Inbox(self._shop.store, run, waiting=False)
        walking = asyncio.create_task(executor.run(), name=f"walk-{run.id}")
        watching = asyncio.create_task(
            watch(self._shop.log, self._shop.reader, conversation, run.id, recorder.cancelled, inbox),
            name=f"watch-{run.id}",
        )
        stopping = asyncio.create_task(recorder.cancelled.wait(), name=f"stop-{run.id}")
        tasks = (walking, watching, stopping)
        try:
            await asyncio.wait({walking, stopping}, timeout=max(left_s, 0), return_when=asyncio.FIRST_COMPLETED)
            if walking.done() and not (recorder.cancelled.is_set() and walking.result().waits):
                return walking.result()
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)
            if recorder.cancelled.is_set():
                await executor.cut("CANCELLED", "the execution was cancelled")
                return Stopped(Failure("CANCELLED", "the execution was cancelled"))
            message = f"expected an end within {self._shop.active_s:g} s of work, got none"
            await executor.cut("RUN_TIMEOUT", message)
            return Stopped(Failure("RUN_TIMEOUT", message))
        except CaddieError as error:
            if error.code in ("FENCED", "UNAVAILABLE"):
                raise
            # Trying again would end in the same way.
            return Stopped(Failure(error.code, error.message))
        except Exception:
            _log.exception("execution.crashed", execution_id=run.id)
            return Stopped(Failure("RUN_FAILED", "the execution failed unexpectedly"))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _suspend(self, attempt: _Attempt, stopped: Stopped) -> None:
        recorder, run = attempt.recorder, attempt.claim.run
        await recorder.flush()
        suspended = await patiently(
            partial(
                self._shop.store.executions.suspend, run.id, run.attempt, wake_at=stopped.until,
                node_runs=attempt.journal.node_runs, active_ms=attempt.journal.active_ms,
                first_index=recorder.first_index or None, last_index=recorder.last_index or None,
            ),
            run.id,
        )  # fmt: skip
        if not suspended:
            raise CaddieError("FENCED", "the execution belongs to another attempt")
        _log.info("execution.suspended", execution_id=run.id, attempt=run.attempt)

    async def _finish(self, attempt: _Attempt, stopped: Stopped, program: Program | None = None) -> None:
        run, recorder, end = attempt.claim.run, attempt.recorder, outcome(stopped.failure)
        thread = self._last_words(attempt, stopped.output) if end == "completed" else ()
        if end != "completed":
            await self._abandon(attempt)
        for data in attempt.speaker.end():
            recorder.put(data)
        for input_id in list(recorder.state.inputs):
            recorder.put(InputExpired(inputId=input_id))
        await recorder.flush()
        last = terminal(stopped, program, attempt.speaker.said)
        bodies = recorder.bodies(last)
        ending = ExecutionEnding(
            status=end,
            output=stopped.output if end == "completed" else None,
            error_code=stopped.failure.code if stopped.failure else None,
            error_message=stopped.failure.message if stopped.failure else None,
            error_node=stopped.failure.node_id if stopped.failure else None,
            node_runs=attempt.journal.node_runs,
            active_ms=attempt.journal.active_ms,
            thread_messages=thread,
        )
        finish = partial(
            self._shop.store.runs.finish, run.id, run.attempt,
            status="failed" if end == "failed" else "finished",
            outcome=None if end == "failed" else end,
            terminal=packed(bodies),
            error_code=last.code if isinstance(last, RunFailed) else None,
            error_message=last.message if isinstance(last, RunFailed) else None,
            messages=message_rows(recorder.state),
            first_index=recorder.first_index or None,
            last_index=recorder.last_index or None,
            execution=ending,
        )  # fmt: skip
        if not await patiently(finish, run.id):
            raise CaddieError("FENCED", "the execution belongs to another attempt")
        await recorder.append(bodies)
        _log.info("execution.ended", execution_id=run.id, attempt=run.attempt, end=end, index=recorder.last_index)
        await self._wake_parent(attempt.begun)

    def _last_words(self, attempt: _Attempt, output: Any) -> tuple[MessageRecord, ...]:
        """A workflow that was spoken to and has not replied answers with the text it ended with."""
        execution = attempt.begun.execution
        asked = execution.trigger == "chat" or attempt.claim.conversation.kind != "execution"
        text = "" if attempt.speaker.replied or not asked else final_text(output)
        if not text:
            return ()
        for data in attempt.speaker.last(text):
            attempt.recorder.put(data)
        if execution.thread is None:
            return ()
        return (MessageRecord(attempt.speaker.copy_id("end"), "assistant", text, self._shop.clock()),)

    async def _abandon(self, attempt: _Attempt) -> None:
        """Before a failure is stored, or a worker's death would leave it undone: what this one waits for has become
        pointless. What it has only set off goes on.
        """
        execution, executions = attempt.begun.execution, self._shop.store.executions
        for child_id in await patiently(lambda: executions.awaited(execution.id), execution.id):
            try:
                await self._shop.executions.cancel(execution.org_id, execution.user_id, child_id)
            except CaddieError:
                _log.warning("execution.cancel_failed", execution_id=child_id)

    async def _wake_parent(self, begun: Begun) -> None:
        """Whoever waits for this one goes on now; without this, with the next sweep."""
        execution = begun.execution
        if execution.parent_id is None:
            return
        try:
            parent = await self._shop.store.executions.get(execution.org_id, execution.parent_id)
            if parent is not None:
                await self._shop.executions.wake(parent)
        except CaddieError:
            _log.warning("execution.wake_failed", execution_id=execution.id)


def _text_of(given: Any) -> Any:
    return given.get("text") if isinstance(given, dict) else ""
