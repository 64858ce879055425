"""What a condition told in words compares: a field, a label, a call's outcome, what the condition before asks.

Invariant: labels are only those a classification has, or the one that is put in front here. Callers: ``reader``.
"""

from __future__ import annotations

import re

from caddie.models.offline import conditions, judgement, turns
from caddie.models.offline.request import Action, Condition, Test
from caddie.models.offline.tree import LISTS, Tree


class Premises:
    """labels: those a classification before has. known: blocks that are there already, the trigger's too."""

    def __init__(self, tree: Tree, labels: list[str], known: frozenset[str]) -> None:
        self._tree = tree
        self.labels = labels
        self._known = known
        #: The classification that conditions like "the guest sounds unhappy" share.
        self._judge: Action | None = None
        self._limit: Test | None = None

    def bounded(self, clause: str) -> bool:
        """ "it must not get warmer than 5 degrees": what a later "if it does" means."""
        match = turns.MUST_NOT.match(clause)
        if match is None:
            return False
        test = conditions.find(f"{match.group(1)} is {match.group(2)}")
        named = conditions.comparative(match.group(2))
        self._limit = named[0] if named else test
        return self._limit is not None

    def test(self, word: str, text: str) -> Test | None:
        if self._limit and turns.DOES.fullmatch(text.strip(" ,.")):
            return self._limit
        approved = turns.APPROVED.match(text)
        if approved:
            denied = bool(turns.DENIED.match(approved.group(1)))
            test: Test | None = Test((Condition("approved", "eq", not denied),))
        else:
            test = (judgement.failed(text) if self._calls() else None) or conditions.find(text)
        if test is not None and conditions.undirected(test) and (label := self.named(text)):
            test = Test((Condition("", "eq", label),), said=text)
        return conditions.negated(test) if test and word.lower() == "unless" else test

    def named(self, text: str) -> str | None:
        """The label a text names."""
        return next((each for each in self.labels if re.search(rf"\b{re.escape(each)}\b", text, re.I)), None)

    def _calls(self) -> bool:
        return bool((self._known | self._tree.blocks()) & {"http-request", "send-webhook"})

    def judged(self, text: str) -> Test | None:
        """What somebody's words mean: a label of a classification, which is put in front when there is none yet."""
        chat = "trigger_chat" in self._known
        label = judgement.meant(text, feelings_only=not chat)
        if label is None or not (chat or self._known & {"webhook"} or self._tree.blocks() & LISTS):
            return None
        if label not in self.labels:
            if self._judge is None:
                self._judge = Action(
                    "classify",
                    {"labels": ["other"]},
                    topic="message" if chat else "text",
                    clause="the chat message" if chat else "",
                )
                if self._tree.branch and self._tree.branch.then:
                    self._tree.sentence()
                self._tree.add(self._judge)
            self._judge.payload["labels"].insert(-1, label)
            self.labels = [*self._judge.payload["labels"]]
        return Test((Condition("", "eq", label),), said=text)

    def repeated(self, text: str) -> bool | None:
        """Whether "when it's lower …" means what the condition before asks, or its opposite; None when neither."""
        return judgement.relative(text, self._tree.last[0].test if self._tree.last else None)

    def opposite(self, test: Test) -> bool:
        """Whether a test is the other branch of the condition told last, and no condition of its own."""
        branch = self._tree.last[0] if self._tree.last else None
        if branch is None or branch.otherwise or len(test.conditions) != 1 or len(branch.test.conditions) != 1:
            return False
        if test.conditions[0].op == "changed":
            return False
        return conditions.negated(branch.test).conditions == test.conditions
