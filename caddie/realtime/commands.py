"""What a client may ask over its socket: message, cancel, answer, decide, refresh, replay.

Every command is acknowledged with ``{ok: true, …}`` or ``{ok: false, code, message, retryable, scopeNeeded?}``.
Invariant: a handler validates, checks the scope, does one thing that any server could do, and answers; it never works
for the run itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from caddie.realtime.buckets import Buckets
from caddie.realtime.connection import Connection, timestamp_of
from shared.decisions import Decision, Decisions, NotPendingError
from shared.errors import CaddieError
from shared.events import Mode
from shared.runs import ImageRef, Runs, Submission, TurnContext, TurnInput, WhenBusy
from shared.sessions import Revocations
from shared.store import Store
from shared.tokens import Tokens

TEXT_MAX = 10_000
_Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]
_log = structlog.get_logger()


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ImageLink(Body):
    """Over a socket an image is a link; bytes go with the session call."""

    ipfsUrl: Annotated[str, StringConstraints(max_length=2_048, pattern=r"^(ipfs://[A-Za-z0-9]{32,128}|https://\S+)")]


class Message(Body):
    requestId: Annotated[UUID, Field(strict=False)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=TEXT_MAX)]
    images: Annotated[list[ImageLink], Field(max_length=8)] = []
    mode: Mode | None = None
    whenBusy: WhenBusy = "reject"


class Cancel(Body):
    runId: _Id | None = None
    requestId: _Id | None = None


class Answer(Body):
    inputId: _Id
    value: JsonValue


class Decide(Body):
    """changes: positions of the changes to apply; absent: all of them."""

    proposalId: _Id
    decision: Decision
    changes: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=2_000)] | None = None


class Refresh(Body):
    token: Annotated[str, StringConstraints(max_length=4_096)]


class Replay(Body):
    after: Annotated[int, Field(ge=0, lt=2**53)]


B = TypeVar("B", bound=Body)
Reply = dict[str, Any]


class Commands:
    def __init__(
        self, store: Store, runs: Runs, tokens: Tokens, revocations: Revocations, decisions: Decisions,
        runs_per_minute: int,
    ) -> None:  # fmt: skip
        self._store, self._runs, self._tokens, self._revocations = store, runs, tokens, revocations
        self._decisions = decisions
        self._starts = Buckets(runs_per_minute / 60, runs_per_minute)
        self._handlers: dict[str, Callable[[Connection, Any], Awaitable[Reply]]] = {
            "message": self._message,
            "cancel": self._cancel,
            "answer": self._answer,
            "decide": self._decide,
            "refresh": self._refresh,
            "replay": self._replay,
        }

    async def run(self, connection: Connection, name: str, arguments: list[Any]) -> Reply:
        """The acknowledgement of one command; never raises for a client's fault."""
        try:
            handler = self._handlers.get(name)
            if handler is None:
                raise CaddieError("INVALID", f"command: expected one of {', '.join(self._handlers)}, got another")
            if len(arguments) != 1 or not isinstance(arguments[0], dict):
                raise CaddieError("INVALID", f"{name}: expected one object, got {len(arguments)} arguments")
            return {"ok": True, **await handler(connection, arguments[0])}
        except CaddieError as error:
            return refusal(error)
        except Exception:
            _log.exception("command.failed", command=name, session_id=connection.session.id)
            return refusal(CaddieError("INTERNAL", "the command failed: try again"))

    def sweep(self) -> None:
        self._starts.sweep()

    async def _message(self, connection: Connection, body: dict[str, Any]) -> Reply:
        message = _parsed(Message, body)
        session = _scoped(connection, "write")
        self._take_start(session.user)
        context = await self._context(connection)
        turn = TurnInput(
            **{**context.model_dump(), "mode": message.mode or context.mode},
            text=message.text,
            images=tuple(ImageRef(url=image.ipfsUrl) for image in message.images),
        )
        request_id = str(message.requestId)
        submitted = await self._runs.submit(
            Submission(session.org, session.user, session.conversation, request_id, turn, message.whenBusy)
        )
        return {"runId": submitted.run_id, "requestId": request_id, "created": submitted.created}

    async def _cancel(self, connection: Connection, body: dict[str, Any]) -> Reply:
        cancel = _parsed(Cancel, body)
        session = _scoped(connection, "write")
        if (cancel.runId is None) == (cancel.requestId is None):
            raise CaddieError("INVALID", "cancel: expected either runId or requestId")
        run = await self._runs.cancel(
            session.org, session.user, session.conversation, run_id=cancel.runId, request_id=cancel.requestId
        )
        return {"runId": run.id, "status": run.status}

    async def _answer(self, connection: Connection, body: dict[str, Any]) -> Reply:
        answer = _parsed(Answer, body)
        session = _scoped(connection, "write")
        self._take_start(session.user)
        submitted = await self._runs.answer(
            session.org, session.user, session.conversation, answer.inputId, answer.value,
            await self._context(connection),
        )  # fmt: skip
        return {"runId": submitted.run_id, "inputId": answer.inputId}

    async def _decide(self, connection: Connection, body: dict[str, Any]) -> Reply:
        decide = _parsed(Decide, body)
        session = _scoped(connection, "decide")
        proposal = await self._decisions.find(session.org, session.user, decide.proposalId)
        if proposal.conversation != session.conversation:
            # A session is for one conversation; one about the same workflow sees the workflow change, too.
            own = await self._store.conversations.get(session.org, session.conversation)
            if own is None or own.workflow_id != proposal.workflow_id:
                raise CaddieError("NOT_FOUND", "expected a proposal of this workflow, got an unknown proposalId")
        try:
            decided = await self._decisions.decide(proposal, session.user, decide.decision, decide.changes)
        except NotPendingError as error:
            raise CaddieError("VERSION_CONFLICT", error.message, data=error.data) from error
        record = decided.proposal
        version = {"version": record.applied_version, "rebased": record.rebased} if record.applied_version else {}
        return {"proposalId": record.id, "status": record.status, **version}

    async def _refresh(self, connection: Connection, body: dict[str, Any]) -> Reply:
        session = self._tokens.verify(_parsed(Refresh, body).token)
        await self._revocations.check(session)
        now = connection.session
        if (session.org, session.user, session.conversation) != (now.org, now.user, now.conversation):
            raise CaddieError("FORBIDDEN", "token: expected one of the same user and conversation, got another")
        if "read" not in session.scopes:
            raise CaddieError("FORBIDDEN", "expected a session with the scope read", scope_needed="read")
        connection.session, connection.due_at = session, 0.0
        expires_at = timestamp_of(session.expires_at)
        connection.emit("refreshed", {"expiresAt": expires_at})
        return {"expiresAt": expires_at}

    async def _replay(self, connection: Connection, body: dict[str, Any]) -> Reply:
        after = _parsed(Replay, body).after
        if after > connection.watch.head:
            raise CaddieError("INVALID", f"after: expected at most {connection.watch.head}, got {after}")
        connection.rewind(after)
        return {"from": after + 1, "to": connection.watch.head}

    async def _context(self, connection: Connection) -> TurnContext:
        """What the session call fixed for this session's turns."""
        session = connection.session
        record = await self._store.sessions.get(session.org, session.id)
        return TurnContext.model_validate(record.context) if record and record.context else TurnContext()

    def _take_start(self, user: int) -> None:
        if not self._starts.take(str(user)):
            raise CaddieError("RATE_LIMITED", "expected fewer new runs a minute: wait a moment")


def refusal(error: CaddieError) -> Reply:
    reply: Reply = {"ok": False, "code": _wire_code(error), "message": error.message, "retryable": error.retryable}
    if error.scope_needed:
        reply["scopeNeeded"] = error.scope_needed
    return reply | error.data


def _wire_code(error: CaddieError) -> str:
    """The socket's closed list of codes (protocol.md); a missing scope is FORBIDDEN there."""
    return {"SCOPE_NEEDED": "FORBIDDEN", "DEFINITION_INVALID": "INVALID"}.get(error.code, error.code)


def _parsed(model: type[B], body: dict[str, Any]) -> B:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or model.__name__.lower()
        raise CaddieError("INVALID", f"{where}: {first['msg']}") from None


def _scoped(connection: Connection, scope: str) -> Any:
    if scope not in connection.session.scopes:
        raise CaddieError("FORBIDDEN", f"expected a session with the scope {scope}", scope_needed=scope)
    return connection.session
