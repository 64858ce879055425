"""A template with values for its inputs.

Invariant: only the places the template names are filled, and never an account. Callers: the tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from shared.errors import CaddieError
from shared.templates import Template, TemplateInput
from shared.workflows import Definition, parse_definition


def filled(template: Template, values: Mapping[str, JsonValue]) -> Definition:
    """Raises INVALID for a key the template does not have, or an account."""
    inputs = {each.key: each for each in template.inputs}
    definition = template.definition.wire()
    for key, value in values.items():
        if (place := inputs.get(key)) is None:
            raise CaddieError("INVALID", f"inputs.{key[:64]}: expected one of {', '.join(inputs) or 'no inputs'}")
        if value not in (None, ""):
            _put(definition["nodes"][place.nodeId], place, value)
    return parse_definition(definition)


def _put(node: dict[str, Any], place: TemplateInput, value: JsonValue) -> None:
    """Along the dotted path; a number in it is a position in a list that is there."""
    *way, last = place.field.split(".")
    if way[:1] != ["payload"]:
        raise CaddieError("INVALID", f"inputs.{place.key}: expected nothing: connecting accounts is the owner's part")
    target: Any = node
    for step in way:
        target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
    if isinstance(target, list):
        target[int(last)] = value
    else:
        target[last] = value
