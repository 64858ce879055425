"""What is said in a chat (document 002): a turn as a stream or answered whole, the way back to a stream, history.

Invariant: checks come in the order rate, 401, 403 or 404, 400; whatever is refused is refused before the first byte and
leaves nothing behind. A run goes on when its reader leaves. Callers: the route table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.auth import Principal
from gateway.chat_view import ChatView
from gateway.chats import CHAT, is_user, own_chat
from gateway.limits import Limits
from gateway.relay import Opening
from gateway.routes.chat import Text, moment
from gateway.routes.chat_request import MESSAGE_MAX, ClientId
from gateway.routes.chat_sse import ChatSse, last_index
from gateway.routing import Answer, Call, route
from gateway.sse import HEADERS, EventStream, Streams
from gateway.waiting import ANSWER_S, ended
from shared.errors import CaddieError, Fault
from shared.events import timestamp
from shared.executions import Executions, fired, started_by_hand, trigger_nodes
from shared.follow import LogReader
from shared.keys import conversation_key
from shared.log import EventLog
from shared.models import ModelNames
from shared.runs import Runs, Submission, TurnInput
from shared.store import Store
from shared.store.records import ConversationRecord, MessageRecord, RunRecord

FRAMES = (
    "Frames `data:` (JSON) and `id:` (the event index): start{messageId}, content{delta}, "
    "tool_call{toolName,toolArgs}, tool_result{toolName,result}, end{messageId}, error{error,message}. "
    "A second `start` begins the answer anew."
)
KEPT_OPEN = HEADERS | {"Connection": "keep-alive"}


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError(f"expected a UUID, got another string of length {len(text)}") from None


class MessageCreate(BaseModel):
    """One message of the user."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    content: str = Field(min_length=1, max_length=MESSAGE_MAX)
    modelId: str = Field(min_length=1, max_length=200, description="Any name of GET /api/models, or provider/model.")
    userId: str = Field(min_length=1, max_length=64, description="The caller, by number or UUID.")
    workflowId: Annotated[str, Field(max_length=64), AfterValidator(_uuid)] | None = Field(
        None, description="A workflow of the caller to execute on the message."
    )


class ChatEntry(BaseModel):
    """modelId: as it was asked for; null where nobody asked."""

    id: str
    chatId: str
    role: str
    content: str
    status: str
    modelId: str | None
    images: list[dict[str, Any]]
    createdAt: str

    @classmethod
    def of(cls, chat: str, record: MessageRecord, model: str | None) -> ChatEntry:
        return cls(
            id=record.id, chatId=chat, role=record.role, content=record.text, status=record.status, modelId=model,
            images=list(record.images), createdAt=timestamp(record.created_at),
        )  # fmt: skip


class MessagePair(BaseModel):
    userMessage: ChatEntry
    assistantMessage: ChatEntry


class MessageList(BaseModel):
    """Oldest first. With hasMore, ask again with before and beforeId of the first message."""

    messages: list[ChatEntry]
    hasMore: bool
    before: str | None
    beforeId: str | None


