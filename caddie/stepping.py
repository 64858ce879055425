"""Where a walk meets the store and the log: its steps, its questions, the executions it starts.

Invariant: first the store, then the log; only the newest attempt can do either. Caller: ``caddie.executing``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import JsonValue

from caddie.patience import patiently
from caddie.recorder import Recorder, input_row
from caddie.saying import Speaker
from caddie.workflow.flow import Started
from caddie.workflow.pauses import Answered, Child, Pause
from caddie.workflow.runner import Call, StepError
from caddie.workflow.steps import Place
from shared.errors import CaddieError
from shared.events import Data, InputRequested, timestamp
from shared.executions import Executions, fired, started_by_hand
from shared.store import Store
from shared.store.execution_records import ExecutionRecord, StepWrite


class StoredJournal:
    """began: when the attempt did, by the monotonic clock. count: how many nodes have run."""

    def __init__(
        self, store: Store, recorder: Recorder, execution: ExecutionRecord, attempt: int, began: float
    ) -> None:
        self._store, self._recorder, self._execution, self._attempt = store, recorder, execution, attempt
        self._began = began
        self.count: Callable[[], int] = lambda: execution.node_runs

    @property
    def node_runs(self) -> int:
        return self.count()

    @property
    def active_ms(self) -> int:
        """Time of work so far, of all attempts that have left something."""
        return self._execution.active_ms + int((time.monotonic() - self._began) * 1000)

    async def commit(self, steps: Sequence[StepWrite], said: Sequence[Data]) -> Mapping[Place, JsonValue]:
        """Whoever is cancelled here has told nothing; what is told together is appended together."""
        await self._recorder.room()
        values: Mapping[Place, JsonValue] = {}
        if steps:
            newest = {step.key: step for step in steps}
            write = partial(
                self._store.executions.checkpoint, self._execution.id, self._attempt, list(newest.values()),
                node_runs=self.node_runs, active_ms=self.active_ms,
            )  # fmt: skip
            values = await patiently(write, self._execution.id)
        for data in said:
            self._recorder.put(data)
        return values

    async def signals(self, pauses: Iterable[Pause]) -> tuple[Mapping[str, Answered], Mapping[str, Child]]:
        inputs: dict[str, Answered] = {}
        children: dict[str, Child] = {}
        for pause in pauses:
            if pause.input_id and (found := await self._store.conversations.input(self._org, pause.input_id)):
                inputs[pause.input_id] = found[0]
            if pause.child_id and (child := await self._store.executions.get(self._org, pause.child_id)):
                children[pause.child_id] = child
        return inputs, children

    async def expire(self, input_id: str) -> bool:
        return await self._store.conversations.close_input(self._org, input_id, "expired", None)

    @property
    def _org(self) -> int:
        return self._execution.org_id


class Surroundings:
    """What the blocks of the walk do outside of it."""

    def __init__(self, store: Store, executions: Executions, execution: ExecutionRecord, speaker: Speaker) -> None:
        self._store, self._executions, self._execution, self._speaker = store, executions, execution, speaker

    async def ask(self, asked: InputRequested) -> InputRequested:
        execution = self._execution
        await patiently(lambda: self._store.executions.ask(execution.id, [input_row(asked)]), execution.id)
        found = await self._store.conversations.input(execution.org_id, asked.inputId)
        return asked if found is None else asked.model_copy(update={"expiresAt": timestamp(found[0].expires_at)})

    async def start(self, call: Call, workflow: str, given: JsonValue) -> Started:
        execution = self._execution
        found = await self._store.workflows.get(execution.org_id, workflow.strip())
        if found is None or found.user_id != execution.user_id:
            raise StepError("WORKFLOW_UNKNOWN", f"workflow: expected one of your own, got {workflow[:64]!r}")
        node = started_by_hand(found.definition)
        if node is None:
            raise StepError("WORKFLOW_UNKNOWN", f"workflow: expected {found.slug} to have a trigger, got none")
        inputs: dict[str, Any] = given if isinstance(given, dict) else {} if given is None else {"value": given}
        start = fired(
            found, execution.user_id, "workflow", node, inputs, request_id=call.step_id, parent_id=execution.id,
            parent_path=call.path, parent_node=call.node_id,
        )  # fmt: skip
        try:
            begun = await patiently(lambda: self._executions.start(start), execution.id)
        except CaddieError as error:
            raise StepError(error.code, error.message) from error
        return Started(begun.id, begun.status)

    def reply(self, step_id: str, text: str) -> Sequence[Data]:
        return self._speaker.say(step_id, text)
