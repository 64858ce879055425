"""Connectors under `/v1/connectors`: outside accounts of a user that blocks send through.

Invariant: reading needs the scope `read`, the rest `write`; a key acts for its user. Callers: the route table.
"""

from __future__ import annotations

from gateway.accounts import TEST_S, Accounts, Connector, ConnectorChange, ConnectorCreate, ConnectorList
from gateway.connector_forms import FORMS, ConnectorForms
from gateway.routing import Answer, Call, route
from shared.probes import Outcome

CONNECTOR = "/v1/connectors/{connectorId:[^/]{1,64}}"


class Connectors:
    """Make, list, change, remove, test."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @route(
        "GET", "/v1/connector-types", summary="What each type of connector is made of, as forms", tag="connectors",
        scopes=("read",), answers={200: Answer(ConnectorForms)},
    )  # fmt: skip
    async def connector_types(self, call: Call[None, None]) -> ConnectorForms:
        return ConnectorForms(types=list(FORMS))

    @route(
        "POST", "/v1/connectors", summary="Make a connector", tag="connectors", scopes=("write",),
        body=ConnectorCreate, answers={201: Answer(Connector)}, errors=("CONFLICT",),
    )  # fmt: skip
    async def connector_create(self, call: Call[ConnectorCreate, None]) -> Connector:
        return await self._accounts.create(call.principal, call.body)

    @route(
        "GET", "/v1/connectors", summary="One's connectors", tag="connectors", scopes=("read",),
        answers={200: Answer(ConnectorList)},
    )  # fmt: skip
    async def connector_list(self, call: Call[None, None]) -> ConnectorList:
        return await self._accounts.list(call.principal)

    @route(
        "GET", CONNECTOR, summary="A connector", tag="connectors", scopes=("read",),
        answers={200: Answer(Connector)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def connector_get(self, call: Call[None, None]) -> Connector:
        return await self._accounts.get(call.principal, call.path["connectorId"])

    @route(
        "PATCH", CONNECTOR, summary="Change a connector", tag="connectors", scopes=("write",),
        body=ConnectorChange, answers={200: Answer(Connector)}, errors=("NOT_FOUND", "CONFLICT"),
    )  # fmt: skip
    async def connector_change(self, call: Call[ConnectorChange, None]) -> Connector:
        return await self._accounts.change(call.principal, call.path["connectorId"], call.body)

    @route(
        "DELETE", CONNECTOR, summary="Remove a connector", tag="connectors", scopes=("write",),
        answers={204: Answer(description="Gone")}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def connector_delete(self, call: Call[None, None]) -> None:
        await self._accounts.delete(call.principal, call.path["connectorId"])

    @route(
        "POST", f"{CONNECTOR}/test", tag="connectors", scopes=("write",), timeout_s=TEST_S,
        summary="Try a connector: posts a test line (slack, discord), logs in (smtp), searches (web-search)",
        answers={200: Answer(Outcome)}, errors=("NOT_FOUND", "RUN_LIMIT"),
    )  # fmt: skip
    async def connector_test(self, call: Call[None, None]) -> Outcome:
        return await self._accounts.test(call.principal, call.path["connectorId"])
