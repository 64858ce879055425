"""Deciding proposals: apply, in whole or in part, reject, undo; and telling those who watch.

Invariant: of any number of decisions one wins, on whatever server; the others are told who did. A decision is in the
database first; its event is appended by whoever decided, and by a sweep when that died in between. It is there once,
because the log knows it under a name of its own. Callers: the gateway (surface 003), the socket command `decide`, the
worker's sweep.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog

from shared import events, keys
from shared.errors import CaddieError, Fault
from shared.events import Data, ProposalApplied, ProposalRejected, timestamp
from shared.log import EventLog, Writer
from shared.proposals import apply, inverse, rebase
from shared.steps import Changes, parse_changes
from shared.store import Store
from shared.store.records import Kind, ProposalRecord, WorkflowRecord
from shared.workflows import Definition, parse_definition

Decision = Literal["apply", "reject"]
#: How often a decision is tried again when the workflow moves on at the same time.
ROUNDS = 8
#: A decision this old that its decider has not told is told by the sweep.
TOLD_AFTER_S = 5.0
#: Other conversations about the workflow that hear of an applied proposal.
WATCHERS_MAX = 50
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_log = structlog.get_logger()


class NotPendingError(CaddieError):
    """Decided already, or expired; `data` says by whom and how."""


@dataclass(frozen=True, slots=True)
class Decided:
    """workflow: as it is now; None for a rejection."""

    proposal: ProposalRecord
    workflow: WorkflowRecord | None = None


class Decisions:
    def __init__(self, store: Store, log: EventLog) -> None:
        self._store, self._log = store, log

    async def find(self, org: int, user: int, proposal_id: str) -> ProposalRecord:
        """Raises NOT_FOUND for an unknown one, and for another user's."""
        found = await self._store.proposals.get(org, proposal_id.lower()) if _UUID.fullmatch(proposal_id) else None
        if found is None or found.user_id != user:
            raise CaddieError("NOT_FOUND", "expected a proposal of this workflow, got an unknown proposalId")
        return found

    async def decide(
        self, proposal: ProposalRecord, user: int, decision: Decision, chosen: Sequence[int] | None = None
    ) -> Decided:
        """Apply all changes or the ``chosen`` positions, or reject.

        Raises NotPendingError, VERSION_CONFLICT (the workflow has moved on and the changes no longer fit),
        INVALID (positions), NOT_FOUND, UNAVAILABLE.
        """
        _require_pending(proposal)
        if decision == "apply":
            return await self._settled(await self._apply(proposal, user, _positions(proposal, chosen)))
        if chosen is not None:
            text = "expected no positions: a proposal is rejected as a whole"
            raise CaddieError("INVALID", f"changes: {text}", faults=(Fault("changes", text),))
        rejected = await self._store.proposals.reject(proposal, user)
        if rejected is None:
            _require_pending(await self._again(proposal))
            raise CaddieError("CONFLICT", "expected to reject a proposal, lost it on the way", retryable=True)
        return await self._settled(Decided(rejected))

    async def undo(self, proposal: ProposalRecord, user: int) -> Decided:
        """Take an applied one back as a new version. Raises NotPendingError (not applied), VERSION_CONFLICT."""
        for _ in range(ROUNDS):
            if proposal.status != "applied":
                raise _not_pending(proposal, "an applied proposal")
            if proposal.due is not None:
                # First that it was applied has to be told.
                await self.tell(proposal)
            workflow, base = await self._workflow(proposal), await self._base(proposal)
            now = parse_definition(workflow.definition)
            # Hundreds of steps take long enough for others to notice.
            after = await asyncio.to_thread(_taken_back, proposal, base, now)
            note = f"proposal {proposal.id} undone"
            done = await self._store.proposals.undo(
                proposal, user, version=workflow.version, definition=after, note=note
            )
            if done is not None:
                return await self._settled(Decided(*done))
            proposal = await self._again(proposal)
        raise _too_busy()

    async def _apply(self, proposal: ProposalRecord, user: int, chosen: Sequence[int] | None) -> Decided:
        changes = changes_of(proposal)
        for _ in range(ROUNDS):
            workflow = await self._workflow(proposal)
            now, note = parse_definition(workflow.definition), f"proposal {proposal.id}"
            if workflow.version == proposal.base_version:
                after = await asyncio.to_thread(apply, now, changes, chosen)
            else:
                note += f", rebased from version {proposal.base_version}"
                base = await self._base(proposal)
                after = await asyncio.to_thread(_rebased, base, changes, now, chosen, proposal, workflow)
            definition = _wire_unless_same(now, after)
            done = await self._store.proposals.apply(
                proposal, user, version=workflow.version, definition=definition, chosen=chosen, note=note
            )
            if done is not None:
                return Decided(*done)
            proposal = await self._again(proposal)
            _require_pending(proposal)
        raise _too_busy()

    async def _again(self, proposal: ProposalRecord) -> ProposalRecord:
        return await self.find(proposal.org_id, proposal.user_id, proposal.id)

    async def _workflow(self, proposal: ProposalRecord) -> WorkflowRecord:
        found = await self._store.workflows.get(proposal.org_id, proposal.workflow_id)
        if found is None:
            raise CaddieError("NOT_FOUND", "expected a workflow, it was deleted")
        return found

    async def _base(self, proposal: ProposalRecord) -> Definition:
        found = await self._store.workflows.version(proposal.org_id, proposal.workflow_id, proposal.base_version)
        if found is None:
            raise CaddieError("NOT_FOUND", "expected the version the proposal was made against, it was deleted")
        return parse_definition(found.definition)

    async def _settled(self, decided: Decided) -> Decided:
        """The decision stands, also when nobody can be told right now."""
        try:
            await self.tell(decided.proposal)
        except CaddieError as error:
            _log.warning("decision.untold", proposal_id=decided.proposal.id, code=error.code)
        return decided

    async def tell(self, proposal: ProposalRecord) -> None:
        """Append the decision to the log of the proposal's conversation, once; nothing when it is there.

        One that made a version is also told to the owner's builder conversations about the workflow.
        Raises UNAVAILABLE.
        """
        if proposal.due is None:
            return
        body = events.encode(_event(proposal))
        for conversation in dict.fromkeys((proposal.conversation, *await self._others(proposal))):
            key = keys.conversation_key(proposal.org_id, conversation)
            # The name stands where a run's id does, so that the log drops a repetition.
            await self._log.append(Writer(key, f"decision-{proposal.id}-{proposal.due}", 1), [("", body)])
        await self._store.proposals.told(proposal.id, proposal.due)

    async def _others(self, proposal: ProposalRecord) -> list[str]:
        """The owner's conversations that show the workflow, when it has another version now."""
        if (proposal.undone_version or proposal.applied_version) is None:
            return []
        builders: tuple[Kind, ...] = ("builder",)
        page = await self._store.conversations.list(
            proposal.org_id, proposal.user_id, WATCHERS_MAX, workflow_id=proposal.workflow_id, kinds=builders
        )
        return [each.public_id for each in page.items]

    async def sweep(self) -> None:
        """Tell the decisions whose deciders died. Raises UNAVAILABLE."""
        for proposal in await self._store.proposals.due(datetime.now(UTC) - timedelta(seconds=TOLD_AFTER_S)):
            _log.warning("decision.told_late", proposal_id=proposal.id)
            await self.tell(proposal)


