"""The tables, as SQLAlchemy maps them.

Invariant: the migrations produce exactly these tables on SQLite and on PostgreSQL (a test compares them).
Callers: the repositories of this package only; rows never leave it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from shared.store.records import Json


def whole_ms(moment: datetime) -> datetime:
    """The same moment in UTC, cut to milliseconds: the precision of every time on the wire."""
    if moment.tzinfo is None:
        raise ValueError("expected an aware datetime, got a naive one")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def now() -> datetime:
    return whole_ms(datetime.now(UTC))


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite has no such type and keeps it as text without an offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else whole_ms(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ModelText(TypeDecorator[str]):
    """Text a model wrote. PostgreSQL refuses NUL and both refuse lone surrogates; neither may lose a whole run."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


# json, not jsonb: jsonb reorders members and refuses \u0000.
JsonValue = JSON(none_as_null=True)
# SQLite numbers rows by itself only when the type is exactly INTEGER.
BigNumber = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcTime(), dict[str, Any]: JsonValue}


def _parent(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


class Organisation(Base):
    __tablename__ = "organisations"
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class User(Base):
    __tablename__ = "users"
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"), index=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiKey(Base):
    __tablename__ = "api_keys"
    __table_args__ = {"sqlite_autoincrement": True}
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"), index=True)
    user_id: Mapped[int] = mapped_column(_parent("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JsonValue)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]


class Workflow(Base):
    """`number` is the primary key because SQLite counts only that column by itself."""

    __tablename__ = "workflows"
    __table_args__ = (
        UniqueConstraint("org_id", "slug"),
        Index(None, "org_id", "number"),
        Index(None, "org_id", "user_id", "number"),
        {"sqlite_autoincrement": True},
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"))
    slug: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500))
    definition: Mapped[Json] = mapped_column(JsonValue)
    version: Mapped[int] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WorkflowVersion(Base):
    __tablename__ = "workflow_versions"
    workflow_id: Mapped[str] = mapped_column(_parent("workflows.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    definition: Mapped[Json] = mapped_column(JsonValue)
    created_by: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(String(500))


class Conversation(Base):
    """`active_run_id` is no foreign key: runs point here, and a cycle could not be deleted in one statement."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("org_id", "public_id"),
        Index(None, "org_id", "user_id", "updated_at", "pk"),
        Index(None, "org_id", "workflow_id"),
        Index(None, "org_id", "create_session_id"),
        {"sqlite_autoincrement": True},
    )
    pk: Mapped[int] = mapped_column(BigNumber, primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"))
    public_id: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16), server_default=text("'builder'"))
    workflow_id: Mapped[str | None] = mapped_column(String(128))
    create_session_id: Mapped[str | None] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(200))
    definition: Mapped[Json | None] = mapped_column(JsonValue)
    mode: Mapped[str | None] = mapped_column(String(32))
    active_run_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Run(Base):
    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("user_id", "request_id"),
        Index(None, "conversation_pk", "created_at", "id"),
        Index(None, "status", "created_at"),
        Index(None, "org_id", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"))
    conversation_pk: Mapped[int] = mapped_column(_parent("conversations.pk"))
    kind: Mapped[str] = mapped_column(String(16))
    request_id: Mapped[str | None] = mapped_column(String(128))
    body_hash: Mapped[str] = mapped_column(String(128))
    input: Mapped[Json] = mapped_column(JsonValue)
    status: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int] = mapped_column(Integer)
    cancel_requested: Mapped[bool] = mapped_column(Boolean)
    outcome: Mapped[str | None] = mapped_column(String(16))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(ModelText)
    terminal: Mapped[Json | None] = mapped_column(JsonValue)
    usage: Mapped[Json | None] = mapped_column(JsonValue)
    first_index: Mapped[int | None] = mapped_column(BigNumber)
    last_index: Mapped[int | None] = mapped_column(BigNumber)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_pk", "position"),
        Index(None, "conversation_pk", "created_at", "position", "id"),
    )
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_pk: Mapped[int] = mapped_column(_parent("conversations.pk"))
    run_id: Mapped[str] = mapped_column(_parent("runs.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(ModelText)
    status: Mapped[str] = mapped_column(String(16))
    images: Mapped[list[Json]] = mapped_column(JsonValue)
    position: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]


class Summary(Base):
    """Of the conversation's messages up to and with `through`, which is no foreign key: it may be cleared away."""

    __tablename__ = "summaries"
    conversation_pk: Mapped[int] = mapped_column(_parent("conversations.pk"), primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(ModelText)
    through: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Input(Base):
    __tablename__ = "inputs"
    __table_args__ = (Index(None, "conversation_pk", "status"), Index(None, "status", "expires_at"))
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_pk: Mapped[int] = mapped_column(_parent("conversations.pk"))
    run_id: Mapped[str] = mapped_column(_parent("runs.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    body: Mapped[Json] = mapped_column(JsonValue)
    status: Mapped[str] = mapped_column(String(16))
    resolved_by: Mapped[str | None] = mapped_column(String(128))
    value: Mapped[Any] = mapped_column(JsonValue, nullable=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Proposal(Base):
    """`body`: changes and what is told of them. `due`: the decision that the conversation's log may lack."""

    __tablename__ = "proposals"
    __table_args__ = (Index(None, "workflow_id", "created_at", "id"), Index(None, "due", "created_at"))
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"))
    workflow_id: Mapped[str] = mapped_column(_parent("workflows.id"))
    run_id: Mapped[str] = mapped_column(_parent("runs.id"), index=True)
    conversation_pk: Mapped[int] = mapped_column(_parent("conversations.pk"), index=True)
    base_version: Mapped[int] = mapped_column(Integer)
    body: Mapped[Json] = mapped_column(JsonValue)
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[int | None] = mapped_column(Integer)
    applied_at: Mapped[datetime | None]
    rejected_at: Mapped[datetime | None]
    applied_version: Mapped[int | None] = mapped_column(Integer)
    undone_version: Mapped[int | None] = mapped_column(Integer)
    chosen: Mapped[list[int] | None] = mapped_column(JsonValue)
    rebased: Mapped[bool] = mapped_column(Boolean)
    due: Mapped[str | None] = mapped_column(String(16))


class Session(Base):
    __tablename__ = "sessions"
    __table_args__ = (Index(None, "org_id", "user_id", "created_at", "id"), Index(None, "expires_at"))
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"))
    api_key_id: Mapped[int | None] = mapped_column(_parent("api_keys.id"), index=True)
    conversation: Mapped[str | None] = mapped_column(String(128))
    scopes: Mapped[list[str]] = mapped_column(JsonValue)
    create_session_id: Mapped[str | None] = mapped_column(String(200))
    context: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    #: The login (a row of this table) a realtime session was made with.
    login_id: Mapped[str | None] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Blob(Base):
    __tablename__ = "blobs"
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"), primary_key=True)
    cid: Mapped[str] = mapped_column(String(128), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigNumber)
    bytes: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
