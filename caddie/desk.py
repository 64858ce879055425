"""Where a run meets the agent: gathers what a turn needs from the store and hands the agent's events on.

Invariant: a sealed key is opened here, for one turn, and goes nowhere but to the model. Callers: ``caddie.worker``.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from caddie.agent.assignment import Limits, Turn
from caddie.agent.assistant import Assistant
from caddie.agent.assistant_tools import Toolbox
from caddie.agent.library import Library
from caddie.agent.recall import ENVELOPE, Summary, tokens
from caddie.agent.turn import run_turn
from caddie.agent.workspace import Workspace
from caddie.attempt import Job
from caddie.executions import StoredExecutions
from caddie.models.model import ImagePart, Model
from caddie.proposing import Proposing, proposes
from caddie.reach import Reach
from caddie.shelf import StoredWorkflows
from shared.errors import CaddieError
from shared.events import Data, Image, Sided, timestamp
from shared.executions import Executions
from shared.fold import FoldedMessage
from shared.plugins import library
from shared.runs import TurnInput, answer_id
from shared.seal import Seal
from shared.search import BlockSearch, TemplateSearch
from shared.sensitive import Sensitive
from shared.settings import Settings
from shared.store import Store

DEFAULT_TIMEZONE = "UTC"
#: The part of a run's time after which the agent ends it by itself, with a result that says what is left to do.
OWN_TIME = 0.95


class Desk:
    """executions: starts those a user has agreed to; without it a turn starts none."""

    def __init__(
        self, settings: Settings, store: Store, reach: Reach, executions: Executions | None = None
    ) -> None:
        self._store, self._executions = store, executions
        self._models, self._outbound, self._search_url = reach.models, reach.outbound, settings.web_search_url
        self._seal = Seal.parse(settings.seal_key_text)
        self._sensitive = Sensitive(self._seal)
        self._catalog = library().catalog
        self._blocks = BlockSearch(self._catalog)
        self._templates = library().templates
        self._template_search = TemplateSearch(self._templates)
        self._proposal_ttl_s = settings.proposal_ttl_s
        self._limits = Limits(
            steps=settings.run_steps, tokens=settings.run_tokens, input_ttl_s=settings.input_ttl_s,
            seconds=settings.run_timeout_s * OWN_TIME, history_tokens=settings.run_history_tokens,
        )  # fmt: skip

    def model_name(self, content: TurnInput) -> str:
        """What the log calls the run's model. Raises CaddieError INVALID."""
        return "/".join(self._models.resolve(_chosen(content)))

    async def work(self, job: Job) -> AsyncGenerator[Data | Sided, None]:
        """The events of the turn, RunFinished last. Raises CaddieError."""
        model = self._open(job.input)
        pk = job.claim.conversation.pk
        history, summary = await self._history(pk)
        turn = Turn(
            input=job.input,
            history=history,
            now=datetime.now(UTC),
            timezone=job.input.timezone or DEFAULT_TIMEZONE,
            model=model,
            library=self._library(job),
            ids=lambda: str(uuid4()),
            limits=self._limits,
            images=await self._images(job),
            question=job.question,
            failure=await self._failure(job),
            inbox=job.inbox,
            summary=summary,
            keep=lambda newer: self._store.summaries.put(pk, newer.text, newer.through),
            # By rules it is done in no time, and the offline model could do no better.
            model_sums_up=self._models.resolve(_chosen(job.input))[0] != "offline",
        )
        if job.claim.conversation.kind == "chat" or job.input.profile == "chat":
            work: AsyncGenerator[Data | Sided, None] = self._chat(job, turn)
        elif proposes(job.claim, job.input):
            proposing = await Proposing.begin(self._store, job.claim, self._catalog, self._proposal_ttl_s)
            copy = proposing.workspace(partial(self._sensitive.seal, org=job.claim.run.org_id))
            work = proposing.offered(copy, run_turn(turn, copy))
        else:
            protect = partial(self._sensitive.seal, org=job.claim.run.org_id)
            work = run_turn(turn, Workspace(job.state.definition, protect))
        async with aclosing(work) as events:
            async for event in events:
                yield event

    async def _chat(self, job: Job, turn: Turn) -> AsyncGenerator[Data | Sided, None]:
        run = job.claim.run
        own = StoredWorkflows(self._store, run.org_id, run.user_id)
        tools = Toolbox(self._outbound, own, self._search_url, turn.timezone)
        async with aclosing(Assistant(turn, tools, answer_id(run.id)).events()) as events:
            async for event in events:
                yield event

    def _library(self, job: Job) -> Library:
        run = job.claim.run
        executions = StoredExecutions(
            self._store, run.org_id, run.user_id, job.claim.conversation.workflow_id, job.input.failedRunId,
            self._executions, job.claim,
        )  # fmt: skip
        mode = job.input.templateSearchMode
        return Library(self._catalog, self._blocks, self._templates, self._template_search, mode, executions)

    def _open(self, content: TurnInput) -> Model:
        key = None
        if content.sealedKey:
            try:
                key = self._seal.open(content.sealedKey)
            except ValueError:
                raise CaddieError("INVALID", "apiKeyOverride: expected one sealed with the current key") from None
        return self._models.open(_chosen(content), key, content.temperatureOverride)

    async def _history(self, conversation_pk: int) -> tuple[list[FoldedMessage], Summary | None]:
        """The messages, or what of them comes after the summary of the older ones."""
        rows = await self._store.conversations.messages(conversation_pk)
        # There is a summary only where the messages once did not fit, and they have only become more.
        fits = sum(tokens(row.text) + ENVELOPE for row in rows) <= self._limits.history_tokens
        kept = None if fits else await self._store.summaries.get(conversation_pk)
        messages = [
            FoldedMessage(
                id=row.id,
                role=row.role,
                text=row.text,
                runId=row.run_id,
                images=tuple(Image.model_validate(image) for image in row.images),
                createdAt=timestamp(row.created_at),
            )
            for row in rows
            if kept is None or row.position > kept.position
        ]
        return messages, Summary(kept.text, kept.through) if kept else None

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
        execution = await self._store.executions.get(run.org_id, run.id)
        if execution is None or not execution.error_node:
            return run.error_message or ""
        return f"at the node {execution.error_node} ({execution.error_code}): {execution.error_message}"


def _chosen(content: TurnInput) -> str | None:
    """The model's name: for evaluation, else the user's choice."""
    return content.modelOverride or content.model
