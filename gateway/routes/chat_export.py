"""Conversations to take away, for a signed-in user and for an API key.

Invariant: only one's own conversations; on `/v1` another user's is answered as one that does not exist. Callers: the
route table.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from gateway.chats import CHAT, own_chat
from gateway.routes.chat_request import ClientId
from gateway.routing import Answer, Call, route
from gateway.transcript import Format, Transcript
from shared.errors import CaddieError
from shared.settings import Settings
from shared.store import Store

_ANSWER = Answer(description="JSON Lines (a line for the conversation, then one a message) or Markdown",
                 media_type="application/jsonl", others=("text/markdown",))  # fmt: skip


class ExportQuery(BaseModel):
    format: Format = "jsonl"


class ConversationExportQuery(ExportQuery):
    conversationId: ClientId = Field(description="A conversation of the caller.")


class ChatExport:
    """The two routes; neither is limited in length."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._stall_s, self._store = settings.stall_timeout_s, store

    async def export_known(self, call: Call[Any, Any]) -> None:
        await own_chat(self._store, call)

    @route(
        "GET", f"{CHAT}/export", summary="A chat as a file", tag="chats", query=ExportQuery, precheck="export_known",
        answers={200: _ANSWER}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def chat_export(self, call: Call[None, ExportQuery]) -> Transcript:
        return Transcript(self._store, await own_chat(self._store, call), call.query.format, self._stall_s)

    @route(
        "GET", "/v1/ai/workflow/chat/export", summary="A conversation as a file", tag="chat", scopes=("read",),
        query=ConversationExportQuery, answers={200: _ANSWER}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def conversation_export(self, call: Call[None, ConversationExportQuery]) -> Transcript:
        principal, query = call.principal, call.query
        found = await self._store.conversations.get(principal.org, query.conversationId)
        if found is None or found.user_id != principal.user:
            raise CaddieError("NOT_FOUND", "expected a conversation of this user, got an unknown one")
        return Transcript(self._store, found, query.format, self._stall_s)
