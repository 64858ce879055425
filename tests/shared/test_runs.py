"""shared/runs.py on a real database, log and queue: one request one run, cancel from anywhere, one answer."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from docket import Docket

from shared import keys
from shared.connections import open_redis
from shared.errors import CaddieError
from shared.log import EventLog
from shared.runs import Answer, Runs, Submission, TurnContext, TurnInput, answer_text, open_queue
from shared.settings import Settings
from shared.store import Store
from shared.store.records import InputRecord
from tests.valkey import Valkey

CONTEXT = TurnContext()


@dataclass
class Place:
    runs: Runs
    store: Store
    log: EventLog
    queue: Docket
    org: int
    user: int
    stranger: int

    def submission(self, request_id: str | None = "q1", text: str = "hi", conversation: str = "c1") -> Submission:
        return Submission(self.org, self.user, conversation, request_id, TurnInput(text=text))

    async def jobs(self) -> list[str]:
        snapshot = await self.queue.snapshot()
        return [execution.key for execution in (*snapshot.future, *snapshot.running)]

    async def ask(self, expires_in: timedelta = timedelta(hours=1)) -> str:
        """A conversation whose run ended with the question `i1`."""
        run = await self.runs.submit(self.submission("asking"))
        claim = await self.store.runs.claim(run.run_id, 3)
        assert claim
        body = {"text": "which?", "options": [{"value": "a", "label": "Option A"}]}
        asked = InputRecord("i1", "question", body, datetime.now(UTC) + expires_in)
        await self.store.runs.finish(
            run.run_id, claim.run.attempt, status="finished", outcome="waiting", inputs_new=[asked]
        )
        return "i1"


async def _place(settings: Settings, redis_url: str) -> AsyncIterator[Place]:
    store, redis = await Store.open(settings.database_address), open_redis(redis_url)
    organisation = await store.accounts.create_organisation("Acme")
    users = [
        await store.accounts.create_user(organisation.id, f"{name}@example.org", name)
        for name in ("ann", "bob")
    ]
    log = EventLog(redis, 3_600, 1_000)
    async with open_queue(redis_url) as queue:
        yield Place(Runs(store, log, queue), store, log, queue, organisation.id, users[0].id, users[1].id)
    await redis.aclose()
    await store.close()


@pytest.fixture
async def place(settings: Settings, redis_url: str) -> AsyncIterator[Place]:
    async for made in _place(settings, redis_url):
        yield made


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


@pytest.fixture
async def own_place(settings: Settings, own_valkey: Valkey) -> AsyncIterator[Place]:
    async for made in _place(settings, own_valkey.url):
        yield made
        # The queue's own client does not leave a frozen server.
        own_valkey.signal(signal.SIGCONT)


async def test_fifty_calls_of_one_request_make_one_run_and_one_job(place: Place) -> None:
    async with asyncio.timeout(30):
        results = await asyncio.gather(*(place.runs.submit(place.submission()) for _ in range(50)))
    assert len({result.run_id for result in results}) == 1
    assert sum(result.created for result in results) == 1
    assert await place.jobs() == [results[0].run_id]


async def test_the_job_carries_nothing_but_the_run_id(place: Place) -> None:
    run = await place.runs.submit(place.submission(text="a very private text"))
    snapshot = await place.queue.snapshot()
    jobs = [*snapshot.future, *snapshot.running]
    assert [(job.args, job.kwargs) for job in jobs] == [((run.run_id,), {})]


async def test_a_request_id_with_another_body_is_a_conflict(place: Place) -> None:
    first = await place.runs.submit(place.submission())
    for other in (place.submission(text="other"), place.submission(conversation="c2")):
        with pytest.raises(CaddieError) as refused:
            await place.runs.submit(other)
        assert refused.value.code == "CONFLICT"
    assert await place.jobs() == [first.run_id]


async def test_another_sealing_of_the_same_key_is_the_same_body(place: Place) -> None:
    one, other = (
        replace(place.submission(), input=TurnInput(text="hi", sealedKey=f"sealed1.{sealed}")) for sealed in "ab"
    )
    assert (await place.runs.submit(one)).run_id == (await place.runs.submit(other)).run_id


async def test_a_conversation_with_an_active_run_is_busy_unless_the_message_may_wait(place: Place) -> None:
    first = await place.runs.submit(place.submission())
    with pytest.raises(CaddieError) as refused:
        await place.runs.submit(place.submission("q2"))
    assert (refused.value.code, refused.value.data) == ("RUN_BUSY", {"runId": first.run_id})
    waiting = await place.runs.submit(replace(place.submission("q3"), when_busy="queue"))
    assert waiting.created and waiting.run_id != first.run_id
    assert (await place.runs.submit(place.submission("q4", conversation="c2"))).created


async def test_messages_without_a_request_id_are_all_different(place: Place) -> None:
    await place.runs.submit(place.submission(None))
    with pytest.raises(CaddieError, match="RUN_BUSY"):
        await place.runs.submit(place.submission(None))


@pytest.mark.parametrize("name", ["run_id", "request_id"])
async def test_cancelling_again_changes_nothing(place: Place, name: str) -> None:
    run = await place.runs.submit(place.submission())
    handle = {"run_id": run.run_id, "request_id": "q1"}[name]
    for _ in range(2):
        found = await place.runs.cancel(place.org, place.user, "c1", **{name: handle})
        assert found.id == run.run_id
    stored = await place.store.runs.get(place.org, run.run_id)
    assert stored and stored.cancel_requested
    assert (await place.log.wishes(keys.conversation_key(place.org, "c1"), run.run_id))[0]


async def test_cancelling_a_run_that_is_over_changes_nothing(place: Place) -> None:
    run = await place.runs.submit(place.submission())
    claim = await place.store.runs.claim(run.run_id, 3)
    assert claim
    await place.store.runs.finish(run.run_id, claim.run.attempt, status="finished", outcome="completed")
    found = await place.runs.cancel(place.org, place.user, "c1", run_id=run.run_id)
    assert (found.status, found.outcome) == ("finished", "completed")
    assert not (await place.log.wishes(keys.conversation_key(place.org, "c1"), run.run_id))[0]


async def test_a_run_of_somebody_else_does_not_exist(place: Place) -> None:
    run = await place.runs.submit(place.submission())
    strangers = [(place.org, place.stranger, "c1"), (place.org + 1, place.user, "c1"), (place.org, place.user, "c2")]
    for org, user, conversation in strangers:
        for handle in ({"run_id": run.run_id}, {"request_id": "q1"}, {"run_id": "unknown"}, {}):
            with pytest.raises(CaddieError) as refused:
                await place.runs.cancel(org, user, conversation, **handle)
            assert refused.value.code == "NOT_FOUND"
    assert not (await place.log.wishes(keys.conversation_key(place.org, "c1"), run.run_id))[0]


async def test_an_answer_begins_the_next_run_with_the_label_as_its_text(place: Place) -> None:
    input_id = await place.ask()
    context = TurnContext(mode="building", timezone="Europe/Paris")
    answered = await place.runs.answer(place.org, place.user, "c1", input_id, "a", context)
    run = await place.store.runs.get(place.org, answered.run_id)
    assert answered.created and run
    turn = TurnInput.model_validate(run.input)
    assert (turn.text, turn.mode, turn.timezone) == ("Option A", "building", "Europe/Paris")
    assert turn.answer == Answer(inputId="i1", value="a", by=str(place.user))


async def test_of_many_answers_one_wins_and_the_losers_are_told_who(place: Place) -> None:
    input_id = await place.ask()
    async with asyncio.timeout(30):
        results = await asyncio.gather(
            *(place.runs.answer(place.org, place.user, "c1", input_id, f"v{n}", CONTEXT) for n in range(20)),
            return_exceptions=True,
        )
    winners = [result for result in results if not isinstance(result, BaseException)]
    losers = [result for result in results if isinstance(result, CaddieError)]
    assert len(winners) == 1 and len(losers) == 19
    assert {(error.code, error.data["by"]) for error in losers} == {("INPUT_RESOLVED", str(place.user))}


async def test_the_winning_answer_may_be_repeated(place: Place) -> None:
    input_id = await place.ask()
    first = await place.runs.answer(place.org, place.user, "c1", input_id, "a", CONTEXT)
    again = await place.runs.answer(place.org, place.user, "c1", input_id, "a", CONTEXT)
    assert (again.run_id, again.created) == (first.run_id, False)


async def test_an_answer_that_comes_too_late_is_told_so(place: Place) -> None:
    input_id = await place.ask(expires_in=-timedelta(seconds=1))
    with pytest.raises(CaddieError) as refused:
        await place.runs.answer(place.org, place.user, "c1", input_id, "a", CONTEXT)
    assert (refused.value.code, refused.value.data) == ("INPUT_RESOLVED", {"by": None})
    assert "expired" in refused.value.message


async def test_a_question_of_somebody_else_does_not_exist(place: Place) -> None:
    input_id = await place.ask()
    for org, user, conversation, asked in [
        (place.org, place.stranger, "c1", input_id),
        (place.org + 1, place.user, "c1", input_id),
        (place.org, place.user, "c2", input_id),
        (place.org, place.user, "c1", "unknown"),
        (place.org, place.user, "c1", "\x00'"),
    ]:
        with pytest.raises(CaddieError) as refused:
            await place.runs.answer(org, user, conversation, asked, "a", CONTEXT)
        assert refused.value.code == "NOT_FOUND"


@pytest.mark.parametrize("fault", ["frozen", "killed"])
async def test_a_queue_that_is_away_is_unavailable_and_the_run_stays(
    own_place: Place, own_valkey: Valkey, fault: str
) -> None:
    if fault == "frozen":
        own_valkey.signal(signal.SIGSTOP)
    else:
        own_valkey.kill()
    began = time.monotonic()
    with pytest.raises(CaddieError) as refused:
        await own_place.runs.submit(own_place.submission())
    assert time.monotonic() - began < 2
    assert refused.value.code == "UNAVAILABLE" and refused.value.retry_after_s
    run = await own_place.store.runs.by_request(own_place.user, "q1")
    assert run and run.status == "queued"
    if fault == "frozen":
        own_valkey.signal(signal.SIGCONT)
    else:
        own_valkey.start()
    again = await own_place.runs.submit(own_place.submission())
    assert (again.run_id, again.created) == (run.id, False)
    assert await own_place.jobs() == [run.id]


def test_an_answer_reads_as_its_option_its_text_or_its_json() -> None:
    body = {"options": [{"value": "a", "label": "Option A"}, {"value": "b"}, "odd"]}
    assert answer_text(body, "a") == "Option A"
    assert answer_text(body, "b") == "b"
    assert answer_text(body, "free text") == "free text"
    assert answer_text({}, {"x": [1, None]}) == '{"x":[1,null]}'


async def test_more_jobs_may_be_queued_at_once_than_a_pool_has_connections(place: Place) -> None:
    names = {f"r{number}" for number in range(300)}
    await asyncio.gather(*map(place.runs.enqueue, names))
    assert names <= set(await place.jobs())
