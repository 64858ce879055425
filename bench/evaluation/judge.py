"""Runs cases with a model and judges what they leave behind.

Invariant: a case that fails, also by an exception, does not keep the others from running. Callers: ``__main__``, tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.evaluation.cases import Case, workflows
from bench.evaluation.checks import faults
from bench.evaluation.conversation import Conversation
from caddie.agent.library import Library
from caddie.models.table import ModelTable
from shared.plugins import library
from shared.search import BlockSearch, TemplateSearch
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    case: Case
    faults: list[str]
    cpu_s: float = 0.0
    said: str = ""


async def judged(cases: Sequence[Case], model: str, parallel: int = 1) -> list[Verdict]:
    """The verdicts, in the order of the cases. parallel: conversations at once."""
    table, catalog, templates, starts = (
        ModelTable(Settings(offline_words_per_s=0)),
        library().catalog,
        library().templates,
        workflows(),
    )
    searched = Library(catalog, BlockSearch(catalog), templates, TemplateSearch(templates))
    room = asyncio.Semaphore(parallel)

    async def judge(case: Case) -> Verdict:
        start = starts[case.workflow] if isinstance(case.workflow, str) else case.workflow
        async with room:
            try:
                outcome = await Conversation(case, lambda: table.open(model), searched, start).run()
            except Exception as error:
                return Verdict(case, [f"failed: {type(error).__name__} {error}"])
        return Verdict(case, faults(outcome, case.check), outcome.cpu_s, outcome.text)

    try:
        return list(await asyncio.gather(*(judge(case) for case in cases)))
    finally:
        await table.close()
