"""What a worker reaches outside of the house: models, and for users any public address.

Invariant: one of each a process, so that connections are shared and the bounds on them hold for turns and executions
together; everything that goes outside for a user goes through the one guarded ``Outbound``. Callers: the worker's
composition root, which closes it; the desk and the workshop work with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from caddie.models.table import ModelTable
from caddie.outbound import Outbound
from shared.settings import Settings

#: With as few as a chat needs, one user's slow receivers would hold up everybody's steps.
CONNECTIONS = 512


@dataclass(frozen=True, slots=True)
class Reach:
    models: ModelTable
    outbound: Outbound

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Connects when first used. Raises ValueError for unusable settings."""
        return cls(ModelTable(settings), Outbound(settings.outbound_networks, connections=CONNECTIONS))

    async def close(self) -> None:
        try:
            await self.models.close()
        finally:
            await self.outbound.close()
