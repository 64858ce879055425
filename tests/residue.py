"""The Socket.IO server as a process of its own that tells what it holds, so that a test can see what clients left.

`python -m tests.residue` is `caddie server` with more gauges: the tables of engine and server, the books of
python-socketio, tasks, rings. Invariant: it serves exactly as the product does; the gauges are read when asked.
Callers: the drills in ``tests/faults``; `books` also counts for a server in the test's own process.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import Gauge

import caddie.app
import caddie.roles
from caddie.realtime.metrics import observe
from caddie.realtime.server import SocketServer
from shared.follow import LogReader
from shared.settings import Settings
from tests.product import START_S, RoleProcess, until

#: Caches that fill once, whoever comes, and the last connection that a loop has looked at, with what it had sent.
OBJECTS_SLACK = 5_000
_BOOK = re.compile(r"^held_([a-z_]+) ([0-9.e+]+)$", re.MULTILINE)
#: utime + stime of a process are no finer than 10 ms; this file counts nanoseconds of the main thread (proc(5)).
_CLOCK = "/proc/{}/schedstat"


def books(server: SocketServer, reader: LogReader) -> dict[str, int]:
    """Everything that a socket occupies while it is open, but for memory and the kernel's part."""
    manager = server.manager
    return {
        "sockets": len(server.engine.sockets), "connections": len(server.connections), "rings": reader.watched,
        "users": len(server._users), "organisations": len(server._organisations),
        "addresses": len(server.engine._addresses), "environ": len(server.environ),
        "rooms": sum(len(rooms) for rooms in list(manager.rooms.values())), "sids": len(manager.eio_to_sid),
        "callbacks": len(manager.callbacks),
        "pending": len(manager.pending_connect) + len(manager.pending_disconnect),
        "stalled": sum(bool(transport.writing_since) for transport in list(server.engine.sockets.values())),
    }  # fmt: skip


class ServerProcess(RoleProcess):
    """``start``, then ``base``, let clients do their worst, ``nothing_left``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("server", settings)
        self.settings = settings
        self._before: dict[str, int] = {}

    async def start(self) -> ServerProcess:
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.residue", env=self._environment, cwd=self._directory, stderr=log,
                stdout=log,
            )  # fmt: skip
        await until(self._started, START_S)
        return self

    async def held(self) -> dict[str, int]:
        """`books`, and: tasks, fds, objects the collector knows, rss in bytes."""
        address = f"http://{self.settings.admin_host}:{self.settings.admin_port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(address) as response:
            found = {name: int(float(value)) for name, value in _BOOK.findall(await response.text())}
        return found | {"fds": self._descriptors(), "rss": self.rss}

    def _descriptors(self) -> int:
        """Open ones but for pools, which grow to their bound and stay: Unix sockets are Redis, files the database."""
        unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
        links = []
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(os.readlink(entry))
        return sum(link[0] != "/" and link.removeprefix("socket:[").rstrip("]") not in unix for link in links)

    @property
    def rss(self) -> int:
        """Bytes of memory in use now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    @property
    def cpu_s(self) -> float:
        """Time the event loop's thread has run so far."""
        return int(Path(_CLOCK.format(self.process.pid)).read_text().split()[0]) / 1e9

    async def base(self) -> dict[str, int]:
        self._before = await self.held()
        return self._before

    async def nothing_left(self, rss_slack: int, timeout_s: float = 8, objects_slack: int = OBJECTS_SLACK) -> None:
        """Every count is back at `base`, live objects and memory about there. Clients must have closed by then."""
        slack = {"objects": objects_slack, "rss": rss_slack, "fds": 2}
        left: dict[str, tuple[int, int]] = {}

        async def gone() -> bool:
            nonlocal left
            now = await self.held()
            left = {
                name: (before, now[name]) for name, before in self._before.items()
                if now[name] > before + slack.get(name, 0)
            }  # fmt: skip
            return not left

        with suppress(TimeoutError):
            await until(gone, timeout_s)
        assert not left, f"held before and now: {left}"

    def assert_calm(self) -> None:
        """Nothing that clients did was worth a line in the log."""
        lines = [line for line in self.logged.splitlines() if '"level":"info"' not in line.replace(" ", "")]
        assert not lines, lines[:5]


def _told(server: SocketServer, reader: LogReader) -> None:
    observe(server, reader)
    loop = asyncio.get_running_loop()
    asked: dict[str, Any] = {
        name: lambda name=name: books(server, reader)[name] for name in books(server, reader)
    } | {"tasks": lambda: len(asyncio.all_tasks(loop)), "objects": lambda: _objects(server)}  # fmt: skip
    for name, count in asked.items():
        Gauge(f"held_{name}", name).set_function(count)


def _objects(server: SocketServer) -> int:
    """What is alive and in use when nobody is there: garbage is collected first, which holds everything up."""
    if server.engine.sockets:
        return 0
    gc.collect()
    return len(gc.get_objects())


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    caddie.app.observe = _told  # type: ignore[attr-defined]
    caddie.roles.run(("server",), Settings())


if __name__ == "__main__":
    main()