def _event(proposal: ProposalRecord) -> Data:
    by = str(proposal.decided_by)
    if proposal.due == "applied":
        version = proposal.applied_version or proposal.base_version
        return ProposalApplied(proposalId=proposal.id, by=by, version=version)
    return ProposalRejected(proposalId=proposal.id, by=by, version=proposal.undone_version)


def changes_of(proposal: ProposalRecord) -> Changes:
    return parse_changes(proposal.body["changes"])


def shown(proposal: ProposalRecord) -> dict[str, Any]:
    """The proposal as the surfaces show it; one whose time is over shows as rejected, by nobody."""
    over = _expired(proposal)
    told: dict[str, Any] = {
        "id": proposal.id,
        "status": "rejected" if over else proposal.status,
        "changes": proposal.body["changes"],
        "summary": proposal.body["summary"],
        "diff": proposal.body["diff"],
        "issues": proposal.body["issues"],
        "baseVersion": proposal.base_version,
        "createdAt": timestamp(proposal.created_at),
        "expiresAt": timestamp(proposal.expires_at),
    }
    if over:
        return told | {"expired": True}
    if proposal.applied_at is not None:
        told |= {"appliedAt": timestamp(proposal.applied_at), "appliedVersion": proposal.applied_version}
        told |= {"rebased": proposal.rebased}
        told |= {"appliedChanges": list(proposal.chosen)} if proposal.chosen is not None else {}
    if proposal.rejected_at is not None:
        told["rejectedAt"] = timestamp(proposal.rejected_at)
    if proposal.undone_version is not None:
        told["undoneVersion"] = proposal.undone_version
    return told | ({"decidedBy": str(proposal.decided_by)} if proposal.decided_by is not None else {})


