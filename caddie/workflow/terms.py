"""What a walk starts from, within which bounds, and where it has come to.

Invariant: plain data that does not change, but for the variables. Callers: the executor and whoever starts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from caddie.workflow.pauses import Answered
from caddie.workflow.runner import Origin
from shared.resolution import Scope
from shared.store.execution_records import StepRecord


@dataclass(frozen=True, slots=True)
class Bounds:
    node_runs: int = 10_000
    depth: int = 10
    result_bytes: int = 134_217_728


@dataclass(frozen=True, slots=True)
class Given:
    """What an execution starts from, or goes on from.

    variables: also those in `scope`, as they change. told: (path, node id, status) of the events in the log. asked:
    its questions, by id.
    """

    origin: Origin
    attempt: int
    trigger_result: dict[str, JsonValue]
    scope: Scope
    variables: dict[str, JsonValue]
    steps: Sequence[StepRecord] = ()
    told: frozenset[tuple[str, str, str]] = frozenset()
    asked: Mapping[str, Answered] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    message: str
    node_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a walk has come to. waits: it is not over, and before `until` nothing ends by itself."""

    failure: Failure | None = None
    output: JsonValue = None
    waits: bool = False
    until: datetime | None = None
