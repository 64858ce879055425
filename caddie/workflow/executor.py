"""The walk over a workflow: which node runs when, until all are settled, one fails, or all that is left is waiting.

Invariant: a step is stored before anybody is told of it, and a step that is stored is never run again, so that an
attempt that takes over goes on behind the last of them. Structure (frames, loops, branches) changes in one place at a
time; tasks do nothing but the work of one block. Caller: ``caddie.executing``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from caddie.workflow.blocks import members
from caddie.workflow.flow import Flow
from caddie.workflow.frame import Frame, Loop, Settled, Work
from caddie.workflow.known import ENDED, Known
from caddie.workflow.ledger import Journal, Ledger
from caddie.workflow.masking import Mask
from caddie.workflow.pauses import Over, Pause
from caddie.workflow.program import Program
from caddie.workflow.runner import Call, Result, Runner, StepError
from caddie.workflow.steps import GATHERED_BYTES, INPUT_PREVIEW_BYTES, Room, beyond, iteration, preview, step_id
from caddie.workflow.terms import Bounds, Failure, Given, Stopped
from caddie.workflow.tries import attempted, computed
from caddie.workflow.waits import Waits
from shared.events import Data
from shared.expressions import ExpressionError
from shared.resolution import resolve
from shared.sensitive import hear
from shared.store.execution_records import StepRecord

#: Blocks of one execution that work at the same time.
TOGETHER_MAX = 16
#: How long the loop of the process may be held by blocks that are done at once.
SLICE_S = 0.005
#: Between two looks at what waits.
REST_S = 0.05
ITERATIONS_MAX = 100
ERROR_CHARS = 2_000


class Executor:
    def __init__(
        self, program: Program, given: Given, journal: Journal, runners: Mapping[str, Runner], flow: Flow, mask: Mask,
        clock: Callable[[], datetime], bounds: Bounds, leaving: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._program, self._given, self._runners, self._flow = program, given, runners, flow
        self._mask, self._clock, self._bounds, self._leaving = mask, clock, bounds, leaving
        self._known = Known(given.steps)
        self._ledger = Ledger(journal, program.definition, given.attempt, self._known.position, given.steps)
        self._waits = Waits(journal, flow, clock)
        self._main = Frame.outermost(program.main, given.scope)
        self._ready: deque[tuple[Frame, str]] = deque((self._main, node_id) for node_id in program.main.first)
        self._tasks: dict[asyncio.Task[Result], Work] = {}
        self._failure: Failure | None = None
        self._room = Room(bounds.result_bytes)
        self.node_runs = 0

    async def run(self) -> Stopped:
        """Until it is over or can only wait. Raises CaddieError (FENCED, UNAVAILABLE)."""
        idle_since = 0.0
        try:
            while True:
                await self._advance()
                if self._main.over or (self._failure and not self._tasks):
                    if self._failure:
                        self._close("CANCELLED", "the execution failed before this step ended")
                    await self._ledger.save()
                    return Stopped(self._failure, self._main.output)
                if self._leaving() and not self._tasks:
                    await self._ledger.save()
                    return Stopped(waits=True, until=self._clock())
                if self._ledger.due or not self._tasks:
                    await self._ledger.save()
                if await self._look():
                    continue
                idle_since = 0.0 if self._tasks else idle_since or time.monotonic()
                if idle_since and not self._waits.worth_staying(time.monotonic() - idle_since):
                    assert self._waits, "nothing would ever wake it"
                    return Stopped(waits=True, until=self._waits.until)
                await self._rest()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cut(self, code: str, message: str) -> None:
        """After ``run`` was cancelled: what was at work or waiting ends like this."""
        for task in [task for task in self._tasks if not task.cancelled()]:
            self._done(task)
        self._tasks.clear()
        self._close(code, message)
        await self._ledger.save()

    def _close(self, code: str, message: str) -> None:
        self._waits.clear()
        self._ledger.close(code, message, self._clock())

    async def _rest(self) -> None:
        """Until a block is done, or a wait may be."""
        if not self._tasks:
            await asyncio.sleep(REST_S)
            return
        limit = REST_S if self._waits or self._ledger.pending else None
        done, _ = await asyncio.wait(self._tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self._done(task)

    def _done(self, task: asyncio.Task[Result]) -> None:
        work, self._ledger.urgent = self._tasks.pop(task), True
        try:
            self._end(work, task.result())
        except StepError as error:
            self._end(work, error)

    async def _look(self) -> bool:
        """Whether a wait has ended."""
        ended = False
        if self._waits:
            async for work, end, said in self._waits.ended(idle=not self._tasks):
                ended = True
                self._ledger.say(*said)
                if isinstance(end, Over):
                    self._end(work, end.result, end.branch)
                else:
                    self._end(work, end)
        return ended

    async def _advance(self) -> None:
        """Begin all that can begin."""
        sliced = time.monotonic()
        while self._ready and len(self._tasks) < TOGETHER_MAX and not self._leaving():
            frame, node_id = self._ready.popleft()
            if self._failure:
                continue
            await self._begin(frame, node_id)
            if self._ledger.full:
                await self._ledger.save()
            if time.monotonic() - sliced > SLICE_S:
                await asyncio.sleep(0)
                sliced = time.monotonic()

    async def _begin(self, frame: Frame, node_id: str) -> None:
        known = self._known.get((frame.path, node_id))
        if known is not None and known.status in ENDED:
            self._replay(frame, node_id, known)
            return
        work = Work(frame, self._call(frame, node_id, {}), self._clock())
        work.goes_on(known.started_at if known else None)
        if not frame.wanted(node_id, self._program):
            self._ledger.note(self._ledger.written(work, status="skipped"))
            self._settle(work, Settled("skipped"), {})
            return
        if not self._counts(node_id):
            return
        try:
            if node_id == self._program.trigger:
                self._end(work, self._given.trigger_result)
                return
            self._fill(work, known)
            await self._start(work, known)
        except ExpressionError as error:
            self._end(work, StepError("EXPRESSION_INVALID", error.message))
        except StepError as error:
            self._end(work, error)

    def _fill(self, work: Work, known: StepRecord | None) -> None:
        """The payload of a step whose turn has come. Raises ExpressionError."""
        frame, node_id, block = work.frame, work.call.node_id, work.call.type
        own = block == "for-each" or block in self._flow.blocks
        payload: Any = self._payload(frame, node_id, known if own else None)
        shown: Any = self._mask.clean(payload)
        # What the walk's own blocks say, ask, keep and hand on is for others to read.
        work.call = self._call(frame, node_id, shown if block in self._flow.blocks else payload)
        whole = block == "for-each" and node_id in self._program.variables_read
        work.input = preview(shown, GATHERED_BYTES if whole else INPUT_PREVIEW_BYTES)

    def _payload(self, frame: Frame, node_id: str, known: StepRecord | None) -> Any:
        """Filled in; of a step that began earlier it is as it was then, for variables may have changed since."""
        node = self._program.node(node_id)
        payload: Any = resolve(dict(node.payload), frame.scope)
        hear(self._program.definition, node, payload, self._mask.note)
        before = known.input if known is not None and node_id in self._program.variables_read else None
        if isinstance(before, dict) and not beyond(before) and before != self._mask.clean(payload):
            return before
        return payload

    def _counts(self, node_id: str) -> bool:
        """One node more; False when there are too many."""
        self.node_runs += 1
        if self.node_runs > self._bounds.node_runs:
            message = f"expected at most {self._bounds.node_runs} nodes to run, got more"
            self._failure = Failure("RUN_LIMIT", message, node_id)
        return self._failure is None

    async def _start(self, work: Work, known: StepRecord | None) -> None:
        """Begin the work of one block. Raises StepError."""
        call, block = work.call, work.call.type
        if block == "for-each":
            self._loop(work, known)
            return
        if block in self._flow.blocks:
            await self._flow_block(work, known)
            return
        if (runner := self._runners.get(block)) is None:
            raise StepError("BLOCK_UNKNOWN", f"expected a block that can run here, got {block}")
        kind = runner.kind(call.payload)
        if known is not None and kind == "effect":
            message = "expected to know whether the block has done its work, but its worker died: it is not repeated"
            raise StepError("IN_DOUBT", message)
        if runner.compute is not None:
            self._end(work, computed(runner, call))
            return
        if kind != "instant":
            self._ledger.note(self._ledger.written(work, status="running"))
            await self._ledger.save()
        self._tasks[asyncio.create_task(attempted(runner, call), name=f"step-{call.step_id}")] = work

    async def _flow_block(self, work: Work, known: StepRecord | None) -> None:
        """A block that belongs to the walk itself. Raises StepError."""
        call = work.call
        if call.type == "reply_chat":
            text, said = self._flow.reply(call)
            self._end(work, {"text": text}, said=said, reply=text)
        elif call.type == "set-variable":
            await self._change_variable(work)
        elif known is not None and known.status == "waiting":
            if known.input_id and (*known.key, "waiting") not in self._given.told:
                self._ledger.tell(known)
                self._ledger.say(await self._flow.asked(call, work.began))
            self._waits.add(Pause(call.type, known.wake_at, known.input_id, known.child_id), work)
        else:
            began = await self._flow.pause(call, work.began)
            if isinstance(began, Over):
                self._end(work, began.result)
                return
            pause, said = began
            names = {"wake_at": pause.until, "input_id": pause.input_id, "child_id": pause.child_id}
            self._ledger.note(self._ledger.written(work, status="waiting", **names), *said)
            await self._ledger.save()
            self._waits.add(pause, work)

    async def _change_variable(self, work: Work) -> None:
        change = self._flow.change(work.call, self._given.variables)
        if change.stored is not None:
            step = self._ledger.written(work, status="success", variable=change.stored)
            change.value = await self._ledger.save_variable(step)
        self._given.variables[change.name] = change.value
        self._end(work, {"name": change.name, "value": change.value}, stored=change.stored is not None)

    def _loop(self, work: Work, known: StepRecord | None) -> None:
        """Begin the first iteration. Raises StepError."""
        frame, call = work.frame, work.call
        if frame.depth >= self._bounds.depth:
            raise StepError("RUN_LIMIT", f"expected loops nested at most {self._bounds.depth} deep, got more")
        items = members.listed(call.payload, "items")
        most = call.payload.get("maxIterations")
        most = most if isinstance(most, int) and 0 < most < ITERATIONS_MAX else ITERATIONS_MAX
        loop = Loop(work, items[:most])
        if not loop.items or not self._program.loops[call.node_id].order:
            self._end(work, {"items": [], "count": len(loop.items)})
            return
        if known is None:
            self._ledger.note(self._ledger.written(work, status="running"))
        self._iterate(loop)

    def _iterate(self, loop: Loop) -> None:
        """The next iteration, or the end of the loop."""
        index, frame, node_id = len(loop.results), loop.work.frame, loop.work.call.node_id
        if index == len(loop.items):
            self._end(loop.work, {"items": loop.results, "count": index})
            return
        body = self._program.loops[node_id]
        inner = frame.inner(iteration(frame.path, node_id, index), body, loop, index)
        self._ready.extend((inner, each) for each in body.first)

    def _end(
        self, work: Work, end: Result | StepError, branch: str | None = None, *, said: Sequence[Data] = (),
        reply: str | None = None, stored: bool = False,
    ) -> None:  # fmt: skip
        """A node has succeeded or failed. reply: what it said in the chat. stored: its step is in the store already."""
        end = self._room.taken(end, stored=stored)
        if isinstance(end, StepError):
            message = self._mask.text(end.message)[:ERROR_CHARS]
            step = self._ledger.written(work, status="failed", error=message, error_code=end.code)
            values: dict[str, JsonValue] = {"error": message}
            self._failed(work.call.node_id, end.code, message)
        else:
            result = self._mask.clean(end)
            chosen = branch or (str(end["branch"]) if work.call.type == "if" and "branch" in end else None)
            step = self._ledger.written(work, status="success", result=result, branch=chosen, reply=reply)
            values = {"result": result}
        if stored:
            self._ledger.tell(step)
        else:
            self._ledger.note(step)
        self._ledger.say(*said)
        self._settle(work, Settled(step.status, step.branch), values)

    def _replay(self, frame: Frame, node_id: str, step: StepRecord) -> None:
        """A step that an earlier attempt has settled: told again only when the log lacks it."""
        work = Work(frame, self._call(frame, node_id, {}), self._clock())
        for each in self._known.whole(step):
            self.node_runs += each.status != "skipped"
            self._room.taken(each.result or {}, stored=True)
            if (*each.key, each.status) not in self._given.told:
                self._retell(each)
        values: dict[str, JsonValue] = {"result": step.result} if step.status == "success" else {}
        if step.status == "failed":
            values["error"] = step.error
            self._failed(node_id, step.error_code or "STEP_FAILED", step.error or "")
        if node_id in self._program.payloads_read and step.input is not None:
            work.call = self._call(frame, node_id, self._payload(frame, node_id, step))
        self._settle(work, Settled(step.status, step.branch), values)

    def _retell(self, step: StepRecord) -> None:
        """What the log lacks of a step that has ended."""
        asked = self._given.asked.get(step.input_id or "")
        if step.input_id and asked and asked.status != "pending" and (*step.key, "waiting") in self._given.told:
            self._ledger.say(self._flow.closed(step.input_id, asked))
        self._ledger.tell(step)
        name = step_id(self._given.origin.execution_id, step.key)
        self._ledger.say(*self._flow.repeated(self._program.node(step.node_id).type, name, step.result))

    def _failed(self, node_id: str, code: str, message: str) -> None:
        if node_id not in self._program.forgiven:
            self._failure = self._failure or Failure(code, message, node_id)

    def _settle(self, work: Work, end: Settled, values: dict[str, JsonValue]) -> None:
        frame, node_id = work.frame, work.call.node_id
        if node_id in self._program.payloads_read:
            values["payload"] = dict(work.call.payload)
        self._ready.extend((frame, child) for child in frame.settle(node_id, end, values))
        if frame.over and frame.loop is not None and not self._failure:
            frame.loop.results.append(frame.output)
            self._iterate(frame.loop)

    def _call(self, frame: Frame, node_id: str, payload: Mapping[str, JsonValue]) -> Call:
        node, origin = self._program.node(node_id), self._given.origin
        return Call(
            node_id, node.type, payload, step_id(origin.execution_id, (frame.path, node_id)), origin, node.connector,
            frame.results_before(node_id, self._program) if node.type == "merge" else (), self._mask.note,
            path=frame.path,
        )  # fmt: skip
