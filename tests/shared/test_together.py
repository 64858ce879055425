from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared import together
from shared.errors import CaddieError
from shared.together import Together


class Oracle:
    """Doubles numbers; `rounds` are the questions of each round trip. closed: it does not answer yet."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def ask(self, questions: Sequence[int]) -> list[int | Exception]:
        self.rounds.append(list(questions))
        await self.open.wait()
        if 13 in questions:
            raise CaddieError("UNAVAILABLE", "expected another number")
        return [ValueError(number) if number < 0 else 2 * number for number in questions]


async def test_questions_of_one_moment_share_a_round_trip() -> None:
    oracle = Oracle()
    ask = Together("test", oracle.ask, 10)
    assert await asyncio.gather(*(ask(number) for number in range(4))) == [0, 2, 4, 6]
    assert await ask(9) == 18
    assert oracle.rounds == [[0, 1, 2, 3], [9]]


async def test_a_question_that_comes_while_others_are_asked_is_asked_after_them() -> None:
    oracle = Oracle()
    ask = Together("test", oracle.ask, 2)
    oracle.open.clear()
    first = [asyncio.ensure_future(ask(number)) for number in (1, 2, 3)]
    while not oracle.rounds:
        await asyncio.sleep(0)
    later = asyncio.ensure_future(ask(4))
    oracle.open.set()
    assert await asyncio.gather(*first, later) == [2, 4, 6, 8]
    assert oracle.rounds == [[1, 2], [3, 4]]


async def test_a_refusal_is_for_its_asker_alone() -> None:
    ask = Together("test", Oracle().ask, 10)
    answers = await asyncio.gather(ask(1), ask(-1), ask(2), return_exceptions=True)
    assert [answers[0], type(answers[1]), answers[2]] == [2, ValueError, 4]


async def test_a_round_trip_that_fails_fails_for_all_in_it_and_nobody_else() -> None:
    ask = Together("test", Oracle().ask, 2)
    answers = await asyncio.gather(ask(1), ask(13), ask(3), return_exceptions=True)
    assert [type(answer) for answer in answers] == [CaddieError, CaddieError, int]


async def test_what_its_asker_has_given_up_is_not_asked() -> None:
    oracle = Oracle()
    ask = Together("test", oracle.ask, 10)
    gone, stays = asyncio.ensure_future(ask(1)), asyncio.ensure_future(ask(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 4
    assert oracle.rounds == [[2]]


async def test_too_many_questions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "WAITING_MAX", 2)
    ask = Together("test", Oracle().ask, 10)
    answers = await asyncio.gather(ask(1), ask(2), ask(3), return_exceptions=True)
    assert list(answers[:2]) == [2, 4]
    assert isinstance(answers[2], CaddieError) and answers[2].code == "UNAVAILABLE"


@pytest.mark.parametrize("turns", [1, 5])
async def test_closing_lets_nobody_wait(turns: int) -> None:
    oracle = Oracle()
    oracle.open.clear()
    ask = Together("test", oracle.ask, 1)
    waiting = [asyncio.ensure_future(ask(number)) for number in (1, 2)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await ask.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 2
