"""A turn whose result is proposed, not kept: it works on a copy of the stored workflow.

Invariant: such a run changes neither the workflow nor the conversation's own definition; what it changed in its copy
is one proposal, whose id follows from the run's, so a run that is done again makes no second one. What is offered has
been applied to a copy and validated. Callers: the desk (the turn), the attempt (its end).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import structlog

from caddie.agent.workspace import Workspace
from shared import digest
from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.events import Data, NodeChanged, ProposalCreated, RunFinished, Sided, timestamp
from shared.proposals import apply, diff
from shared.runs import TurnInput
from shared.store import Store
from shared.store.records import Claim, ProposalDraft
from shared.validation import validate
from shared.workflows import Definition, parse_definition

ISSUES_MAX = 50
_PROPOSALS = uuid5(NAMESPACE_URL, "caddie:proposal")
#: Members of the event that the store keeps as they are.
_BODY = ("changes", "summary", "diff", "issues")
_log = structlog.get_logger()


def proposes(claim: Claim, content: TurnInput) -> bool:
    """Whether the run's result is a proposal, whoever submitted it: in a workflow's message thread it always is."""
    return content.profile == "proposal" or claim.conversation.kind == "workflow"


@dataclass(frozen=True, slots=True)
class Proposing:
    """base: the workflow as it was stored when the run began, with its version."""

    run_id: str
    workflow_id: str
    base: Definition
    version: int
    catalog: Catalog
    ttl_s: int

    @classmethod
    async def begin(cls, store: Store, claim: Claim, catalog: Catalog, ttl_s: int) -> Proposing:
        """Raises NOT_FOUND when the workflow has gone, UNAVAILABLE."""
        workflow_id = claim.conversation.workflow_id
        workflow = await store.workflows.get(claim.run.org_id, workflow_id) if workflow_id else None
        if workflow is None:
            raise CaddieError("NOT_FOUND", "expected the workflow this conversation is about, it was deleted")
        base = parse_definition(workflow.definition)
        return cls(claim.run.id, workflow.id, base, workflow.version, catalog, ttl_s)

    def workspace(self, protect: Callable[[Definition], Definition]) -> Workspace:
        """The copy."""
        return Workspace(self.base.wire(), protect)

    async def offered(
        self, workspace: Workspace, said: AsyncGenerator[Data | Sided, None]
    ) -> AsyncGenerator[Data | Sided, None]:
        """The events of the turn on the copy, with the proposal in the place of its changes."""
        async with aclosing(said) as events:
            async for event in events:
                if isinstance(event, NodeChanged):
                    continue
                if isinstance(event, RunFinished):
                    # Hundreds of steps take long enough for other runs to notice.
                    if (proposal := await asyncio.to_thread(self._proposal, workspace.current)) is not None:
                        yield ProposalCreated(proposal=proposal)
                    result = event.result.model_copy(update={"type": "message", "workflow": None})
                    event = event.model_copy(update={"result": result})
                yield event

    def _proposal(self, after: Definition) -> dict[str, Any] | None:
        """None when nothing was changed, or nothing that could be applied."""
        changes = diff(self.base, after)
        if not changes:
            return None
        try:
            copy = apply(self.base, changes)
        except CaddieError as error:
            _log.warning("proposal.unsound", run_id=self.run_id, fields=[fault.field for fault in error.faults][:5])
            return None
        issues = validate(copy, self.catalog) if copy.nodes else []
        return {
            "id": str(uuid5(_PROPOSALS, self.run_id)),
            "workflowId": self.workflow_id,
            "status": "pending",
            "baseVersion": self.version,
            "summary": digest.summary(self.base, changes),
            "changes": [change.wire() for change in changes],
            "diff": digest.fields(self.base, changes),
            "issues": [issue.model_dump(mode="json", exclude_none=True) for issue in issues[:ISSUES_MAX]],
            "expiresAt": timestamp(datetime.now(UTC) + timedelta(seconds=self.ttl_s)),
        }


def draft(events: list[Data]) -> ProposalDraft | None:
    """The proposal among a run's last events, as the store keeps it."""
    for event in events:
        if isinstance(event, ProposalCreated):
            told: dict[str, Any] = event.proposal
            body = {name: told[name] for name in _BODY}
            return ProposalDraft(told["id"], told["baseVersion"], body, datetime.fromisoformat(told["expiresAt"]))
    return None
