"""Proposals: changes to workflows that wait for a decision.

Revision 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def _of(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_proposals_{column}", ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("workflow_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("conversation_pk", BIG, nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.Column("applied_at", TIME, nullable=True),
        sa.Column("rejected_at", TIME, nullable=True),
        sa.Column("applied_version", sa.Integer(), nullable=True),
        sa.Column("undone_version", sa.Integer(), nullable=True),
        sa.Column("chosen", sa.JSON(), nullable=True),
        sa.Column("rebased", sa.Boolean(), nullable=False),
        sa.Column("due", sa.String(length=16), nullable=True),
        _of("org_id", "organisations.id"),
        _of("user_id", "users.id"),
        _of("workflow_id", "workflows.id"),
        _of("run_id", "runs.id"),
        _of("conversation_pk", "conversations.pk"),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
    )
    op.create_index("ix_proposals_workflow_id_created_at_id", "proposals", ["workflow_id", "created_at", "id"])
    op.create_index("ix_proposals_due_created_at", "proposals", ["due", "created_at"])
    op.create_index("ix_proposals_run_id", "proposals", ["run_id"])
    op.create_index("ix_proposals_conversation_pk", "proposals", ["conversation_pk"])


def downgrade() -> None:
    op.drop_table("proposals")
