"""Connectors under `/v1/connectors`: outside accounts of a user that blocks send through.

Invariant: a secret goes in and never comes out; a connector of another user is answered as one that does not exist. The
gateway reaches nothing outside: a worker tries what is to be tested.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from gateway.auth import Principal
from gateway.limits import Limits
from gateway.routing import Answer, Call, route
from shared import connectors
from shared.connectors import ConnectorType
from shared.errors import CaddieError
from shared.events import timestamp
from shared.probes import Outcome, Probes
from shared.seal import Seal
from shared.store import Store
from shared.store.connectors import NAME_MAX
from shared.store.records import ConnectorRecord

CONNECTOR = "{connectorId:[^/]{1,64}}"
#: A handler's time; the worker's answer is waited for a little shorter.
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


class Connectors:
    """Make, list, change, remove, test."""

    def __init__(self, store: Store, seal: Seal, probes: Probes, limits: Limits) -> None:
        self._store, self._seal, self._probes, self._limits = store, seal, probes, limits

    @route(
        "POST", "/v1/connectors", summary="Make a connector", tag="connectors", scopes=("write",),
        body=ConnectorCreate, answers={201: Answer(Connector)}, errors=("CONFLICT",),
    )  # fmt: skip
    async def connector_create(self, call: Call[ConnectorCreate, None]) -> Connector:
        principal, body = call.principal, call.body
        config = connectors.parse(body.type, body.config)
        sealed = connectors.seal(self._seal, config, principal.org, principal.user)
        return self._shown(
            await self._store.connectors.create(principal.org, principal.user, body.type, body.name, sealed)
        )

    @route(
        "GET", "/v1/connectors", summary="One's connectors", tag="connectors", scopes=("read",),
        answers={200: Answer(ConnectorList)},
    )  # fmt: skip
    async def connector_list(self, call: Call[None, None]) -> ConnectorList:
        found = await self._store.connectors.list(call.principal.org, call.principal.user)
        return ConnectorList(connectors=[self._shown(record) for record in found])

    @route(
        "GET", f"/v1/connectors/{CONNECTOR}", summary="A connector", tag="connectors", scopes=("read",),
        answers={200: Answer(Connector)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def connector_get(self, call: Call[None, None]) -> Connector:
        return self._shown(await self._find(call.principal, call.path["connectorId"]))

    @route(
        "PATCH", f"/v1/connectors/{CONNECTOR}", summary="Change a connector", tag="connectors", scopes=("write",),
        body=ConnectorChange, answers={200: Answer(Connector)}, errors=("NOT_FOUND", "CONFLICT"),
    )  # fmt: skip
    async def connector_change(self, call: Call[ConnectorChange, None]) -> Connector:
        principal, body = call.principal, call.body
        record = await self._find(principal, call.path["connectorId"])
        sealed = None
        if body.config is not None:
            config = connectors.parse(record.type, body.config)
            sealed = connectors.seal(self._seal, config, principal.org, principal.user)
        return self._shown(
            await self._store.connectors.update(
                principal.org, principal.user, record.id, name=body.name, sealed=sealed
            )
        )

    @route(
        "DELETE", f"/v1/connectors/{CONNECTOR}", summary="Remove a connector", tag="connectors", scopes=("write",),
        answers={204: Answer(description="Gone")}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def connector_delete(self, call: Call[None, None]) -> None:
        record = await self._find(call.principal, call.path["connectorId"])
        await self._store.connectors.delete(call.principal.org, call.principal.user, record.id)

    @route(
        "POST", f"/v1/connectors/{CONNECTOR}/test", tag="connectors", scopes=("write",), timeout_s=TEST_S,
        summary="Try a connector: posts a test line (slack, discord), logs in (smtp), searches (web-search)",
        answers={200: Answer(Outcome)}, errors=("NOT_FOUND", "RUN_LIMIT"),
    )  # fmt: skip
    async def connector_test(self, call: Call[None, None]) -> Outcome:
        principal = call.principal
        record = await self._find(principal, call.path["connectorId"])
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
