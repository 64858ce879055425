"""The names a text may refer to, and the check of a payload against them.

Invariant: pure; a finding's `type` is a stable word. Callers: the validator; the catalog reports in findings too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import JsonValue

from shared.expressions import ExpressionError, Reference, references, texts

WORKFLOW_FIELDS = frozenset({"id"})


@dataclass(frozen=True, slots=True)
class Names:
    """What the texts of one node may refer to. `before`: its ancestors; `loops`: how many loop bodies it is in."""

    nodes: frozenset[str]
    before: frozenset[str]
    triggered: bool = True
    variables: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    loops: int = 0


class Finding(NamedTuple):
    """A fault in a value: a stable code, the dotted path of the text, what is wrong."""

    type: str
    field: str
    message: str


def check(value: JsonValue, names: Names, path: str = "") -> list[Finding]:
    """Every malformed text and every reference to something ``names`` does not know."""
    findings: list[Finding] = []
    for where, text in texts(value, path):
        try:
            found = references(text)
        except ExpressionError as error:
            findings.append(Finding("bad_expression", where, error.message))
            continue
        for reference in found:
            if (fault := _misuse(reference, names)) is not None:
                findings.append(Finding(fault[0], where, f"{{{{{reference}}}}}: {fault[1]}"))
    return findings


def _misuse(reference: Reference, names: Names) -> tuple[str, str] | None:
    head, path, node = reference.head, reference.path, reference.node
    if node is not None:
        return _misuse_of_node(node, names)
    if head == "$vars" and path[0] not in names.variables:
        return "unknown_variable", f"expected a declared variable, got {path[0]}"
    if head == "$inputs" and path[0] not in names.inputs:
        return "unknown_input", f"expected a key of inputSchema, got {path[0]}"
    if head == "$workflow" and path[0] not in WORKFLOW_FIELDS:
        return "bad_reference", f"expected $workflow.id, got {reference}"
    if head in ("$item", "$index") and names.loops < 1:
        return "bad_reference", f"{head} exists only inside a loop body"
    if head == "$parent_item" and names.loops < 2:
        return "bad_reference", "$parent_item exists only inside a loop body within another loop body"
    return None


def _misuse_of_node(node: str, names: Names) -> tuple[str, str] | None:
    if node == "root" and node not in names.before:
        return None if names.triggered else ("bad_reference", "a trigger cannot refer to the trigger")
    if node not in names.nodes:
        return "bad_reference", f"expected a node of this workflow, got {node}"
    if node not in names.before:
        return "bad_reference", f"expected a node that comes before this one, got {node}"
    return None
