"""The workflow templates: whole definitions to begin from, with what the user still has to fill in.

Invariant: a template's definition has no fault but what only its user can know, and `inputs` names each of those.
The templates are the JSON files in ``catalog_data/templates``, one per domain, and those of plugins. Callers: the
agent's template search, the offline model, ``GET /v1/templates``.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.catalog import Catalog
from shared.validation import validate
from shared.workflows import Definition


class TemplateInput(BaseModel):
    """A place for the user to fill in, or, when not required, one whose value they may want to change.

    `field` is dotted as in an ``Issue``: `payload.url`, or `connector` for an outside account.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,63}$")
    label: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1, max_length=500)
    required: bool
    nodeId: str
    field: str


class Template(BaseModel):
    """A workflow to begin from. `examples`: what a user who wants it might say."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^([a-z0-9-]+\.)?[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    title: str = Field(min_length=1, max_length=100)
    summary: str = Field(min_length=1, max_length=500)
    domain: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=32)
    tags: tuple[str, ...]
    examples: tuple[str, ...]
    inputs: tuple[TemplateInput, ...]
    definition: Definition

    def wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"definition"}) | {"definition": self.definition.wire()}


class Templates:
    """Templates by id, in the order they were given."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self._templates = {template.id: template for template in templates}

    @classmethod
    def builtin(cls) -> Templates:
        """The templates that come with the program, without plugins."""
        folder = resources.files("shared") / "catalog_data" / "templates"
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
        found = [template for file in files for template in orjson.loads(file.read_bytes())]
        return cls(TypeAdapter(list[Template]).validate_python(found))

    def get(self, template_id: str) -> Template | None:
        return self._templates.get(template_id)

    def all(self) -> tuple[Template, ...]:
        return tuple(self._templates.values())


def template_faults(template: Template, catalog: Catalog) -> list[str]:
    """What keeps a template from being one: mistakes in its definition, gaps that `inputs` does not name."""
    issues = validate(template.definition, catalog)
    errors = [issue for issue in issues if issue.severity == "error"]
    faults = [f"definition: {_place(issue.nodeId, issue.field)}: {issue.message}" for issue in errors]
    gaps = {(issue.nodeId, issue.field) for issue in issues if issue.severity == "incomplete"}
    named = [(each.nodeId, each.field) for each in template.inputs if each.required]
    faults += [f"inputs: expected a required one for {_place(*gap)}" for gap in sorted(gaps - set(named), key=str)]
    faults += [f"inputs: expected {_place(*each)}, required, to be left open" for each in named if each not in gaps]
    for each in template.inputs:
        if each.nodeId not in template.definition.nodes:
            faults.append(f"inputs: {each.key}: expected a node of the definition, got {each.nodeId}")
    if len({each.key for each in template.inputs}) < len(template.inputs):
        faults.append("inputs: expected each key once")
    return faults


def _place(node_id: str | None, field: str | None) -> str:
    return ".".join(part for part in (node_id, field) if part)
