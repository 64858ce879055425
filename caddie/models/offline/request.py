"""What a user's sentence asks for, as a tree of steps under a trigger; no node ids, no wiring yet.

Invariant: a step holds only what the user said; what is missing stands in ``missing`` and is never made up.
Callers: ``understand`` (makes it), ``plan`` (turns it into edits), ``dialogue`` (fills what is missing).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SlotKind = Literal["channel", "url", "email", "labels", "fields", "seconds", "text", "name", "list"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Something only the user knows. options: (value, label) worth offering."""

    field: str
    kind: SlotKind
    question: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """`subject` compared; an empty subject means the data at hand. right None: the operator needs none."""

    subject: str
    op: str
    right: Any = None
    said: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Test:
    conditions: tuple[Condition, ...]
    match: Literal["all", "any"] = "all"
    said: str = ""


@dataclass(slots=True)
class Action:
    """A block to use. said: the message text the user dictated. topic: what the step is about, for ids and texts."""

    block: str
    payload: dict[str, Any] = field(default_factory=dict)
    said: str | None = None
    topic: str = ""
    clause: str = ""
    missing: list[Slot] = field(default_factory=list)
    #: Fields of the data at hand that the step sends, by name.
    members: list[str] = field(default_factory=list)
    #: It happens whichever way the condition before it went.
    always: bool = False
    #: The search's best guess at a clause no rule knows.
    guessed: bool = False


@dataclass(slots=True)
class Branch:
    """waits: it hangs on how the wait before it ended, and has no test."""

    test: Test
    then: list[Step] = field(default_factory=list)
    otherwise: list[Step] = field(default_factory=list)
    waits: bool = False

    @property
    def idle(self) -> bool:
        """Whether nothing hangs on it."""
        return not (self.then or self.otherwise or self.waits)


@dataclass(slots=True)
class Loop:
    """The steps repeat for every item of a list called `items`. rows: where in the data the list stands, if said."""

    items: str
    body: list[Step] = field(default_factory=list)
    rows: str = ""
    #: No more items than that; 0: all.
    most: int = 0


Step = Action | Branch | Loop


@dataclass(slots=True)
class Trigger:
    """block: a trigger type. event: what happens, in the user's words, for a webhook or chat. note: to be checked."""

    block: str
    payload: dict[str, Any] = field(default_factory=dict)
    event: str = ""
    note: str = ""


@dataclass(slots=True)
class Request:
    trigger: Trigger | None = None
    steps: list[Step] = field(default_factory=list)
    #: Clauses nobody understood; the block search gets a try, then the user is told.
    unknown: list[str] = field(default_factory=list)

    def actions(self) -> list[Action]:
        return actions(self.steps)


def actions(steps: list[Step]) -> list[Action]:
    """Every action of a tree, in reading order."""
    found: list[Action] = []
    for step in steps:
        match step:
            case Action():
                found.append(step)
            case Branch(then=then, otherwise=otherwise):
                found += actions(then) + actions(otherwise)
            case Loop(body=body):
                found += actions(body)
    return found
