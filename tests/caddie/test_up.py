"""`caddie up` with small programs in the roles' place: order, restarts, what it prints, and that nothing is left."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from caddie.state import StateFolder, completed
from caddie.supervisor import Role, RoleRefused, Supervisor
from caddie.up import ROOMY, Commands, Up, banner
from shared.errors import CaddieError
from shared.settings import Settings

# Answers /health; writes its environment; ends in order at SIGTERM.
GATEWAY = """
import http.server, json, os, signal, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer((os.environ["CADDIE_GATEWAY_HOST"], int(os.environ["CADDIE_GATEWAY_PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
open(sys.argv[1], "w").write(json.dumps(dict(os.environ)))
server.serve_forever()
open(sys.argv[1] + ".drained", "w").write("")
"""
# Notes each start as a line with its pid, then waits for SIGTERM.
ROLE = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with open(sys.argv[1], "a") as file: file.write(f"{os.getpid()}\\n")
signal.pause()
"""
STUBBORN = ROLE.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
REFUSING = "import sys; sys.exit(78)"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: pytest's own is close to the limit of a socket's."""
    path = Path(tempfile.mkdtemp(prefix="caddie-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def program(text: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", text, *map(str, arguments))


def settings_in(folder: Path, **changes: object) -> Settings:
    plain = {"state_dir": folder / "state", "gateway_port": 0, "server_port": 0, "drain_timeout_s": 2.0}
    return Settings(_env_file=None, **(plain | changes))  # type: ignore[arg-type]


def up_in(folder: Path, out: io.StringIO, **changes: object) -> Up:
    roles = Commands(
        gateway=program(GATEWAY, folder / "gateway"),
        server=program(ROLE, folder / "server"),
        worker=program(ROLE, folder / "worker"),
    )
    return Up(settings_in(folder, **changes), commands=roles, out=out)


@asynccontextmanager
async def running(up: Up) -> AsyncIterator[asyncio.Task[int]]:
    """Up until its banner; ends by `stop` whatever the test does."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(up.run(stop))
        await until(lambda: task.done() or "Stop " in up.out.getvalue())  # type: ignore[attr-defined]
        yield task
        stop.set()


async def until(condition: object, limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def lines(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_the_banner_says_where_webhooks_are_delivered(folder: Path) -> None:
    settings, address = settings_in(folder), "http://127.0.0.1:8080/"
    assert f"Webhooks  {address}hooks/…\n" in banner(settings, address, None)
    named = banner(settings.model_copy(update={"public_url": "https://caddie.example/"}), address, None)
    assert "Webhooks  https://caddie.example/hooks/…\n" in named and f"Open      {address}\n" in named


async def test_limits_are_wide_unless_somebody_has_set_them(folder: Path) -> None:
    async with running(up_in(folder, io.StringIO(), rate_per_minute=7)):
        environment = json.loads((folder / "gateway").read_text())
    assert environment["CADDIE_SOCKETS_PER_USER"] == str(ROOMY["sockets_per_user"])
    assert "CADDIE_RATE_PER_MINUTE" not in environment


def test_every_wide_limit_is_a_setting_above_its_default() -> None:
    assert all(value > Settings.model_fields[name].default for name, value in ROOMY.items())


async def test_the_first_start_prints_address_login_and_key_and_leaves_nothing_running(folder: Path) -> None:
    out = io.StringIO()
    async with running(up_in(folder, out)) as task:
        environment = json.loads((folder / "gateway").read_text())
        text = out.getvalue()
        assert f"http://127.0.0.1:{environment['CADDIE_GATEWAY_PORT']}/" in text
        assert "owner@caddie.local" in text
        assert "caddie_" in text
        assert environment["CADDIE_REDIS_URL"] == f"unix://{folder}/state/valkey.sock"
        pids = [*lines(folder / "server"), *lines(folder / "worker")]
    assert task.result() == 0
    assert (folder / "gateway.drained").exists()
    assert all(map(gone, pids))
    assert not (folder / "state" / "valkey.sock").exists()


async def test_later_starts_keep_keys_and_print_no_secret(folder: Path) -> None:
    async with running(up_in(folder, io.StringIO())):
        before = json.loads((folder / "gateway").read_text())
    out = io.StringIO()
    async with running(up_in(folder, out)):
        after = json.loads((folder / "gateway").read_text())
    for name in ("CADDIE_TOKEN_KEYS", "CADDIE_SEAL_KEY", "CADDIE_DATABASE_URL"):
        assert before[name] == after[name]
    assert "Password" not in out.getvalue()
    assert "as printed at the first start" in out.getvalue()


async def test_a_fixed_first_key_works_and_is_not_repeated(folder: Path) -> None:
    out = io.StringIO()
    key = "a-fixed-key-for-scripts-0123456789-abcd"
    up = up_in(folder, out, bootstrap_api_key=SecretStr(key), bootstrap_password=SecretStr("a password for scripts"))
    async with running(up):
        from shared.store import Store

        store = await Store.open(StateFolder(folder / "state").database_url)
        caller = await store.accounts.authenticate(key)
        user = await store.accounts.check_password("owner@caddie.local", "a password for scripts")
        await store.close()
    assert caller is not None and user is not None and caller.user.id == user.id
    assert key not in out.getvalue()
    assert "a password" not in out.getvalue()


async def test_secrets_and_folders_are_closed_to_others(folder: Path) -> None:
    async with running(up_in(folder, io.StringIO())):
        pass
    state = folder / "state"
    assert state.stat().st_mode & 0o777 == 0o700
    for name in ("token-keys.json", "seal-key"):
        assert (state / name).stat().st_mode & 0o777 == 0o600


async def test_a_second_up_on_one_folder_says_who_holds_it(folder: Path) -> None:
    async with running(up_in(folder, io.StringIO())):
        with pytest.raises(CaddieError, match=f"another `caddie up` \\(process {os.getpid()}\\)"):
            await up_in(folder, io.StringIO()).run(asyncio.Event())


async def test_a_taken_port_names_its_setting(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name in ("gateway_port", "server_port", "admin_port"):
            setting = f"CADDIE_{name.upper()}"
            with pytest.raises(CaddieError, match=f"{setting}: expected a free port, but .*:{port} is taken"):
                await up_in(folder, io.StringIO(), **{name: port}).run(asyncio.Event())


async def test_a_service_that_never_answers_is_an_error_that_still_prints_the_first_key(folder: Path) -> None:
    out = io.StringIO()
    up = up_in(folder, out)
    up.commands = Commands(*(program(ROLE, folder / name) for name in ("gateway", "server", "worker")))
    up.health_timeout_s = 1.0
    with pytest.raises(CaddieError, match="expected 200 within 1 s, got ConnectionRefusedError"):
        await up.run(asyncio.Event())
    assert "did not become healthy" in out.getvalue()
    assert "caddie_" in out.getvalue()
    assert all(gone(pid) for name in ("gateway", "server", "worker") for pid in lines(folder / name))


async def test_a_part_that_refuses_its_configuration_ends_everything_with_78(folder: Path) -> None:
    up = up_in(folder, io.StringIO())
    up.commands = Commands(up.commands.gateway, program(REFUSING), up.commands.worker)
    assert await up.run(asyncio.Event()) == 78
    assert all(map(gone, lines(folder / "worker")))


async def test_a_role_that_dies_is_started_again(folder: Path) -> None:
    supervisor = Supervisor([Role("worker", program(ROLE, folder / "worker"), dict(os.environ))], None, 2.0, 0.01)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run())
        for starts in (1, 2, 3):
            await until(lambda starts=starts: len(lines(folder / "worker")) == starts)
            if starts < 3:
                os.kill(lines(folder / "worker")[-1], signal.SIGKILL)
        task.cancel()
    assert all(map(gone, lines(folder / "worker")))


async def test_a_role_that_does_not_drain_is_killed(folder: Path) -> None:
    supervisor = Supervisor([Role("worker", program(STUBBORN, folder / "worker"), dict(os.environ))], None, -1.9, 0.01)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run())
        await until(lambda: lines(folder / "worker"))
        task.cancel()
    assert all(map(gone, lines(folder / "worker")))


async def test_a_refusal_is_not_tried_again() -> None:
    supervisor = Supervisor([Role("worker", program(REFUSING), dict(os.environ))], None, 1.0)
    with pytest.raises(ExceptionGroup) as caught:
        await supervisor.run()
    assert caught.group_contains(RoleRefused)


def test_delays_double_up_to_half_a_minute() -> None:
    supervisor = Supervisor([], None, 1.0)
    assert [supervisor._delay(restarts) for restarts in (1, 2, 3, 4, 5, 6, 100)] == [1, 2, 4, 8, 16, 30, 30]


async def test_roles_end_with_a_killed_parent(folder: Path) -> None:
    """The parent is a process of its own here, so that it can be killed."""
    parent = f"""
import asyncio, os, sys
from caddie.supervisor import Role, Supervisor
role = Role("worker", {program(ROLE, folder / "worker")!r}, dict(os.environ))
asyncio.run(Supervisor([role], None, 2.0).run())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await until(lambda: lines(folder / "worker"))
    process.kill()
    await process.wait()
    await until(lambda: all(map(gone, lines(folder / "worker"))))


def parent_program(folder: Path) -> str:
    return f"""
import asyncio, sys
from pathlib import Path
from caddie.up import ROOMY, Commands, Up
from shared.settings import Settings
settings = Settings(_env_file=None, state_dir=Path({str(folder / "state")!r}), gateway_port=0, server_port=0)
commands = Commands({program(GATEWAY, folder / "gateway")!r}, {program(ROLE, folder / "server")!r},
    {program(ROLE, folder / "worker")!r})
sys.exit(asyncio.run(Up(settings, commands=commands).run(asyncio.Event())))
"""


async def test_after_kill_9_only_valkey_stays_and_the_next_up_adopts_it(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent_program(folder), stdout=asyncio.subprocess.DEVNULL
    )
    pid_file = folder / "state" / "valkey" / "valkey.pid"
    await until(lambda: pid_file.exists() and lines(folder / "worker") and (folder / "gateway").exists())
    (pid,) = lines(pid_file)
    process.kill()
    await process.wait()
    await until(lambda: all(map(gone, [*lines(folder / "server"), *lines(folder / "worker")])))
    await until(lambda: (folder / "gateway.drained").exists())
    assert not gone(pid)
    async with running(up_in(folder, io.StringIO())):
        assert lines(pid_file) == [pid]
    assert gone(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_drains_and_ends_with_0(folder: Path, number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent_program(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"Stop " not in await process.stdout.readline():
            pass
        process.send_signal(number)
        await process.communicate()
    assert process.returncode == 0
    assert (folder / "gateway.drained").exists()
    assert all(map(gone, [*lines(folder / "server"), *lines(folder / "worker")]))


def test_a_long_state_folder_gets_a_short_private_socket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = folder / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    state = StateFolder(folder / ("long" * 30))
    assert state.socket.parent.parent == runtime
    assert state.socket.parent.stat().st_mode & 0o777 == 0o700
    assert StateFolder(folder / "short").socket == folder / "short" / "valkey.sock"


def test_two_processes_agree_on_a_generated_secret(folder: Path) -> None:
    settings = settings_in(folder)
    first = completed(settings, StateFolder(settings.state_dir))
    assert first.token_keys == completed(settings, StateFolder(settings.state_dir)).token_keys
    own = completed(settings_in(folder, seal_key="mine"), StateFolder(settings.state_dir))
    assert own.seal_key == SecretStr("mine")
