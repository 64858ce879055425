"""What is needed to build, install and ship: lock files, package contents, container files, generated pages."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from caddie import manual
from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = ("local", "postgres", "openai")
EXTRAS = {"base.txt": SHIPPED, "test.txt": (*SHIPPED, "test"), "web.txt": ()}
COMPOSE_SCHEMA = ("--builtin-schema", "vendor.compose-spec")
BIN = Path(sys.executable).parent


def locked(name: str) -> dict[str, str]:
    """package → version of a lock file; several versions of one package are for several Pythons, the last one wins."""
    text = (ROOT / "requirements" / name).read_text()
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M)
    return {canonicalize_name(package): version for package, version in pins}


def wanted(name: str) -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    if name == "web.txt":
        return [Requirement(text) for text in extras["web"]]
    chosen = [text for extra in EXTRAS[name] for text in extras[extra]]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *chosen]]


@pytest.mark.parametrize("name", EXTRAS)
def test_the_lock_file_meets_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    unmet = [
        str(requirement)
        for requirement in wanted(name)
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]
    assert not unmet, "pyproject.toml changed: compile requirements/ again"


@pytest.mark.parametrize("name", EXTRAS)
def test_every_locked_package_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    assert all("--hash=sha256:" in line for line in text.splitlines() if line.strip())


def test_the_tests_run_what_is_shipped() -> None:
    base, test = locked("base.txt"), locked("test.txt")
    assert {name: test.get(name) for name in base} == base


def test_the_package_carries_everything_it_needs_at_run_time(tmp_path: Path) -> None:
    """Built from a copy, because setuptools writes into the tree it builds from."""
    if int(importlib.metadata.version("setuptools").partition(".")[0]) < 80:
        pytest.skip("setuptools is older than the build needs: run `make setup`")
    tree = tmp_path / "tree"
    skip = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("caddie", "gateway", "shared"):
        shutil.copytree(ROOT / name, tree / name, ignore=skip)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    (tree / "gateway" / "static" / "assets").mkdir(parents=True, exist_ok=True)
    (tree / "gateway" / "static" / "assets" / "probe.js").touch()
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "-w", tmp_path, tree], capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("caddie-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    data = {
        str(path.relative_to(tree))
        for package in ("caddie", "gateway", "shared")
        for path in (tree / package).rglob("*")
        if path.is_file() and not path.is_relative_to(tree / "gateway" / "web") and "build" not in path.parts
    }
    assert not {name for name in data - packed if not name.endswith(".pyc")}
    assert not {name for name in packed if name.startswith(("tests/", "gateway/web/", "docs/"))}


def test_the_settings_page_is_current() -> None:
    path = ROOT / "docs" / "operations.md"
    assert manual.renewed(path.read_text()) == path.read_text(), "run `make docs`"
    for name in Settings.model_fields:
        assert f"CADDIE_{name.upper()}" in path.read_text() or name.startswith("anthropic")


@pytest.mark.parametrize(
    "command",
    [("hadolint", "docker/Dockerfile"), ("check-jsonschema", *COMPOSE_SCHEMA, "docker/compose.yaml")],
    ids=lambda command: command[0],
)
def test_container_files_are_sound(command: tuple[str, ...]) -> None:
    line = [BIN / command[0], *command[1:]]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_container_of_ours_is_confined_and_knows_its_settings() -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if name not in ("valkey", "postgres")}
    assert set(ours) == {"migrate", "gateway", "server-1", "server-2", "worker"}
    known = {f"CADDIE_{name.upper()}" for name in Settings.model_fields} | {"ANTHROPIC_API_KEY"}
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert set(service["environment"]) <= known
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    assert set(re.findall(r"CADDIE_\w+(?==)", dockerfile)) <= known
    assert re.search(r"^USER 10001", dockerfile, re.M)


def test_make_alone_lists_the_targets() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    for target in ("run", "setup", "test", "check", "e2e", "faults", "fuzz", "fmt", "docker"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.M)


def test_ci_runs_checks_and_tests_and_can_be_executed() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], timeout=10, check=True)
    text = script.read_text()
    assert text.index("make check") < text.index("make test")
    assert "set -euo pipefail" in text
