"""Addresses of webhooks: a digest to find one by, and the sealed address to show it to its owner.

The key that seals is the gateway's, so it seals what is marked as `plain.` when it starts.
Revision 0008, after 0007.
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
TOGETHER = 1_000


def _of(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_hooks_{column}", ondelete="CASCADE")


def _common() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("workflow_id", sa.String(36), nullable=False),
        sa.Column("node_id", sa.String(64), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )


def upgrade() -> None:
    old = sa.Table("hooks", sa.MetaData(), sa.Column("id", sa.String(64), primary_key=True), *_common())
    present = op.get_bind().execute(sa.select(old)).all()
    op.drop_table("hooks")
    new = op.create_table(
        "hooks",
        *_common(),
        sa.Column("digest", sa.String(64), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=True),
        _of("workflow_id", "workflows.id"),
        _of("org_id", "organisations.id"),
        sa.PrimaryKeyConstraint("workflow_id", "node_id", name="pk_hooks"),
        sa.UniqueConstraint("digest", name="uq_hooks_digest"),
    )
    rows = [
        {
            "workflow_id": row.workflow_id, "node_id": row.node_id, "org_id": row.org_id, "created_at": row.created_at,
            "digest": hashlib.sha256(row.id.encode()).hexdigest(), "sealed": f"plain.{row.id}",
        }
        for row in present
    ]  # fmt: skip
    for begin in range(0, len(rows), TOGETHER):
        op.bulk_insert(new, rows[begin : begin + TOGETHER])


def downgrade() -> None:
    """Addresses cannot be told from their digests: each node gets another one when its workflow is saved."""
    op.drop_table("hooks")
    op.create_table(
        "hooks",
        sa.Column("id", sa.String(64), nullable=False),
        *_common(),
        _of("org_id", "organisations.id"),
        _of("workflow_id", "workflows.id"),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sa.UniqueConstraint("workflow_id", "node_id", name="uq_hooks_workflow_id_node_id"),
    )
