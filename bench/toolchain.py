"""What the benchmark builds and installs before it runs: the C programs and the Node peers, in `bench/build/` only.

Invariant: nothing is built again while its source is unchanged; what is missing on the machine is said in one line.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
INSTALL_LIMIT_S = 300
COMPILE_LIMIT_S = 60


class Missing(Exception):
    """Something the benchmark needs is not on this machine; the message says what."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Paths of what was built. `node` is None when the Node peers cannot run, and `node_reason` says why."""

    load: Path
    talk: Path
    floor: Path
    requests: Path
    node: str | None
    node_modules: Path
    node_reason: str = ""


def prepare(build: Path = BUILD, *, node: bool = True) -> Toolchain:
    """Compile and install. Raises Missing without a C compiler; without Node its peers are left out."""
    build.mkdir(parents=True, exist_ok=True)
    modules, program, reason = build / "peers" / "node_modules", shutil.which("node"), ""
    if node:
        try:
            modules = install(build)
        except Missing as missing:
            program, reason = None, str(missing)
    load, talk, floor, requests = (compiled(f"{name}.c", build) for name in ("load", "talk", "floor", "requests"))
    return Toolchain(load, talk, floor, requests, program, modules, reason)


def compiled(source: str, build: Path = BUILD) -> Path:
    """The program of one C file. Raises Missing."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Missing("expected a C compiler (cc, or named by CC), found none (Debian: gcc and libc6-dev)")
    text = b"".join(path.read_bytes() for path in (HERE / source, *sorted(HERE.glob("*.h"))))
    program = build / f"{Path(source).stem}-{hashlib.sha256(text).hexdigest()[:12]}"
    if not program.exists():
        build.mkdir(parents=True, exist_ok=True)
        command = [compiler, "-O2", "-Wall", "-o", str(program), str(HERE / source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S, check=False)
        if done.returncode:
            raise Missing(f"{source} did not compile: {done.stderr.strip()[-600:]}")
    return program


def install(build: Path = BUILD) -> Path:
    """The Node peers' packages, at the versions of the committed lock file. Raises Missing."""
    folder, npm = build / "peers", shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Missing("expected node and npm for the Node peers, found none")
    lock = (HERE / "peers" / "package-lock.json").read_bytes()
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_bytes() == lock:
        return folder / "node_modules"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / "peers" / name, folder / name)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    if done.returncode:
        raise Missing(f"npm ci failed: {done.stderr.strip()[-300:]}")
    stamp.write_bytes(lock)
    return folder / "node_modules"
