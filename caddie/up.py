"""`caddie up`: everything on one machine, nothing else needed.

Invariant: it prints the address only when the service answers, and when it ends, all it started has ended: the roles
first, the embedded Valkey last. Started by `caddie.cli`; `Commands` lets tests put small programs in the roles' place.
"""

from __future__ import annotations

import asyncio
import errno
import http.client
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

from caddie.accounts import FirstAccount, create_first, migrate
from caddie.embedded import EmbeddedValkey
from caddie.signals import on_stop_signals
from caddie.state import StateFolder, completed, environment
from caddie.supervisor import Role, RoleRefused, Supervisor
from shared.errors import CaddieError
from shared.preflight import EXIT_CONFIG, exit_refused, refusals
from shared.settings import Settings

HEALTH_TIMEOUT_S = 60.0
HEALTH_INTERVAL_S = 0.25
HEALTH_REQUEST_S = 3.0
_NOT_FOR_ROLES = ("CADDIE_BOOTSTRAP_API_KEY", "CADDIE_BOOTSTRAP_PASSWORD")
#: On one machine in development everybody is one user at one address: limits that still stop a runaway loop, but not a
#: load test. What the operator sets, and production, stay as they are.
ROOMY = {
    "rate_per_minute": 60_000,
    "rate_per_address": 60_000,
    "rate_runs_per_minute": 30_000,
    "handshakes_per_s": 1_000,
    "handshakes_burst": 5_000,
    "sockets_per_address": 10_000,
    "sockets_per_user": 10_000,
}


@dataclass(frozen=True, slots=True)
class Commands:
    """The roles' command lines, in the order of their admin ports."""

    gateway: tuple[str, ...] = (sys.executable, "-m", "gateway")
    server: tuple[str, ...] = (sys.executable, "-m", "caddie", "server")
    worker: tuple[str, ...] = (sys.executable, "-m", "caddie", "worker")


