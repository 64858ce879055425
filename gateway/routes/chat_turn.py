"""What a session call and a stream have in common: where a request belongs, and its message as a run.

Invariant: a request that is refused here leaves nothing behind; a message is submitted exactly once per requestId.
Callers: ``gateway.routes.chat_stream`` (v3) and ``gateway.routes.chat_sse`` (v1, v2, both).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from gateway.auth import Principal
from gateway.images import Picture, decode
from gateway.limits import Limits
from gateway.routes.chat_request import ChatImage, ChatRequest
from shared.errors import CaddieError, Fault
from shared.keys import conversation_key
from shared.log import EventLog, Head
from shared.runs import ImageRef, Runs, Submission, Submitted, TurnContext, TurnInput
from shared.seal import Seal
from shared.store import Store
from shared.store.records import RunRecord

AgentVersion = Literal["v1", "v2", "v3", "both"]
#: A requestId without a conversationId always names the same conversation, so that parallel posts agree.
_CONVERSATIONS = uuid5(NAMESPACE_URL, "caddie:conversation")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request belongs: its conversation, the run its requestId names already, the log's head."""

    conversation: str
    known: RunRecord | None
    head: Head
    workflow_id: str | None


class Turns:
    """Looks requests up and submits their messages."""

    def __init__(self, store: Store, log: EventLog, runs: Runs, seal: Seal, limits: Limits) -> None:
        self._store, self._log, self._runs, self._seal, self._limits = store, log, runs, seal, limits

    async def place(self, principal: Principal, body: ChatRequest) -> Place:
        """Raises CONFLICT (requestId of another conversation) or NOT_FOUND (another user's objects)."""
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
        return Place(conversation, known, head, workflow_id)

    async def _workflow_id(self, principal: Principal, handle: str | None) -> str | None:
        if handle is None:
            return None
        workflow = await self._store.workflows.get(principal.org, handle)
        if workflow is None or workflow.user_id != principal.user:
            text = "expected a workflow of this user, got an unknown one"
            raise CaddieError("NOT_FOUND", f"workflowId: {text}", faults=(Fault("workflowId", text),))
        return workflow.id

    def context(self, body: ChatRequest, workflow_id: str | None, version: AgentVersion) -> TurnContext:
        """What the call fixes for the turns that follow from it, the one it may begin itself included."""
        sealed = self._seal.seal(body.apiKeyOverride) if body.apiKeyOverride is not None else None
        return TurnContext(
            agentVersion=version, mode=body.preferredMode, timezone=body.timezone,
            templateSearchMode=body.templateSearchMode, name=body.name, description=body.description,
            workflowId=workflow_id, modelOverride=body.modelOverride, temperatureOverride=body.temperatureOverride,
            sealedKey=sealed, failedRunId=body.failedRunId,
        )  # fmt: skip

    async def submit(
        self, principal: Principal, body: ChatRequest, place: Place, context: TurnContext,
        definition: dict[str, Any] | None, pictures: list[Picture | None],
    ) -> Submitted:  # fmt: skip
        """The run of the request's message. Raises RUN_LIMIT, CONFLICT, RUN_BUSY, NOT_FOUND, UNAVAILABLE."""
        if place.known is None:
            await self._limits.run(principal.org, principal.user)
        images = await self._keep_images(principal, body.images or [], pictures)
        turn = TurnInput(**context.model_dump(), text=body.message or "", images=images, definition=definition)
        submission = Submission(
            principal.org, principal.user, place.conversation, body.requestId, turn, session_meta=body.sessionId
        )
        return await self._runs.submit(submission)

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


def decode_images(images: list[ChatImage]) -> list[Picture | None]:
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


def require_index(index: int, head: Head, field: str = "lastEventIndex") -> None:
    """Raises NOT_RESUMABLE for an index the log has not reached."""
    if index > head.index:
        text = f"expected at most the newest index {head.index}, got {index}"
        raise CaddieError("NOT_RESUMABLE", f"{field}: {text}", faults=(Fault(field, text),))
