"""The `caddie` command, as a process of its own: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from caddie import checkup
from caddie.cli import main
from caddie.embedded import EmbeddedValkey
from shared.connections import open_redis
from shared.seal import Seal
from shared.settings import Settings
from shared.tokens import KeyTable

Run = Callable[..., "Answer"]


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="caddie-"))
    yield path
    shutil.rmtree(path)


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


def environment(state: Path, changes: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CADDIE_", "ANTHROPIC_"))}
    return clean | {"CADDIE_STATE_DIR": str(state)} | changes


@pytest.fixture(scope="module")
def process(state: Path) -> Run:
    """Runs `caddie …` as a process of its own."""

    def run(*arguments: str, **changes: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "caddie", *arguments],
            env=environment(state, changes), capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def run(state: Path) -> Run:
    """Runs `caddie …` in this process, on a migrated database of its own."""

    def run(*arguments: str, stdin: str = "", **changes: str) -> Answer:
        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(os, "environ", environment(state, changes))
            patch.setattr(sys, "argv", ["caddie", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Answer(code, out.getvalue(), err.getvalue())

    assert run("migrate").returncode == 0
    assert run("users", "create", "owner@caddie.local", "--organisation", "Acme").returncode == 0
    return run


def test_help_answers_at_once_and_lists_every_command(process: Run) -> None:
    started = time.monotonic()
    text = process("--help").stdout
    assert time.monotonic() - started < 10
    commands = "up gateway server worker keys users migrate check openapi asyncapi bots verify"
    for command in commands.split():
        assert f" {command} " in text


def test_help_loads_no_heavy_package() -> None:
    code = "import sys, caddie.cli; print(sorted({'sqlalchemy', 'redis', 'aiohttp', 'uvloop'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(run: Run) -> None:
    made = run("keys", "create", "--name", "a script", "--scopes", "read,write,eval")
    secret = made.stdout.strip()
    assert secret.startswith("caddie_") and len(secret) > 40
    listed = run("keys", "list").stdout
    assert "a script" in listed and "active" in listed and secret not in listed
    number = listed.split("\t")[0]
    assert run("keys", "revoke", number).returncode == 0
    assert "revoked" in run("keys", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("keys", "create", "--scopes", "fly"), "scopes: expected some of read, write, decide, eval, admin, got fly"),
        (("keys", "create", "--user", "nobody@x"), "expected the email of a user, got nobody@x"),
        (("keys", "revoke", "99"), "expected a key of this organisation, got 99"),
        (("users", "create", "owner@caddie.local"), "expected an email without a user"),
        (("users", "create", "b@x", "--password-stdin"), "password: expected at least 8 characters, got 0"),
    ],
)
def test_a_known_error_is_one_line_and_exit_code_1(run: Run, arguments: tuple[str, ...], message: str) -> None:
    answer = run(*arguments)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"caddie: {message}")
    assert len(answer.stderr.splitlines()) == 1


def test_a_given_password_is_not_printed(run: Run) -> None:
    answer = run("users", "create", "colleague@x", "--password-stdin", stdin="correct horse battery\n")
    assert answer.returncode == 0
    assert answer.stdout == ""


def test_check_says_what_is_wrong(run: Run) -> None:
    answer = run("check")
    assert answer.returncode == 1
    assert "ok   database         has users" in answer.stdout
    assert "FAIL redis            expected an answer within a second" in answer.stdout


@pytest.mark.parametrize("role", ["gateway", "server", "worker", "up"])
def test_production_refuses_a_weak_configuration_with_78(process: Run, role: str) -> None:
    answer = process(role, CADDIE_ENV="production", CADDIE_ORIGINS="*", CADDIE_REDIS_URL="redis://redis.example:6379")
    assert answer.returncode == 78
    assert "CADDIE_ORIGINS: expected a list of origins, got *" in answer.stderr
    assert "CADDIE_REDIS_URL: expected a password or rediss:// off loopback" in answer.stderr
    assert ("CADDIE_TOKEN_KEYS: expected a JSON object" in answer.stderr) == (role != "up")


async def test_production_refuses_a_redis_that_throws_keys_away(process: Run, state: Path) -> None:
    valkey = EmbeddedValkey(state / "evicting", state / "evicting.sock")
    await valkey.start()
    redis = open_redis(valkey.url)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    await redis.aclose()
    keys = {"CADDIE_TOKEN_KEYS": KeyTable.generate(), "CADDIE_SEAL_KEY": Seal.generate()}
    sound = keys | {"CADDIE_ENV": "production", "CADDIE_REDIS_URL": valkey.url, "CADDIE_SERVER_PORT": "0"}
    try:
        answer = await asyncio.to_thread(process, "server", **sound)
    finally:
        await valkey.stop()
    assert answer.returncode == 78
    assert "expected a Redis with maxmemory-policy noeviction, got allkeys-lru" in answer.stderr


def test_a_setting_that_is_no_value_of_its_kind_is_refused_with_78(process: Run) -> None:
    answer = process("server", CADDIE_GATEWAY_PORT="a-port")
    assert answer.returncode == 78
    assert "gateway_port: Input should be a valid integer" in answer.stderr


def test_a_role_that_cannot_start_logs_why_and_ends_with_1(process: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = process("server", CADDIE_SERVER_PORT=str(taken.getsockname()[1]))
    assert answer.returncode == 1
    last = json.loads(answer.stderr.splitlines()[-1])
    assert (last["event"], last["level"], last["role"]) == ("role.failed", "critical", "server")


def test_installed_versions_are_at_or_above_the_floors() -> None:
    assert [finding for finding in checkup.versions() if not finding.ok] == []


def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path / "not" / "there")
    assert checkup.disk(settings).ok
    monkeypatch.setattr(checkup, "DISK_FREE_BYTES", 2**80)
    assert not checkup.disk(settings).ok
