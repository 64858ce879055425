"""Keeps the processes of `caddie up` running: restarts one that dies, ends them all together.

Invariant: a role has at most one process; none outlives the supervisor (`caddie.leash`). A role that refuses its
configuration (exit code 78) ends everything, because starting it again cannot help.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from caddie.embedded import EmbeddedValkey
from shared.errors import CaddieError
from shared.preflight import EXIT_CONFIG

DELAY_S = 1.0
DELAY_MAX_S = 30.0
STEADY_S = 60.0  # a process that lived this long starts again without delay's memory
KILL_GRACE_S = 2.0  # a role needs its whole drain time, then a moment to exit
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Role:
    """One supervised process: a command line and its whole environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


class RoleRefused(Exception):
    """A role ended with exit code 78 and has said why on stderr."""


class Supervisor:
    """Runs roles until cancelled. drain_timeout_s: from SIGTERM to SIGKILL. delay_s: before the first restart."""

    def __init__(
        self,
        roles: Sequence[Role],
        valkey: EmbeddedValkey | None,
        drain_timeout_s: float,
        delay_s: float = DELAY_S,
    ) -> None:
        self._roles, self._valkey = roles, valkey
        self._drain_timeout_s, self._delay_s = drain_timeout_s, delay_s
        self._processes: dict[str, Process] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The live process of each role."""
        return {name: process.pid for name, process in self._processes.items()}

    async def run(self) -> None:
        """Returns only by an exception: cancelled (all roles drain first) or RoleRefused in an ExceptionGroup."""
        async with asyncio.TaskGroup() as group:
            if self._valkey is not None:
                group.create_task(self._keep_valkey(self._valkey))
            for role in self._roles:
                group.create_task(self._keep(role))

    def kill(self) -> None:
        """Ends every role at once: somebody has asked twice."""
        for process in self._processes.values():
            _kill(process)

    async def _keep(self, role: Role) -> None:
        restarts = 0
        while True:
            started = time.monotonic()
            process = await self._spawn(role)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await self._end(process)
                raise
            finally:
                self._processes.pop(role.name, None)
            if code == EXIT_CONFIG:
                raise RoleRefused(role.name)
            restarts = 0 if time.monotonic() - started > STEADY_S else restarts + 1
            delay_s = self._delay(restarts)
            _log.error("role.ended", ended=role.name, pid=process.pid, code=code, restart_in_s=delay_s)
            await asyncio.sleep(delay_s)

    async def _keep_valkey(self, valkey: EmbeddedValkey) -> None:
        restarts = 0
        while True:
            started = time.monotonic()
            await valkey.wait()
            restarts = 0 if time.monotonic() - started > STEADY_S else restarts + 1
            delay_s = self._delay(restarts)
            _log.error("valkey.ended", restart_in_s=delay_s)
            await asyncio.sleep(delay_s)
            try:
                await valkey.start()
            except CaddieError as error:
                _log.error("valkey.start_failed", cause=error.message)

    async def _spawn(self, role: Role) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "caddie.leash",
            str(os.getpid()),
            *role.command,
            env=dict(role.environment),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then drains in order
        )
        self._processes[role.name] = process
        _log.info("role.started", started=role.name, pid=process.pid)
        return process

    async def _end(self, process: Process) -> None:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(self._drain_timeout_s + KILL_GRACE_S):
                await process.wait()
        except TimeoutError:
            _log.error("role.killed", pid=process.pid, drain_timeout_s=self._drain_timeout_s)
        finally:
            _kill(process)
            await process.wait()

    def _delay(self, restarts: int) -> float:
        return float(min(self._delay_s * 2 ** min(max(restarts - 1, 0), 16), DELAY_MAX_S))


def _kill(process: Process) -> None:
    if process.returncode is None:
        process.kill()
