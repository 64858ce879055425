"""Chats of a signed-in user (surface 002): make, list, rename, delete, open a realtime session.

Invariant: a chat that was deleted is gone, with its log, messages, runs and images; whoever follows it is cut off.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from gateway.auth import Principal
from gateway.chats import CHAT, own_chat, own_user
from gateway.erasing import Eraser
from gateway.issuing import Issuer
from gateway.routes.chat_request import TimeZone
from gateway.routing import Answer, Call, route
from shared.errors import CaddieError
from shared.events import timestamp
from shared.keys import conversation_key
from shared.log import EventLog
from shared.models import ModelNames
from shared.runs import TurnContext
from shared.store import Store
from shared.store.records import ConversationRecord, Kind

Title = Annotated[str, Field(min_length=1, max_length=200)]
ChatKind = Literal["chat", "builder"]


class UserChat(BaseModel):
    """A chat. userId: the owner's UUID; kind: `chat` talks about anything, `builder` builds workflows."""

    id: str
    userId: str
    title: str
    kind: str
    isActive: bool
    createdAt: str
    updatedAt: str

    @classmethod
    def of(cls, record: ConversationRecord, user: str) -> UserChat:
        return cls(
            id=record.public_id, userId=user, title=record.title, kind=record.kind,
            isActive=record.active_run_id is not None, createdAt=timestamp(record.created_at),
            updatedAt=timestamp(record.updated_at),
        )  # fmt: skip


class ChatList(BaseModel):
    """Last changed first; with a cursor there are more."""

    chats: list[UserChat]
    cursor: str | None


class ChatCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Title | None = Field(None, description="Absent: taken from the first message.")
    kind: ChatKind = "chat"


class ChatChange(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Title


class ChatListQuery(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=128)
    kind: ChatKind | Literal["all"] = "chat"


class SessionCreate(BaseModel):
    """What the session's turns begin with."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    timezone: TimeZone | None = Field(None, description="An IANA name.")
    modelId: str | None = Field(None, min_length=1, max_length=200)


class RealtimeSession(BaseModel):
    """What a client needs to open its socket."""

    sessionToken: str
    socketUrl: str = Field(description="Absolute URL of a Socket.IO server; it holds no token.")
    socketPath: str
    chatId: str
    conversationId: str
    sessionId: str
    lastEventIndex: int = Field(description="The newest index of the chat's log.")
    expiresAt: str


class Chats:
    """The chats themselves; what is said in them has its own routes."""

    def __init__(self, store: Store, log: EventLog, eraser: Eraser, issuer: Issuer, names: ModelNames) -> None:
        self._store, self._log, self._eraser, self._issuer, self._names = store, log, eraser, issuer, names

    async def chat_known(self, call: Call[Any, Any]) -> None:
        """Before a body or a query is looked at."""
        await own_chat(self._store, call)

    @route(
        "POST", "/api/chats", summary="Begin a chat", tag="chats", body=ChatCreate, bodiless=True,
        answers={201: Answer(UserChat)},
    )  # fmt: skip
    async def chat_create(self, call: Call[ChatCreate, None]) -> UserChat:
        principal, body = call.principal, call.body
        made = await self._store.conversations.ensure(
            principal.org, principal.user, str(uuid4()), title=body.title or "", kind=body.kind
        )
        return _chat(principal, made)

    @route(
        "GET", "/api/chats", summary="The caller's chats, last changed first", tag="chats", query=ChatListQuery,
        answers={200: Answer(ChatList)},
    )  # fmt: skip
    async def chat_list(self, call: Call[None, ChatListQuery]) -> ChatList:
        principal, query = call.principal, call.query
        kinds: tuple[Kind, ...] = ("chat", "builder") if query.kind == "all" else (query.kind,)
        page = await self._store.conversations.list(
            principal.org, principal.user, query.limit, query.cursor, kinds=kinds
        )
        return ChatList(chats=[_chat(principal, record) for record in page.items], cursor=page.cursor)

    async def user_known(self, call: Call[Any, Any]) -> None:
        await own_user(self._store, call, call.path["userId"])

    @route(
        "GET", "/api/users/{userId:[^/]{1,64}}/chats", summary="A user's chats, last changed first", tag="chats",
        query=ChatListQuery, precheck="user_known", answers={200: Answer(ChatList)}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def user_chats(self, call: Call[None, ChatListQuery]) -> ChatList:
        return await self.chat_list(call)

    @route(
        "GET", CHAT, summary="A chat", tag="chats", answers={200: Answer(UserChat)}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def chat_get(self, call: Call[None, None]) -> UserChat:
        return _chat(call.principal, await own_chat(self._store, call))

    @route(
        "PATCH", CHAT, summary="Rename a chat", tag="chats", body=ChatChange, precheck="chat_known",
        answers={200: Answer(UserChat)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def chat_change(self, call: Call[ChatChange, None]) -> UserChat:
        changed = await self._store.conversations.rename(call.principal.org, call.path["chatId"], call.body.title)
        if changed is None:
            raise CaddieError("NOT_FOUND", "Chat does not exist")
        return _chat(call.principal, changed)

    @route(
        "DELETE", CHAT, summary="Delete a chat with everything in it", tag="chats",
        answers={204: Answer(description="Gone: log, messages, runs, sessions, images")}, errors=("NOT_FOUND",),
        uncut=True,
    )  # fmt: skip
    async def chat_delete(self, call: Call[None, None]) -> None:
        chat = await own_chat(self._store, call)
        if not await self._eraser.conversation(chat.org_id, chat.user_id, chat.public_id):
            raise CaddieError("NOT_FOUND", "Chat does not exist")

    @route(
        "POST", f"{CHAT}/session", summary="A realtime session for a chat, by cookie", tag="chats",
        body=SessionCreate, bodiless=True, precheck="chat_known", answers={200: Answer(RealtimeSession)},
        errors=("NOT_FOUND",),
    )  # fmt: skip
    async def chat_session(self, call: Call[SessionCreate, None]) -> RealtimeSession:
        chat, body = await own_chat(self._store, call), call.body
        if body.modelId is not None:
            self._names.require(body.modelId)
        profile: Literal["chat", "builder"] = "chat" if chat.kind == "chat" else "builder"
        context = TurnContext(profile=profile, model=body.modelId, timezone=body.timezone, workflowId=chat.workflow_id)
        head = await self._log.head(conversation_key(chat.org_id, chat.public_id))
        issued = await self._issuer.issue(call.principal, chat.public_id, context)
        return RealtimeSession(**issued, chatId=chat.public_id, lastEventIndex=head.index)


def _chat(principal: Principal, record: ConversationRecord) -> UserChat:
    return UserChat.of(record, principal.login.user.uuid if principal.login else str(record.user_id))
