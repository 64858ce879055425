"""`POST /v1/ai/workflow/chat/stream` (documents 000 and 001): a session for a Socket.IO server, or a stream.

Invariant: a message in the request is submitted exactly once, before its session exists; a request that is refused
leaves neither a run nor a session behind. Everything is validated before anything is looked up, for all versions alike.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway.auth import Principal
from gateway.definitions import Definitions
from gateway.envelopes import encoded
from gateway.issuing import Issuer
from gateway.routes.chat_request import ChatRequest, ChatSessionAnswer
from gateway.routes.chat_sse import FRAMES, ChatSse
from gateway.routes.chat_turn import AgentVersion, Place, Turns, decode_images, require_index
from gateway.routing import Answer, Call, route
from shared.errors import CaddieError, Fault
from shared.keys import conversation_key
from shared.log import Head
from shared.runs import TurnContext
from shared.settings import Settings
from shared.together import Together


class ChatStream:
    """The session call."""

    def __init__(
        self, settings: Settings, issuer: Issuer, definitions: Definitions, turns: Turns, sse: ChatSse,
        heads: Together[str, tuple[int, str]],
    ) -> None:  # fmt: skip
        self._settings, self._issuer, self._heads = settings, issuer, heads
        self._definitions, self._turns, self._sse = definitions, turns, sse

    @route(
        "POST",
        "/v1/ai/workflow/chat/stream",
        summary="Chat: v1, v2 and both stream over SSE, v3 issues a session for Socket.IO",
        tag="chat",
        scopes=("read",),
        body=ChatRequest,
        answers={
            200: Answer(
                ChatSessionAnswer, "v3: sessionToken and socketUrl for the Socket.IO connection; else the run's frames",
                whole=True, events=FRAMES,
            )
        },
        errors=("DEFINITION_INVALID", "NOT_RESUMABLE", "NOT_FOUND", "CONFLICT", "RUN_BUSY", "RUN_LIMIT"),
    )
    async def stream(self, call: Call[ChatRequest, None]) -> web.StreamResponse:
        body, principal = call.body, call.principal
        self._check_scopes(principal, body)
        definition = self._definitions.usable(body.definition, principal.org)
        version = self._version(call)
        pictures = await asyncio.to_thread(decode_images, body.images) if body.images else []
        if version != "v3":
            return await self._sse.begin(call, version, definition, pictures)
        body.require_message("conversationId", "requestId", "workflowId")
        place = await self._place(principal, body)
        require_index(body.lastEventIndex or 0, place.head)
        await self._issuer.socket_url()
        context = self._turns.context(body, place.workflow_id, "v3")
        run_id = place.known.id if place.known else None
        if body.message is not None:
            submitted = await self._turns.submit(principal, body, place, context, definition, pictures)
            run_id, place = submitted.run_id, replace(place, conversation=submitted.conversation)
        canvas = definition if run_id is None else None
        return await self._session(call, place, context, run_id, _start(body, place), canvas)

    async def _place(self, principal: Principal, body: ChatRequest) -> Place:
        """Most calls only name a conversation: whose it is shows when its session is made."""
        if body.conversationId and not (body.message or body.requestId or body.workflowId or body.lastEventIndex):
            index, _ = await self._heads(conversation_key(principal.org, body.conversationId))
            return Place(body.conversationId, None, Head(index), None)
        return await self._turns.place(principal, body)

    def _check_scopes(self, principal: Principal, body: ChatRequest) -> None:
        for name in body.overrides:
            if "eval" not in principal.scopes:
                text = "expected an API key with scope eval, got one without"
                raise CaddieError("SCOPE_NEEDED", f"{name}: {text}", faults=(Fault(name, text),), scope_needed="eval")
        if body.message is not None:
            principal.require("write", "message")

    def _version(self, call: Call[ChatRequest, None]) -> AgentVersion:
        if call.body.agentVersion is not None:
            return call.body.agentVersion
        if "text/event-stream" in call.request.headers.get("Accept", ""):
            return "v1"
        return self._settings.default_agent_version or "v3"

    async def _session(
        self, call: Call[ChatRequest, None], place: Place, context: TurnContext, run_id: str | None, start: int,
        definition: dict[str, Any] | None,
    ) -> web.Response:  # fmt: skip
        """Make the session, and the conversation if it is new. definition: what the user has on the canvas."""
        issued = await self._issuer.issue(
            call.principal, place.conversation, context, create_session_id=call.body.sessionId,
            workflow_id=place.workflow_id, definition=definition,
        )  # fmt: skip
        members = {**issued, "lastEventIndex": start, "requestId": call.request_id}
        if run_id is not None:
            members["runId"] = run_id
        return encoded({"code": 200, "message": "success", **members, "data": members})


def _start(body: ChatRequest, place: Place) -> int:
    """The index to connect with: what the client has, else just before the first event of the run."""
    if body.lastEventIndex:
        return body.lastEventIndex
    if place.known is None:
        return place.head.index
    if place.known.first_index:
        return place.known.first_index - 1
    return max(0, place.head.first - 1) if place.head.run_id == place.known.id else place.head.index
