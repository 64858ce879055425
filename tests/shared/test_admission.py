"""shared/admission.py: what a look-up says, that many share a round trip, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from shared import events, keys
from shared.admission import TOGETHER, Admission
from shared.connections import ANSWER_TIMEOUT_S, open_redis
from shared.errors import CaddieError
from shared.log import Entry, EventLog, Head, Writer
from shared.sessions import Revocations
from shared.tokens import Session
from tests.valkey import Valkey


def session(number: int = 1, conversation: str = "c1", issued_ago_s: int = 10) -> Session:
    now = int(time.time()) - issued_ago_s
    return Session(f"s{number}", 1, 100 + number, conversation, frozenset({"read"}), "t", now, now + 900)


@pytest.fixture
def revocations(redis: Redis) -> Revocations:
    return Revocations(redis)


@pytest.fixture
async def admission(redis: Redis, revocations: Revocations, log: EventLog) -> AsyncIterator[Admission]:
    async with Admission(redis, revocations, log) as admission:
        yield admission


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


async def say(log: EventLog, conversation: str, *data: events.Data) -> None:
    entries = [Entry.of(item) for item in data]
    bodies = [(entry.operation, events.encode(entry.data, "r1")) for entry in entries]
    await log.append(Writer(keys.conversation_key(1, conversation), "r1", 1), bodies)


async def refusals(*answers: Any) -> set[str]:
    found = await asyncio.gather(*answers, return_exceptions=True)
    return {answer.code if isinstance(answer, CaddieError) else repr(answer) for answer in found}


STARTED = events.RunStarted(requestId="q", kind="turn", agentVersion="v3", mode="building", model="m", attempt=1)
ASKED = events.InputRequested(inputId="i1", kind="question", body={"text": "?"}, expiresAt="2030-01-01T00:00:00.000Z")
DELTA = events.MessageDelta(messageId="m", text="héllo\n")


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        (),
        (DELTA,),
        (STARTED, DELTA),
        (STARTED, events.ModeSelected(mode="building", reason="r"), ASKED, DELTA),
        (STARTED, ASKED, events.InputExpired(inputId="i1")),
    ],
    ids=lambda data: "-".join(type(item).__name__ for item in data) or "nothing",
)
async def test_it_says_what_the_log_says(
    admission: Admission, log: EventLog, data: tuple[events.Data, ...], apart: bool
) -> None:
    admission._apart = apart
    if data:
        await say(log, "c1", *data)
    await say(log, "other", STARTED, ASKED)
    head = await admission.head(session())
    assert head == await log.head(keys.conversation_key(1, "c1"))
    assert head.index == len(data)


async def test_the_oldest_entry_is_the_oldest_that_is_kept(admission: Admission, log: EventLog, redis: Redis) -> None:
    await say(log, "c1", *[DELTA] * 10)
    await redis.xtrim(keys.log(keys.conversation_key(1, "c1")), maxlen=3, approximate=False)
    assert (await admission.head(session())).oldest == 8


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("kind", "identifier"), [("session", "s1"), ("user", 101), ("org", 1)])
async def test_a_revoked_session_is_refused_at_once(
    admission: Admission, revocations: Revocations, kind: Any, identifier: str | int, apart: bool
) -> None:
    admission._apart = apart
    assert await admission.head(session()) == Head()
    await revocations.revoke(kind, identifier)
    assert await refusals(admission.head(session())) == {"TOKEN_REVOKED"}
    assert await refusals(admission.head(session(2))) == ({"TOKEN_REVOKED"} if kind == "org" else {repr(Head())})
    assert await admission.head(session(issued_ago_s=-1)) == Head()


async def test_many_share_a_round_trip_and_each_gets_its_own(
    admission: Admission, revocations: Revocations, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    script = admission._script

    async def counted(names: list[str]) -> Any:
        nonlocal calls
        calls += 1
        return await script(names)

    monkeypatch.setattr(admission, "_script", counted)
    count = 3 * TOGETHER + 1
    for number in range(0, count, 50):
        await say(log, f"c{number}", *[DELTA] * (number + 1))
    await revocations.revoke("session", "s77")
    answers = await asyncio.gather(
        *(admission.head(session(number, f"c{number}")) for number in range(count)), return_exceptions=True
    )
    assert calls == 4
    for number, answer in enumerate(answers):
        if number == 77:
            assert isinstance(answer, CaddieError) and answer.code == "TOKEN_REVOKED"
        else:
            assert isinstance(answer, Head) and answer.index == (0 if number % 50 else number + 1)


async def test_who_gives_up_does_not_disturb_the_others(admission: Admission) -> None:
    asking = [asyncio.create_task(admission.head(session(number))) for number in range(3)]
    await asyncio.sleep(0)
    asking[1].cancel()
    assert await asking[0] == await asking[2] == Head()
    assert asking[1].cancelled()


async def test_a_redis_that_lost_its_scripts_is_given_them_again(admission: Admission, redis: Redis) -> None:
    await admission.head(session())
    await redis.script_flush()
    assert await admission.head(session()) == Head()


async def test_a_frozen_redis_keeps_nobody_waiting_for_longer_than_two_answers(own_valkey: Valkey) -> None:
    redis = open_redis(own_valkey.url)
    log = EventLog(redis, 60, 100)
    async with Admission(redis, Revocations(redis), log) as admission:
        await admission.head(session())
        own_valkey.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            crowd = [admission.head(session(number)) for number in range(10 * TOGETHER)]
            assert await refusals(*crowd) == {"UNAVAILABLE"}
            assert time.monotonic() - began < 2 * ANSWER_TIMEOUT_S + 1
        finally:
            own_valkey.signal(signal.SIGCONT)
        assert await admission.head(session()) == Head()
    await redis.aclose()


async def test_a_mistake_is_a_refusal_and_not_the_end(admission: Admission, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(admission, "_script", None)
        assert await refusals(admission.head(session())) == {"UNAVAILABLE"}
    assert await admission.head(session()) == Head()


async def test_at_the_end_nobody_is_left_waiting(redis: Redis, revocations: Revocations, log: EventLog) -> None:
    async with Admission(redis, revocations, log) as admission:
        asking = [asyncio.create_task(admission.head(session())) for _ in range(2 * TOGETHER)]
        await asyncio.sleep(0)
    assert await refusals(*asking) <= {"UNAVAILABLE", repr(Head())}
