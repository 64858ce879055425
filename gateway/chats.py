"""Whose chat it is: the look-ups every chat route begins with, before it reads a body.

Invariant: a chat of another organisation is answered exactly as one that does not exist; another user's chat of the
same organisation is refused as such (document 002). Callers: the chat routes.
"""

from __future__ import annotations

from typing import Any

from gateway.auth import Principal
from gateway.routing import Call
from shared.errors import CaddieError
from shared.store import Store
from shared.store.records import ConversationRecord, Kind, UserRecord

#: What these routes show: general chats, and conversations that build workflows.
KINDS: tuple[Kind, ...] = ("chat", "builder")
CHAT = "/api/chats/{chatId:[^/]{1,200}}"


async def own_chat(store: Store, call: Call[Any, Any]) -> ConversationRecord:
    """The chat the path names. Raises NOT_FOUND, FORBIDDEN."""
    found = await store.conversations.get(call.principal.org, call.path["chatId"])
    if found is None or found.kind not in KINDS:
        raise CaddieError("NOT_FOUND", "Chat does not exist")
    if found.user_id != call.principal.user:
        deed = "post to" if call.request.method == "POST" else "access"
        raise CaddieError("FORBIDDEN", f"Cannot {deed} another user's chat")
    return found


async def own_user(store: Store, call: Call[Any, Any], handle: str) -> UserRecord:
    """The caller, whom the path names by number or UUID. Raises NOT_FOUND, FORBIDDEN."""
    principal = call.principal
    if principal.login is not None and is_user(principal, handle):
        return principal.login.user
    if handle.isascii() and handle.isdecimal() and len(handle) <= 9:
        found = await store.accounts.user(int(handle))
    else:
        found = await store.accounts.user_by_uuid(handle.lower())
    if found is None or found.org_id != principal.org:
        raise CaddieError("NOT_FOUND", "User does not exist")
    raise CaddieError("FORBIDDEN", "Cannot access another user's objects")


def is_user(principal: Principal, handle: str) -> bool:
    """Whether the caller is meant, by number or UUID."""
    user = principal.login.user if principal.login else None
    return user is not None and handle.lower() in (str(user.id), user.uuid)
