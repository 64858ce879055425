"""`POST /v1/ai/workflow/chat/stream` (documents 000 and 001): issues a session for a Socket.IO server.

Invariant: a message in the request is submitted exactly once, before its session exists; a request that is refused
leaves neither a run nor a session behind. Everything is validated before anything is looked up.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from aiohttp import web

from gateway.auth import Principal
from gateway.definitions import usable
from gateway.envelopes import encoded
from gateway.images import Picture, decode
from gateway.limits import Limits
from gateway.routes.chat_request import ChatImage, ChatRequest, ChatSession, ChatSessionAnswer
from gateway.routing import Answer, Call, route
from shared.catalog import Catalog
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.keys import conversation_key
from shared.log import EventLog, Head
from shared.registry import Registry
from shared.runs import ImageRef, Runs, Submission, TurnContext, TurnInput
from shared.seal import Seal
from shared.settings import Settings
from shared.store import Store
from shared.store.records import RunRecord
from shared.tokens import SESSION_SCOPES, Tokens

#: A requestId without a conversationId always names the same conversation, so that parallel posts agree.
_CONVERSATIONS = uuid5(NAMESPACE_URL, "caddie:conversation")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the session will be: its conversation, the run its requestId names already, the log's head."""

    conversation: str
    known: RunRecord | None
    head: Head
    workflow_id: str | None


