"""Session calls: the conversation, made when it is new, and the session, in one transaction.

Invariant: a refused call leaves nothing. Calls that come at the same time share a transaction and its statements; one
that cannot be stored is refused alone. Caller: ``Sessions.open``, for the gateway's session call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, orm, select, update
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import CaddieError
from shared.store.database import Database
from shared.store.inserts import insert_new
from shared.store.linkage import living
from shared.store.records import Json
from shared.store.tables import ApiKey, Conversation, Session, User, now
from shared.together import Together

#: Calls in one transaction.
CALLS_MAX = 64
_Key = tuple[int, str]
_FOUND = select(
    Conversation.pk, Conversation.public_id, Conversation.user_id, Conversation.workflow_id,
    Conversation.create_session_id,
).where(
    Conversation.org_id == bindparam("org"), Conversation.public_id.in_(bindparam("names", expanding=True))
)  # fmt: skip
_SESSION = insert(Session)
# Locked, or one that ends right now would not see the session that is made with it.
_KEYS = (
    select(ApiKey.id)
    .join(User, User.id == ApiKey.user_id)
    .where(ApiKey.id.in_(bindparam("ids", expanding=True)), ApiKey.disabled_at.is_(None), User.disabled_at.is_(None))
    .order_by(ApiKey.id)
    .with_for_update(read=True, of=ApiKey)
)
_LOGINS = (
    select(Session.id)
    .join(User, User.id == Session.user_id)
    .where(
        Session.id.in_(bindparam("ids", expanding=True)), Session.revoked_at.is_(None),
        Session.expires_at > bindparam("moment"), User.disabled_at.is_(None),
    )
    .order_by(Session.id)
    .with_for_update(read=True, of=Session)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opening:
    """A session to be made. definition: the canvas; a run under way keeps its own, which is newer."""

    session_id: str
    org_id: int
    user_id: int
    conversation: str
    scopes: frozenset[str]
    expires_at: datetime
    context: Json
    api_key_id: int | None = None
    login_id: str | None = None
    create_session_id: str | None = None
    workflow_id: str | None = None
    definition: Json | None = None

    @property
    def key(self) -> _Key:
        return self.org_id, self.conversation


class Openings:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.open = Together("openings", self._open_all, CALLS_MAX)

    async def _open_all(self, items: Sequence[Opening]) -> Sequence[Exception | None]:
        try:
            return await self._database.settle(lambda session: _write(session, items))
        except (CaddieError, SQLAlchemyError) as error:
            if len(items) == 1 or (isinstance(error, CaddieError) and error.code == "UNAVAILABLE"):
                raise
        # One of them cannot be stored; the others can.
        answers: list[Exception | None] = []
        for item in items:
            try:
                answers += await self._open_all([item])
            except (CaddieError, SQLAlchemyError) as error:
                answers.append(error)
        return answers


def _write(session: orm.Session, items: Sequence[Opening]) -> list[Exception | None]:
    moment = now()
    items = _linkable(session, items)
    keys, logins = _alive(session, items, moment)
    found = _find(session, items)
    if new := [item for item in items if item.key not in found and _may(item, keys, logins)]:
        values = [
            {
                "org_id": item.org_id, "user_id": item.user_id, "public_id": item.conversation, "title": "",
                "workflow_id": item.workflow_id, "create_session_id": item.create_session_id, "created_at": moment,
                "updated_at": moment,
            }
            for item in new
        ]  # fmt: skip
        insert_new(session, Conversation, values)
        found |= _find(session, new)
    answers: list[Exception | None] = []
    rows = []
    for item in items:
        if not _may(item, keys, logins):
            answers.append(CaddieError("UNAUTHORIZED", "expected an API key or a login, got one that has ended"))
            continue
        owner = found[item.key]
        if owner.user_id != item.user_id:
            message = "conversationId: expected a conversation of this user, got another's"
            answers.append(CaddieError("NOT_FOUND", message))
            continue
        _extend(session, item, owner)
        rows.append(_row(item, moment))
        answers.append(None)
    if rows:
        session.connection().execute(_SESSION, rows)
    return answers


def _linkable(session: orm.Session, items: Sequence[Opening]) -> Sequence[Opening]:
    """The same calls, without workflows that have gone."""
    named: dict[int, set[str]] = {}
    for item in items:
        if item.workflow_id is not None:
            named.setdefault(item.org_id, set()).add(item.workflow_id)
    if not named:
        return items
    there = {(org, found) for org, ids in sorted(named.items()) for found in living(session, org, ids)}
    return [item if (item.org_id, item.workflow_id) in there else replace(item, workflow_id=None) for item in items]


def _alive(session: orm.Session, items: Sequence[Opening], moment: datetime) -> tuple[set[int], set[str]]:
    """The API keys and the logins among those of the calls that have not ended, whatever caches believe of them."""
    keys = {item.api_key_id for item in items if item.api_key_id is not None}
    logins = {item.login_id for item in items if item.login_id is not None}
    found = session.connection().execute
    return (
        set(found(_KEYS, {"ids": sorted(keys)}).scalars()) if keys else set(),
        set(found(_LOGINS, {"ids": sorted(logins), "moment": moment}).scalars()) if logins else set(),
    )


def _may(item: Opening, keys: set[int], logins: set[str]) -> bool:
    key_lives = item.api_key_id is None or item.api_key_id in keys
    return key_lives and (item.login_id is None or item.login_id in logins)


def _find(session: orm.Session, items: Sequence[Opening]) -> dict[_Key, Any]:
    names: dict[int, set[str]] = {}
    for item in items:
        names.setdefault(item.org_id, set()).add(item.conversation)
    connection = session.connection()
    return {
        (org, row.public_id): row
        for org, wanted in names.items()
        for row in connection.execute(_FOUND, {"org": org, "names": sorted(wanted)})
    }


def _extend(session: orm.Session, item: Opening, owner: Any) -> None:
    """A conversation gains a workflow and a create session once; its canvas whenever no run works on it."""
    gained = {"workflow_id": item.workflow_id, "create_session_id": item.create_session_id}
    wanted = {name: value for name, value in gained.items() if value and getattr(owner, name) is None}
    if not wanted and item.definition is None:
        return
    ours = update(Conversation).where(Conversation.pk == owner.pk)
    if wanted:
        kept = {name: func.coalesce(getattr(Conversation, name), value) for name, value in wanted.items()}
        session.connection().execute(ours.values(kept))
    if item.definition is not None:
        idle = ours.where(Conversation.active_run_id.is_(None))
        session.connection().execute(idle.values(definition=item.definition))


def _row(item: Opening, moment: datetime) -> dict[str, Any]:
    return {
        "id": item.session_id, "org_id": item.org_id, "user_id": item.user_id, "api_key_id": item.api_key_id,
        "login_id": item.login_id, "conversation": item.conversation, "scopes": sorted(item.scopes),
        "create_session_id": item.create_session_id, "context": item.context, "created_at": moment,
        "expires_at": item.expires_at,
    }  # fmt: skip
