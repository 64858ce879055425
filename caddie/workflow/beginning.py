"""What a walk begins with, from what the store knows of the execution: program, scope, variables, secrets.

Invariant: secrets are opened here, noted for masking before anything can say them. Caller: ``caddie.executing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import JsonValue

from caddie.workflow.masking import Mask
from caddie.workflow.program import Program
from caddie.workflow.runner import Origin
from caddie.workflow.terms import Given
from shared.errors import CaddieError
from shared.resolution import Scope
from shared.sensitive import Sensitive
from shared.store.execution_records import Begun, StepRecord
from shared.workflows import Definition, parse_definition

_EMPTY: dict[str, Any] = {"number": 0, "text": "", "boolean": False, "list": [], "object": {}}


def program(begun: Begun, sensitive: Sensitive, mask: Mask) -> Program:
    """The definition of the execution's version, with its secrets open. Raises DEFINITION_INVALID."""
    execution = begun.execution
    definition = sensitive.open(parse_definition(begun.definition), execution.org_id, mask.note)
    if execution.trigger_node not in definition.nodes:
        raise CaddieError("DEFINITION_INVALID", f"expected the trigger {execution.trigger_node}, got none of this id")
    made = Program(definition, execution.trigger_node)
    if execution.trigger_node not in made.main.order:
        raise CaddieError("DEFINITION_INVALID", "expected a trigger that no node leads to, got one within a cycle")
    return made


def given(begun: Begun, made: Program, told: frozenset[tuple[str, str, str]]) -> Given:
    execution = begun.execution
    variables = _variables(made.definition, begun)
    scope = Scope(
        trigger=execution.trigger_node,
        variables=variables,
        inputs=execution.inputs,
        workflow={
            "id": execution.workflow_id, "number": execution.workflow_number, "slug": execution.workflow_slug,
            "name": execution.workflow_name, "version": execution.version, "executionId": execution.id,
        },
    )  # fmt: skip
    origin = Origin(
        execution.id, execution.org_id, execution.user_id, execution.workflow_id, execution.depth, execution.thread
    )
    result = execution.input if isinstance(execution.input, dict) else {"value": execution.input}
    return Given(origin, execution.attempt, result, scope, variables, begun.steps, told, begun.inputs)


def _variables(definition: Definition, begun: Begun) -> dict[str, JsonValue]:
    """Declared values, those kept with the workflow, and what steps of this execution have set."""
    values: dict[str, JsonValue] = {}
    kept = set()
    for each in definition.variableDefs:
        values[each.name] = _EMPTY[each.type] if each.default is None else each.default
        if each.lifetime == "persist":
            kept.add(each.name)
            values[each.name] = begun.variables.get(each.name, values[each.name])
    for name, value in _set(begun.steps, definition):
        if name in values and name not in kept:
            values[name] = value
    return values


def _set(steps: Sequence[StepRecord], definition: Definition) -> Iterable[tuple[str, JsonValue]]:
    for step in steps:
        node = definition.nodes.get(step.node_id)
        if node is not None and node.type == "set-variable" and step.status == "success":
            yield step.result["name"], step.result["value"]
