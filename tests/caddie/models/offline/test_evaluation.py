"""The offline model's score on the evaluation, which must not fall."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bench.evaluation.cases import KINDS, Case, load, workflows
from bench.evaluation.conversation import Conversation
from bench.evaluation.judge import Verdict, judged
from caddie.agent.library import Library
from caddie.models.offline.model import OfflineModel
from shared.plugins import library
from shared.search import BlockSearch

AT_LEAST = 0.85
#: Nobody improves the model on these; their score is low and must not fall either.
UNSEEN = "unseen"
UNSEEN_AT_LEAST = 5


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return asyncio.run(judged(load(), "offline"))


@pytest.mark.parametrize("kind", [*KINDS, "held"])
def test_the_offline_model_does_what_everyday_requests_ask(verdicts: list[Verdict], kind: str) -> None:
    unseen = {case.id for case in load(files=[UNSEEN])}
    looked_at = [each for each in verdicts if each.case.id not in unseen]
    chosen = [each for each in looked_at if each.case.kind == kind or (kind == "held" and each.case.held)]
    wrong = [f"{each.case.id}: {'; '.join(each.faults)}" for each in chosen if each.faults]
    assert len(chosen) - len(wrong) >= AT_LEAST * len(chosen), "\n".join(wrong)


def test_requests_of_classes_it_was_never_taught_fare_no_worse(verdicts: list[Verdict]) -> None:
    unseen = {case.id for case in load(files=[UNSEEN])}
    assert sum(each.case.id in unseen and not each.faults for each in verdicts) >= UNSEEN_AT_LEAST


def test_no_case_ends_with_an_exception(verdicts: list[Verdict]) -> None:
    assert [each.case.id for each in verdicts for fault in each.faults if fault.startswith("failed:")] == []


@pytest.mark.parametrize("place", range(len(workflows())))
async def test_no_message_whatever_the_workflow_leaves_an_error_behind(place: int) -> None:
    await nothing_left_behind(place, load()[place :: len(workflows())])


@pytest.mark.fuzz
@pytest.mark.parametrize("place", range(len(workflows())))
async def test_no_third_of_all_messages_leaves_an_error_behind_whatever_the_workflow(place: int) -> None:
    await nothing_left_behind(place, load()[place % 3 :: 3])


async def nothing_left_behind(place: int, cases: Sequence[Case]) -> None:
    """Say each of them to one workflow."""
    catalog = library().catalog
    searched, start = Library(catalog, BlockSearch(catalog)), workflows()[sorted(workflows())[place]]
    for case in cases:
        alone = Case(id=case.id, kind=case.kind, say=case.say[:1], check=(), version="v2")
        outcome = await Conversation(alone, lambda: OfflineModel(0), searched, start).run()
        assert [issue.message for issue in outcome.issues if issue.severity == "error"] == [], case.say[0]
