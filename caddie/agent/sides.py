"""v1 and v2 side by side on one message: two loops, two copies of the workflow, one stream of events.

Invariant: what counts is v2's, and v1's only when v2 failed; a side that fails leaves the other's result, and when both
fail the error is v2's. Callers: ``run_turn``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import structlog

from caddie.agent.assignment import EmptyInbox, Turn, forget
from caddie.agent.loop import Loop
from caddie.agent.profile import PROFILES
from caddie.agent.workspace import Workspace
from shared.edits import diff
from shared.errors import CaddieError
from shared.events import (
    Data,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    NodeChanged,
    RunFinished,
    RunResult,
    Side,
    Sided,
    Usage,
)

SIDES: tuple[Side, ...] = ("v1", "v2")
#: Events a side may be ahead of the reader.
AHEAD = 64
_log = structlog.get_logger()


class _Sides:
    def __init__(self, turn: Turn, workspace: Workspace) -> None:
        self.workspaces: dict[Side, Workspace] = {"v1": Workspace(workspace.wire(), workspace.protect), "v2": workspace}
        self.ends: dict[Side, RunFinished] = {}
        self.failures: dict[Side, Exception] = {}
        self.queue: asyncio.Queue[Sided | None] = asyncio.Queue(AHEAD)
        # A steer belongs to one thread of work; here it becomes a run of its own. Of two summaries v2's is kept.
        alone = replace(turn, inbox=EmptyInbox())
        self._turns: dict[Side, Turn] = {"v1": replace(alone, keep=forget), "v2": alone}

    async def work(self, side: Side) -> None:
        try:
            async with aclosing(Loop(self._turns[side], self.workspaces[side], PROFILES[side]).events()) as events:
                async for event in events:
                    if isinstance(event, RunFinished):
                        self.ends[side] = event
                    else:
                        await self.queue.put(Sided(side, event))
        except CaddieError as error:
            self.failures[side] = error
        except Exception as error:
            _log.exception("side.crashed", side=side)
            self.failures[side] = error
        await self.queue.put(None)


async def side_by_side(turn: Turn, workspace: Workspace) -> AsyncGenerator[Data | Sided, None]:
    """The events of both, each with its side, then one RunFinished of both. Errors: v2's when both fail."""
    sides = _Sides(turn, workspace)
    tasks = [asyncio.create_task(sides.work(side), name=f"side-{side}") for side in SIDES]
    try:
        open_sides = len(tasks)
        while open_sides:
            event = await sides.queue.get()
            if event is None:
                open_sides -= 1
            else:
                yield event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not sides.ends:
        raise sides.failures["v2"]
    if "v2" not in sides.ends:
        for adopted in _adopted(turn, sides):
            yield adopted
    yield _end(sides)


def _end(sides: _Sides) -> RunFinished:
    counts = sides.ends.get("v2") or sides.ends["v1"]
    results: dict[Side, RunResult] = {side: sides.ends[side].result for side in SIDES if side in sides.ends}
    usages = [end.usage for end in sides.ends.values()]
    usage = Usage(**{name: sum(getattr(each, name) for each in usages) for name in Usage.model_fields})
    return RunFinished(
        outcome=counts.outcome, result=counts.result.model_copy(update={"results": results}), usage=usage
    )


def _adopted(turn: Turn, sides: _Sides) -> list[Data]:
    """v2 failed: what v1 did and said last becomes what the conversation keeps."""
    mine, other = sides.workspaces["v2"], sides.workspaces["v1"]
    changes = diff(mine.current, other.current)
    mine.change(other.current)
    nodes: list[Data] = [NodeChanged(action=action, nodeId=node_id, node=node) for action, node_id, node in changes]
    text = sides.ends["v1"].result.message
    if not text:
        return nodes
    message_id = turn.ids()
    said = (MessageStarted(messageId=message_id), MessageDelta(messageId=message_id, text=text))
    return [*nodes, *said, MessageCompleted(messageId=message_id, text=text)]
