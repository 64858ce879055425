"""The addresses of webhook triggers, as their owners paste them elsewhere.

Invariant: the database holds a digest to find one by and a sealed text to show it again, and nobody can deliver to an
address before its owner has seen it: it is made then. Callers: the routes that show a workflow's triggers; the
composition root, once, for addresses of an older version.
"""

from __future__ import annotations

import asyncio
import secrets

import structlog

from shared.errors import CaddieError
from shared.seal import Seal
from shared.store import Store
from shared.store.records import HookRecord, WorkflowRecord
from shared.store.triggers import PLAIN

#: 32 characters of base64.
SECRET_BYTES = 24
#: Between two tries to seal what is open, while the database is away.
PAUSE_S = 30.0
_log = structlog.get_logger()


class HookAddresses:
    def __init__(self, store: Store, seal: Seal) -> None:
        self._store, self._seal = store, seal

    async def paths(self, workflow: WorkflowRecord) -> dict[str, str]:
        """Of the caller's own workflow, by node. One that cannot be opened is left out: deliveries still arrive."""
        found = {}
        for hook in await self._store.triggers.hooks(workflow.org_id, workflow.id):
            secret = await self._secret(hook)
            if secret is not None:
                found[hook.node_id] = f"/hooks/{secret}"
        return found

    async def protect(self) -> None:
        """Seal what an older version has left open."""
        while True:
            try:
                while hooks := await self._store.triggers.plain_hooks():
                    for hook, secret in hooks:
                        await self._store.triggers.seal_address(hook, self._seal.seal(secret))
                return
            except CaddieError as error:
                _log.warning("hooks.not_sealed", code=error.code)
            await asyncio.sleep(PAUSE_S)

    async def _secret(self, hook: HookRecord) -> str | None:
        sealed = hook.sealed
        if sealed is None:
            fresh = secrets.token_urlsafe(SECRET_BYTES)
            given = await self._store.triggers.give_address(hook, fresh, self._seal.seal(fresh))
            sealed = given.sealed if given is not None else None
        if sealed is None or sealed.startswith(PLAIN):
            return sealed.removeprefix(PLAIN) if sealed else None
        try:
            return self._seal.open(sealed)
        except ValueError:
            _log.warning("hook.unreadable", workflow_id=hook.workflow_id, node_id=hook.node_id)
            return None
