"""What the OpenAPI document says is what happens: generated calls of every operation, judged by a stranger's tool."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounds
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.settings import Settings
from shared.store import Store
from tests.gateway.population import Actor, Population
from tests.product import RoleProcess, free_port

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
SEED = 20
EXAMPLES = 10
TIMEOUT_S = 20
#: Optional, and refused for reasons no schema tells; a workflow cannot be executed from a chat yet.
HARD_TO_GUESS = ("definition", "timezone", "images", "requestId", "workflowId", "version", "lastEventIndex", "changes")
CONFIG = {"generation": {"with-security-parameters": False}}


def at_home(case: Any, actor: Actor) -> None:
    """Let the case name things of the caller, where it names any."""
    ids = actor.ids
    names: dict[str, Any] = {
        "workflow": ids["workflow"], "workflowId": ids["workflow"], "proposalId": ids["proposal"],
        "chatId": ids["chat"], "conversationId": ids["conversation"], "runId": ids["run"], "requestId": ids["request"],
        "userId": ids["user"], "key": ids["key"], "session": ids["login"], "cid": ids["cid"], "modelId": "gpt-4",
        "sessionId": ids["create_session"], "executionId": ids["execution"],
        "id": "daily-kpi-report", "type": "agent", "version": "1",
        "connectorId": ids["connector"],
        "hook": ids["hook"],
    }  # fmt: skip
    if case.operation.path.startswith("/api/v1/"):
        names["workflow"] = ids["bot"]
    if isinstance(case.path_parameters, dict):
        own = names | {"sessionId": ids["session"], "slug": ids["bot"]}
        case.path_parameters |= {name: own[name] for name in case.path_parameters if name in own}
    for part in (case.query, case.body):
        if isinstance(part, dict):
            own = names | {"version": 1}
            if part is case.body and case.operation.path.endswith("/workflow/chat/stream"):
                part.setdefault("message", "hello")
            part |= {name: own[name] for name in part if name in own}
            if part is case.body and case.operation.path.startswith(("/v1/connectors", "/api/connectors")):
                part |= {"config": {"bearer": "x"}} | ({"type": "http"} if case.operation.method == "post" else {})
            for name in HARD_TO_GUESS if {"content", "message", "note", "slug", "proposalId"} & part.keys() else ():
                part.pop(name, None)


class Tool:
    """Makes calls from documents and judges the answers."""

    def __init__(self, url: str) -> None:
        self._http = requests.Session()
        self._url = url
        self.seen: dict[str, Counter[int]] = {}
        document = requests.get(f"{url}/openapi.json", timeout=TIMEOUT_S).json()
        schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(CONFIG))
        self.operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
        assert len(self.operations) == sum(len(methods) for methods in document["paths"].values())

    def judge(self, operation: Any, actor: Actor) -> None:
        seen = self.seen.setdefault(operation.definition.raw["operationId"], Counter())
        identity = {"Authorization": f"Bearer {actor.key}", "Cookie": f"caddie={actor.cookie}"}
        modes = schemathesis.GenerationMode
        cases = [operation.as_strategy(generation_mode=mode) for mode in (modes.POSITIVE, modes.NEGATIVE)]

        @seed(SEED)
        @bounds(
            max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=st.one_of(cases), abroad=st.integers(0, 3))
        def call(case: Any, abroad: int) -> None:
            if abroad:
                at_home(case, actor)
            response = case.call(base_url=self._url, session=self._http, headers=identity, timeout=TIMEOUT_S)
            seen[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        call()


@pytest.fixture
async def url(settings: Settings) -> AsyncIterator[str]:
    """A product in processes of its own: generating and answering share nothing, not even random numbers."""
    settings = settings.model_copy(update={"gateway_port": free_port(), "server_port": free_port()})
    roles = [RoleProcess(role, settings) for role in ("gateway", "server", "worker")]
    try:
        await asyncio.gather(*(role.start() for role in roles))
        yield f"http://127.0.0.1:{settings.gateway_port}"
        assert not [line for role in roles for line in role.logged.splitlines() if "request.failed" in line]
    finally:
        await asyncio.gather(*(role.kill() for role in roles))


@pytest.fixture
async def population(settings: Settings, url: str) -> AsyncIterator[Population]:
    store = await Store.open(settings.database_address)
    async with aiohttp.ClientSession() as http:
        yield Population(store, http, url)
    await store.close()


@pytest.mark.fuzz
async def test_every_operation_answers_as_documented(population: Population, url: str) -> None:
    owner, *_ = await population.organisation()
    tool = await asyncio.to_thread(Tool, url)
    failed = []
    for operation in tool.operations:
        # Who deletes loses, perhaps the login or the key of these calls themselves.
        ends = operation.method == "delete" or operation.path.endswith("/sign-out")
        actor = await population.actor(owner.org, "owner") if ends else owner
        try:
            await asyncio.to_thread(tool.judge, operation, actor)
        except FailureGroup as error:
            failed.append(f"{operation.label}: {error}")
    assert not failed, "\n\n".join(failed)
    reached = {name for name, seen in tool.seen.items() if min(seen) < 300}
    assert len(reached) > len(tool.seen) * 3 / 4, set(tool.seen) - reached
