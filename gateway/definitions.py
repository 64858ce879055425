"""Definitions in request bodies: accepted when there is something to work on, else refused with every fault.

Invariant: what passes is in the one canonical shape; each fault names its place under `definition`. Callers: the
chat and the workflow routes.
"""

from __future__ import annotations

from typing import Any

from shared.catalog import Catalog
from shared.errors import CaddieError, Fault
from shared.sensitive import Sensitive
from shared.validation import refuse_unusable
from shared.workflows import parse_definition


class Definitions:
    """Reads the definitions of one gateway's requests."""

    def __init__(self, catalog: Catalog, sensitive: Sensitive) -> None:
        self._catalog, self._sensitive = catalog, sensitive

    def usable(self, value: dict[str, Any] | None, org: int) -> dict[str, Any] | None:
        """The definition, canonical and with its secrets sealed; None for none. Raises DEFINITION_INVALID."""
        if value is None:
            return None
        try:
            definition = parse_definition(value)
            refuse_unusable(definition, self._catalog)
            return self._sensitive.seal(definition, org).wire()
        except CaddieError as error:
            faults = tuple(Fault(_placed(fault.field), fault.message) for fault in error.faults)
            raise CaddieError(error.code, error.message, faults=faults) from error


def _placed(field: str) -> str:
    return field if field.split(".", 1)[0] == "definition" else f"definition.{field}"
