"""Bytes under their content id.

Invariant: a content id names the same bytes for ever, so storing twice is storing once.
Callers: the gateway (images of a request, their links) and the worker (images for the model).
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.store.database import Database
from shared.store.inserts import insert_new
from shared.store.records import BlobRecord
from shared.store.tables import Blob, now


class Blobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, org_id: int, cid: str, media_type: str, data: bytes) -> None:
        """The caller has computed ``cid`` from ``data``."""
        values = {
            "org_id": org_id, "cid": cid, "media_type": media_type, "size": len(data), "bytes": data,
            "created_at": now(),
        }  # fmt: skip
        await self._database.write(lambda session: insert_new(session, Blob, [values]))

    async def get(self, org_id: int, cid: str) -> BlobRecord | None:
        def work(session: Session) -> BlobRecord | None:
            row = session.scalar(select(Blob).where(Blob.org_id == org_id, Blob.cid == cid))
            return BlobRecord(row.cid, row.org_id, row.media_type, row.size, row.bytes, row.created_at) if row else None

        return await self._database.read(work)
