"""The Redis all servers of a run share: a Valkey of its own on loopback, without persistence, on the load's core."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from bench.machine import bound_to
from bench.wire import EPOCH, FIRST_INDEX, ORGANISATION, append_script, room
from caddie.embedded import find_program
from shared import keys

START_LIMIT_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], limit_s: float = START_LIMIT_S) -> None:
    """Raises RuntimeError when the process ends or does not listen in time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"expected a server on port {port}, but it ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"expected a server on port {port} within {limit_s} s")


class Valkey:
    """Runs while the context is open."""

    def __init__(self, folder: Path, core: int) -> None:
        self._folder, self._core = folder, core
        self.port = free_port()
        self.pid = 0

    def __enter__(self) -> Self:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]
        self._process = subprocess.Popen(
            [str(find_program()), *options, str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=bound_to(self._core),
        )
        self.pid = self._process.pid
        wait_for_port(self.port, self._process)
        self._redis = Redis(port=self.port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._redis.close()
        self._process.kill()
        self._process.wait()

    def load_append_script(self) -> str:
        """The digest under which the append script can be called."""
        return str(self._redis.script_load(append_script()))

    def reset(self, rooms: int) -> None:
        """Forget everything; let every log stand at the index the published events follow."""
        self._redis.flushall()
        with self._redis.pipeline(transaction=False) as pipeline:
            for number in range(rooms):
                head = keys.head(keys.conversation_key(ORGANISATION, room(number)))
                pipeline.hset(head, mapping={"index": FIRST_INDEX, "epoch": EPOCH})
            pipeline.execute()

    def clear(self) -> None:
        self._redis.flushall()