class MessageListQuery(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    before: Text | None = Field(None, description="ISO 8601; without an offset it is UTC. Strictly before.")
    beforeId: ClientId | None = None


class FollowQuery(BaseModel):
    after: int | None = Field(None, ge=0, lt=2**53, description="Show what has a larger index; so does Last-Event-ID.")


class CancelAnswer(BaseModel):
    """runId: of the run that was asked to end; null when none was under way."""

    runId: str | None
    status: str


class ChatMessages:
    """Messages and streams of a chat."""

    def __init__(
        self, store: Store, log: EventLog, reader: LogReader, runs: Runs, limits: Limits, streams: Streams,
        sse: ChatSse, names: ModelNames, executions: Executions,
    ) -> None:  # fmt: skip
        self._store, self._log, self._reader, self._runs = store, log, reader, runs
        self._limits, self._streams, self._sse, self._names = limits, streams, sse, names
        self._executions = executions

    async def messages_of(self, call: Call[Any, Any]) -> None:
        """Before a body or a query is looked at."""
        await own_chat(self._store, call)

    @route(
        "POST", f"{CHAT}/messages/stream", summary="Say something; the answer as server-sent events", tag="chats",
        body=MessageCreate, precheck="messages_of", answers={200: Answer(description="The frames", events=FRAMES)},
        errors=("NOT_FOUND", "RUN_BUSY", "RUN_LIMIT"),
    )  # fmt: skip
    async def message_stream(self, call: Call[MessageCreate, None]) -> web.StreamResponse:
        principal, chat = call.principal, await own_chat(self._store, call)
        await self._check(principal, call.body)
        with Opening(self._streams, self._reader, principal) as opening:
            key = conversation_key(chat.org_id, chat.public_id)
            watch = await opening.watch(key)
            head = await self._log.head(key)
            run = await self._submit(principal, chat, call.body)
            await self._reader.reach(watch, head.index)
            stream = await self._sse.relayed(opening, watch, run, head.index, ChatView(run.id))
            return _kept_open(stream, greeted=False)

    @route(
        "GET", f"{CHAT}/messages/stream", summary="Follow a chat's answer, or what of it is missing", tag="chats",
        query=FollowQuery, precheck="messages_of", errors=("NOT_FOUND", "FORBIDDEN", "NOT_RESUMABLE"),
        answers={
            200: Answer(description="The frames of the oldest run that has some above the index", events=FRAMES),
            204: Answer(description="The reader has everything: EventSource stops to reconnect"),
        },
    )  # fmt: skip
    async def message_follow(self, call: Call[None, FollowQuery]) -> web.StreamResponse:
        principal, chat = call.principal, await own_chat(self._store, call)
        after = last_index(call.request, call.query.after)
        run = await self._wanted(chat, after)
        if run is None:
            return web.Response(status=204)
        if call.request.method == "HEAD":
            return web.Response(headers=KEPT_OPEN)
        with Opening(self._streams, self._reader, principal) as opening:
            watch = await opening.watch(conversation_key(chat.org_id, chat.public_id))
            return _kept_open(await self._sse.take_up(opening, watch, run, after, ChatView(run.id)), greeted=True)

    @route(
        "POST", f"{CHAT}/messages", summary="Say something; the whole answer", tag="chats", body=MessageCreate,
        precheck="messages_of", answers={201: Answer(MessagePair)}, timeout_s=ANSWER_S + 10,
        errors=("NOT_FOUND", "RUN_BUSY", "RUN_LIMIT", "MODEL_FAILED", "RUN_TIMEOUT"),
    )  # fmt: skip
    async def message_create(self, call: Call[MessageCreate, None]) -> MessagePair:
        principal, chat = call.principal, await own_chat(self._store, call)
        await self._check(principal, call.body)
        run = await ended(self._store, self._reader, await self._submit(principal, chat, call.body))
        said = await self._store.conversations.of_run(chat.pk, run.id)
        asked = next((each for each in said if each.role == "user"), None)
        answers = [each for each in said if each.role == "assistant"]
        if asked is None or not answers:
            text = "expected an answer, got a run that was cancelled before it began"
            raise CaddieError("CONFLICT", text, data={"runId": run.id})
        whole = ChatEntry.of(chat.public_id, answers[-1], call.body.modelId)
        return MessagePair(
            userMessage=ChatEntry.of(chat.public_id, asked, call.body.modelId),
            assistantMessage=whole.model_copy(update={"content": "\n\n".join(each.text for each in answers)}),
        )

    @route(
        "GET", f"{CHAT}/messages", summary="Messages of a chat", tag="chats", query=MessageListQuery,
        precheck="messages_of", answers={200: Answer(MessageList)}, errors=("NOT_FOUND", "FORBIDDEN"),
    )  # fmt: skip
    async def message_list(self, call: Call[None, MessageListQuery]) -> MessageList:
        chat, query = await own_chat(self._store, call), call.query
        before = moment(query.before, "before") if query.before is not None else None
        rows, more = await self._store.conversations.history(chat.org_id, chat.pk, query.limit, before, query.beforeId)
        found = await self._shown(chat, rows)
        oldest = found[0] if found and more else None
        return MessageList(
            messages=found, hasMore=more, before=oldest.createdAt if oldest else None,
            beforeId=oldest.id if oldest else None,
        )  # fmt: skip

    @route(
        "POST", f"{CHAT}/messages/cancel", summary="Ask for the end of the answer under way", tag="chats",
        answers={200: Answer(CancelAnswer)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def message_cancel(self, call: Call[None, None]) -> CancelAnswer:
        principal, chat = call.principal, await own_chat(self._store, call)
        if chat.active_run_id is None:
            return CancelAnswer(runId=None, status="idle")
        run = await self._runs.cancel(principal.org, principal.user, chat.public_id, run_id=chat.active_run_id)
        return CancelAnswer(runId=run.id, status=run.status)

    async def _check(self, principal: Principal, body: MessageCreate) -> None:
        if not is_user(principal, body.userId):
            raise CaddieError("FORBIDDEN", "Cannot post as another user: expected the userId of the session's user")
        if body.workflowId is not None:
            workflow = await self._store.workflows.get(principal.org, body.workflowId)
            if workflow is None or workflow.user_id != principal.user:
                text = "expected a workflow of this user, got an unknown one"
                raise CaddieError("NOT_FOUND", f"workflowId: {text}", faults=(Fault("workflowId", text),))
        self._names.require(body.modelId)

    async def _execute(self, principal: Principal, chat: ConversationRecord, body: MessageCreate) -> RunRecord:
        """The workflow's run in this chat: its chat trigger fires, or another one, with the message."""
        workflow = await self._store.workflows.get(principal.org, body.workflowId or "")
        triggers = trigger_nodes(workflow.definition, "trigger_chat") if workflow else []
        node = next(iter(triggers), None) or (started_by_hand(workflow.definition) if workflow else None)
        if workflow is None or node is None:
            text = "expected a workflow with a trigger, got none"
            raise CaddieError("INVALID", f"workflowId: {text}", faults=(Fault("workflowId", text),))
        start = fired(
            workflow, principal.user, "chat", node, {"text": body.content}, conversation=chat.public_id
        )  # fmt: skip
        execution = await self._executions.start(start)
        return await self._made(principal, execution.id)

    async def _submit(self, principal: Principal, chat: ConversationRecord, body: MessageCreate) -> RunRecord:
        await self._limits.run(principal.org, principal.user)
        if body.workflowId is not None:
            return await self._execute(principal, chat, body)
        profile: Literal["chat", "builder"] = "chat" if chat.kind == "chat" else "builder"
        turn = TurnInput(profile=profile, model=body.modelId, workflowId=chat.workflow_id, text=body.content)
        # With a requestId the run survives its reader.
        submission = Submission(principal.org, principal.user, chat.public_id, str(uuid4()), turn)
        submitted = await self._runs.submit(submission)
        return await self._made(principal, submitted.run_id)

    async def _made(self, principal: Principal, run_id: str) -> RunRecord:
        run = await self._store.runs.get(principal.org, run_id)
        if run is None:
            raise CaddieError("NOT_FOUND", "Chat does not exist")
        return run

    async def _wanted(self, chat: ConversationRecord, after: int) -> RunRecord | None:
        """The oldest run with events above the index; without one, the run under way or else the last."""
        if after:
            return await self._store.runs.after(chat.pk, after)
        active = await self._store.runs.active(chat.org_id, chat.public_id)
        return active or await self._store.runs.last_ended(chat.org_id, chat.public_id)

    async def _shown(self, chat: ConversationRecord, rows: Sequence[MessageRecord]) -> list[ChatEntry]:
        models = await self._store.runs.models(chat.org_id, {row.run_id for row in rows})
        return [ChatEntry.of(chat.public_id, row, models.get(row.run_id)) for row in rows]


def _kept_open(stream: web.StreamResponse, *, greeted: bool) -> web.StreamResponse:
    """With the headers of document 002; its POST begins with the first frame, nothing before it."""
    stream.headers.update(KEPT_OPEN)
    if isinstance(stream, EventStream) and not greeted:
        stream.greeting = b""
    return stream
