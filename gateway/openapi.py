"""The OpenAPI 3.1 document, made from the route table that also routes and validates.

Invariant: a route that is served is documented, with the very models that check its input. Callers: the operations
routes (`/openapi.json`) and `python -m gateway openapi`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.envelopes import Family, statuses, wrapped
from gateway.routing import Answer, Route
from shared.errors import ERRORS

_REFERENCE = "#/components/schemas/{model}"
_SUCCESS_STATUS = {200: "OK", 201: "Created", 204: "No Content"}
_DESCRIPTION = (
    "AI workflow chat: sessions for Socket.IO, conversations, workflows. Real-time events are described by "
    "/asyncapi.json. Every answer carries X-Request-Id; every authenticated one X-RateLimit-Limit, -Remaining and "
    "-Reset (seconds until the limit is whole again)."
)


def document(table: Iterable[Route], version: str) -> dict[str, Any]:
    """The whole document for ``table``."""
    routes = list(table)
    schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Caddie", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas | _error_schemas(),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key; scopes name what it may do.",
                },
                "login": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-caddie",
                    "description": "Set by sign-in; on loopback its name is `caddie`.",
                },
            },
        },
    }


def _schemas(routes: list[Route]) -> dict[str, Any]:
    models: dict[tuple[type[BaseModel], str], None] = {}
    for route in routes:
        for model in (route.body, route.query):
            if model is not None:
                models[model, "validation"] = None
        for answer in route.answers.values():
            if answer.model is not None:
                models[answer.model, "serialization"] = None
    pairs: list[Any] = list(models)
    return dict(models_json_schema(pairs, ref_template=_REFERENCE)[1].get("$defs", {}))


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {str(status): _answer(route.family, answer, status) for status, answer in route.answers.items()},
        "security": _security(route),
    }
    if route.body is not None:
        schema = {"$ref": _REFERENCE.format(model=route.body.__name__)}
        operation["requestBody"] = {"required": not route.bodiless, "content": {"application/json": {"schema": schema}}}
    by_status: dict[int, list[str]] = {}
    for code in route.all_errors:
        for status in statuses(route.family, code):
            by_status.setdefault(status, []).append(code)
    for status, codes in sorted(by_status.items()):
        operation["responses"][str(status)] = _error(route.family, codes)
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.open or route.visitor:
        return []
    return [{"login": []} if route.cookie else {"apiKey": list(route.scopes)}]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{pattern}$"}}
        for name, pattern in route.parameters
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REFERENCE)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": value}
        for name, value in schema["properties"].items()
    ]


def _answer(family: Family, answer: Answer, status: int) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if answer.model is not None:
        schema: dict[str, Any] = {"$ref": _REFERENCE.format(model=answer.model.__name__)}
        if not answer.whole:
            schema = _success_schema(family, schema, status)
        response["content"] = {answer.media_type: {"schema": schema}}
    elif status not in (101, 204, 304) and not answer.events:
        response["content"] = {media_type: {"schema": {}} for media_type in (answer.media_type, *answer.others)}
    if answer.events:
        # Without a type: some tools hold the schema against the body, others against each event.
        response.setdefault("content", {})["text/event-stream"] = {"schema": {"description": answer.events}}
    return response


def _success_schema(family: Family, data: dict[str, Any], status: int) -> dict[str, Any]:
    shape: dict[str, Any] = wrapped(family, data, "", status)
    if shape is data:
        return data
    properties = {
        "code": {"type": "integer", "const": status},
        "message": {"type": "string", "const": "success"},
        "data": data,
        "requestId": {"type": "string"},
    }
    kept = {name: properties[name] for name in shape}
    return {"type": "object", "required": list(kept), "properties": kept}


def _error(family: Family, codes: list[str]) -> dict[str, Any]:
    name = {"api": "ApiError", "api_v1": "ApiV1Error"}.get(family, "V1Error")
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=name)}}}
    numbers = ", ".join(f"{code} ({ERRORS[code].status * 1000 + ERRORS[code].number})" for code in dict.fromkeys(codes))
    description = numbers if family in ("v1", "plain") else ", ".join(dict.fromkeys(codes))
    response: dict[str, Any] = {"description": description, "content": content}
    if ERRORS[codes[0]].status in (429, 503):
        waiting = {"schema": {"type": "integer"}, "required": True, "description": "Seconds to wait."}
        response["headers"] = {"Retry-After": waiting}
    return response


def _error_schemas() -> dict[str, Any]:
    text = {"type": "string"}
    detail = {"type": "object", "required": ["field", "message"], "properties": {"field": text, "message": text}}
    located = {
        "type": "object",
        "required": ["loc", "msg", "type"],
        "properties": {"loc": {"type": "array", "items": {"type": ["string", "integer"]}}, "msg": text, "type": text},
    }
    return {
        "V1Error": {
            "type": "object",
            "required": ["code", "message", "details", "requestId"],
            "properties": {
                "code": {"type": "integer", "description": "status × 1000 + n"},
                "message": text,
                "details": {"type": "array", "items": detail},
                "requestId": text,
                "data": {"type": "object", "description": "More about some errors, such as scopeNeeded."},
            },
        },
        "ApiError": {
            "type": "object",
            "required": ["error", "message"],
            "properties": {
                "error": text,
                "message": text,
                "details": {"type": "array", "items": detail, "description": "What is wrong with the input."},
                "data": {"type": "object", "description": "More about some errors, such as who has decided."},
            },
        },
        "ApiV1Error": {
            "type": "object",
            "required": ["detail"],
            "properties": {"detail": {"oneOf": [text, {"type": "array", "items": located}]}},
        },
    }
