"""Executions through the real blocks of a worker, on a rig, against counterparts on loopback, with a clock set by hand.

Invariant: an execution has one attempt at a time, as the queue sees to in the product.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from caddie.executing import ExecutionAttempts, Workshop
from caddie.reach import Reach
from caddie.workshop import equip
from shared import connectors
from shared.executions import Executions
from shared.runs import Runs
from shared.seal import Seal
from shared.settings import Settings
from shared.store.execution_records import ExecutionRecord, ExecutionStart, StepRecord
from shared.store.records import WorkflowRecord
from shared.workflows import parse_definition
from tests.caddie.conftest import Rig, rigged
from tests.caddie.workflow.blocks.counterparts import Mailbox, Receiver, mail_server, receiving

LOOPBACK = "127.0.0.0/8"


class Workers(Runs):
    """Carries each execution that is queued, one attempt at a time; `together`: how many at once."""

    def __init__(self, rig: Rig, together: int) -> None:
        super().__init__(rig.store, rig.log, None)  # type: ignore[arg-type]
        self.carry: Any = None
        self._again: dict[str, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._carried = asyncio.Semaphore(together)

    async def enqueue(self, run_id: str) -> None:
        if run_id in self._again:
            self._again[run_id] = True
            return
        self._again[run_id] = False
        task = asyncio.create_task(self._carry(run_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Until nothing that was queued is left to do. Raises what an attempt has raised."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, run_id: str) -> None:
        try:
            more = True
            while more:
                self._again[run_id] = False
                async with self._carried:
                    await self.carry(run_id)
                more = self._again[run_id]
        finally:
            del self._again[run_id]


@dataclass
class Stage:
    rig: Rig
    workshop: Workshop
    workers: Workers
    executions: Executions
    site: Receiver
    box: Mailbox
    skew: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    async def workflow(
        self, nodes: Mapping[str, Any], name: str = "Flow", children: tuple[str, ...] = ("a",), **more: Any
    ) -> WorkflowRecord:
        """A workflow with a manual trigger, unless one is among the nodes."""
        whole = {"nodes": {"root": {"type": "manual", "children": list(children)}, **nodes}, **more}
        return await self.stored(whole, name)

    async def stored(self, definition: Mapping[str, Any], name: str = "Flow") -> WorkflowRecord:
        sealed = self.workshop.sensitive.seal(parse_definition(dict(definition)), self.rig.org).wire()
        return await self.rig.store.workflows.create(self.rig.org, self.rig.user, name, definition=sealed)

    async def begin(self, workflow: WorkflowRecord, **more: Any) -> ExecutionRecord:
        given = {"trigger": "manual", "trigger_node": "root", "input": {}, "inputs": {}, "request_id": str(uuid4())}
        start = ExecutionStart(self.rig.org, self.rig.user, workflow.id, workflow.version, **(given | more))
        return await self.executions.start(start)

    async def found(self, execution: ExecutionRecord) -> ExecutionRecord:
        found = await self.rig.store.executions.get(self.rig.org, execution.id)
        assert found is not None
        return found

    async def steps(self, execution: ExecutionRecord) -> dict[tuple[str, str], StepRecord]:
        return {step.key: step for step in await self.rig.store.executions.steps(execution.id)}

    async def ended(self, execution: ExecutionRecord, *answers: Any) -> ExecutionRecord:
        """Until it is over: questions get the answers in turn, None lets the time for one run out; waits pass."""
        left = list(answers)
        while True:
            await self.workers.idle()
            found = await self.found(execution)
            if found.over:
                assert not left, f"answers nobody has asked for: {left}"
                return found
            asked = await self.rig.store.executions.pending_inputs(execution.id)
            answer = left.pop(0) if asked and left else None
            if answer is not None:
                await self.executions.answer(self.rig.org, self.rig.user, asked[0].id, answer)
                continue
            assert found.wake_at is not None, found
            self.skew = max(self.skew, found.wake_at - datetime.now(UTC) + timedelta(milliseconds=1))
            await self.workers.enqueue(execution.id)

    async def run(self, workflow: WorkflowRecord, *answers: Any, **more: Any) -> ExecutionRecord:
        return await self.ended(await self.begin(workflow, **more), *answers)

    async def connect(self, kind: str, name: str, config: dict[str, Any]) -> None:
        rig, found = self.rig, connectors.parse(kind, config)
        seal = Seal.parse(rig.settings.seal_key_text)
        sealed = connectors.seal(seal, found, rig.org, rig.user)
        await rig.store.connectors.create(rig.org, rig.user, kind, name, sealed)

    def mails(self) -> list[email.message.EmailMessage]:
        found = []
        for each in self.box.mails:
            assert isinstance(each.content, bytes)
            mail = email.message_from_bytes(each.content, policy=email.policy.default)
            assert isinstance(mail, email.message.EmailMessage)
            found.append(mail)
        return found


@asynccontextmanager
async def staged(settings: Settings, *networks: str, together: int = 50, **changes: Any) -> AsyncIterator[Stage]:
    """networks: what may be reached besides the internet. changes: of the workshop."""
    settings = settings.model_copy(update={"outbound_networks": networks})
    async with rigged(settings) as rig, receiving() as site, mail_server() as box:
        workers = Workers(rig, together)
        executions = Executions(rig.store, workers)
        reach = Reach.of(settings)
        equipped = equip(settings, rig.store, rig.log, rig.reader, executions, reach)
        stage = Stage(rig, equipped.workshop, workers, executions, site, box)
        stage.workshop = replace(equipped.workshop, clock=stage.now, **changes)
        attempts = ExecutionAttempts(stage.workshop)

        async def carry(run_id: str) -> None:
            claim = await rig.store.runs.claim(run_id, 3)
            if claim is not None:
                await attempts.run(claim)

        workers.carry = carry
        try:
            yield stage
        finally:
            await workers.close()
            await reach.close()
