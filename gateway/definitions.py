"""Definitions in request bodies: accepted when there is something to work on, else refused with every fault.

Invariant: what passes is in the one canonical shape; each fault names its place under `definition`. Callers: the
chat and the workflow routes.
"""

from __future__ import annotations

from typing import Any

from shared.catalog import Catalog
from shared.errors import CaddieError, Fault
from shared.validation import refuse_unusable
from shared.workflows import parse_definition


def usable(value: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The definition, canonical. Raises DEFINITION_INVALID."""
    try:
        definition = parse_definition(value)
        refuse_unusable(definition, catalog)
    except CaddieError as error:
        faults = tuple(Fault(_placed(fault.field), fault.message) for fault in error.faults)
        raise CaddieError(error.code, error.message, faults=faults) from error
    return definition.wire()


def _placed(field: str) -> str:
    return field if field.split(".", 1)[0] == "definition" else f"definition.{field}"
