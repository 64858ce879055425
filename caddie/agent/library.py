"""What the tools look things up in, beside the workflow itself: blocks, templates, executions.

Invariant: an execution that is not the caller's, or not of this workflow, does not exist here. Callers: the turn hands
it to the tools; the desk makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.search import BlockSearch, Mode, TemplateSearch
from shared.templates import Templates


class Executions(Protocol):
    """The caller's executions of this workflow."""

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        """What is known of one; without an id, of the one that failed or else the last."""

    async def run(self, definition: dict[str, Any], inputs: dict[str, Any], trigger: str | None) -> dict[str, Any]:
        """Run this definition, which the user agreed to; what is known of it when it ends, or after a while.

        Raises CaddieError.
        """


class NoExecutions:
    """For a conversation about no stored workflow."""

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        return None

    async def run(self, definition: dict[str, Any], inputs: dict[str, Any], trigger: str | None) -> dict[str, Any]:
        raise CaddieError("INVALID", "expected a conversation with a workflow that can be stored, got another")


@dataclass(frozen=True, slots=True)
class Library:
    """mode: how templates are searched."""

    catalog: Catalog
    blocks: BlockSearch
    templates: Templates = field(default_factory=lambda: Templates(()))
    template_search: TemplateSearch = field(default_factory=lambda: TemplateSearch(Templates(())))
    mode: Mode = "lightweight"
    executions: Executions = field(default_factory=NoExecutions)
