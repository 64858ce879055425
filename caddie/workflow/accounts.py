"""The outside accounts a step may use: finds its connector, opens it, and says what must not be seen of it.

Invariant: a step uses connectors of the user whose execution it belongs to, and no others; a secret is told to the
step's `hide` before anybody can use it. Callers: the blocks that go outside, ``caddie.workflow.trial``.
"""

from __future__ import annotations

from typing import TypeVar

from caddie.workflow.runner import Call, StepError
from shared import connectors
from shared.connectors import Config
from shared.errors import CaddieError
from shared.seal import Seal
from shared.store.connectors import NAME_MAX, Connectors
from shared.store.records import ConnectorRecord

C = TypeVar("C", bound=Config)


class Accounts:
    """The stored connectors, and the key they are sealed with."""

    def __init__(self, stored: Connectors, seal: Seal) -> None:
        self._stored, self._seal = stored, seal

    async def open(self, call: Call, kind: str, model: type[C]) -> C:
        """The node's connector by id or name, else the user's only one of this type.

        Raises StepError: CONNECTOR_MISSING, CONNECTOR_INVALID (sealed elsewhere); CaddieError UNAVAILABLE.
        """
        named = call.connector.id if call.connector is not None else None
        if call.connector is not None and call.connector.type != kind:
            raise _missing(kind, f"got one of type {call.connector.type}")
        record = await self._chosen(call.origin.org, call.origin.user, kind, named)
        config = self.opened(record)
        if not isinstance(config, model):
            raise StepError("CONNECTOR_INVALID", f"expected a connector of type {kind}, got another")
        for secret in config.secrets():
            call.hide(secret)
        return config

    async def has(self, call: Call, kind: str) -> bool:
        """Whether the node names a connector, or its user has one of this type."""
        return call.connector is not None or bool(await self._stored.list(call.origin.org, call.origin.user, kind))

    def opened(self, record: ConnectorRecord) -> Config:
        """Raises StepError CONNECTOR_INVALID."""
        try:
            return connectors.opened(self._seal, record.type, record.sealed, record.org_id, record.user_id)
        except CaddieError as error:
            raise StepError("CONNECTOR_INVALID", error.message) from None

    async def _chosen(self, org: int, user: int, kind: str, named: str | None) -> ConnectorRecord:
        found = await self._stored.list(org, user, kind)
        if named is not None:
            # By id first: a name may look like the id of another.
            for members in ("id", "name"):
                if chosen := [each for each in found if getattr(each, members) == named]:
                    return chosen[0]
            raise _missing(kind, f"got none of the id or name {named[:NAME_MAX]}")
        if len(found) != 1:
            raise _missing(kind, f"got {len(found)} and no choice" if found else "got none")
        return found[0]


def _missing(kind: str, got: str) -> StepError:
    return StepError("CONNECTOR_MISSING", f"expected a connector of type {kind}: {got}")
