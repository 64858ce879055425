"""The state folder: what one machine's Caddie keeps between starts.

Invariant: the folder is 0700 and every secret in it 0600, written whole or not at all; one `caddie up` at a time owns
it. Callers: `caddie up`, and each role that runs without an address or a key of its own in the environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from shared.errors import CaddieError
from shared.seal import Seal
from shared.settings import Settings
from shared.tokens import KeyTable

SOCKET_PATH_BYTES = 100  # sun_path holds 108 with its NUL; the server adds a suffix while it creates the socket


class StateFolder:
    """Opens (and creates) the folder. Raises CaddieError UNAVAILABLE when it cannot be ours alone."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        _private_folder(self.path)

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.path / 'caddie.db'}"

    @property
    def socket(self) -> Path:
        """Where the embedded Valkey listens: in the folder, or in a short one of ours when that path is too long."""
        inside = self.path / "valkey.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES:
            return inside
        mark = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        for parent in (runtime, Path("/tmp")):
            short = parent / f"caddie-{os.getuid()}-{mark}"
            if len(os.fsencode(short / "valkey.sock")) <= SOCKET_PATH_BYTES:
                _private_folder(short)
                return short / "valkey.sock"
        raise CaddieError("UNAVAILABLE", f"expected a folder for a socket of {SOCKET_PATH_BYTES} bytes, found none")

    def secret(self, name: str, generate: Callable[[], str]) -> str:
        """The secret of this name, generated at its first use."""
        path = self.path / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            _write_private(path, generate())
            return path.read_text().strip()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Holds the folder. The kernel lets go of the lock when the process ends, however it ends."""
        descriptor = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise CaddieError(
                    "CONFLICT",
                    f"another `caddie up` (process {holder}) uses {self.path}: stop it or set CADDIE_STATE_DIR",
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)


def completed(settings: Settings, state: StateFolder) -> Settings:
    """The settings with every address and key: what they leave open comes from the state folder."""
    keys = settings.token_keys or SecretStr(state.secret("token-keys.json", KeyTable.generate))
    seal = settings.seal_key or SecretStr(state.secret("seal-key", Seal.generate))
    return settings.model_copy(
        update={
            "state_dir": state.path,
            "redis_url": settings.redis_url or SecretStr(f"unix://{state.socket}"),
            "database_url": settings.database_url or SecretStr(state.database_url),
            "token_keys": keys,
            "seal_key": seal,
        }
    )


def environment(settings: Settings) -> dict[str, str]:
    """What another process needs to read the same addresses and keys as these settings hold."""
    secrets = {
        "CADDIE_REDIS_URL": settings.redis_url,
        "CADDIE_DATABASE_URL": settings.database_url,
        "CADDIE_TOKEN_KEYS": settings.token_keys,
        "CADDIE_SEAL_KEY": settings.seal_key,
    }
    known = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
    return known | {"CADDIE_STATE_DIR": str(settings.state_dir), "CADDIE_ENV": settings.env}


def _private_folder(path: Path) -> None:
    """Ours and closed to others. Its parent may be /tmp, where another user can have put a link in our way."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat() if path.parent != Path("/tmp") else path.lstat()
        if found.st_uid != os.getuid():
            raise CaddieError("UNAVAILABLE", f"{path}: expected a folder of user {os.getuid()}, got {found.st_uid}'s")
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise CaddieError("UNAVAILABLE", f"{path}: cannot be used as state folder: {error.strerror}") from error


def _write_private(path: Path, text: str) -> None:
    """Complete or absent, also after a power cut; whoever comes second keeps the first one's text."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        os.unlink(temporary)
