"""Long histories: the prompt keeps to its budget, and facts outlive the messages that told them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caddie.agent.assignment import Limits
from caddie.agent.recall import INSTRUCTIONS, Recall, Summary, bounded, tokens
from caddie.models.model import (
    AssistantTurn,
    ModelEvent,
    ModelRequest,
    StepEnd,
    StepUsage,
    TextDelta,
    ToolOutcome,
    ToolTurn,
    UserTurn,
)
from shared.errors import CaddieError
from shared.fold import FoldedMessage
from tests.caddie.agent.conversation import Conversation

BUDGET = 2_000
FACT = "Remember: our alerts always go to #ops-berlin, never to #general."


def chatter(count: int, start: int = 0) -> list[FoldedMessage]:
    said = []
    for number in range(start, start + count):
        role = "user" if number % 2 == 0 else "assistant"
        text = f"Well, that is how it goes in part {number}. " + "And so on and so forth. " * 5
        said.append(FoldedMessage(id=f"m{number}", role=role, text=text))
    return said


def spent(recall: Recall) -> int:
    turns = sum(tokens(turn.text) for turn in recall.turns() if isinstance(turn, UserTurn | AssistantTurn))
    return turns + (tokens(recall.summary.text) if recall.summary else 0)


class Memoir:
    """Sums up when asked to; anything else it answers with `ok`. Keeps what it was asked."""

    name = "memoir/one"

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[ModelRequest] = []
        self.fails = fails

    @property
    def summaries(self) -> list[ModelRequest]:
        return [each for each in self.asked if each.system[:40] == INSTRUCTIONS[:40]]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(request)
        if request.system[:40] == INSTRUCTIONS[:40]:
            if self.fails:
                raise CaddieError("UNAVAILABLE", "away")
            yield TextDelta("Alerts go to #ops-berlin.")
        else:
            yield TextDelta("ok")
        yield StepEnd("end", StepUsage(7, 3))


async def test_a_thousand_messages_stay_within_the_budget_and_are_summed_up_now_and_then() -> None:
    model = Memoir()
    conversation = Conversation(model=lambda: model, limits=Limits(history_tokens=BUDGET), model_sums_up=True)
    conversation.history = [FoldedMessage(id="first", role="user", text=FACT)]
    sizes = []
    for number in range(100):
        conversation.history += chatter(8, number * 8)
        await conversation.say(f"go on with {number}")
        sizes.append(sum(tokens(turn.text) for turn in model.asked[-1].turns if not hasattr(turn, "outcomes")))
    assert len(conversation.history) >= 1_000
    assert max(sizes) < BUDGET * 1.3
    # Each summary makes room for several turns.
    assert 2 < len(model.summaries) < 60
    assert "#ops-berlin" in model.asked[-1].turns[-1].text  # type: ignore[union-attr]
    assert all(sum(tokens(turn.text) for turn in each.turns) < BUDGET * 2 for each in model.summaries)  # type: ignore[union-attr]


async def test_the_summary_is_kept_and_not_made_again_and_counts_as_a_call() -> None:
    model = Memoir()
    conversation = Conversation(model=lambda: model, limits=Limits(history_tokens=BUDGET), model_sums_up=True)
    conversation.history = [FoldedMessage(id="first", role="user", text=FACT), *chatter(200)]
    finished = await conversation.say("hello")
    assert finished.usage.steps == 2 and conversation.summary is not None
    assert conversation.summary.text == "Alerts go to #ops-berlin."
    assert (await conversation.say("hello again")).usage.steps == 1 and len(model.summaries) == 1


@pytest.mark.parametrize("version", ["v1", "v3"])
async def test_without_a_call_facts_are_picked_out(version: str) -> None:
    model = Memoir(fails=True)
    conversation = Conversation(model=lambda: model, limits=Limits(history_tokens=BUDGET), model_sums_up=True)
    conversation.history = [FoldedMessage(id="first", role="user", text=FACT), *chatter(400)]
    await conversation.say("hello", agentVersion=version)
    assert "#ops-berlin" in model.asked[-1].turns[-1].text  # type: ignore[union-attr]
    assert len(model.summaries) == (version == "v3")


def test_a_fact_outlives_many_summaries_made_by_rules() -> None:
    summary: Summary | None = None
    history = [FoldedMessage(id="first", role="user", text=FACT)]
    for number in range(40):
        history += chatter(50, number * 50)
        recall = Recall.of(history, summary, BUDGET)
        summary = recall.summed_up("").summary if recall.older else recall.summary
    assert summary is not None and "#ops-berlin" in summary.text and tokens(summary.text) <= BUDGET // 4


@given(
    st.lists(st.tuples(st.booleans(), st.text(max_size=3_000)), max_size=60),
    st.text(max_size=20_000),
    st.integers(500, 5_000),
)
def test_whatever_was_said_the_budget_is_kept(said: list[tuple[bool, str]], summary: str, budget: int) -> None:
    history = [
        FoldedMessage(id=str(number), role="user" if mine else "assistant", text=text)
        for number, (mine, text) in enumerate(said)
    ]
    recall = Recall.of(history, None, budget)
    if recall.older:
        recall = recall.summed_up(summary)
    assert spent(recall) <= budget * 1.05
    turns = recall.turns()
    assert not turns or isinstance(turns[0], UserTurn)


def test_the_results_of_tools_keep_to_their_budget_too_and_the_last_stays() -> None:
    turns = [UserTurn("go")]
    said: list[UserTurn | AssistantTurn | ToolTurn] = list(turns)
    for number in range(10):
        said += [AssistantTurn("", ()), ToolTurn((ToolOutcome(str(number), "get_block", True, "x" * 4_000),))]
    kept = bounded(tuple(said), 3_000)
    values = [turn.outcomes[0].value for turn in kept if isinstance(turn, ToolTurn)]
    assert len(kept) == len(said) and [len(value) == 4_000 for value in values] == [False] * 7 + [True] * 3
    assert bounded(tuple(said[:3]), 1) == tuple(said[:3]) and bounded(tuple(said)) == tuple(said)


def test_one_monstrous_message_keeps_its_beginning_and_its_end() -> None:
    text = "begin " + "x" * 100_000 + " end"
    turn = Recall.of([FoldedMessage(id="a", role="user", text=text)], None, BUDGET).turns()[0]
    assert isinstance(turn, UserTurn) and turn.text.startswith("begin ") and turn.text.endswith(" end")
    assert tokens(turn.text) <= BUDGET // 4
