"""One turn: the user's message in, a stream of events out, the last of them ``RunFinished``.

Invariant: the deltas of a message, put together, are the text of its ``message.completed``; the sum of the node events
leads from the first definition to the last; closing the iterator closes the model's connection. Errors in the middle
are ``CaddieError``; the worker turns them into `run.failed`. Callers: the desk.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from caddie.agent.assignment import Turn
from caddie.agent.loop import Loop
from caddie.agent.profile import PROFILES
from caddie.agent.sides import side_by_side
from caddie.agent.workspace import Workspace
from shared.events import Data, Sided


async def run_turn(turn: Turn, workspace: Workspace) -> AsyncGenerator[Data | Sided, None]:
    """The events of the turn. Errors: CaddieError (MODEL_FAILED, RATE_LIMITED, UNAVAILABLE, FORBIDDEN, INVALID)."""
    version = turn.input.agentVersion
    if version == "both":
        async with aclosing(side_by_side(turn, workspace)) as sides:
            async for said in sides:
                yield said
        return
    async with aclosing(Loop(turn, workspace, PROFILES[version]).events()) as events:
        async for event in events:
            yield event
