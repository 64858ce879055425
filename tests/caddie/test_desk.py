"""What a turn is given from the store."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from caddie.attempt import Job
from caddie.desk import Desk
from shared.errors import CaddieError
from shared.events import Data, MessageCompleted, RunFinished
from shared.fold import State
from shared.runs import TurnInput
from shared.seal import Seal
from tests.caddie.conftest import Rig, Scripted, fails_with


async def turn(rig: Rig, desk: Desk, conversation: str = "c-1", **content: Any) -> list[Data]:
    run = await rig.submit(conversation, **content)
    claim = await rig.store.runs.claim(run.id, 3)
    assert claim is not None
    job = Job(claim, TurnInput.model_validate(run.input), State(definition=claim.conversation.definition), None)
    async with aclosing(desk.work(job)) as events:
        return [event async for event in events]


async def test_a_turn_ends_with_run_finished(rig: Rig) -> None:
    desk = Desk(rig.settings.model_copy(update={"offline_words_per_s": 0}), rig.store)
    events = await turn(rig, desk, text="what can you do?")
    assert isinstance(events[-1], RunFinished)
    assert any(isinstance(event, MessageCompleted) for event in events)
    await desk.close()


async def test_a_key_sealed_for_another_installation_is_refused_without_saying_it(rig: Rig) -> None:
    desk = Desk(rig.settings, rig.store)
    sealed = Seal.parse(Seal.generate()).seal("sk-somebody-elses-key-000")
    error = await fails_with("INVALID", turn(rig, desk, sealedKey=sealed, modelOverride="claude"))
    assert sealed not in error.message and "sk-" not in error.message
    await desk.close()


async def test_an_unknown_model_is_refused_with_its_name(rig: Rig) -> None:
    desk = Desk(rig.settings, rig.store)
    error = await fails_with("INVALID", turn(rig, desk, modelOverride="nobody/knows"))
    assert "nobody/knows" in error.message
    await desk.close()


async def test_why_a_run_failed_is_told_to_its_own_user_only(rig: Rig) -> None:
    failed = await rig.submit("c-1")
    await rig.attempts(Scripted((CaddieError("INVALID", "expected a channel, got none"),))).run(failed.id)
    desk = Desk(rig.settings, rig.store)
    told = []
    for conversation in ("c-2", "c-3"):
        if conversation == "c-3":
            stranger = await rig.store.accounts.sign_up("Other", "eve@example.com", "Eve")
            rig.org, rig.user = stranger.org_id, stranger.id
        run = await rig.submit(conversation, failedRunId=failed.id)
        claim = await rig.store.runs.claim(run.id, 3)
        assert claim is not None
        told.append(await desk._failure(Job(claim, TurnInput.model_validate(run.input), State(), None)))
    assert told == ["expected a channel, got none", ""]
    await desk.close()
    await asyncio.sleep(0)
