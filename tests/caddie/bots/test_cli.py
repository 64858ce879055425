"""`caddie bots` and `caddie verify` as commands: exit codes, and where the address and the key come from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.product import free_port

KEY = "k" * 40


def caddie(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CADDIE_", "ANTHROPIC_"))}
    command = [sys.executable, "-m", "caddie", *arguments]
    return subprocess.run(command, env=clean | changes, capture_output=True, text=True, timeout=50, check=False)


def test_unusable_arguments_end_with_2() -> None:
    done = caddie("bots", "--sessions", "0", CADDIE_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "caddie: --sessions: expected 1 to 20000, got 0\n"
    assert caddie("bots", "--sessions", "many").returncode == 2


def test_without_options_address_and_key_are_those_of_the_settings() -> None:
    port = free_port()
    done = caddie("bots", CADDIE_GATEWAY_PORT=str(port), CADDIE_BOOTSTRAP_API_KEY=KEY)
    assert done.returncode == 2
    assert f"http://127.0.0.1:{port}/v1/ai/workflow/chat/stream: expected an answer, got none" in done.stderr


def test_verify_says_what_it_found(tmp_path: Path) -> None:
    line = '{"conversation":"c","connection":"a.1","index":%d,"type":"thinking","hash":"0a","at":1}\n'
    path = tmp_path / "t.jsonl"
    path.write_text(line % 1 + line % 2)
    done = caddie("verify", str(path))
    assert (done.returncode, done.stdout) == (0, "2 events, 1 connections, 1 conversations: every promise was kept\n")
    path.write_text(line % 1 + line % 3)
    done = caddie("verify", str(path))
    assert done.returncode == 1
    assert done.stdout.endswith(": 1 faults\ngap: c a.1: expected index 2, got 3 (thinking)\n")
    path.write_text("{}")
    assert caddie("verify", str(path)).returncode == 2
