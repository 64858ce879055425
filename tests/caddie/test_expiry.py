"""caddie/expiry.py: a question whose time is over is closed, and said to be, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from caddie.expiry import expire_inputs
from shared import keys
from shared.events import InputExpired, InputRequested, RunFinished
from shared.store.tables import Input
from tests.caddie.conftest import Rig, Scripted


def question(expires_at: datetime) -> InputRequested:
    return InputRequested(inputId="q-1", body={"text": "Which channel?"}, expiresAt=expires_at.isoformat())


async def asked(rig: Rig) -> None:
    """A run that has ended with a question whose time is over."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    await rig.attempts(Scripted([question(soon), RunFinished(outcome="waiting")])).run((await rig.submit()).id)
    past = datetime.now(UTC) - timedelta(seconds=1)
    overdue = update(Input).values(expires_at=past)
    await rig.store._database.write(lambda session: session.execute(overdue))


async def test_an_overdue_question_is_closed_and_said_to_be_once(rig: Rig) -> None:
    await asked(rig)
    await asyncio.gather(expire_inputs(rig.store, rig.log), expire_inputs(rig.store, rig.log))
    await expire_inputs(rig.store, rig.log)
    assert (await rig.types()).count(InputExpired.TYPE) == 1
    found = await rig.store.conversations.input(rig.org, "q-1")
    assert found is not None and found[0].status == "expired"
    head = await rig.log.head(keys.conversation_key(rig.org, "c-1"))
    assert not head.inputs


async def test_a_question_with_time_left_stays(rig: Rig) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await rig.attempts(Scripted([question(soon), RunFinished(outcome="waiting")])).run((await rig.submit()).id)
    await expire_inputs(rig.store, rig.log)
    assert InputExpired.TYPE not in await rig.types()


async def test_a_log_that_has_gone_does_not_begin_anew_for_it(rig: Rig) -> None:
    await asked(rig)
    await rig.redis.flushdb()
    await expire_inputs(rig.store, rig.log)
    assert await rig.types() == []
    found = await rig.store.conversations.input(rig.org, "q-1")
    assert found is not None and found[0].status == "expired"
