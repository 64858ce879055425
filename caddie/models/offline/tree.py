"""The steps read so far, and where the next one goes.

Invariant: a step goes to the innermost open branch or loop; a full stop closes branches, a loop stays open, for its
body is told in several sentences. Callers: ``reader``, ``premises``.
"""

from __future__ import annotations

from caddie.models.offline.request import Action, Branch, Loop, Step, Test
from caddie.models.offline.request import actions as listed

#: Blocks that bring a list.
LISTS = frozenset(("http-request", "web-search", "filter", "pluck", "extract-json", "trigger-workflow"))
_SENDERS = ("slack-send-message", "discord-send-message", "send-email")


class Tree:
    """last: the condition told last, also in an earlier sentence, and what is around it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._open: list[list[Step]] = [self.steps]
        self._branches: list[tuple[Branch, int]] = []
        self.last: tuple[Branch, list[list[Step]]] | None = None

    @property
    def here(self) -> list[Step]:
        """Where the next step goes."""
        return self._open[-1]

    @property
    def branch(self) -> Branch | None:
        """The innermost condition that is open."""
        return self._branches[-1][0] if self._branches else None

    def sentence(self) -> None:
        if self._branches:
            del self._open[self._branches[0][1] :]
            self._branches.clear()

    def add(self, step: Step) -> None:
        self.here.append(step)

    def branched(self, test: Test, waits: bool = False) -> Branch:
        """A condition is open from here on."""
        branch = Branch(test, waits=waits)
        self.add(branch)
        self._branches.append((branch, len(self._open)))
        self.last = (branch, list(self._open))
        self._open.append(branch.then)
        return branch

    def lost(self) -> None:
        """A condition nobody understands: what hangs on it is left out with it."""
        branch = Branch(Test(()))
        self._branches.append((branch, len(self._open)))
        self.last = (branch, list(self._open))
        self._open.append(branch.then)

    def otherwise(self) -> bool:
        """The other branch of the condition that is open, else of the one told last; False when there is none."""
        if self._branches:
            branch, depth = self._branches[-1]
            del self._open[depth:]
            self._open.append(branch.otherwise)
            return True
        return self.resumed(otherwise=True)

    def resumed(self, otherwise: bool = False) -> bool:
        """Back on a branch of the condition told last."""
        if self.last is None:
            return False
        branch, around = self.last
        self._open = [*around, branch.otherwise if otherwise else branch.then]
        self._branches = [(branch, len(around))]
        return True

    def looped(self, loop: Loop) -> None:
        self.add(loop)
        self._open.append(loop.body)

    def unlooped(self) -> bool:
        """Behind the innermost loop; False when none is open."""
        self.sentence()
        if not self.loops:
            return False
        self._open.pop()
        return True

    def guarded(self, test: Test) -> bool:
        """What the open loop does so far happens only where a test holds."""
        if not self.loops or self._branches:
            self.sentence()
        if not self.loops:
            return False
        guard = Branch(test, then=[*self._open[-1]])
        self._open[-1][:] = [guard]
        self._open[-1] = guard.then
        return True

    @property
    def loops(self) -> bool:
        """Whether the next step belongs to the body of a loop."""
        return len(self._open) > len(self._branches) + 1

    def actions(self) -> list[Action]:
        return listed(self.steps)

    def blocks(self) -> set[str]:
        return {each.block for each in self.actions()}

    def sent(self) -> Action | None:
        """The message told last, which "there" and "them" point to."""
        sent = (*_SENDERS, "send-webhook")
        return next((each for each in reversed(self.actions()) if each.block in sent and not each.missing), None)
