"""A step, as it is counted, stored and told: its name, its identity, its event with previews of bounded size.

Invariant: the same step of the same execution has the same identity in every attempt. Callers: the executor and what
belongs to it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import JsonValue

from caddie.workflow.runner import Result, StepError
from shared.events import ExecutionNode
from shared.store.execution_records import StepRecord, StepWrite
from shared.workflows import Definition

#: (path, node id): the iterations it belongs to, and the node.
Place = tuple[str, str]
OUTPUT_PREVIEW_BYTES = 16_384
INPUT_PREVIEW_BYTES = 4_096
PREVIEW_CHARS = 1_000
RESULT_BYTES = 1_048_576
#: What the walk itself gathers (a loop's results, an answer, a trigger's data): as much as an expression can fill in.
GATHERED_BYTES = 4_194_304


@lru_cache(1_000)
def step_id(execution_id: str, place: Place) -> str:
    path, node_id = place
    return str(uuid5(UUID(execution_id), f"{path}|{node_id}"))


def iteration(path: str, loop: str, index: int) -> str:
    """The path of what runs in one iteration of a loop."""
    return f"{path}/{loop}:{index}" if path else f"{loop}:{index}"


def size(value: JsonValue) -> int:
    """Bytes of the value as JSON. Raises TypeError for what is no JSON."""
    return len(orjson.dumps(value))


class Room:
    """How much the results of one execution may still take, in the store and in memory."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total

    def taken(self, end: Result | StepError, *, stored: bool = False) -> Result | StepError:
        """The same, or why it cannot be kept; what is stored already is."""
        if isinstance(end, StepError):
            return end
        try:
            taken = size(end)
        except TypeError as error:
            return StepError("RESULT_INVALID", f"expected a result that is JSON, got {error}"[:300])
        self._left -= taken
        if stored or (taken <= GATHERED_BYTES and self._left >= 0):
            return end
        if taken > GATHERED_BYTES:
            return StepError("RESULT_TOO_LARGE", f"expected a result of at most {GATHERED_BYTES} bytes, got {taken}")
        return StepError("RUN_LIMIT", f"expected results of at most {self._total} bytes together, got more")


def preview(value: JsonValue, limit: int) -> JsonValue:
    """The value, or how large it is and how it begins."""
    if value is None:
        return None
    text = orjson.dumps(value)
    if len(text) <= limit:
        return value
    return {"truncated": True, "bytes": len(text), "preview": text[:PREVIEW_CHARS].decode(errors="ignore")}


def beyond(shown: JsonValue) -> int:
    """How large a value is of which only a preview is shown; 0 for one that is shown whole."""
    taken = shown.get("bytes") if isinstance(shown, dict) and shown.get("truncated") is True else 0
    return taken if isinstance(taken, int) else 0


def told(step: StepWrite | StepRecord, definition: Definition) -> ExecutionNode:
    """The event that says where a step stands."""
    node = definition.nodes[step.node_id]
    # What a loop goes over may be stored whole.
    given = preview(step.input, INPUT_PREVIEW_BYTES) if node.type == "for-each" else step.input
    facts: dict[str, Any] = {
        "path": step.path or None,
        "input": given,
        "output": preview(step.result, OUTPUT_PREVIEW_BYTES),
        "error": step.error,
        "code": step.error_code,
        "durationMs": step.duration_ms,
        "label": node.titleOverride,
    }
    return ExecutionNode(nodeId=step.node_id, status=step.status, block=node.type, **facts)
