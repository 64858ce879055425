"""Executions: workflows that run, what makes them run, and the accounts they use.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def _of(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}", ondelete="CASCADE")


def _text(name: str, length: int, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _executions() -> None:
    op.create_table(
        "executions",
        _text("id", 36), _number("org_id"), _number("user_id"), _text("workflow_id", 36), _number("version"),
        _text("trigger_node", 64), _text("trigger", 16),
        sa.Column("input", sa.JSON(), nullable=True),
        sa.Column("inputs", sa.JSON(), nullable=False),
        _text("status", 16), _number("depth"), _text("root_id", 36), _text("parent_id", 36, True),
        _text("parent_path", 1000, True), _text("parent_node", 64, True), _text("thread", 128, True),
        sa.Column("output", sa.JSON(), nullable=True),
        _text("error_code", 64, True),
        sa.Column("error_message", sa.Text(), nullable=True),
        _text("error_node", 64, True), _number("node_runs"),
        sa.Column("active_ms", BIG, nullable=False),
        _number("attempt"), _number("progress_attempt"),
        sa.Column("wake_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        _of("executions", "id", "runs.id"),
        _of("executions", "org_id", "organisations.id"),
        _of("executions", "user_id", "users.id"),
        _of("executions", "workflow_id", "workflows.id"),
        sa.PrimaryKeyConstraint("id", name="pk_executions"),
    )  # fmt: skip
    for columns in (
        ["org_id", "user_id", "created_at", "id"], ["workflow_id", "created_at", "id"], ["status", "wake_at"],
        ["root_id"], ["parent_id"],
    ):  # fmt: skip
        op.create_index(f"ix_executions_{'_'.join(columns)}", "executions", columns)


def _steps() -> None:
    op.create_table(
        "steps",
        _text("execution_id", 36), _text("path", 1000), _text("node_id", 64), _number("position"),
        _text("status", 16), _number("attempt"), _text("branch", 64, True),
        sa.Column("input", sa.JSON(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _text("error_code", 64, True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("duration_ms", BIG, nullable=True),
        sa.Column("wake_at", TIME, nullable=True),
        _text("input_id", 64, True), _text("child_id", 36, True),
        _of("steps", "execution_id", "executions.id"),
        sa.PrimaryKeyConstraint("execution_id", "path", "node_id", name="pk_steps"),
    )  # fmt: skip
    op.create_table(
        "variables",
        _text("workflow_id", 36),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        _of("variables", "workflow_id", "workflows.id"),
        sa.PrimaryKeyConstraint("workflow_id", "name", name="pk_variables"),
    )


def _connectors() -> None:
    op.create_table(
        "connectors",
        _text("id", 36), _number("org_id"), _number("user_id"), _text("type", 64), _text("name", 100),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("tested_at", TIME, nullable=True),
        sa.Column("test_ok", sa.Boolean(), nullable=True),
        _of("connectors", "org_id", "organisations.id"),
        _of("connectors", "user_id", "users.id"),
        sa.PrimaryKeyConstraint("id", name="pk_connectors"),
        sa.UniqueConstraint("org_id", "user_id", "type", "name", name="uq_connectors_org_id_user_id_type_name"),
    )  # fmt: skip
    op.create_index("ix_connectors_user_id", "connectors", ["user_id"])


def _triggers() -> None:
    op.create_table(
        "hooks",
        _text("id", 64), _number("org_id"), _text("workflow_id", 36), _text("node_id", 64),
        sa.Column("created_at", TIME, nullable=False),
        _of("hooks", "org_id", "organisations.id"),
        _of("hooks", "workflow_id", "workflows.id"),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sa.UniqueConstraint("workflow_id", "node_id", name="uq_hooks_workflow_id_node_id"),
    )  # fmt: skip
    op.create_table(
        "schedules",
        _text("workflow_id", 36), _text("node_id", 64), _number("org_id"),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("armed", sa.Boolean(), nullable=False),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("last_at", TIME, nullable=True),
        _number("fired"),
        _of("schedules", "workflow_id", "workflows.id"),
        _of("schedules", "org_id", "organisations.id"),
        sa.PrimaryKeyConstraint("workflow_id", "node_id", name="pk_schedules"),
    )  # fmt: skip
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])


def upgrade() -> None:
    op.add_column("workflows", sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    _executions()
    _steps()
    _connectors()
    _triggers()


def downgrade() -> None:
    for table in ("schedules", "hooks", "connectors", "variables", "steps", "executions"):
        op.drop_table(table)
    op.drop_column("workflows", "enabled")
