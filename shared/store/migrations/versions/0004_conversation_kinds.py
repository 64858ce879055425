"""Conversations say which surface they belong to.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "conversations", sa.Column("kind", sa.String(length=16), nullable=False, server_default=sa.text("'builder'"))
    )


def downgrade() -> None:
    op.drop_column("conversations", "kind")
