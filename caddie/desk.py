"""Where a run meets the agent: gathers what a turn needs from the store and hands the agent's events on.

Invariant: a sealed key is opened here, for one turn, and goes nowhere but to the model. Callers: ``caddie.worker``.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import uuid4

from caddie.agent.turn import Limits, Turn, run_turn
from caddie.agent.workspace import Workspace
from caddie.attempt import Job
from caddie.models.model import ImagePart, Model
from caddie.models.table import ModelTable
from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.events import Data, Image, timestamp
from shared.fold import FoldedMessage
from shared.runs import TurnInput
from shared.seal import Seal
from shared.search import BlockSearch
from shared.settings import Settings
from shared.store import Store

DEFAULT_TIMEZONE = "UTC"


class Desk:
    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._models = ModelTable(settings)
        self._seal = Seal.parse(settings.seal_key_text)
        self._catalog = Catalog.default()
        self._search = BlockSearch(self._catalog)
        self._limits = Limits(
            steps=settings.run_steps, tokens=settings.run_tokens, input_ttl_s=settings.input_ttl_s
        )

    async def close(self) -> None:
        await self._models.close()

    def model_name(self, content: TurnInput) -> str:
        """What the log calls the run's model. Raises CaddieError INVALID."""
        return "/".join(self._models.resolve(content.modelOverride))

    async def work(self, job: Job) -> AsyncGenerator[Data, None]:
        """The events of the turn, RunFinished last. Raises CaddieError."""
        model = self._open(job.input)
        turn = Turn(
            input=job.input,
            history=await self._history(job),
            now=datetime.now(UTC),
            timezone=job.input.timezone or DEFAULT_TIMEZONE,
            model=model,
            catalog=self._catalog,
            search=self._search,
            ids=lambda: str(uuid4()),
            limits=self._limits,
            images=await self._images(job),
            question=str((job.question or {}).get("text", "")),
            failure=await self._failure(job),
        )
        async with aclosing(run_turn(turn, Workspace(job.state.definition))) as events:
            async for event in events:
                yield event

    def _open(self, content: TurnInput) -> Model:
        key = None
        if content.sealedKey:
            try:
                key = self._seal.open(content.sealedKey)
            except ValueError:
                raise CaddieError("INVALID", "apiKeyOverride: expected one sealed with the current key") from None
        return self._models.open(content.modelOverride, key, content.temperatureOverride)

    async def _history(self, job: Job) -> list[FoldedMessage]:
        rows = await self._store.conversations.messages(job.claim.conversation.pk)
        return [
            FoldedMessage(
                id=row.id,
                role=row.role,
                text=row.text,
                runId=row.run_id,
                images=tuple(Image.model_validate(image) for image in row.images),
                createdAt=timestamp(row.created_at),
            )
            for row in rows
        ]

    async def _images(self, job: Job) -> tuple[ImagePart, ...]:
        parts = []
        for image in job.input.images:
            blob = await self._store.blobs.get(job.claim.run.org_id, image.cid) if image.cid else None
            if blob is not None:
                parts.append(ImagePart(blob.media_type, base64.b64encode(blob.data).decode()))
        return tuple(parts)

    async def _failure(self, job: Job) -> str:
        """Why the run to be repaired failed; a run of another user or organisation does not exist here."""
        run_id = job.input.failedRunId
        run = await self._store.runs.get(job.claim.run.org_id, run_id) if run_id else None
        if run is None or run.user_id != job.claim.run.user_id:
            return ""
        return run.error_message or ""
