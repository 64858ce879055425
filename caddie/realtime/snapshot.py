"""The state a reader gets when events it lacks are gone: stored messages plus what the active run has said so far."""

from __future__ import annotations

from typing import Any

from shared import keys
from shared.events import decode, timestamp
from shared.fold import State, fold
from shared.log import EventLog, Head
from shared.store import Store
from shared.store.records import MessageRecord
from shared.tokens import Session

MESSAGES_MAX = 200


class Snapshots:
    """Callable: (state, head it stands for). Reading goes on right above that head."""

    def __init__(self, store: Store, log: EventLog) -> None:
        self._store, self._log = store, log

    async def __call__(self, session: Session) -> tuple[dict[str, Any], Head]:
        """Raises CaddieError UNAVAILABLE."""
        conversation = keys.conversation_key(session.org, session.conversation)
        head = await self._log.head(conversation)
        record = await self._store.conversations.get(session.org, session.conversation)
        stored: list[dict[str, Any]] = []
        if record is not None:
            rows, _ = await self._store.conversations.history(session.org, record.pk, MESSAGES_MAX, None, None)
            stored = [_message(row) for row in rows]
        running = await self._running(conversation, head) if head.run_id else State()
        known = {message["id"] for message in stored}
        live = [message.model_dump(mode="json") for message in running.messages if message.id not in known]
        definition = running.definition or (record.definition if record else None)
        return {
            "messages": stored + live,
            "definition": definition,
            "run": {"runId": head.run_id, "status": "running"} if head.run_id else None,
            "inputs": list(head.inputs),
            "mode": head.mode,
        }, head

    async def _running(self, conversation: str, head: Head) -> State:
        """What the active run's events, as far as they are kept, fold to."""
        events, after = [], max(head.first, head.oldest) - 1
        while after < head.index:
            entries = await self._log.read(conversation, after)
            if not entries:
                break
            events += [decode(index, body) for index, body in entries if index <= head.index]
            after = entries[-1][0]
        return fold(events)


def _message(row: MessageRecord) -> dict[str, Any]:
    return {
        "id": row.id, "role": row.role, "text": row.text, "status": row.status, "runId": row.run_id,
        "images": list(row.images), "createdAt": timestamp(row.created_at),
    }  # fmt: skip