class ChatStream:
    """The session call."""

    def __init__(
        self, settings: Settings, store: Store, log: EventLog, runs: Runs, registry: Registry, tokens: Tokens,
        seal: Seal, limits: Limits, catalog: Catalog,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._log, self._runs, self._registry = settings, store, log, runs, registry
        self._tokens, self._seal, self._limits, self._catalog = tokens, seal, limits, catalog

    @route(
        "POST",
        "/v1/ai/workflow/chat/stream",
        summary="Issue a chat session for Socket.IO: sessionToken and socketUrl",
        tag="chat",
        scopes=("read",),
        body=ChatRequest,
        answers={200: Answer(ChatSessionAnswer, "sessionToken and socketUrl for the Socket.IO connection", whole=True)},
        errors=(
            "DEFINITION_INVALID",
            "NOT_RESUMABLE",
            "NOT_FOUND",
            "CONFLICT",
            "RUN_BUSY",
            "RUN_LIMIT",
            "NOT_IMPLEMENTED",
        ),  # fmt: skip
    )
    async def stream(self, call: Call[ChatRequest, None]) -> web.Response:
        body, principal = call.body, call.principal
        self._check_scopes(principal, body)
        definition = usable(body.definition, self._catalog) if body.definition is not None else None
        version = self._version(call)
        pictures = await asyncio.to_thread(_decode_images, body.images) if body.images else []
        if version == "v3":
            body.require_message("conversationId", "requestId", "workflowId")
        else:
            body.require_message("requestId")
            message = f"expected agentVersion v3, got {version}: streaming over SSE is not available here"
            raise CaddieError("NOT_IMPLEMENTED", message)
        place = await self._place(principal, body)
        socket_url = await self._socket_url()
        context = self._context(body, place.workflow_id)
        run_id, conversation = place.known.id if place.known else None, place.conversation
        if body.message is not None:
            if place.known is None:
                await self._limits.run(principal.org, principal.user)
            images = await self._keep_images(principal, body.images or [], pictures)
            turn = TurnInput(**context.model_dump(), text=body.message, images=images, definition=definition)
            submission = Submission(
                principal.org, principal.user, conversation, body.requestId, turn, session_meta=body.sessionId
            )
            submitted = await self._runs.submit(submission)
            run_id, conversation = submitted.run_id, submitted.conversation
        elif place.known is None:
            await self._open(principal, body, place, definition)
        session = await self._session(call, conversation, context, socket_url, run_id, _start(body, place))
        return _answer(session)

    def _check_scopes(self, principal: Principal, body: ChatRequest) -> None:
        for name in body.overrides:
            if "eval" not in principal.scopes:
                text = "expected an API key with scope eval, got one without"
                raise CaddieError("SCOPE_NEEDED", f"{name}: {text}", faults=(Fault(name, text),), scope_needed="eval")
        if body.message is not None:
            principal.require("write", "message")

    def _version(self, call: Call[ChatRequest, None]) -> str:
        if call.body.agentVersion is not None:
            return call.body.agentVersion
        if "text/event-stream" in call.request.headers.get("Accept", ""):
            return "v1"
        return self._settings.default_agent_version or "v3"

    async def _place(self, principal: Principal, body: ChatRequest) -> _Place:
        known = None
        if body.requestId is not None:
            known = await self._runs.find(principal.org, principal.user, request_id=body.requestId)
        conversation = body.conversationId or (known.conversation if known else None)
        if conversation is None:
            name = f"{principal.org}:{principal.user}:{body.requestId}"
            conversation = str(uuid5(_CONVERSATIONS, name) if body.requestId else uuid4())
        if known is not None and known.conversation != conversation:
            raise CaddieError("CONFLICT", "requestId: expected one of this conversation, got one of another")
        workflow_id = await self._workflow_id(principal, body.workflowId)
        existing = await self._store.conversations.get(principal.org, conversation)
        if existing is not None and existing.user_id != principal.user:
            raise CaddieError("NOT_FOUND", "conversationId: expected a conversation of this user, got another's")
        head = await self._log.head(conversation_key(principal.org, conversation))
        if (body.lastEventIndex or 0) > head.index:
            text = f"expected at most the newest index {head.index}, got {body.lastEventIndex}"
            raise CaddieError("NOT_RESUMABLE", f"lastEventIndex: {text}", faults=(Fault("lastEventIndex", text),))
        return _Place(conversation, known, head, workflow_id)

    async def _open(
        self, principal: Principal, body: ChatRequest, place: _Place, definition: dict[str, Any] | None
    ) -> None:
        """The conversation of a session whose messages will come by socket, with what the user has on the canvas."""
        org, conversation = principal.org, place.conversation
        await self._store.conversations.ensure(org, principal.user, conversation, place.workflow_id, body.sessionId)
        if definition is None:
            return
        try:
            await self._store.conversations.set_definition(org, conversation, definition)
        except CaddieError as error:
            # A second tab opens while a run works on the definition: what the run leaves is newer than the canvas.
            if error.code != "RUN_BUSY":
                raise

    async def _workflow_id(self, principal: Principal, handle: str | None) -> str | None:
        if handle is None:
            return None
        workflow = await self._store.workflows.get(principal.org, handle)
        if workflow is None or workflow.user_id != principal.user:
            text = "expected a workflow of this user, got an unknown one"
            raise CaddieError("NOT_FOUND", f"workflowId: {text}", faults=(Fault("workflowId", text),))
        return workflow.id

    async def _socket_url(self) -> str:
        if self._settings.socket_url:
            return self._settings.socket_url
        servers = await self._registry.servers()
        if not servers:
            raise CaddieError("UNAVAILABLE", "expected a live Socket.IO server, got none: try again")
        return servers[0].url

    def _context(self, body: ChatRequest, workflow_id: str | None) -> TurnContext:
        """What the call fixes for the turns of its session, the one it may begin itself included."""
        sealed = self._seal.seal(body.apiKeyOverride) if body.apiKeyOverride is not None else None
        return TurnContext(
            mode=body.preferredMode, timezone=body.timezone, templateSearchMode=body.templateSearchMode,
            name=body.name, description=body.description, workflowId=workflow_id, modelOverride=body.modelOverride,
            temperatureOverride=body.temperatureOverride, sealedKey=sealed, failedRunId=body.failedRunId,
        )  # fmt: skip

    async def _keep_images(
        self, principal: Principal, images: list[ChatImage], pictures: list[Picture | None]
    ) -> tuple[ImageRef, ...]:
        kept = []
        for image, picture in zip(images, pictures, strict=True):
            if picture is None:
                kept.append(ImageRef(url=image.ipfsUrl or ""))
                continue
            await self._store.blobs.put(principal.org, picture.cid, picture.media_type, picture.content)
            url = image.ipfsUrl or f"/v1/blobs/{picture.cid}"
            kept.append(ImageRef(url=url, mediaType=picture.media_type, cid=picture.cid))
        return tuple(kept)

    async def _session(
        self,
        call: Call[ChatRequest, None],
        conversation: str,
        context: TurnContext,
        socket_url: str,
        run_id: str | None,
        start: int,
    ) -> ChatSession:
        principal = call.principal
        scopes = principal.scopes & SESSION_SCOPES
        session_id = str(uuid4())
        token, session = self._tokens.issue(session_id, principal.org, principal.user, conversation, scopes)
        expires_at = datetime.fromtimestamp(session.expires_at, UTC)
        await self._store.sessions.create(
            principal.org, principal.user, conversation, scopes, expires_at, api_key_id=principal.key,
            create_session_id=call.body.sessionId, session_id=session_id,
            context=context.model_dump(mode="json", exclude_none=True),
        )  # fmt: skip
        return ChatSession(
            sessionToken=token, socketUrl=socket_url, socketPath=self._settings.socket_path,
            conversationId=conversation, sessionId=session_id, runId=run_id, lastEventIndex=start,
            expiresAt=timestamp(expires_at), requestId=call.request_id,
        )  # fmt: skip


def _decode_images(images: list[ChatImage]) -> list[Picture | None]:
    """A picture for each image that carries one. Raises INVALID naming every image that is none."""
    pictures: list[Picture | None] = []
    faults = []
    for position, image in enumerate(images):
        try:
            if image.base64 is None and image.ipfsUrl is None:
                raise ValueError("expected base64, ipfsUrl or both, got neither")
            pictures.append(decode(image.base64) if image.base64 is not None else None)
        except ValueError as error:
            field = f"images.{position}" + (".base64" if image.base64 is not None else "")
            faults.append(Fault(field, str(error)))
    if faults:
        raise CaddieError("INVALID", f"invalid input: {faults[0].field}: {faults[0].message}", faults=tuple(faults))
    return pictures


def _start(body: ChatRequest, place: _Place) -> int:
    """The index to connect with: what the client has, else just before the first event of the run."""
    if body.lastEventIndex:
        return body.lastEventIndex
    if place.known is None:
        return place.head.index
    if place.known.first_index:
        return place.known.first_index - 1
    return max(0, place.head.first - 1) if place.head.run_id == place.known.id else place.head.index


def _answer(session: ChatSession) -> web.Response:
    members = session.model_dump(exclude_none=True)
    return encoded({"code": 200, "message": "success", **members, "data": members})
