"""The three agent versions as profiles of one loop: how many steps, which tools, whether it may ask.

Invariant: what a version may not do is absent from its tools, not only forbidden in words. Callers: the turn, the
tools, the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from caddie.agent.arguments import (
    Args,
    AskUser,
    EditWorkflow,
    GetBlock,
    GetExecution,
    ProposePlan,
    RunWorkflow,
    SearchBlocks,
    SearchTemplates,
    UseTemplate,
    ValidateWorkflow,
)
from shared.events import Mode

Version = Literal["v1", "v2", "v3"]
EDITS: tuple[type[Args], ...] = (EditWorkflow, UseTemplate)
READS: tuple[type[Args], ...] = (SearchBlocks, GetBlock, SearchTemplates, ValidateWorkflow, GetExecution)
QUESTIONS: tuple[type[Args], ...] = (AskUser, ProposePlan)
#: Runs after the user's consent, which only a version that asks can get.
RUNS: tuple[type[Args], ...] = (RunWorkflow,)


@dataclass(frozen=True, slots=True)
class Profile:
    """single: one model call and no more. repairs: further rounds for errors that remain at the end."""

    version: Version
    offered: tuple[type[Args], ...]
    single: bool = False
    repairs: int = 2

    def tools(self, mode: Mode) -> tuple[type[Args], ...]:
        """What a turn in this mode may call: while it plans, nothing that changes the workflow."""
        return tuple(each for each in self.offered if mode != "planning" or each not in (*EDITS, *RUNS))


PROFILES: dict[Version, Profile] = {
    "v1": Profile("v1", (EditWorkflow,), single=True, repairs=0),
    "v2": Profile("v2", (*READS, *EDITS)),
    "v3": Profile("v3", (*READS, *EDITS, *QUESTIONS, *RUNS)),
}
