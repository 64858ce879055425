"""The Python peer of the delivery benchmark: python-socketio with its Redis manager, as its documentation shows it.

Started as a program by the benchmark: `stock.py PORT`, with REDIS_PORT and the TOKEN_* variables in the environment.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import jwt
import socketio
from aiohttp import web


def build() -> web.Application:
    """An application that verifies the token of a CONNECT and enters the room of its conversation."""
    redis = socketio.AsyncRedisManager(f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0")
    server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*", client_manager=redis)
    key, issuer, audience = (os.environ[f"TOKEN_{name}"] for name in ("KEY", "ISSUER", "AUDIENCE"))

    async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
        claims = jwt.decode(auth["token"], key, algorithms=["HS256"], audience=audience, issuer=issuer)
        await server.enter_room(sid, claims["conv"])

    server.on("connect", connect)
    app = web.Application()
    server.attach(app)
    return app


if __name__ == "__main__":
    web.run_app(build(), host="127.0.0.1", port=int(sys.argv[1]), backlog=4096, access_log=None)
