"""The workflows that are measured: valid, of the size they say, and the larger of a pair twice the smaller."""

from __future__ import annotations

import pytest

from bench.executions import Shape, chain, effects, everyday, loop
from caddie.workflow.program import Program
from shared.catalog import Catalog
from shared.validation import validate
from shared.workflows import parse_definition

URL = "http://127.0.0.1:1/"
SHAPES = [chain(500), loop(100), effects(50, URL), everyday(URL)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_what_is_measured_is_a_valid_workflow(shape: Shape) -> None:
    definition = parse_definition({"nodes": shape.blocks})
    assert [issue for issue in validate(definition, Catalog.builtin()) if issue.severity == "error"] == []
    program = Program(definition, "root")
    inside = {body: len(program.loops[body].order) * 100 for body in program.loops}
    assert len(program.main.order) + sum(inside.values()) == shape.nodes
