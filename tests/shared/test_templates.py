"""The templates: valid, wired to results that exist, found by what their users say, and with every gap named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.catalog import Block, Catalog, json_type
from shared.expressions import Expression, Literal, Reference, parse, references, texts
from shared.search import TemplateSearch
from shared.templates import Template, TemplateInput, Templates, template_faults
from shared.workflows import ROOT, Definition

CATALOG = Catalog.builtin()
TEMPLATES = Templates.builtin()
SEARCH = TemplateSearch(TEMPLATES)
each_template = pytest.mark.parametrize("template", TEMPLATES.all(), ids=lambda template: template.id)


def block_of(template: Template, node_id: str) -> Block:
    node = template.definition.nodes[node_id]
    block = CATALOG.get(node.type)
    assert block is not None
    return block


def results(template: Template, node_id: str) -> dict[str, Any]:
    """The schema of a node's result; of an extraction, with the data its payload asks for."""
    block, node = block_of(template, node_id), template.definition.nodes[node_id]
    properties: Any = block.resultSchema["properties"]
    if node.type == "extract-json":
        return {**properties, "data": node.payload["schema"]}
    return dict(properties)


def reached(template: Template, reference: Reference) -> dict[str, Any]:
    """The schema of what a reference to a node names; a KeyError where there is no such field."""
    assert reference.node is not None
    schema: dict[str, Any] = {"type": "object", "properties": results(template, reference.node)}
    for field in reference.fields:
        if "properties" in schema:
            schema = schema["properties"][field]
        elif "items" in schema and field.isdigit():
            schema = schema["items"]
        elif schema.get("type") in ("string", "number", "integer", "boolean"):
            raise KeyError(f"{reference}: nothing inside {schema['type']}")
        else:
            return {}
    return schema


def payload_schema(template: Template, node_id: str, path: str) -> dict[str, Any]:
    """The schema of a payload's member, {} where anything may stand."""
    schema: Any = block_of(template, node_id).payloadSchema
    for part in path.split("."):
        schema = schema.get("properties", {}).get(part) or schema.get("items") or {}
    return dict(schema)


def payload_texts(template: Template) -> Iterator[tuple[str, str, str]]:
    for node_id, node in template.definition.nodes.items():
        for path, text in texts(node.payload):
            yield node_id, path, text


def test_there_are_many_over_many_domains() -> None:
    domains = Counter(template.domain for template in TEMPLATES.all())
    assert len(TEMPLATES.all()) >= 48
    assert len(domains) >= 10 and min(domains.values()) >= 3


def test_ids_and_titles_are_unique() -> None:
    assert len({template.title.lower() for template in TEMPLATES.all()}) == len(TEMPLATES.all())
    assert [TEMPLATES.get(template.id) for template in TEMPLATES.all()] == list(TEMPLATES.all())
    assert TEMPLATES.get("nothing") is None


@each_template
def test_a_template_has_no_fault_and_names_every_gap(template: Template) -> None:
    assert template_faults(template, CATALOG) == []
    assert template.tags and len(template.examples) >= 3
    assert all(node.titleOverride for node in template.definition.nodes.values())
    titles = [node.titleOverride for node in template.definition.nodes.values()]
    assert len(titles) >= 2 and template.definition.nodes[template.definition.triggerNodeIds[0]].children


@each_template
def test_every_expression_reads_a_declared_result(template: Template) -> None:
    for node_id, path, text in payload_texts(template):
        for reference in references(text):
            if reference.node is not None and reference.part != "error":
                assert reference.part == "result", (node_id, path)
                assert reference.fields, f"{node_id}.{path}: {reference} reads a whole result"
                reached(template, reference)


@each_template
def test_a_whole_expression_has_the_type_its_place_wants(template: Template) -> None:
    for node_id, path, text in payload_texts(template):
        parts = parse(text)
        wanted = payload_schema(template, node_id, path).get("type")
        if len(parts) > 1 or not isinstance(parts[0], Expression) or wanted is None:
            continue
        for operand in parts[0].operands:
            if isinstance(operand, Literal):
                got = json_type(operand.value)
            elif operand.node is not None and operand.part == "result":
                got = reached(template, operand).get("type")
            else:
                continue
            kinds = wanted if isinstance(wanted, list) else [wanted]
            assert got is None or got in kinds or (got == "integer" and "number" in kinds), (node_id, path, got, wanted)


@each_template
def test_optional_inputs_name_a_value_that_is_there(template: Template) -> None:
    for each in template.inputs:
        value: Any = {"payload": template.definition.nodes[each.nodeId].payload}
        if not each.required and not each.field.endswith("timezone"):
            for part in each.field.split("."):
                value = value[int(part)] if isinstance(value, list) else value[part]


@each_template
def test_variables_are_written_and_read(template: Template) -> None:
    read = {ref.path[0] for _, _, text in payload_texts(template) for ref in references(text) if ref.head == "$vars"}
    nodes = template.definition.nodes.values()
    written = {str(node.payload["name"]): node for node in nodes if node.type == "set-variable"}
    for variable in template.definition.variableDefs:
        counts = written[variable.name].payload.get("operation") == "increment"
        assert variable.name in read or counts, f"{variable.name} is never read"
        assert variable.default is not None and variable.description


@each_template
def test_it_is_found_by_what_its_users_say(template: Template) -> None:
    for example in template.examples:
        assert template.id in [hit.type for hit in SEARCH.search(example, 5)], example


def test_every_block_is_used_in_two_templates() -> None:
    used = Counter(kind for each in TEMPLATES.all() for kind in {node.type for node in each.definition.nodes.values()})
    assert {block.type: used[block.type] for block in CATALOG.all() if used[block.type] < 2} == {}


def test_the_wire_form_is_read_back() -> None:
    template = TEMPLATES.all()[0]
    assert Template.model_validate(template.wire()) == template


def changed(template: Template, **members: Any) -> list[str]:
    return template_faults(template.model_copy(update=members), CATALOG)


def test_what_is_wrong_with_a_template_is_said() -> None:
    template = TEMPLATES.all()[0]
    gap = next(each for each in template.inputs if each.required)
    without = tuple(each for each in template.inputs if each != gap)
    assert changed(template, inputs=without) == [f"inputs: expected a required one for {gap.nodeId}.{gap.field}"]
    assert changed(template, inputs=(*template.inputs, gap)) == ["inputs: expected each key once"]
    extra = TemplateInput(key="x", label="x", description="x", required=False, nodeId="gone", field="payload.x")
    (fault,) = changed(template, inputs=(*template.inputs, extra))
    assert fault == "inputs: x: expected a node of the definition, got gone"
    filled = TemplateInput(key="x", label="x", description="x", required=True, nodeId=ROOT, field="payload.x")
    (fault,) = changed(template, inputs=(*template.inputs, filled))
    assert fault == "inputs: expected root.payload.x, required, to be left open"
    broken = Definition.model_validate({"nodes": {ROOT: {"type": "teleport"}}})
    assert changed(template, definition=broken, inputs=())[0].startswith("definition: root.type: expected a block")
