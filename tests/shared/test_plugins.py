"""Plugins: real distributions on the path, taken whole or left out with the reason, never ending the process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any

import pytest

from shared.catalog import Catalog
from shared.plugins import Library, Plugin, load
from shared.search import BlockSearch
from shared.templates import Templates

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "plugins.md").read_text()
#: What the documentation shows, word for word.
EXAMPLE = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)[0]
BLOCK: dict[str, Any] = {
    "type": "acme.note", "title": "Note", "summary": "Keeps a note.", "family": "logic", "tags": ["note"],
    "payloadSchema": {"type": "object", "properties": {"text": {"type": "string", "description": "The note."}}},
    "resultSchema": {"type": "object", "properties": {}},
    "examples": [{"description": "Keep a note", "payload": {"text": "milk"}}],
}  # fmt: skip
TEMPLATE: dict[str, Any] = {
    "id": "acme.keep", "title": "Keep a note", "summary": "Keeps a note by hand.", "domain": "personal",
    "tags": ["note"], "examples": ["keep a note"], "inputs": [],
    "definition": {"nodes": {"root": {"type": "manual", "children": ["note"]}, "note": {"type": "acme.note"}}},
}  # fmt: skip
SEEN = """
import json, structlog
structlog.configure(logger_factory=structlog.WriteLoggerFactory(open("log.txt", "w")))
from shared.catalog import Catalog
from shared.plugins import library
from shared.search import BlockSearch
from shared.templates import Templates
catalog = library().catalog
print(json.dumps({
    "block": catalog.get("acme.send-sms").title, "hit": BlockSearch(catalog).search("text message to a phone")[0].type,
    "check": [each.field for each in catalog.check("acme.send-sms", {"to": "1"}, "acme")],
    "templates": len(library().templates.all()), "plugins": library().plugins, "refusals": len(library().refusals),
}))
"""


def install(folder: Path, name: str, module: str, source: str, distribution: str = "") -> None:
    """A distribution as an installer leaves it behind."""
    distribution = distribution or f"{module.replace('_', '-')}"
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[caddie.plugins]\n{name} = {module}:plugin\n")


def points(folder: Path) -> list[EntryPoint]:
    return [point for each in distributions(path=[str(folder)]) for point in each.entry_points]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def loaded(folder: Path, value: object, name: str = "acme") -> Library:
    """A library with one plugin that returns ``value``."""
    module = f"plugin_{abs(hash(repr(value)))}"
    install(folder, name, module, f"import json\ndef plugin():\n    return json.loads({json.dumps(value)!r})\n")
    return load(points(folder))


def refused(folder: Path, value: object, name: str = "acme") -> str:
    found = loaded(folder, value, name)
    assert not found.plugins
    assert found.catalog.all() == Catalog.builtin().all() and found.templates.all() == Templates.builtin().all()
    (refusal,) = found.refusals
    return f"{refusal.source}: {'; '.join(refusal.faults)}"


def test_the_documented_example_is_ten_lines_and_works(tmp_path: Path) -> None:
    """In a process of its own, through the path an installer fills; beside it one that fails."""
    assert len(EXAMPLE.strip().splitlines()) <= 11  # ten and the file's name
    install(tmp_path, "acme", "acme_caddie", EXAMPLE)
    install(tmp_path, "broken", "broken_caddie", "raise SystemExit('not today')")
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-c", SEEN], capture_output=True, text=True, timeout=50, check=False, cwd=tmp_path,
        env={"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "block": "Send SMS", "hit": "acme.send-sms", "check": ["payload.text"],
        "templates": len(Templates.builtin().all()), "plugins": ["acme of acme-caddie 1.0"], "refusals": 1,
    }  # fmt: skip
    log = (tmp_path / "log.txt").read_text()
    assert "plugin.refused" in log and "broken of broken-caddie 1.0" in log and "not today" in log


def test_blocks_and_templates_are_added_and_found(folder: Path) -> None:
    found = loaded(folder, {"blocks": [BLOCK], "templates": [TEMPLATE]})
    assert not found.refusals
    assert found.templates.get("acme.keep") is not None
    assert BlockSearch(found.catalog).search("note")[0].type in ("acme.note", "log")
    assert found.catalog.all()[:-1] == Catalog.builtin().all()


def test_an_object_serves_as_well_as_a_callable(folder: Path) -> None:
    install(folder, "acme", "object_plugin", f"import json\nplugin = json.loads({json.dumps({'blocks': [BLOCK]})!r})\n")
    assert load(points(folder)).catalog.get("acme.note") is not None
    assert Plugin.model_validate(Plugin()) == Plugin()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": "note"}, "expected a name such as acme.something, got note"),
        ({"type": "log"}, "expected a name such as acme.something, got log"),
        ({"type": "other.note"}, "expected a name such as acme.something, got other.note"),
        ({"type": "acme.Note!"}, "expected a name such as acme.something"),
        ({"title": 5}, "blocks.0.title: "),
        ({"colour": "red"}, "blocks.0.colour: unknown field"),
        ({"family": "magic"}, "family: expected one of"),
        ({"family": "trigger", "trigger": True}, "expected neither trigger, loop nor branches"),
        ({"branches": ["left"]}, "expected neither trigger, loop nor branches"),
        ({"examples": []}, "examples: search needs them"),
        ({"payloadSchema": {"type": "object", "allOf": []}}, "got allOf"),
        ({"payloadSchema": {"type": "object", "required": 7}}, "expected blocks and templates, got TypeError"),
        ({"connector": "acme", "examples": [{"description": "x", "payload": {"text": 1}}]}, "expected string, got"),
    ],
)
def test_a_block_that_breaks_a_rule_keeps_the_plugin_out(folder: Path, changes: Any, expected: str) -> None:
    said = refused(folder, {"blocks": [{**BLOCK, **changes}]})
    assert said.startswith("acme of plugin-") and expected in said


def test_a_template_that_breaks_a_rule_keeps_the_blocks_out_too(folder: Path) -> None:
    definition = {"nodes": {"root": {"type": "manual", "children": ["gone"]}}}
    said = refused(folder, {"blocks": [BLOCK], "templates": [{**TEMPLATE, "definition": definition}]})
    assert "template acme.keep: definition: root.children.0: expected a node called gone" in said


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "a mapping with blocks and templates, got list"), (None, "got NoneType"),
        ({"block": []}, "block: unknown field"),
        ({"blocks": [BLOCK, BLOCK]}, "block acme.note: expected it once"),
        ({"templates": [{**TEMPLATE, "id": "support-chat-assistant"}]}, "expected a name such as acme.something"),
    ],
)  # fmt: skip
def test_other_shapes_are_refused(folder: Path, value: object, expected: str) -> None:
    assert expected in refused(folder, value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("def plugin():\n    raise ValueError('no licence')", "ValueError: no licence"),
        ("def plugin(needed):\n    return {}", "TypeError"),
        ("other = 1", "AttributeError"),
        ("syntax error", "SyntaxError"),
    ],
)
def test_what_a_plugin_raises_is_reported(folder: Path, source: str, expected: str) -> None:
    install(folder, "acme", f"raising_{abs(hash(source))}", source)
    (refusal,) = load(points(folder)).refusals
    assert expected in refusal.faults[0] and "to load, got" in refusal.faults[0]


def test_a_name_belongs_to_one_plugin_and_is_a_plain_one(folder: Path) -> None:
    install(folder, "acme", "first_plugin", f"import json\nplugin = json.loads({json.dumps({'blocks': [BLOCK]})!r})\n")
    install(folder, "acme", "second_plugin", "plugin = {}")
    install(folder, "Acme.Inc", "third_plugin", "plugin = {}")
    found = load(points(folder))
    assert found.plugins == ("acme of first-plugin 1.0",)
    said = [f"{each.source}: {each.faults[0]}" for each in found.refusals]
    assert said[0].startswith("Acme.Inc of third-plugin 1.0: expected a name of up to 31")
    assert said[1] == "acme of second-plugin 1.0: expected a name no other plugin has"
