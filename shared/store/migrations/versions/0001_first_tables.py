"""The first tables.

Revision 0001, after none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
# SQLite numbers rows by itself only when the type is exactly INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "messages", "inputs", "runs", "conversations", "workflow_versions", "workflows", "sessions", "blobs", "api_keys",
    "users", "organisations",
)  # fmt: skip


def upgrade() -> None:
    _organisations()
    _blobs()
    _users()
    _api_keys()
    _conversations()
    _workflows()
    _runs()
    _sessions()
    _workflow_versions()
    _inputs()
    _messages()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
        sa.UniqueConstraint("uuid", name="uq_organisations_uuid"),
        sqlite_autoincrement=True,
    )


def _blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("cid", sa.String(length=128), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_blobs_org_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "cid", name="pk_blobs"),
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_users_org_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("uuid", name="uq_users_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_users_org_id", "users", ["org_id"])


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_api_keys_org_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_api_keys_org_id", "api_keys", ["org_id"])
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("workflow_id", sa.String(length=128), nullable=True),
        sa.Column("create_session_id", sa.String(length=200), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=True),
        sa.Column("mode", sa.String(length=32), nullable=True),
        sa.Column("active_run_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_conversations_org_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_conversations_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name="pk_conversations"),
        sa.UniqueConstraint("org_id", "public_id", name="uq_conversations_org_id_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_conversations_org_id_create_session_id", "conversations", ["org_id", "create_session_id"])
    op.create_index(
        "ix_conversations_org_id_user_id_updated_at_pk", "conversations", ["org_id", "user_id", "updated_at", "pk"]
    )
    op.create_index("ix_conversations_org_id_workflow_id", "conversations", ["org_id", "workflow_id"])


def _workflows() -> None:
    op.create_table(
        "workflows",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_workflows_org_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_workflows_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_workflows"),
        sa.UniqueConstraint("id", name="uq_workflows_id"),
        sa.UniqueConstraint("org_id", "slug", name="uq_workflows_org_id_slug"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workflows_org_id_number", "workflows", ["org_id", "number"])
    op.create_index("ix_workflows_org_id_user_id_number", "workflows", ["org_id", "user_id", "number"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("conversation_pk", BIG, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("body_hash", sa.String(length=128), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("terminal", sa.JSON(), nullable=True),
        sa.Column("usage", sa.JSON(), nullable=True),
        sa.Column("first_index", BIG, nullable=True),
        sa.Column("last_index", BIG, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_pk"], ["conversations.pk"], name="fk_runs_conversation_pk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_runs_org_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_runs_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("user_id", "request_id", name="uq_runs_user_id_request_id"),
    )
    op.create_index("ix_runs_conversation_pk_created_at_id", "runs", ["conversation_pk", "created_at", "id"])
    op.create_index("ix_runs_org_id_created_at_id", "runs", ["org_id", "created_at", "id"])
    op.create_index("ix_runs_status_created_at", "runs", ["status", "created_at"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("api_key_id", sa.Integer(), nullable=True),
        sa.Column("conversation", sa.String(length=128), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("create_session_id", sa.String(length=200), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("context", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name="fk_sessions_api_key_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name="fk_sessions_org_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_api_key_id", "sessions", ["api_key_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_org_id_user_id_created_at_id", "sessions", ["org_id", "user_id", "created_at", "id"])


def _workflow_versions() -> None:
    op.create_table(
        "workflow_versions",
        sa.Column("workflow_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name="fk_workflow_versions_workflow_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "version", name="pk_workflow_versions"),
    )


def _inputs() -> None:
    op.create_table(
        "inputs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_pk", BIG, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("resolved_by", sa.String(length=128), nullable=True),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_pk"], ["conversations.pk"], name="fk_inputs_conversation_pk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_inputs_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_inputs"),
    )
    op.create_index("ix_inputs_conversation_pk_status", "inputs", ["conversation_pk", "status"])
    op.create_index("ix_inputs_run_id", "inputs", ["run_id"])
    op.create_index("ix_inputs_status_expires_at", "inputs", ["status", "expires_at"])


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_pk", BIG, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("images", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_pk"], ["conversations.pk"], name="fk_messages_conversation_pk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_messages_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("conversation_pk", "position", name="uq_messages_conversation_pk_position"),
    )
    op.create_index(
        "ix_messages_conversation_pk_created_at_position_id",
        "messages",
        ["conversation_pk", "created_at", "position", "id"],
    )
    op.create_index("ix_messages_run_id", "messages", ["run_id"])
