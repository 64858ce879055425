"""The shape of the house: who may import whom, one home for each package, sizes, no addresses in lock files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("caddie", "gateway", "shared")
MODULE_LINES = 350
FUNCTION_LINES = 60
FORBIDDEN_NAMES = set("utils util helpers helper common misc base core manager service types".split())

# importing package (prefix of a module) → what it must not import
WALLS = {
    "gateway": ("caddie",),
    "caddie": ("gateway",),
    "shared": ("caddie", "gateway", "aiohttp", "socketio", "engineio", "anthropic", "openai"),
    "caddie.agent": ("caddie.workflow", "caddie.realtime"),
    "caddie.workflow": ("caddie.agent", "caddie.realtime"),
    "caddie.realtime": ("caddie.agent", "caddie.workflow"),
    "caddie.models": ("caddie.agent", "caddie.workflow", "caddie.realtime"),
    # Load-test bots are clients: what they know is the documented protocol.
    "caddie.bots": (
        "caddie.agent", "caddie.app", "caddie.models", "caddie.realtime", "caddie.worker", "caddie.workflow",
        "gateway", "shared.events", "shared.fold", "shared.follow", "shared.log", "shared.runs", "shared.store",
        "shared.tokens",
    ),
}
# third-party package → the only places that import it
HOMES = {
    "jwt": ("shared.tokens",),
    "anthropic": ("caddie.models",),
    "openai": ("caddie.models",),
    "socketio": ("caddie.realtime",),
    "engineio": ("caddie.realtime",),
    "sqlalchemy": ("shared.store",),
    "alembic": ("shared.store",),
    "redis": ("shared",),
    "aiosmtplib": ("caddie.workflow.mail",),
    "docket": ("shared", "caddie.worker", "gateway.app"),
    "cryptography": ("shared.seal", "shared.tokens"),
    "regex": ("caddie.workflow",),
    "cronsim": ("shared.recurrence",),
    "prometheus_client": ("shared", "caddie.realtime", "caddie.worker", "gateway"),
    "typer": ("caddie.cli",),
    "pydantic_settings": ("shared.settings",),
}
MACHINE_PATHS = re.compile(r"/home/[a-z]+/|/Users/")


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Every absolute name a module imports, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


MODULES = dict(modules())
TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


@pytest.mark.parametrize("package", WALLS)
def test_nobody_reaches_over_a_wall(package: str) -> None:
    found = {
        f"{module} imports {name}"
        for module, tree in TREES.items()
        if inside(module, package)
        for name in imports(module, tree)
        if any(inside(name, wall) for wall in WALLS[package])
    }
    assert not found


@pytest.mark.parametrize("package", HOMES)
def test_a_package_is_imported_at_its_home_only(package: str) -> None:
    found = {
        f"{module} imports {name}"
        for module, tree in TREES.items()
        if not any(inside(module, home) for home in HOMES[package])
        for name in imports(module, tree)
        if inside(name, package)
    }
    assert not found


def test_only_the_command_line_knows_the_bots() -> None:
    found = {
        module
        for module, tree in TREES.items()
        if not inside(module, "caddie.bots") and any(inside(name, "caddie.bots") for name in imports(module, tree))
    }
    assert found == {"caddie.cli"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not {module for module in MODULES if FORBIDDEN_NAMES.intersection(module.split("."))}


def test_modules_and_functions_stay_small() -> None:
    """Migrations are lists of tables, never edited again."""
    found = []
    for module, tree in TREES.items():
        if inside(module, "shared.store.migrations"):
            continue
        lines = len(MODULES[module].read_text().splitlines())
        if lines > MODULE_LINES:
            found.append(f"{module}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LINES:
                    found.append(f"{module}.{node.name}: {length} lines")
    assert not found


def test_every_module_says_what_it_is() -> None:
    assert not [module for module, tree in TREES.items() if not ast.get_docstring(tree)]


def test_log_lines_have_one_way_out() -> None:
    """Redaction holds only as long as nobody configures logging or prints on its own."""
    own_way = re.compile(r"structlog\.configure|logging\.basicConfig|addHandler\(|StreamHandler\(|print_exc")
    found = [
        module
        for module, path in MODULES.items()
        if module != "shared.journal" and own_way.search(path.read_text())
    ]
    assert not found


def test_no_code_is_evaluated_and_no_settings_are_read_at_import() -> None:
    found = []
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                found.append(f"{module}:{node.lineno} {node.func.id}")
        for statement in ast.iter_child_nodes(tree):
            if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr):
                text = ast.unparse(statement)
                if "Settings()" in text or "os.environ" in text:
                    found.append(f"{module}:{statement.lineno} {text}")
    assert not found


def lock_files() -> list[Path]:
    return [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "gateway" / "web" / "package-lock.json"]


@pytest.mark.parametrize("path", lock_files(), ids=lambda path: path.name)
def test_no_lock_file_contains_an_address(path: Path) -> None:
    text = path.read_text()
    allowed = re.sub(r'"url": "https?://[^"]*"', "", text) if path.suffix == ".json" else text  # "fund me" links
    assert not re.findall(r".*(?:https?|file|git)://.*", allowed)
    assert '"resolved"' not in text
    assert not MACHINE_PATHS.search(text)


def test_no_file_contains_a_path_of_somebodys_machine() -> None:
    folders = ("caddie", "gateway", "shared", "tests", "docker", "docs", "bench", ".ci")
    skipped = {"node_modules", "static", "__pycache__", "test_architecture.py"}
    found = []
    for path in [*ROOT.glob("*.*"), ROOT / "Makefile", *(p for f in folders for p in (ROOT / f).rglob("*"))]:
        if path.is_file() and not skipped.intersection(path.parts) and path.suffix in (
            ".py", ".md", ".toml", ".yaml", ".yml", ".ts", ".json", ".txt", ".lua", ".css", ".html", "",
        ):  # fmt: skip
            text = path.read_text(errors="replace")
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in MACHINE_PATHS.finditer(text)]
    assert not found
