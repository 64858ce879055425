"""The summary of a conversation's oldest messages.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "summaries",
        sa.Column("conversation_pk", BIG, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("through", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_pk"], ["conversations.pk"], name="fk_summaries_conversation_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("conversation_pk", name="pk_summaries"),
    )


def downgrade() -> None:
    op.drop_table("summaries")
