"""Makes realtime sessions: a token, where to connect with it, and the row that can revoke it.

Invariant: a session exists only once its server is known to be there; one made with a cookie's login ends with it.
Callers: the v3 call of ``gateway.routes.chat_stream`` and the session call of ``gateway.routes.chats``.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from gateway.auth import Principal
from shared.errors import CaddieError
from shared.events import timestamp
from shared.registry import Registry
from shared.runs import TurnContext
from shared.settings import Settings
from shared.store import Store
from shared.store.openings import Opening
from shared.tokens import SESSION_SCOPES, Tokens

#: How long a server that was found is believed to be there, and the least loaded.
SERVER_S = 1.0


class Issuer:
    def __init__(self, settings: Settings, store: Store, registry: Registry, tokens: Tokens) -> None:
        self._settings, self._store, self._registry, self._tokens = settings, store, registry, tokens
        self._server = 0.0, ""

    async def socket_url(self) -> str:
        """A live server's address, as it was known up to ``SERVER_S`` ago. Raises UNAVAILABLE."""
        if self._settings.socket_url:
            return self._settings.socket_url
        now = time.monotonic()
        if now >= self._server[0]:
            servers = await self._registry.servers()
            if not servers:
                raise CaddieError("UNAVAILABLE", "expected a live Socket.IO server, got none: try again")
            self._server = now + SERVER_S, servers[0].url
        return self._server[1]

    async def issue(
        self, principal: Principal, conversation: str, context: TurnContext, *, create_session_id: str | None = None,
        workflow_id: str | None = None, definition: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What a client needs to open its socket, as the surfaces name it. The conversation is made when it is new.

        definition: what the user has on the canvas. Raises NOT_FOUND for another user's conversation, UNAVAILABLE.
        """
        socket_url = await self.socket_url()
        scopes = principal.scopes & SESSION_SCOPES
        session_id = str(uuid4())
        token, session = self._tokens.issue(session_id, principal.org, principal.user, conversation, scopes)
        expires_at = datetime.fromtimestamp(session.expires_at, UTC)
        opening = Opening(
            session_id, principal.org, principal.user, conversation, scopes, expires_at,
            context.model_dump(mode="json", exclude_none=True), api_key_id=principal.key,
            login_id=principal.login.id if principal.login else None, create_session_id=create_session_id,
            workflow_id=workflow_id, definition=definition,
        )  # fmt: skip
        await self._store.sessions.open(opening)
        return {
            "sessionToken": token, "socketUrl": socket_url, "socketPath": self._settings.socket_path,
            "conversationId": conversation, "sessionId": session_id, "expiresAt": timestamp(expires_at),
        }  # fmt: skip
