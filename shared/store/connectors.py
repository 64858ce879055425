"""Outside accounts by name, their credentials sealed by the caller.

Invariant: a name is one account per user and type; whatever changes the credentials forgets how their test went.
Callers: the gateway (all of it), the worker (get).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from shared.errors import CaddieError, Fault
from shared.store.database import Database
from shared.store.execution_tables import Connector
from shared.store.records import ConnectorRecord
from shared.store.tables import now

NAME_MAX = 100
#: Of one user.
CONNECTORS_MAX = 200


def connector_record(row: Connector) -> ConnectorRecord:
    return ConnectorRecord(
        row.id, row.org_id, row.user_id, row.type, row.name, row.sealed, row.created_at, row.updated_at,
        row.tested_at, row.test_ok,
    )  # fmt: skip


class Connectors:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, org_id: int, user_id: int, type: str, name: str, sealed: str) -> ConnectorRecord:
        """INVALID name; CONFLICT when it is taken or the user has very many."""
        _check(name)

        def work(session: Session) -> ConnectorRecord:
            _require_free(session, org_id, user_id, type, name)
            if (session.scalar(select(func.count()).where(*_owned(org_id, user_id))) or 0) >= CONNECTORS_MAX:
                raise CaddieError("CONFLICT", f"expected at most {CONNECTORS_MAX} connectors, got one more")
            moment = now()
            row = Connector(
                id=str(uuid4()), org_id=org_id, user_id=user_id, type=type, name=name, sealed=sealed,
                created_at=moment, updated_at=moment,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return connector_record(row)

        return await self._database.settle(work)

    async def get(self, org_id: int, user_id: int, connector_id: str) -> ConnectorRecord | None:
        query = _connector(org_id, user_id, connector_id)
        row = await self._database.read(lambda session: session.scalar(query)) if "\0" not in connector_id else None
        return connector_record(row) if row else None

    async def list(self, org_id: int, user_id: int, type: str | None = None) -> Sequence[ConnectorRecord]:
        """By type and name."""
        query = select(Connector).where(*_owned(org_id, user_id)).order_by(Connector.type, Connector.name)
        query = query.where(Connector.type == type) if type is not None else query
        return await self._database.read(lambda session: [connector_record(row) for row in session.scalars(query)])

    async def update(
        self, org_id: int, user_id: int, connector_id: str, *, name: str | None = None, sealed: str | None = None
    ) -> ConnectorRecord:
        """Change what is given. NOT_FOUND; INVALID name; CONFLICT when it is taken."""
        _check(name)

        def work(session: Session) -> ConnectorRecord:
            row = _locked(session, org_id, user_id, connector_id)
            if name is not None and name != row.name:
                _require_free(session, org_id, user_id, row.type, name)
                row.name = name
            if sealed is not None:
                row.sealed, row.tested_at, row.test_ok = sealed, None, None
            row.updated_at = now()
            session.flush()
            return connector_record(row)

        return await self._database.settle(work)

    async def tested(self, connector: ConnectorRecord, ok: bool) -> ConnectorRecord:
        """How the test of these credentials went; nothing is noted when they have changed meanwhile. NOT_FOUND."""

        def work(session: Session) -> ConnectorRecord:
            row = _locked(session, connector.org_id, connector.user_id, connector.id)
            if row.sealed == connector.sealed:
                row.tested_at, row.test_ok = now(), ok
            return connector_record(row)

        return await self._database.write(work)

    async def delete(self, org_id: int, user_id: int, connector_id: str) -> bool:
        gone = delete(Connector).where(*_owned(org_id, user_id), Connector.id == connector_id).returning(Connector.id)
        if "\0" in connector_id:
            return False
        return await self._database.write(lambda session: session.scalar(gone)) is not None


def _owned(org_id: int, user_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Connector.org_id == org_id, Connector.user_id == user_id


def _connector(org_id: int, user_id: int, connector_id: str) -> Select[Connector]:
    return select(Connector).where(*_owned(org_id, user_id), Connector.id == connector_id)


def _locked(session: Session, org_id: int, user_id: int, connector_id: str) -> Connector:
    # PostgreSQL refuses NUL in a parameter.
    query = _connector(org_id, user_id, connector_id.replace("\0", "")).with_for_update(key_share=True)
    row = session.scalar(query)
    if row is None:
        raise CaddieError("NOT_FOUND", "expected a connector of the caller, got none")
    return row


def _require_free(session: Session, org_id: int, user_id: int, type: str, name: str) -> None:
    query = select(Connector.id).where(*_owned(org_id, user_id), Connector.type == type, Connector.name == name)
    if session.scalar(query) is not None:
        message = "expected a name that is free, got one in use"
        raise CaddieError("CONFLICT", message, faults=(Fault("name", message),))


def _check(name: str | None) -> None:
    if name is not None and (not 0 < len(name) <= NAME_MAX or not name.isprintable()):
        message = f"expected 1 to {NAME_MAX} printable characters, got something else"
        raise CaddieError("INVALID", message, faults=(Fault("name", message),))
