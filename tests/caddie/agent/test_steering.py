"""What the user adds while a turn is running."""

from __future__ import annotations

from collections.abc import Sequence

from caddie.agent.assignment import Steer
from caddie.models.model import TextDelta, ToolTurn, UserTurn
from shared.events import MessageUser, ToolStarted
from tests.caddie.agent.conversation import Conversation
from tests.caddie.agent.scripted import ROOT, call, edit, talk
from tests.caddie.agent.test_offline_requests import GOLDEN


class Drip:
    """Gives one steer at the given looks into the inbox, counted from 1."""

    def __init__(self, texts: dict[int, str]) -> None:
        self.texts, self.looks = texts, 0

    async def take(self) -> Sequence[Steer]:
        self.looks += 1
        text = self.texts.pop(self.looks, None)
        return () if text is None else (Steer(f"s-{self.looks}", text, f"q-{self.looks}"),)


async def test_it_is_told_as_an_event_and_before_the_next_step_of_the_model() -> None:
    conversation, model = talk([edit(ROOT)], [TextDelta("Done.")])
    conversation.inbox = Drip({2: "and call it Rates"})
    await conversation.say("build")
    told = conversation.of(MessageUser)
    assert [(event.messageId, event.text, event.requestId) for event in told] == [("s-2", "and call it Rates", "q-2")]
    before, last = model.asked[1].turns[-2:]
    assert isinstance(before, ToolTurn) and last == UserTurn("and call it Rates")


async def test_what_comes_while_the_last_words_are_said_is_still_taken() -> None:
    conversation, model = talk([TextDelta("Done.")], [TextDelta("That too.")])
    conversation.inbox = Drip({2: "one more thing"})
    finished = await conversation.say("hello")
    assert finished.result.message == "That too." and len(model.asked) == 2


async def test_what_came_before_the_first_step_is_part_of_the_message() -> None:
    conversation, model = talk([TextDelta("Done.")])
    conversation.inbox = Drip({1: "quickly"})
    await conversation.say("hello")
    last = model.asked[0].turns[-1]
    assert isinstance(last, UserTurn) and last.text.endswith("hello\nquickly")


async def test_one_call_is_one_call_also_with_steers() -> None:
    conversation, model = talk([TextDelta("Done.")])
    conversation.inbox = Drip({2: "one more thing"})
    await conversation.say("hello", agentVersion="v1")
    assert len(model.asked) == 1 and conversation.inbox.looks == 1


async def test_the_offline_model_takes_it_in_before_it_builds() -> None:
    conversation = Conversation(inbox=Drip({2: "Also email the rates to bob@example.com"}))
    finished = await conversation.say(GOLDEN)
    assert finished.outcome == "completed" and {"slack-send-message", "send-email"} <= set(conversation.blocks())


async def test_the_offline_model_takes_it_in_after_it_has_built() -> None:
    conversation = Conversation(inbox=Drip({4: "Also email the rates to bob@example.com"}))
    finished = await conversation.say(GOLDEN)
    assert finished.outcome == "completed" and {"slack-send-message", "send-email"} <= set(conversation.blocks())
    assert conversation.errors() == []


async def test_a_question_leaves_what_comes_later_to_the_next_run() -> None:
    conversation, _ = talk([call("ask_user", question="Which?")])
    conversation.inbox = Drip({2: "late"})
    assert (await conversation.say("build")).outcome == "waiting"
    assert conversation.inbox.texts == {2: "late"} and len(conversation.of(ToolStarted)) == 1


async def test_what_is_added_to_an_approved_plan_does_not_replace_it() -> None:
    for look in (1, 2, 4):
        conversation = Conversation()
        await conversation.say(GOLDEN, mode="planning")
        conversation.inbox = Drip({look: "Also email the rates to bob@example.com"})
        finished = await conversation.say("yes")
        assert finished.outcome == "completed", look
        assert {"cronjob", "http-request", "slack-send-message", "send-email"} <= set(conversation.blocks()), look
