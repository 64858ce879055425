"""What makes workflows run by themselves: the addresses of webhook triggers and the due times of schedules.

Invariant: the rows are those of the workflow's current definition, because each version is written together with them;
a node that stays keeps its address, and a rule that stays its due time. Of an address only a digest and a sealed text
are kept; who seals gives it to a node that has none yet. When a schedule is due is not computed here.
Callers: ``workflows`` (sync), the gateway (hooks), the worker's scheduler (due_schedules, advance).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from shared.store import cursors
from shared.store.database import Database
from shared.store.execution_tables import Hook, Schedule
from shared.store.records import HookRecord, Json, ScheduleRecord
from shared.store.tables import Workflow, now

WEBHOOK = "webhook"
SCHEDULE = "cronjob"
HOOK_CHARS_MAX = 64
#: Marks an address of an older version that nobody has sealed yet.
PLAIN = "plain."


def hook_record(row: Hook, user_id: int, version: int, enabled: bool) -> HookRecord:
    return HookRecord(row.org_id, row.workflow_id, row.node_id, row.sealed, row.created_at, user_id, version, enabled)


def schedule_record(row: Schedule, user_id: int, version: int) -> ScheduleRecord:
    return ScheduleRecord(
        row.workflow_id, row.node_id, row.org_id, row.rule, row.made_at, row.armed, row.next_at, row.last_at, row.fired,
        user_id, version,
    )  # fmt: skip


class Triggers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def hook(self, secret: str) -> HookRecord | None:
        """By its secret alone; the caller looks whether it is enabled."""
        if len(secret) > HOOK_CHARS_MAX or not secret.isascii():
            return None
        query = _hooks().where(Hook.digest == _digest(secret))
        found = await self._database.read(lambda session: session.execute(query).one_or_none())
        return hook_record(*found) if found else None

    async def hooks(self, org_id: int, workflow_id: str) -> Sequence[HookRecord]:
        query = _hooks().where(Hook.org_id == org_id, Hook.workflow_id == workflow_id).order_by(Hook.node_id)
        found = await self._database.read(lambda session: session.execute(query).all())
        return [hook_record(*row) for row in found]

    async def give_address(self, hook: HookRecord, secret: str, sealed: str) -> HookRecord | None:
        """The trigger with this address, or with the one it has been given meanwhile. None when it has gone."""
        its = Hook.workflow_id == hook.workflow_id, Hook.node_id == hook.node_id
        change = update(Hook).where(*its, Hook.digest.is_(None)).values(digest=_digest(secret), sealed=sealed)

        def work(session: Session) -> HookRecord | None:
            session.execute(change.execution_options(synchronize_session=False))
            found = session.execute(_hooks().where(*its)).one_or_none()
            return hook_record(*found) if found else None

        return await self._database.write(work)

    async def plain_hooks(self) -> Sequence[tuple[HookRecord, str]]:
        """Some of those whose address an older version has left as it is, with its secret part."""
        query = _hooks().where(Hook.sealed.startswith(PLAIN)).limit(cursors.LIMIT_MAX)
        found = await self._database.read(lambda session: session.execute(query).all())
        return [(hook_record(*row), str(row[0].sealed).removeprefix(PLAIN)) for row in found]

    async def seal_address(self, hook: HookRecord, sealed: str) -> None:
        """Instead of what was found in it."""
        its = Hook.workflow_id == hook.workflow_id, Hook.node_id == hook.node_id, Hook.sealed == hook.sealed
        change = update(Hook).where(*its).values(sealed=sealed).execution_options(synchronize_session=False)
        await self._database.write(lambda session: session.execute(change) and None)

    async def schedules(self, org_id: int, workflow_id: str) -> Sequence[ScheduleRecord]:
        query = _schedules().where(Schedule.org_id == org_id, Schedule.workflow_id == workflow_id)
        query = query.order_by(Schedule.node_id)
        found = await self._database.read(lambda session: session.execute(query).all())
        return [schedule_record(*row) for row in found]

    async def due_schedules(self, moment: datetime, limit: int = 100) -> Sequence[ScheduleRecord]:
        """Of workflows that are enabled, longest due first."""
        query = _schedules().where(Schedule.next_at <= moment, Workflow.enabled.is_(True))
        query = query.order_by(Schedule.next_at).limit(cursors.bounded(limit))
        found = await self._database.read(lambda session: session.execute(query).all())
        return [schedule_record(*row) for row in found]

    async def advance(
        self, workflow_id: str, node_id: str, seen_next_at: datetime, next_at: datetime | None, fired: bool
    ) -> bool:
        """From the due time that was seen to the next one; None: there is none. One of many callers is first."""
        values: dict[str, Any] = {"next_at": next_at, "armed": True}
        if fired:
            values |= {"last_at": seen_next_at, "fired": Schedule.fired + 1}
        seen = Schedule.workflow_id == workflow_id, Schedule.node_id == node_id, Schedule.next_at == seen_next_at
        change = update(Schedule).where(*seen).values(values).returning(Schedule.node_id)
        change = change.execution_options(synchronize_session=False)
        return await self._database.write(lambda session: session.scalar(change)) is not None


def sync(session: Session, row: Workflow, *, rearm: bool = False) -> None:
    """Make the rows those of the workflow's definition, inside the caller's transaction; it has locked the workflow.

    rearm: all due times are computed anew, none of those that have passed fires.
    """
    wanted = _trigger_payloads(row.definition, WEBHOOK)
    hooks = {hook.node_id: hook for hook in session.scalars(select(Hook).where(Hook.workflow_id == row.id))}
    for node_id in wanted.keys() - hooks.keys():
        session.add(Hook(org_id=row.org_id, workflow_id=row.id, node_id=node_id, created_at=now()))
    for node_id in hooks.keys() - wanted.keys():
        session.delete(hooks[node_id])
    rules = _trigger_payloads(row.definition, SCHEDULE)
    present = {each.node_id: each for each in session.scalars(select(Schedule).where(Schedule.workflow_id == row.id))}
    for node_id, rule in rules.items():
        schedule = present.get(node_id)
        if schedule is None:
            schedule = Schedule(workflow_id=row.id, node_id=node_id, org_id=row.org_id, rule=None, fired=0)
            session.add(schedule)
        if schedule.rule != rule:
            schedule.rule, schedule.made_at = rule, now()
            schedule.armed, schedule.next_at = False, schedule.made_at
        elif rearm:
            schedule.armed, schedule.next_at = False, now()
    for node_id in present.keys() - rules.keys():
        session.delete(present[node_id])


def _trigger_payloads(definition: Json, type: str) -> dict[str, Json]:
    """Payloads of the triggers of this type, by node. A stored definition may be any JSON object."""
    nodes, names = definition.get("nodes"), definition.get("triggerNodeIds") or ["root"]
    if not isinstance(nodes, dict) or not isinstance(names, list):
        return {}
    found = {name: nodes[name] for name in names if isinstance(name, str) and isinstance(nodes.get(name), dict)}
    return {
        name: payload if isinstance(payload := node.get("payload"), dict) else {}
        for name, node in found.items()
        if node.get("type") == type and 0 < len(name) <= 64
    }


def _hooks() -> Select[Hook, int, int, bool]:
    found = select(Hook, Workflow.user_id, Workflow.version, Workflow.enabled)
    return found.join(Workflow, Workflow.id == Hook.workflow_id)


def _schedules() -> Select[Schedule, int, int]:
    return select(Schedule, Workflow.user_id, Workflow.version).join(Workflow, Workflow.id == Schedule.workflow_id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
