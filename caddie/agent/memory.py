"""Summing up the older messages of a long conversation, once, by the model or by rules.

Invariant: a summary is made only when the history no longer fits, and kept, so that the turns after it find room; a
model that fails at it fails no turn. Callers: the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress

from caddie.agent.assignment import Turn
from caddie.agent.recall import Recall
from caddie.models.model import ModelRequest, StepEnd, StepUsage, TextDelta, UserTurn
from shared.errors import CaddieError
from shared.fold import FoldedMessage

SUMMARY_TOKENS = 4_000
SUMMARY_S = 60.0


async def recalled(turn: Turn, earlier: Sequence[FoldedMessage], *, calls: bool) -> tuple[Recall, StepUsage | None]:
    """The history within its budget, and what a call for the summary used. calls: whether one more may be made."""
    recall = Recall.of(earlier, turn.summary, turn.limits.history_tokens)
    if not recall.older:
        return recall, None
    text, usage = await _written(turn, recall) if calls and turn.model_sums_up else ("", None)
    recall = recall.summed_up(text)
    if recall.summary is not None:
        # What cannot be kept now is summed up again by the next turn.
        with suppress(CaddieError):
            await turn.keep(recall.summary)
    return recall, usage


async def _written(turn: Turn, recall: Recall) -> tuple[str, StepUsage | None]:
    instructions, told = recall.request()
    request = ModelRequest(instructions, (UserTurn(told),), (), SUMMARY_TOKENS)
    text, ended = "", None
    try:
        async with asyncio.timeout(SUMMARY_S), aclosing(turn.model.stream(request)) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    text += event.text
                elif isinstance(event, StepEnd):
                    ended = event
    except (CaddieError, TimeoutError):
        return "", None
    usable = ended is not None and ended.stop_reason in ("end", "max_tokens")
    return text if usable else "", ended.usage if ended else None
