"""What a builder's run makes of the workflow its conversation is about, which others may change meanwhile.

Invariant: a run never takes back what was saved after the version its canvas came from. What it changed is merged with
that when both fit, else the stored workflow stands and the run's result says so; afterwards the conversation's canvas
is the stored workflow. Caller: the attempt, at a run's beginning and at its end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from shared import edits
from shared.errors import CaddieError
from shared.events import NodeChanged, RunFinished, ValidationFault
from shared.proposals import diff, rebase
from shared.runs import TurnInput
from shared.store import Store
from shared.store.records import Claim, WorkflowRecord
from shared.workflows import parse_definition

Json = dict[str, Any]
#: How often a run's end is tried again when the workflow moves on at that very moment.
ROUNDS = 8
#: Of the workflow's versions, the newest among which the one is looked for that a canvas came from.
VERSIONS = 10


@dataclass(frozen=True, slots=True)
class Canvas:
    """version, base: what the run's definition came from. start: what it begins with instead of what it was given."""

    store: Store
    org: int
    workflow_id: str
    version: int
    base: Json
    start: Json | None

    @classmethod
    async def begin(cls, store: Store, claim: Claim, content: TurnInput) -> Canvas | None:
        """None when the conversation is about no workflow, or about one that has gone. Raises UNAVAILABLE."""
        owner, org = claim.conversation, claim.run.org_id
        workflow = await store.workflows.get(org, owner.workflow_id) if owner.workflow_id else None
        if workflow is None:
            return None
        now, given = workflow.definition, content.definition or owner.definition
        if given is None or given == now:
            start = now if given is None and now.get("nodes") else None
            return cls(store, org, workflow.id, workflow.version, now, start)
        versions = await store.workflows.versions(org, workflow.id, VERSIONS)
        known = [(each.version, each.definition) for each in versions]
        if content.definition is None and any(given == definition for _, definition in known):
            # Nobody has drawn on it since it was saved: it is only old.
            return cls(store, org, workflow.id, workflow.version, now, now)
        version, base = await asyncio.to_thread(_nearest, given, known) if known else (workflow.version, now)
        return cls(store, org, workflow.id, version, base, None)

    async def kept(self, ending: RunFinished, made: Json | None) -> tuple[RunFinished, int | None]:
        """The run's last event with what its definition ``made`` comes to, and the version that is to be saved over.

        None: nothing is saved. Raises UNAVAILABLE.
        """
        workflow = await self.store.workflows.get(self.org, self.workflow_id)
        if workflow is None or made is None:
            return ending, None
        if workflow.version == self.version or made == workflow.definition:
            return ending, workflow.version
        try:
            merged = await asyncio.to_thread(_merged, self.base, made, workflow.definition)
        except CaddieError as error:
            return _refused(ending, workflow, self.version, error), None
        return _showing(ending, merged), workflow.version


def drawn(before: Json, after: Json) -> list[NodeChanged]:
    """What happens to the nodes. None when one of them is no definition (any more): the run has to go on all the same.
    """
    try:
        changes = edits.diff(parse_definition(before), parse_definition(after))
    except CaddieError:
        return []
    return [NodeChanged(action=action, nodeId=node_id, node=node) for action, node_id, node in changes]


def _nearest(given: Json, versions: list[tuple[int, Json]]) -> tuple[int, Json]:
    """The version from which fewest changes lead to the definition, the newest of several."""
    try:
        drawn = parse_definition(given)
        return min(versions, key=lambda each: len(diff(parse_definition(each[1]), drawn)))
    except CaddieError:
        # One that is no definition (any more) is compared with nothing.
        return versions[0]


def _merged(base: Json, made: Json, now: Json) -> Json:
    """Raises VERSION_CONFLICT when both have changed the same, DEFINITION_INVALID."""
    before = parse_definition(base)
    return rebase(before, diff(before, parse_definition(made)), parse_definition(now)).wire()


def _showing(ending: RunFinished, definition: Json, *faults: ValidationFault) -> RunFinished:
    told = (*ending.result.validationErrors, *faults)
    shown = {"type": "workflow", "workflow": definition, "validationErrors": told}
    return ending.model_copy(update={"result": ending.result.model_copy(update=shown)})


def _refused(ending: RunFinished, workflow: WorkflowRecord, version: int, error: CaddieError) -> RunFinished:
    message = (
        f"expected the workflow at version {version}, got {workflow.version}, which was saved meanwhile: "
        f"what this turn has changed does not fit it and was not kept ({error.message})"
    )
    return _showing(ending, workflow.definition, ValidationFault(nodeId=None, message=message))
