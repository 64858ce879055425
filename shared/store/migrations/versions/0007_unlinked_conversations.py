"""Conversations about workflows that have gone are about none.

Revision 0007, after 0006.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE conversations SET workflow_id = NULL WHERE workflow_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM workflows WHERE workflows.id = conversations.workflow_id)"
    )


def downgrade() -> None:
    """What they were about is not known any more."""
