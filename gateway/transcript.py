"""A conversation as a file: JSON Lines for programs, Markdown for people.

Invariant: it is read from the database in batches while the reader takes it, so a long conversation costs no memory,
and a reader that takes nothing is cut. Callers: the export routes of both surfaces.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import orjson
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from shared.events import timestamp
from shared.store import Store
from shared.store.records import ConversationRecord, MessageRecord

Format = Literal["jsonl", "markdown"]
BATCH = 100
_TYPES: dict[Format, tuple[str, str]] = {
    "jsonl": ("application/jsonl; charset=utf-8", "jsonl"), "markdown": ("text/markdown; charset=utf-8", "md"),
}  # fmt: skip
_SPEAKERS = {"user": "User", "assistant": "Assistant"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class Transcript(web.StreamResponse):
    """The response; its body is made when its headers have gone, outside the time limit of its handler."""

    def __init__(self, store: Store, conversation: ConversationRecord, form: Format, stall_s: float) -> None:
        kind, suffix = _TYPES[form]
        name = _UNSAFE.sub("-", conversation.title).strip("-")[:60] or conversation.public_id[:36].replace(":", "-")
        disposition = f'attachment; filename="{name}.{suffix}"'
        super().__init__(headers={"Content-Type": kind, "Content-Disposition": disposition})
        self._store, self._conversation, self._form, self._stall_s = store, conversation, form, stall_s
        self._whole = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._whole = request.method != "HEAD"
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        if self._whole and not self._eof_sent:
            async for part in self._parts():
                await self._taken(self.write, part)
        await super().write_eof(data)

    async def _taken(self, write: Callable[[bytes], Awaitable[None]], part: bytes) -> None:
        try:
            async with asyncio.timeout(self._stall_s):
                await write(part)
        except TimeoutError:
            raise ConnectionResetError("the reader takes nothing") from None

    async def _parts(self) -> AsyncIterator[bytes]:
        begin, written = (_opening_line, _line) if self._form == "jsonl" else (_heading, _section)
        yield begin(self._conversation)
        position = 0
        while rows := await self._store.conversations.batch(self._conversation.pk, position, BATCH):
            models = await self._store.runs.models(self._conversation.org_id, {row.run_id for row in rows})
            yield b"".join(written(row, models.get(row.run_id)) for row in rows)
            position = rows[-1].position



def _json(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _opening_line(record: ConversationRecord) -> bytes:
    return _json({
        "type": "conversation", "id": record.public_id, "kind": record.kind, "title": record.title,
        "workflowId": record.workflow_id, "createdAt": timestamp(record.created_at),
        "updatedAt": timestamp(record.updated_at),
    })  # fmt: skip


def _line(row: MessageRecord, model: str | None) -> bytes:
    return _json({
        "type": "message", "id": row.id, "runId": row.run_id, "role": row.role, "content": row.text,
        "status": row.status, "images": list(row.images), "modelId": model, "createdAt": timestamp(row.created_at),
    })  # fmt: skip


def _heading(record: ConversationRecord) -> bytes:
    title = " ".join(record.title.split()) or "Conversation"
    return f"# {title}\n\nBegun {timestamp(record.created_at)}\n".encode()


def _section(row: MessageRecord, model: str | None) -> bytes:
    state = "" if row.status == "completed" else f" ({row.status})"
    with_ = f", {model}" if model and row.role == "assistant" else ""
    images = "".join(f"\n![image]({image.get('url', '')})\n" for image in row.images)
    heading = f"\n## {_SPEAKERS[row.role]}{with_} · {timestamp(row.created_at)}{state}\n\n"
    return f"{heading}{row.text}\n{images}".encode("utf-8", "replace")
