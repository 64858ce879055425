"""The body of `POST /v1/ai/workflow/chat/stream`: every field of documents 000 and 001, and the rules of each.

Invariant: a ``ChatRequest`` is checked without looking anything up; unknown members are ignored, wrong types are not.
Caller: ``gateway.routes.chat_stream``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.body import INT64
from gateway.images import BASE64_CHARACTERS_MAX, URL_LENGTH_MAX, is_link
from shared.errors import CaddieError, Fault
from shared.events import Mode

MESSAGE_MAX = 10_000
IMAGES_MAX = 8
#: Of a conversation, a session and any other id a client chooses.
ID_PATTERN = r"^[A-Za-z0-9_.:-]{1,128}$"
_SAMPLE = "9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d"
_UUID4 = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _uuid4(text: str) -> str:
    if not _UUID4.fullmatch(text):
        raise ValueError(f"expected a UUID4 such as {_SAMPLE}, got another string of length {len(text)}")
    return text.lower()


def _timezone(name: str) -> str:
    if name not in _timezones():
        raise ValueError("expected an IANA time zone such as America/New_York, got another name")
    return name


def _link(url: str) -> str:
    if not is_link(url):
        raise ValueError("expected ipfs://CID or an https URL, got something else")
    return url


TimeZone = Annotated[str, AfterValidator(_timezone)]
ClientId = Annotated[str, Field(pattern=ID_PATTERN)]
RequestId = Annotated[
    str, AfterValidator(_uuid4), Field(json_schema_extra={"format": "uuid", "pattern": f"^{_UUID4.pattern}$"})
]


class ChatImage(BaseModel):
    """An image of the message: `base64` is for the model, `ipfsUrl` is what history keeps; either or both."""

    base64: str | None = Field(
        None,
        max_length=BASE64_CHARACTERS_MAX,
        description="Raw base64 or a data: URL of a PNG, JPEG, GIF or WebP, at most 5 MiB decoded.",
    )
    ipfsUrl: Annotated[str, AfterValidator(_link)] | None = Field(
        None, max_length=URL_LENGTH_MAX, description="ipfs://CID or https; never fetched."
    )


class ChatRequest(BaseModel):
    """One call for a session (v3) or a stream (v1, v2, both)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    agentVersion: Literal["v1", "v2", "v3", "both"] | None = Field(
        None, description="Absent: v1 when Accept names text/event-stream, or what the operator configured; else v3."
    )
    message: str | None = Field(
        None, min_length=1, max_length=MESSAGE_MAX, description="Needed for a new run; v3 may send it by socket."
    )
    requestId: RequestId | None = Field(
        None, description="UUID4. Idempotent for 24 h: the same id and body is the same run; another body is 409."
    )
    lastEventIndex: int | None = Field(
        None, ge=0, le=INT64[-1], description="Replay what has a larger index, then go on live."
    )
    conversationId: ClientId | None = Field(None, description="Chosen by the client; a new one makes a conversation.")
    sessionId: ClientId | None = Field(None, description="Which create-page session began the conversation.")
    workflowId: ClientId | None = Field(None, description="What the conversation is about: UUID, number or slug.")
    definition: dict[str, Any] | None = Field(None, description="The workflow graph on the user's canvas.")
    name: str | None = Field(None, max_length=100, description="Name of a workflow to be generated.")
    description: str | None = Field(None, max_length=500, description="Description of a workflow to be generated.")
    images: list[ChatImage] | None = Field(None, max_length=IMAGES_MAX)
    preferredMode: Mode | None = Field(None, description="Overrides the classifier.")
    templateSearchMode: Literal["lightweight", "hybrid"] = Field("lightweight")
    timezone: TimeZone | None = Field(None, description="An IANA name.")
    modelOverride: str | None = Field(
        None, pattern=r"^[!-~]{1,200}$", description="Evaluation only: needs an API key with scope eval."
    )
    temperatureOverride: float | None = Field(
        None, ge=0, le=1, description="Evaluation only: needs an API key with scope eval."
    )
    apiKeyOverride: str | None = Field(
        None,
        pattern=r"^[!-~]{20,256}$",
        description="Evaluation only: needs an API key with scope eval. Sealed, and used for this run only.",
    )
    failedRunId: ClientId | None = Field(None, description="The execution whose errors repair mode is to load.")

    @property
    def overrides(self) -> dict[str, Any]:
        """The evaluation-only members that were given."""
        names = ("modelOverride", "temperatureOverride", "apiKeyOverride")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def require_message(self, *alternatives: str) -> None:
        """Raises INVALID when there is no message and none of ``alternatives`` was given instead."""
        if self.message is None and not any(getattr(self, name) is not None for name in alternatives):
            names = f"one of {', '.join(alternatives)}" if len(alternatives) > 1 else "".join(alternatives)
            instead = f" (or {names})" if names else ""
            text = f"expected 1 to {MESSAGE_MAX} characters{instead}, got none"
            raise CaddieError("INVALID", f"message: {text}", faults=(Fault("message", text),))
        if self.message is None and self.images:
            text = "expected a message to go with the images, got none"
            raise CaddieError("INVALID", f"message: {text}", faults=(Fault("message", text),))


class ChatSession(BaseModel):
    """What a client needs to open its socket. runId: when a message was given or the requestId is known."""

    sessionToken: str
    socketUrl: str = Field(description="Absolute URL of a Socket.IO server; it holds no token.")
    socketPath: str
    conversationId: str
    sessionId: str
    runId: str | None = None
    lastEventIndex: int = Field(description="Connect with this index to get everything from here on.")
    expiresAt: str
    requestId: str


class ChatSessionAnswer(ChatSession):
    """The members of the session stand at the top level and again inside `data`."""

    code: Literal[200] = 200
    message: Literal["success"] = "success"
    data: ChatSession
