"""What earlier attempts of an execution have stored of its steps.

Invariant: nothing here changes; the steps inside a loop come in the order in which they happened. Caller: the executor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from caddie.workflow.steps import Place
from shared.store.execution_records import StepRecord

ENDED = ("success", "failed", "skipped")


class Known:
    def __init__(self, steps: Sequence[StepRecord]) -> None:
        self._steps = {step.key: step for step in steps}
        self.position = max((step.position for step in steps), default=0)

    def get(self, place: Place) -> StepRecord | None:
        return self._steps.get(place)

    def whole(self, step: StepRecord) -> Iterator[StepRecord]:
        """A step that has ended, after all that ended inside of it, if it is a loop."""
        yield from self._inside.get(step.key, ())
        yield step

    @cached_property
    def _inside(self) -> dict[Place, list[StepRecord]]:
        found: dict[Place, list[StepRecord]] = {}
        for step in sorted(self._steps.values(), key=lambda each: each.position):
            if step.path and step.status in ENDED:
                for loop in _loops(step.path):
                    found.setdefault(loop, []).append(step)
        return found


def _loops(path: str) -> Iterator[Place]:
    """The loops around a step."""
    parts = path.split("/")
    for depth, part in enumerate(parts):
        yield "/".join(parts[:depth]), part.rpartition(":")[0]
