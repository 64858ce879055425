"""A user's connectors, as every surface that has them makes, shows, changes, removes and tests them.

Invariant: a secret goes in and never comes out; a connector of another user is answered as one that does not exist. The
gateway reaches nothing outside: a worker tries what is to be tested. Callers: the connector routes.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from gateway.auth import Principal
from gateway.limits import Limits
from shared import connectors
from shared.connectors import ConnectorType
from shared.errors import CaddieError
from shared.events import timestamp
from shared.probes import Outcome, Probes
from shared.seal import Seal
from shared.store import Store
from shared.store.connectors import NAME_MAX
from shared.store.records import ConnectorRecord

#: A handler's time for a test; the worker's answer is waited for a little shorter.
TEST_S = 20.0
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
Values = Annotated[
    dict[str, Any],
    Field(
        description="By type: slack and discord {webhookUrl}; smtp {host, port, security: starttls, tls or none, "
        "username, password, from}; web-search {provider: searxng, brave or tavily, url, apiKey}; http {header and "
        "value, or bearer, or username and password; hosts}."
    ),
]


class Connector(BaseModel):
    """A connector without its secrets."""

    id: str
    type: str
    name: str
    config: dict[str, JsonValue] = Field(description="What may be shown of it; of an address, the host.")
    createdAt: str
    updatedAt: str
    testedAt: str | None
    testOk: bool | None


class ConnectorList(BaseModel):
    connectors: list[Connector]


class ConnectorCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    type: ConnectorType
    name: Name
    config: Values


class ConnectorChange(BaseModel):
    """What is given changes; a config is given whole, because no secret may follow an address to another host."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name | None = None
    config: Values | None = None


class Accounts:
    """Each method acts for its principal."""

    def __init__(self, store: Store, seal: Seal, probes: Probes, limits: Limits) -> None:
        self._store, self._seal, self._probes, self._limits = store, seal, probes, limits

    async def create(self, principal: Principal, body: ConnectorCreate) -> Connector:
        """Raises INVALID, CONFLICT."""
        config = connectors.parse(body.type, body.config)
        sealed = connectors.seal(self._seal, config, principal.org, principal.user)
        return self._shown(
            await self._store.connectors.create(principal.org, principal.user, body.type, body.name, sealed)
        )

    async def list(self, principal: Principal) -> ConnectorList:
        found = await self._store.connectors.list(principal.org, principal.user)
        return ConnectorList(connectors=[self._shown(record) for record in found])

    async def get(self, principal: Principal, connector_id: str) -> Connector:
        """Raises NOT_FOUND."""
        return self._shown(await self._find(principal, connector_id))

    async def change(self, principal: Principal, connector_id: str, body: ConnectorChange) -> Connector:
        """Raises NOT_FOUND, INVALID, CONFLICT."""
        record = await self._find(principal, connector_id)
        sealed = None
        if body.config is not None:
            config = connectors.parse(record.type, body.config)
            sealed = connectors.seal(self._seal, config, principal.org, principal.user)
        return self._shown(
            await self._store.connectors.update(
                principal.org, principal.user, record.id, name=body.name, sealed=sealed
            )
        )

    async def delete(self, principal: Principal, connector_id: str) -> None:
        """Raises NOT_FOUND."""
        record = await self._find(principal, connector_id)
        await self._store.connectors.delete(principal.org, principal.user, record.id)

    async def test(self, principal: Principal, connector_id: str) -> Outcome:
        """Raises NOT_FOUND, RUN_LIMIT, UNAVAILABLE."""
        record = await self._find(principal, connector_id)
        await self._limits.run(principal.org, principal.user)
        return await self._probes.ask(principal.org, principal.user, record.id)

    async def _find(self, principal: Principal, connector_id: str) -> ConnectorRecord:
        record = await self._store.connectors.get(principal.org, principal.user, connector_id)
        if record is None:
            raise CaddieError("NOT_FOUND", "expected a connector of this user, got an unknown id")
        return record

    def _shown(self, record: ConnectorRecord) -> Connector:
        try:
            config = connectors.opened(self._seal, record.type, record.sealed, record.org_id, record.user_id).shown()
        except CaddieError:
            # Sealed with a key this installation no longer has: its owner can enter it again, or remove it.
            config = {}
        return Connector(
            id=record.id, type=record.type, name=record.name, config=config,
            createdAt=timestamp(record.created_at), updatedAt=timestamp(record.updated_at),
            testedAt=timestamp(record.tested_at) if record.tested_at else None, testOk=record.test_ok,
        )  # fmt: skip
