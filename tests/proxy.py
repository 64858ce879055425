"""A cable that can be pulled: forwards TCP to a port, cuts what is open, and takes nothing until it is plugged in."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Cable:
    """Owned by a test; `open` and `close` it."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._plugged = True

    async def open(self) -> int:
        """The port to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def pull(self) -> None:
        self._plugged = False
        for writer in self._writers:
            writer.transport.abort()

    def plug_in(self) -> None:
        self._plugged = True

    async def close(self) -> None:
        self.pull()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._plugged:
            writer.transport.abort()
            return
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers |= {writer, back}
            try:
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
            finally:
                self._writers -= {writer, back}
                writer.transport.abort()
                back.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
