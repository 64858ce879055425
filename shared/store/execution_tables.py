"""The tables of executions, their triggers and the accounts they use.

Invariant: like ``tables``; values that come from outside are stored whatever they hold. Callers: the repositories.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Boolean, Dialect, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from shared.store.records import Json
from shared.store.tables import Base, BigNumber, JsonValue, ModelText

#: Deeper than what any JSON of ours may be, and less than what the serialiser bears.
_DEPTH_MAX = 200


def storable(value: Any) -> Any:
    """The value itself when it has a JSON form, else one in which what has none is replaced."""
    try:
        orjson.dumps(value)
    except TypeError:
        return _replaced(value, 0)
    return value


def _replaced(value: Any, depth: int) -> Any:
    if depth > _DEPTH_MAX or value is None or isinstance(value, bool):
        return None if depth > _DEPTH_MAX else value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e308 else None
    if isinstance(value, dict):
        return {_replaced(str(key), 0): _replaced(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(member, depth + 1) for member in value]
    return _replaced(str(value), 0)


class OutsideJson(TypeDecorator[Any]):
    """JSON from outside: a lone surrogate or a number beyond 64 bits may not lose a whole execution."""

    impl = JsonValue
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else storable(value)


def _parent(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


class Execution(Base):
    """`parent_id` and `root_id` are no foreign keys: those executions may go before this one.

    parent_path, parent_node: the step of the parent that has started it; older rows have no path.

    attempt: the newest that has begun; who holds an older one writes nothing any more.
    """

    __tablename__ = "executions"
    __table_args__ = (
        Index(None, "org_id", "user_id", "created_at", "id"),
        Index(None, "workflow_id", "created_at", "id"),
        Index(None, "status", "wake_at"),
        Index(None, "root_id"),
        Index(None, "parent_id"),
    )
    id: Mapped[str] = mapped_column(_parent("runs.id"), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"))
    workflow_id: Mapped[str] = mapped_column(_parent("workflows.id"))
    version: Mapped[int] = mapped_column(Integer)
    trigger_node: Mapped[str] = mapped_column(String(64))
    trigger: Mapped[str] = mapped_column(String(16))
    input: Mapped[Any] = mapped_column(OutsideJson, nullable=True)
    inputs: Mapped[Json] = mapped_column(OutsideJson)
    status: Mapped[str] = mapped_column(String(16))
    depth: Mapped[int] = mapped_column(Integer)
    root_id: Mapped[str] = mapped_column(String(36))
    parent_id: Mapped[str | None] = mapped_column(String(36))
    parent_path: Mapped[str | None] = mapped_column(String(1000))
    parent_node: Mapped[str | None] = mapped_column(String(64))
    thread: Mapped[str | None] = mapped_column(String(128))
    output: Mapped[Any] = mapped_column(OutsideJson, nullable=True)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(ModelText)
    error_node: Mapped[str | None] = mapped_column(String(64))
    node_runs: Mapped[int] = mapped_column(Integer)
    active_ms: Mapped[int] = mapped_column(BigNumber)
    attempt: Mapped[int] = mapped_column(Integer)
    progress_attempt: Mapped[int] = mapped_column(Integer)
    wake_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Step(Base):
    __tablename__ = "steps"
    execution_id: Mapped[str] = mapped_column(_parent("executions.id"), primary_key=True)
    path: Mapped[str] = mapped_column(String(1000), primary_key=True)
    node_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int] = mapped_column(Integer)
    branch: Mapped[str | None] = mapped_column(String(64))
    input: Mapped[Any] = mapped_column(OutsideJson, nullable=True)
    result: Mapped[Any] = mapped_column(OutsideJson, nullable=True)
    error: Mapped[str | None] = mapped_column(ModelText)
    error_code: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None] = mapped_column(BigNumber)
    wake_at: Mapped[datetime | None]
    input_id: Mapped[str | None] = mapped_column(String(64))
    child_id: Mapped[str | None] = mapped_column(String(36))


class Variable(Base):
    """A variable with lifetime `persist`; JSON null is NULL."""

    __tablename__ = "variables"
    workflow_id: Mapped[str] = mapped_column(_parent("workflows.id"), primary_key=True)
    name: Mapped[str] = mapped_column(ModelText, primary_key=True)
    value: Mapped[Any] = mapped_column(OutsideJson, nullable=True)
    updated_at: Mapped[datetime]


class Connector(Base):
    __tablename__ = "connectors"
    __table_args__ = (UniqueConstraint("org_id", "user_id", "type", "name"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    user_id: Mapped[int] = mapped_column(_parent("users.id"), index=True)
    type: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    tested_at: Mapped[datetime | None]
    test_ok: Mapped[bool | None] = mapped_column(Boolean)


class Hook(Base):
    """`digest` of the secret part of the address, `sealed` that part itself; none until its owner is shown it."""

    __tablename__ = "hooks"
    workflow_id: Mapped[str] = mapped_column(_parent("workflows.id"), primary_key=True)
    node_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    created_at: Mapped[datetime]
    digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    sealed: Mapped[str | None] = mapped_column(Text)


class Schedule(Base):
    """`next_at` None: over. Not armed: nobody has computed when it is due, and at `next_at` somebody should."""

    __tablename__ = "schedules"
    __table_args__ = (Index(None, "next_at"),)
    workflow_id: Mapped[str] = mapped_column(_parent("workflows.id"), primary_key=True)
    node_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org_id: Mapped[int] = mapped_column(_parent("organisations.id"))
    rule: Mapped[Json] = mapped_column(JsonValue)
    made_at: Mapped[datetime]
    armed: Mapped[bool] = mapped_column(Boolean)
    next_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    fired: Mapped[int] = mapped_column(Integer)
