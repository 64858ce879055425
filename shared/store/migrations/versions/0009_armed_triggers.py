"""Webhooks and schedules of workflows that were there before triggers fired by themselves, as if saved now.

Revision 0009, after 0008.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
TOGETHER = 200
NODE_CHARS_MAX = 64
WORKFLOWS = sa.table(
    "workflows", sa.column("number", sa.Integer), sa.column("id", sa.String), sa.column("org_id", sa.Integer),
    sa.column("definition", sa.JSON),
)  # fmt: skip
HOOKS = sa.table(
    "hooks", sa.column("workflow_id", sa.String), sa.column("node_id", sa.String), sa.column("org_id", sa.Integer),
    sa.column("created_at", TIME),
)  # fmt: skip
SCHEDULES = sa.table(
    "schedules", sa.column("workflow_id", sa.String), sa.column("node_id", sa.String), sa.column("org_id", sa.Integer),
    sa.column("rule", sa.JSON), sa.column("made_at", TIME), sa.column("armed", sa.Boolean), sa.column("next_at", TIME),
    sa.column("fired", sa.Integer),
)  # fmt: skip


def _triggers(definition: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Node, block type and payload of each that fires by itself. A stored definition may be any JSON object."""
    whole = definition if isinstance(definition, dict) else {}
    nodes, names = whole.get("nodes"), whole.get("triggerNodeIds") or ["root"]
    if not isinstance(nodes, dict) or not isinstance(names, list):
        return
    for name in dict.fromkeys(name for name in names if isinstance(name, str)):
        node = nodes.get(name)
        if isinstance(node, dict) and node.get("type") in ("webhook", "cronjob") and 0 < len(name) <= NODE_CHARS_MAX:
            payload = node.get("payload")
            yield name, node["type"], payload if isinstance(payload, dict) else {}


def _present(table: sa.TableClause, ids: list[str]) -> set[tuple[str, str]]:
    query = sa.select(table.c.workflow_id, table.c.node_id).where(table.c.workflow_id.in_(ids))
    return {(workflow, node) for workflow, node in op.get_bind().execute(query)}


def _arm(rows: list[Any], moment: datetime) -> None:
    ids = [row.id for row in rows]
    hooked, timed = _present(HOOKS, ids), _present(SCHEDULES, ids)
    hooks, schedules = [], []
    for row in rows:
        for node, kind, payload in _triggers(row.definition):
            its = {"workflow_id": row.id, "node_id": node, "org_id": row.org_id}
            if kind == "webhook" and (row.id, node) not in hooked:
                hooks.append({**its, "created_at": moment})
            elif kind == "cronjob" and (row.id, node) not in timed:
                due = {"made_at": moment, "next_at": moment, "armed": False, "fired": 0}
                schedules.append({**its, "rule": payload, **due})
    if hooks:
        op.bulk_insert(HOOKS, hooks)
    if schedules:
        op.bulk_insert(SCHEDULES, schedules)


def upgrade() -> None:
    now = datetime.now(UTC)
    moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
    written = sa.cast(WORKFLOWS.c.definition, sa.Text)
    may_fire = sa.or_(written.contains("webhook"), written.contains("cronjob"))
    after = 0
    while True:
        query = sa.select(WORKFLOWS).where(WORKFLOWS.c.number > after, may_fire)
        rows = list(op.get_bind().execute(query.order_by(WORKFLOWS.c.number).limit(TOGETHER)))
        if not rows:
            return
        _arm(rows, moment)
        after = rows[-1].number


def downgrade() -> None:
    """They go with their workflows."""