def _expired(proposal: ProposalRecord) -> bool:
    return proposal.status == "pending" and proposal.expires_at <= datetime.now(UTC)


def _require_pending(proposal: ProposalRecord) -> None:
    if proposal.status != "pending" or _expired(proposal):
        raise _not_pending(proposal, "a pending proposal")


def _not_pending(proposal: ProposalRecord, wanted: str) -> NotPendingError:
    if _expired(proposal):
        message = f"expected {wanted}, got one that expired at {timestamp(proposal.expires_at)}"
        return NotPendingError("INVALID", message, data={"status": "expired", "by": None})
    data: dict[str, Any] = {"status": proposal.status, "by": None}
    if proposal.decided_by is None:
        return NotPendingError("INVALID", f"expected {wanted}, got a pending one", data=data)
    data["by"] = str(proposal.decided_by)
    if version := proposal.undone_version or proposal.applied_version:
        data["version"] = version
    message = f"expected {wanted}, got one that user {proposal.decided_by} has {proposal.status}"
    return NotPendingError("INVALID", message, data=data)


def _positions(proposal: ProposalRecord, chosen: Sequence[int] | None) -> Sequence[int] | None:
    """Raises INVALID unless they name changes of the proposal, each once."""
    if chosen is None:
        return None
    count = len(proposal.body["changes"])
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= each < count for each in chosen):
        text = f"expected one or more positions from 0 to {count - 1}, each once, got others"
        raise CaddieError("INVALID", f"changes: {text}", faults=(Fault("changes", text),))
    return sorted(chosen)


def _rebased(
    base: Definition, changes: Changes, now: Definition, chosen: Sequence[int] | None, proposal: ProposalRecord,
    workflow: WorkflowRecord,
) -> Definition:  # fmt: skip
    try:
        return rebase(base, changes, now, chosen)
    except CaddieError as error:
        data = {"expected": proposal.base_version, "actual": workflow.version}
        message = f"the workflow has changed since version {proposal.base_version}, and so the proposal no longer fits"
        raise CaddieError("VERSION_CONFLICT", f"{message}: {error.message}", faults=error.faults, data=data) from error


def _taken_back(proposal: ProposalRecord, base: Definition, now: Definition) -> dict[str, Any] | None:
    made, back = inverse(base, changes_of(proposal), proposal.chosen)
    try:
        return _wire_unless_same(now, rebase(made, back, now))
    except CaddieError as error:
        message = "what the proposal did has been changed since"
        raise CaddieError("VERSION_CONFLICT", f"{message}: {error.message}", faults=error.faults) from error


def _wire_unless_same(now: Definition, after: Definition) -> dict[str, Any] | None:
    return None if after.wire() == now.wire() else after.wire()


def _too_busy() -> CaddieError:
    return CaddieError("CONFLICT", f"expected the workflow to rest for a moment, it moved {ROUNDS} times: try again")
