"""A conversation with the agent in a test: turns follow one another as the worker would run them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from caddie.agent.assignment import EmptyInbox, Inbox, Limits, Turn
from caddie.agent.library import Library
from caddie.agent.recall import Summary
from caddie.agent.turn import run_turn
from caddie.agent.workspace import Workspace
from caddie.models.model import Model
from caddie.models.offline.model import OfflineModel
from shared.events import (
    Data,
    InputRequested,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    NodeChanged,
    RunFinished,
    Sided,
)
from shared.fold import FoldedMessage
from shared.plugins import library
from shared.runs import Answer, TurnInput
from shared.search import BlockSearch
from shared.validation import validate
from shared.workflows import Definition, parse_definition

Kind = TypeVar("Kind", bound=Data)
CATALOG = library().catalog
LIBRARY = Library(CATALOG, BlockSearch(CATALOG))
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def unhurried() -> Model:
    return OfflineModel(0)


@dataclass
class Conversation:
    """definition: the workflow on the canvas, as it goes from turn to turn."""

    model: Callable[[], Model] = unhurried
    definition: dict[str, Any] | None = None
    timezone: str = "Europe/Berlin"
    limits: Limits = Limits()
    library: Library = LIBRARY
    inbox: Inbox = EmptyInbox()
    failure: str = ""
    summary: Summary | None = None
    model_sums_up: bool = False
    history: list[FoldedMessage] = field(default_factory=list)
    events: list[Data] = field(default_factory=list)
    sided: list[Sided] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: (f"id-{number}" for number in itertools.count()))

    async def say(self, text: str, **given: Any) -> RunFinished:
        """One turn; its events are in ``events``. An open question is answered."""
        workspace = Workspace(self.definition)
        answering = (
            bool(self.events) and isinstance(self.events[-1], RunFinished) and self.events[-1].outcome == "waiting"
        )
        turn = TurnInput(
            text="" if answering else text,
            answer=Answer(inputId="i", value=text, by="1") if answering else None,
            **given,
        )
        ready = self.turn(turn)
        said = [event async for event in run_turn(ready, workspace)]
        self.sided = [event for event in said if isinstance(event, Sided)]
        whole = [event for event in said if not isinstance(event, Sided) or event.side == "v2"]
        self.events = [event.data if isinstance(event, Sided) else event for event in whole]
        self.history.append(FoldedMessage(id=f"u-{len(self.history)}", role="user", text=text))
        self.history += [
            FoldedMessage(id=e.messageId, role="assistant", text=e.text) for e in self.of(MessageCompleted)
        ]
        check_invariants(self.events, self.definition, workspace)
        self.definition = workspace.wire()
        last = self.events[-1]
        assert isinstance(last, RunFinished)
        return last

    def turn(self, given: TurnInput) -> Turn:
        return Turn(
            input=given, history=tuple(self.history), now=NOW, timezone=self.timezone, model=self.model(),
            library=self.library, ids=lambda: next(self._ids), limits=self.limits,
            question=self.of(InputRequested)[-1].body if given.answer else None, inbox=self.inbox, failure=self.failure,
            summary=self.summary, keep=self._keep, model_sums_up=self.model_sums_up,
        )  # fmt: skip

    async def _keep(self, summary: Summary) -> None:
        self.summary = summary

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def text(self) -> str:
        return "\n".join(event.text for event in self.of(MessageCompleted))

    @property
    def graph(self) -> Definition:
        return parse_definition(self.definition)

    def node(self, block: str) -> tuple[str, dict[str, Any]]:
        """The only node of a block type: its id and payload."""
        found = [(key, dict(node.payload)) for key, node in self.graph.nodes.items() if node.type == block]
        assert len(found) == 1, f"expected one {block}, got {found}"
        return found[0]

    def blocks(self) -> list[str]:
        return [node.type for node in self.graph.nodes.values()]

    def errors(self) -> list[str]:
        return [issue.message for issue in validate(self.graph, CATALOG) if issue.severity == "error"]


def check_invariants(events: Sequence[Data], start: dict[str, Any] | None, workspace: Workspace) -> None:
    """Deltas make up their message; node events lead from the first definition to the last; one end, at the end."""
    texts: dict[str, str] = {}
    for event in events:
        match event:
            case MessageStarted(messageId=message_id):
                assert message_id not in texts
                texts[message_id] = ""
            case MessageDelta(messageId=message_id, text=text):
                assert text
                texts[message_id] += text
            case MessageCompleted(messageId=message_id, text=text):
                assert texts[message_id] == text
    nodes = {key: node.wire() for key, node in Workspace(start).current.nodes.items()}
    for event in events:
        if isinstance(event, NodeChanged):
            assert (event.nodeId in nodes) == (event.action != "add")
            nodes.pop(event.nodeId, None) if event.node is None else nodes.update({event.nodeId: event.node})
    assert nodes == {key: node.wire() for key, node in workspace.current.nodes.items()} or not workspace.touched
    assert [isinstance(event, RunFinished) for event in events].index(True) == len(events) - 1
    assert sum(isinstance(event, InputRequested) for event in events) <= 1
