"""The roles as processes of their own, with the fake model host of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from shared.settings import Settings
from tests.product import Product, RoleProcess, free_port, running

Deploy = Callable[[Settings], AbstractAsyncContextManager["Deployed"]]


@dataclass
class Deployed:
    product: Product
    roles: dict[str, RoleProcess]
    admin_ports: dict[str, int]

    @property
    def logged(self) -> str:
        return "".join(role.logged for role in self.roles.values())

    async def metrics(self) -> str:
        pages = []
        async with aiohttp.ClientSession() as http:
            for port in self.admin_ports.values():
                async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
                    pages.append(await response.text())
        return "".join(pages)


@pytest.fixture
def deploy() -> Deploy:
    @asynccontextmanager
    async def deployed(settings: Settings) -> AsyncIterator[Deployed]:
        settings = settings.model_copy(update={"gateway_port": free_port(), "server_port": free_port()})
        ports = {role: free_port() for role in ("server", "worker", "gateway")}
        roles = {
            role: RoleProcess(role, settings.model_copy(update={"admin_port": port})) for role, port in ports.items()
        }
        async with running(settings, ()) as product:
            try:
                await asyncio.gather(*(role.start() for role in roles.values()))
                yield Deployed(product, roles, ports)
            finally:
                await asyncio.gather(*(role.kill() for role in roles.values() if hasattr(role, "process")))

    return deployed
