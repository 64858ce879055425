"""Realtime sessions know the login they were made with.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("login_id", sa.String(length=64), nullable=True))
    op.create_index("ix_sessions_login_id", "sessions", ["login_id"])


def downgrade() -> None:
    op.drop_index("ix_sessions_login_id", "sessions")
    op.drop_column("sessions", "login_id")
