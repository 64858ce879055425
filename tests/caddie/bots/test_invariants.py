"""The rules the bots and `caddie verify` judge by: each of them can be broken, and each break is one fault."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from caddie.bots.faults import FIRST_MAX, Faults
from caddie.bots.invariants import Conversation, Reader, Sight

ANOTHER = 77


def sight(index: int, kind: str = "thinking", start: int | None = None, digest: int = 0) -> Sight:
    return Sight(index, index if start is None else start, kind, "r", digest or index * 1_000 + 1)


def tab(conversation: Conversation | None = None, after: int = 0) -> Reader:
    reader = Reader(conversation or Conversation("c", Faults()), "c a.1")
    reader.begin(after)
    return reader


def kinds(reader: Reader, sights: Iterable[Sight]) -> dict[str, int]:
    for seen in sights:
        reader.take(seen, str(seen.index))
    return dict(reader.conversation.faults.counts)


def test_events_in_order_break_nothing() -> None:
    assert kinds(tab(), [sight(index) for index in range(1, 50)]) == {}


@pytest.mark.parametrize(
    ("indices", "broken"),
    [
        ([1, 2, 4, 5, 6], {"gap": 1}),
        ([2], {"gap": 1}),
        ([1, 2, 2, 3], {"duplicate": 1}),
        ([1, 2, 1, 3], {"duplicate": 1}),
        ([1, 3, 2, 4], {"gap": 1, "inversion": 1}),
        ([1, 4, 3, 2, 5], {"gap": 1, "inversion": 2}),
        ([1, 4, 3, 3, 5], {"gap": 1, "inversion": 1, "duplicate": 1}),
    ],
)
def test_each_break_of_the_order_is_one_fault(indices: list[int], broken: dict[str, int]) -> None:
    assert kinds(tab(), map(sight, indices)) == broken


def test_a_resumed_tab_must_go_on_where_it_was() -> None:
    reader = tab(after=7)
    assert kinds(reader, [sight(8)]) == {}
    reader.begin(8)
    assert kinds(reader, [sight(8)]) == {"duplicate": 1}
    reader.begin(8)
    assert kinds(reader, [sight(10)]) == {"duplicate": 1, "gap": 1}


def test_a_merged_delta_stands_for_all_its_indices() -> None:
    assert kinds(tab(), [sight(1), sight(5, "message.delta", start=2), sight(6)]) == {}
    assert kinds(tab(), [sight(1), sight(5, "message.delta", start=3)]) == {"gap": 1}
    assert kinds(tab(), [sight(1), sight(2), sight(5, "message.delta", start=2)]) == {"duplicate": 1}


def test_only_deltas_may_be_merged() -> None:
    assert kinds(tab(), [sight(1), sight(3, "thinking", start=2)]) == {"gap": 1}


def test_the_offset_is_the_index() -> None:
    reader = tab()
    reader.take(sight(1), "2")
    assert reader.conversation.faults.counts == {"offset": 1}


def test_two_tabs_see_the_same_event_at_an_index() -> None:
    first = tab()
    second = tab(first.conversation)
    assert kinds(first, [sight(1), sight(2)]) == {}
    assert kinds(second, [sight(1)]) == {}
    assert kinds(second, [sight(2, digest=ANOTHER)]) == {"content": 1}


def test_a_merged_delta_is_not_compared_with_its_parts() -> None:
    first = tab()
    kinds(first, [sight(1, "message.delta"), sight(2, "message.delta")])
    assert kinds(tab(first.conversation), [sight(2, "message.delta", start=1, digest=ANOTHER)]) == {}


def test_a_run_ends_once_for_all_tabs() -> None:
    first = tab()
    second = tab(first.conversation)
    ending = [sight(1, "run.started"), sight(2, "run.finished")]
    assert kinds(first, ending) == {}
    assert kinds(second, ending) == {}
    assert kinds(second, [sight(3, "run.failed")]) == {"terminal": 1}


@pytest.mark.parametrize("how", ["accepted", "seen to begin"])
def test_a_run_that_never_ends_is_found_at_the_end(how: str) -> None:
    reader = tab()
    if how == "accepted":
        reader.conversation.accept("r")
    else:
        kinds(reader, [sight(1, "run.started")])
    reader.conversation.finish()
    assert reader.conversation.faults.counts == {"unended": 1}


def test_a_run_may_end_before_its_acknowledgement() -> None:
    reader = tab()
    kinds(reader, [sight(1, "run.finished")])
    reader.conversation.accept("r")
    reader.conversation.finish()
    assert reader.conversation.faults.total == 0


def test_a_tab_that_lacks_the_newest_events_is_found_at_the_end() -> None:
    first = tab()
    second = tab(first.conversation)
    kinds(first, [sight(1), sight(2)])
    kinds(second, [sight(1)])
    first.finish()
    assert first.conversation.faults.total == 0
    second.finish()
    assert first.conversation.faults.counts == {"tail": 1}


def test_a_log_that_began_anew_is_no_fault() -> None:
    reader = tab()
    reader.conversation.begin_epoch("a")
    kinds(reader, [sight(1, "run.finished"), sight(2)])
    assert reader.conversation.begin_epoch("b")
    reader.begin(0)
    assert kinds(reader, [sight(1, digest=ANOTHER), sight(2, "run.finished", digest=ANOTHER)]) == {}


def test_all_faults_count_and_the_first_are_kept() -> None:
    faults = Faults()
    for number in range(FIRST_MAX * 3):
        faults.add("gap", "c a.1", str(number))
    assert faults.total == FIRST_MAX * 3
    assert [fault.message for fault in faults.first] == [str(number) for number in range(FIRST_MAX)]
