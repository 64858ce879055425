"""What has been said and done so far, read back from the turns of a request.

Invariant: nothing is remembered between calls; the same turns give the same answer. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from caddie.models.model import AssistantTurn, Context, ModelRequest, ToolOutcome, ToolTurn, UserTurn
from caddie.models.offline import answers, inquiry, recollection, words

# Rules are regular expressions: their time grows faster than the text, so a text has a bound, and so have runs in it.
READ_CHARS = 1200
#: The last words of a plan.
APPROVAL = "Shall I build it?"
WHAT_ELSE = "What should be different?"
OFFER = "Which ready workflow shall I set up?"
#: The first words of the question whether to run it.
RUN_IT = "Shall I run the workflow now?"
#: "plan: every evening …"
_PLANNING = re.compile(
    r"^\s*(?:(?:just|only|first)\s+)*(?:(?:make|give|show|draw)\s+(?:me\s+)?)?(?:an?\s+|"
    r"the\s+)?plan(?:\s+(?:first|only))?\s*[:,–-]\s*",
    re.I,
)
#: An answer to a plan that does not say what to change.
CHANGE = re.compile(r"\s*(?:change(?:\s+it)?|no|not\s+yet|nope)\s*[.!]?\s*$", re.I)


#: Questions of ``offers``.
_ASKS_FOR_A_WISH = re.compile(r"(?:^|\n)What (?:should be different|shall I do about it)\? For example [^\n]*\?\s*$")


def readable(text: str) -> str:
    """What of a message is read: its beginning, with runs of blanks, quotes and the like made short."""
    text = re.sub(r"[^\S\n]+", " ", text[: READ_CHARS * 4]).strip()
    return re.sub(r"(\W)\1{3,}", r"\1\1", text)[:READ_CHARS]


@dataclass(slots=True)
class Talk:
    """request: the message the work is about; answers: (question, answer) since then, oldest first."""

    context: Context
    request: str
    tools: frozenset[str]
    answers: list[tuple[str, str]] = field(default_factory=list)
    #: Answers to the tool calls of this turn, a list per step.
    rounds: list[tuple[ToolOutcome, ...]] = field(default_factory=list)
    #: What the user says to a plan, which changes what is planned, in the order it was said.
    wishes: list[str] = field(default_factory=list)
    #: A question that is still open, and that the message does not answer.
    asked: str = ""
    #: What the user wrote before, oldest first.
    earlier: list[str] = field(default_factory=list)
    #: What was answered last.
    told: str = ""
    #: It is to be run once it is built.
    run: bool = False

    def called(self, *names: str) -> list[ToolOutcome]:
        return [outcome for done in self.rounds for outcome in done if outcome.name in names]

    @property
    def start(self) -> dict[str, Any]:
        return self.context.start or {}

    @property
    def nodes(self) -> dict[str, Any]:
        """The nodes the turn began with."""
        return dict(self.start.get("nodes") or {})


def read(request: ModelRequest) -> Talk:
    turns = request.turns
    last = max((i for i, turn in enumerate(turns) if isinstance(turn, UserTurn)), default=-1)
    context = request.context
    if context is None:
        raise ValueError("expected a request with a context, got none")
    talk = Talk(context, readable(context.message), frozenset(tool.name for tool in request.tools))
    talk.rounds = [turn.outcomes for turn in turns[last + 1 :] if isinstance(turn, ToolTurn)]
    position, answering = _beginning(request, last), context.answering
    talk.earlier = [turn.text for turn in turns[:position] if isinstance(turn, UserTurn)]
    talk.told = next((turn.text for turn in reversed(turns[:position]) if isinstance(turn, AssistantTurn)), "")
    while position >= 2:
        said, before = turns[position - 1], position - 1
        while before >= 0 and not isinstance(turns[before], UserTurn):
            # What was built before the question was put has been told first.
            before -= 1
        asked = turns[before] if before >= 0 else None
        if not (isinstance(said, AssistantTurn) and isinstance(asked, UserTurn) and _open(said.text)):
            break
        question = said.text.rstrip().rsplit("\n", 1)[-1]
        replied = position < last and _on_plan(said.text)
        if not replied and not _answered(question, talk.request, answering, said.text):
            if not talk.answers:
                talk.asked = question
            break
        talk.answers.insert(0, (said.text, talk.request))
        talk.request = readable(asked.text)
        position = before
        answering = False
    if talk.answers and _ASKS_FOR_A_WISH.search(talk.answers[-1][0]):
        # The answer is a wish of its own.
        talk.request, talk.answers = readable(talk.answers[-1][1]), []
    _wishes(talk)
    if talk.asked:
        talk.request = answers.other_medium(talk.asked, answers.meant(talk.request)) or talk.request
    if not talk.answers and talk.nodes:
        talk.request = answers.meant(talk.request)
    talk.request = recollection.resolved(_PLANNING.sub("", talk.request, count=1), talk.earlier, talk.start, talk.told)
    return talk


def _open(text: str) -> bool:
    """Whether what was said last waits for an answer."""
    return text.rstrip().endswith("?") or RUN_IT in text


def _answered(question: str, message: str, answering: bool, text: str) -> bool:
    if question == OFFER and not answers.picks(text, message):
        return False
    fits = RUN_IT not in question and answers.fits(question, message)
    return fits and (answering or _answers(question, message))


def _wishes(talk: Talk) -> None:
    """What the user says to a plan, until it is approved."""
    planning = talk.context.mode == "planning"
    said_to_plans = talk.answers if planning else talk.answers[:-1]
    wishes = [given for question, given in said_to_plans if _on_plan(question) and not CHANGE.match(given)]
    if not planning and talk.answers and _on_plan(talk.answers[-1][0]):
        # What was added while an approved plan was being built stands in lines of its own behind the yes.
        wishes += [more for more in [talk.answers[-1][1].partition("\n")[2]] if more]
    talk.wishes = [answers.meant(each) for each in wishes if not inquiry.asks(each)]


def _beginning(request: ModelRequest, last: int) -> int:
    """The turn the message began with: what is added while it is worked on comes in turns of its own."""
    message = request.context.message if request.context else ""
    told, at = "", last
    while at >= 0:
        turn = request.turns[at]
        if isinstance(turn, UserTurn):
            told = f"{turn.text}\n{told}" if told else turn.text
            if told.endswith(message):
                return at
        at -= 1
    return last


def _on_plan(question: str) -> bool:
    return APPROVAL in question or question == WHAT_ELSE


def _answers(question: str, message: str) -> bool:
    """Whether a message looks like an answer and not like another request."""
    if len(message) > 200 or message.rstrip().endswith("?"):
        return False
    if re.match(r"^(?:yes|no|ok(?:ay)?|sure|later|skip|build|add|replace|go)\b", message.strip(), re.I):
        return True
    if re.search(r"URL|address", question) and (words.url(message) or words.emails(message)):
        return len(message.split()) <= 8
    if "channel" in question and words.channel(message):
        return len(message.split()) <= 8
    return len(message.split()) <= 5 and not re.match(
        r"^(?:also|add|remove|delete|change|every|when|if|what|how|why|explain|hi|hello|thanks?)\b", message, re.I
    )