@dataclass(slots=True)
class Up:
    """One `caddie up`. environment: what the roles inherit. out: where the banner goes."""

    settings: Settings
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    commands: Commands = Commands()
    out: TextIO = field(default_factory=lambda: sys.stdout)
    health_timeout_s: float = HEALTH_TIMEOUT_S
    _supervisor: Supervisor | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Runs until `stop` is set or a signal comes; returns the exit code. Raises CaddieError if it cannot start."""
        state = StateFolder(self.settings.state_dir)
        with state.owned(), on_stop_signals(stop.set, self._kill):
            valkey = None if self.settings.redis_url else EmbeddedValkey(state.path / "valkey", state.socket)
            self.settings = settings = _with_ports(completed(self.settings, state))
            exit_refused(refusals(settings))
            try:
                if valkey is not None:
                    await valkey.start()
                await migrate(settings)
                first = await create_first(settings)
                self._supervisor = Supervisor(self._roles(), valkey, settings.drain_timeout_s)
                return await self._supervise(self._supervisor, first, stop)
            finally:
                if valkey is not None:
                    await valkey.stop()

    def _kill(self) -> None:
        if self._supervisor is not None:
            self._supervisor.kill()

    def _roles(self) -> list[Role]:
        settings = self.settings
        shared = {name: value for name, value in self.environment.items() if name not in _NOT_FOR_ROLES} | {
            **environment(settings),
            "CADDIE_GATEWAY_HOST": settings.gateway_host,
            "CADDIE_GATEWAY_PORT": str(settings.gateway_port),
            "CADDIE_SERVER_HOST": settings.server_host,
            "CADDIE_SERVER_PORT": str(settings.server_port),
            "CADDIE_LOG_FORMAT": settings.log_format,
            **_roomy(settings),
        }
        commands = {name: getattr(self.commands, name) for name in ("gateway", "server", "worker")}
        admin = [settings.admin_port + n if settings.admin_port else 0 for n in range(len(commands))]
        return [
            Role(name, command, shared | {"CADDIE_ADMIN_PORT": str(port)})
            for (name, command), port in zip(commands.items(), admin, strict=True)
        ]

    async def _supervise(self, supervisor: Supervisor, first: FirstAccount | None, stop: asyncio.Event) -> int:
        code = 0
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(supervisor.run())
                group.create_task(self._announce(first, stop))
                await stop.wait()
                running.cancel()
        except* RoleRefused:
            self._say("caddie: stopped, a part refused its configuration (see above)")
            code = EXIT_CONFIG
        except* CaddieError as failed:
            failure = failed.exceptions[0]
        if failure is not None:
            raise failure
        return code

    async def _announce(self, first: FirstAccount | None, stop: asyncio.Event) -> None:
        """Waits for health, then prints the banner; a first account is printed whatever happens."""
        host, port = _reachable(self.settings.gateway_host), self.settings.gateway_port
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        answer = "nothing"
        try:
            async with asyncio.timeout(self.health_timeout_s):
                while not stop.is_set():
                    answer = await asyncio.to_thread(_health, host, port)
                    if answer == "200":
                        self._say(banner(self.settings, address, first))
                        return
                    await asyncio.sleep(HEALTH_INTERVAL_S)
            if first is not None:
                self._say(banner(self.settings, address, first, "Caddie was stopped before it was ready"))
        except TimeoutError:
            if first is not None:
                self._say(banner(self.settings, address, first, "Caddie did not become healthy"))
            raise CaddieError(
                "UNAVAILABLE",
                f"{address}health: expected 200 within {self.health_timeout_s:g} s, got {answer}; see the log above",
            ) from None

    def _say(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()


def banner(settings: Settings, address: str, first: FirstAccount | None, title: str = "Caddie is running") -> str:
    """Where to click and, after the first start, what to log in with."""
    hooks = f"{settings.public_url.rstrip('/') or address.rstrip('/')}/hooks/…"
    lines = [("Open", address), ("API", f"{address}docs"), ("Webhooks", hooks)]
    if first is None:
        lines.append(("Login", "as printed at the first start; `caddie keys create` makes another API key"))
    else:
        lines.append(("E-mail", first.email))
        lines.append(("Password", first.password or "as set in CADDIE_BOOTSTRAP_PASSWORD"))
        lines.append(("API key", first.api_key or "as set in CADDIE_BOOTSTRAP_API_KEY"))
        lines.append(("", "password and key are shown only this once"))
    lines += [("Model", settings.model_name), ("State", str(settings.state_dir)), ("Stop", "Ctrl-C")]
    return f"\n  {title}\n\n" + "".join(f"    {name:<9} {value}\n" for name, value in lines)


def _roomy(settings: Settings) -> dict[str, str]:
    """The limits of `ROOMY` that nobody has set, for the roles' environment."""
    if settings.env == "production":
        return {}
    return {f"CADDIE_{k.upper()}": str(v) for k, v in ROOMY.items() if k not in settings.model_fields_set}


def _with_ports(settings: Settings) -> Settings:
    """The settings with every port known and free. Raises CaddieError CONFLICT naming the setting of a taken one."""
    gateway = _free_port("CADDIE_GATEWAY_PORT", settings.gateway_host, settings.gateway_port)
    server = _free_port("CADDIE_SERVER_PORT", settings.server_host, settings.server_port)
    if gateway == server and settings.gateway_host == settings.server_host:
        raise CaddieError("CONFLICT", f"CADDIE_SERVER_PORT: expected another port than the gateway's, got {server}")
    for port in range(settings.admin_port, settings.admin_port + 3) if settings.admin_port else ():
        _free_port("CADDIE_ADMIN_PORT", settings.admin_host, port)
    return settings.model_copy(update={"gateway_port": gateway, "server_port": server})


def _free_port(setting: str, host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CaddieError("CONFLICT", f"{setting}: expected a free port, but {host}:{port} is taken") from None
            raise CaddieError("INVALID", f"{setting}: cannot listen on {host}:{port}: {error.strerror}") from None
        return int(probe.getsockname()[1])


def _reachable(host: str) -> str:
    """An address under which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _health(host: str, port: int) -> str:
    """The status of `/health` or why there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=HEALTH_REQUEST_S)
    try:
        connection.request("GET", "/health")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
