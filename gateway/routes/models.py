"""What a chat can be asked to use (surface 002): models and tools; and whether this process is alive.

Invariant: nothing that is configured is shown, only whether it is. Callers: the route table.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import BaseModel

from gateway.envelopes import success
from gateway.routing import Answer, Call, route
from shared.chat_tools import CHAT_TOOLS, lacks, told
from shared.models import ModelNames
from shared.settings import Settings


class ModelName(BaseModel):
    """id: what `modelId` may be; isDefault: stands for the configured model; available: can be called right now."""

    id: str
    provider: str
    model: str
    isDefault: bool
    available: bool


class ModelList(BaseModel):
    models: list[ModelName]


class Tool(BaseModel):
    """inputSchema: JSON Schema of the arguments; needs: the setting without which the tool only says so."""

    id: str
    name: str
    description: str
    inputSchema: dict[str, Any]
    available: bool
    needs: str | None


class ToolList(BaseModel):
    tools: list[Tool]


class Liveness(BaseModel):
    status: str


class Models:
    def __init__(self, settings: Settings, names: ModelNames) -> None:
        self._settings, self._names = settings, names

    @route(
        "GET", "/api/models", summary="Models a message may name", tag="chats", answers={200: Answer(ModelList)},
    )  # fmt: skip
    async def model_list(self, call: Call[None, None]) -> ModelList:
        chosen = self._names.resolve(None)
        return ModelList(
            models=[
                ModelName(
                    id=each.id, provider=each.provider, model=each.model, available=not each.lacks,
                    isDefault=(each.provider, each.model) == chosen,
                )
                for each in self._names.listed()
            ]
        )  # fmt: skip

    @route(
        "GET", "/api/tools", summary="Tools a chat's assistant has", tag="chats", answers={200: Answer(ToolList)},
    )  # fmt: skip
    async def tool_list(self, call: Call[None, None]) -> ToolList:
        tools = []
        for each in CHAT_TOOLS:
            needs = lacks(each, self._settings)
            tools.append(
                Tool(
                    id=each.NAME, name=each.NAME, description=told(each), inputSchema=each.schema_wire(),
                    available=not needs, needs=needs or None,
                )
            )  # fmt: skip
        return ToolList(tools=tools)

    @route(
        "GET", "/api/liveness", summary="Whether this process answers", tag="operations", open=True,
        answers={200: Answer(Liveness)},
    )  # fmt: skip
    async def liveness(self, request: web.Request) -> web.Response:
        return success("api", Liveness(status="ok"), 200, "")
