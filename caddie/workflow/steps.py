"""A step, as it is counted, stored and told: its name, its identity, its event with previews of bounded size.

Invariant: the same step of the same execution has the same identity in every attempt. Callers: the executor and what
belongs to it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import JsonValue

from shared.events import ExecutionNode
from shared.store.execution_records import StepRecord, StepWrite
from shared.workflows import Definition

#: (path, node id): the iterations it belongs to, and the node.
Place = tuple[str, str]
OUTPUT_PREVIEW_BYTES = 16_384
INPUT_PREVIEW_BYTES = 4_096
PREVIEW_CHARS = 1_000
RESULT_BYTES = 1_048_576


def step_id(execution_id: str, place: Place) -> str:
    path, node_id = place
    return str(uuid5(UUID(execution_id), f"{path}|{node_id}"))


def iteration(path: str, loop: str, index: int) -> str:
    """The path of what runs in one iteration of a loop."""
    return f"{path}/{loop}:{index}" if path else f"{loop}:{index}"


def size(value: JsonValue) -> int:
    """Bytes of the value as JSON. Raises TypeError for what is no JSON."""
    return len(orjson.dumps(value))


def preview(value: JsonValue, limit: int) -> JsonValue:
    """The value, or how large it is and how it begins."""
    if value is None:
        return None
    text = orjson.dumps(value)
    if len(text) <= limit:
        return value
    return {"truncated": True, "bytes": len(text), "preview": text[:PREVIEW_CHARS].decode(errors="ignore")}


def told(step: StepWrite | StepRecord, definition: Definition) -> ExecutionNode:
    """The event that says where a step stands."""
    node = definition.nodes[step.node_id]
    facts: dict[str, Any] = {
        "path": step.path or None,
        "input": step.input,
        "output": preview(step.result, OUTPUT_PREVIEW_BYTES),
        "error": step.error,
        "code": step.error_code,
        "durationMs": step.duration_ms,
        "label": node.titleOverride,
    }
    return ExecutionNode(nodeId=step.node_id, status=step.status, block=node.type, **facts)
