from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate
from pydantic import BaseModel

from gateway.openapi import document
from gateway.routing import Answer, Call, route, routes_of
from gateway.table import TABLE, openapi
from tests.gateway.conftest import PATH, Client

DOCUMENT: Any = json.loads(json.dumps(openapi()))


def schema_of(path: str, method: str, status: str) -> Any:
    content = DOCUMENT["paths"][path][method]["responses"][status]["content"]
    return {**content["application/json"]["schema"], "components": DOCUMENT["components"]}


def test_the_document_is_valid_openapi_3_1() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_route_is_documented_with_its_key_scopes_and_errors() -> None:
    for _, entry in TABLE:
        operation = DOCUMENT["paths"][entry.template][entry.method.lower()]
        assert operation["summary"] and operation["operationId"]
        identity = {"login": []} if entry.cookie else {"apiKey": list(entry.scopes)}
        assert operation["security"] == ([] if entry.open or entry.visitor else [identity])
        documented = set(operation["responses"])
        if entry.visitor:
            assert {"429", "500", "503"} <= documented
        elif not entry.open:
            assert {"401", "403", "429", "500", "503"} <= documented
            assert entry.scopes or entry.cookie
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_the_session_call_lists_every_field_of_the_documents() -> None:
    body = DOCUMENT["components"]["schemas"]["ChatRequest"]["properties"]
    assert set(body) == {
        "agentVersion", "message", "requestId", "lastEventIndex", "conversationId", "sessionId", "workflowId",
        "definition", "name", "description", "images", "preferredMode", "templateSearchMode", "timezone",
        "modelOverride", "temperatureOverride", "apiKeyOverride", "failedRunId",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("post", PATH, {"message": "hello"}, 200), ("post", PATH, {}, 400), ("get", "/v1/workflows", None, 200),
        ("post", "/v1/workflows", {"name": "x"}, 201), ("get", "/v1/blocks", None, 200),
        ("post", "/v1/workflows/validate", {"definition": {"nodes": {}}}, 200), ("get", "/health", None, 200),
        ("get", "/v1/keys", None, 403), ("get", "/v1/ai/workflow/chat/sessions", None, 200),
    ],
)  # fmt: skip
async def test_answers_are_what_the_document_says(
    client: Client, method: str, path: str, body: Any, status: int
) -> None:
    reply = await client(method.upper(), path, body)
    assert reply.status == status
    Draft202012Validator(schema_of(path, method, str(status))).validate(reply.body)


class Thing(BaseModel):
    name: str


class Owner:
    @route("GET", "/api/things", summary="s", tag="t", scopes=("read",), answers={200: Answer(Thing)})
    async def things(self, call: Call[None, None]) -> Thing:
        return Thing(name="x")

    @route(
        "GET", "/api/v1/things/{id:[0-9]{1,9}}/", summary="s", tag="t", scopes=("read",), answers={200: Answer(Thing)}
    )
    async def thing(self, call: Call[None, None]) -> Thing:
        return Thing(name="x")

    @route(
        "POST", "/api/v1/things/", summary="s", tag="t", scopes=("write",), body=Thing,
        answers={200: Answer(Thing, media_type="application/json"), 304: Answer()},
    )  # fmt: skip
    async def thing_made(self, call: Call[Thing, None]) -> Thing:
        return call.body

    @route(
        "GET", "/v1/things", summary="s", tag="t", scopes=("read",),
        answers={200: Answer(media_type="text/plain", others=("text/csv",))},
    )  # fmt: skip
    async def things_written(self, call: Call[None, None]) -> None:
        return None


def test_each_family_is_documented_in_its_own_envelope() -> None:
    made: Any = document(routes_of(Owner), "1")
    validate(json.loads(json.dumps(made)))

    def schema(path: str, status: str) -> Any:
        return made["paths"][path]["get"]["responses"][status]["content"]["application/json"]["schema"]

    assert list(schema("/api/things", "200")["properties"]) == ["data"]
    assert schema("/api/v1/things/{id}/", "200") == {"$ref": "#/components/schemas/Thing"}
    assert schema("/api/things", "401")["$ref"].endswith("ApiError")
    assert schema("/api/v1/things/{id}/", "401")["$ref"].endswith("ApiV1Error")
    assert made["paths"]["/api/v1/things/{id}/"]["get"]["parameters"][0]["schema"]["pattern"] == "^[0-9]{1,9}$"


def test_statuses_and_media_types_are_those_that_occur() -> None:
    made: Any = document(routes_of(Owner), "1")
    answers = made["paths"]["/api/v1/things/"]["post"]["responses"]
    assert answers["422"]["description"] == "INVALID, MALFORMED"
    assert answers["400"]["description"] == "INVALID"
    assert "content" not in answers["304"]
    assert set(made["paths"]["/v1/things"]["get"]["responses"]["200"]["content"]) == {"text/plain", "text/csv"}
    assert answers["429"]["headers"]["Retry-After"]["required"] is True


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_the_module_prints_its_documents(name: str) -> None:
    done = subprocess.run([sys.executable, "-m", "gateway", name], capture_output=True, timeout=50, check=True)
    assert json.loads(done.stdout)[name]
    wrong = subprocess.run([sys.executable, "-m", "gateway", "nonsense"], capture_output=True, timeout=50)
    assert wrong.returncode == 1 and b"expected" in wrong.stderr
