"""The Python peer of the session benchmark: aiohttp, pydantic and PyJWT as their documentation shows them.

It checks a body like ours and signs a token; it knows no accounts, limits or stored sessions. Started as a program:
`session.py PORT`, with the TOKEN_* variables in the environment.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Literal
from uuid import UUID, uuid4

import jwt
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError


class Image(BaseModel):
    base64: str | None = None
    ipfsUrl: str | None = None


class Body(BaseModel):
    agentVersion: Literal["v1", "v2", "v3", "both"] = "v1"
    conversationId: str | None = Field(None, max_length=128)
    workflowId: str | None = Field(None, max_length=128)
    sessionId: str | None = Field(None, max_length=128)
    requestId: UUID | None = None
    message: str | None = Field(None, max_length=10_000)
    images: list[Image] = []
    lastEventIndex: int | None = Field(None, ge=0)
    preferredMode: Literal["planning", "building", "repair", "conversation"] | None = None
    timezone: str | None = None
    temperatureOverride: float | None = Field(None, ge=0, le=2)
    modelOverride: str | None = None


async def issue(request: web.Request) -> web.Response:
    try:
        body = Body.model_validate(await request.json())
    except ValidationError as error:
        return web.json_response({"error": str(error)}, status=400)
    now, session = int(time.time()), str(uuid4())
    claims = {
        "iss": os.environ["TOKEN_ISSUER"], "aud": os.environ["TOKEN_AUDIENCE"], "sub": "1", "org": 1, "sid": session,
        "conv": body.conversationId or session, "scp": ["read", "write"], "jti": str(uuid4()), "iat": now, "nbf": now,
        "exp": now + 900,
    }  # fmt: skip
    token = jwt.encode(claims, os.environ["TOKEN_KEY"], algorithm="HS256")
    return web.json_response({"sessionToken": token, "sessionId": session, "socketUrl": "wss://example.com/socket.io/"})


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/v1/ai/workflow/chat/stream", issue)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None)
