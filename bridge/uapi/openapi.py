"""The OpenAPI 3.1 description, made from the same resources that route and the same models that validate."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from bridge.uapi.errors import CODES
from bridge.uapi.models import ErrorBody, Model
from bridge.uapi.resources import Operation, Reply, Resource

_REF = "#/components/schemas/{model}"

_DESCRIPTION = """The PhoneCalls part of VoipNow's UnifiedAPI for an Asterisk PBX.

A token goes into the Authorization header as `Bearer <token>`. The address may also begin with `/unifiedapi`, and end
with a slash. Every error has the object `{"error": {"code", "message"}}`, except those of `/oauth`."""


def describe(resources: Iterable[Resource], version: str) -> dict[str, Any]:
    """The description of what answers at these resources."""
    shown = [
        (resource, method, operation)
        for resource in resources
        for method, operation in resource.operations.items()
        if not operation.hidden
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UAPI bridge",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"accessRequestToken": []}],
        "paths": _paths(shown),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "accessRequestToken": {"type": "apiKey", "in": "query", "name": "accessRequestToken"},
            },
            "schemas": _schemas(operation for _, _, operation in shown),
        },
    }


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    replies: set[type[Model]] = {ErrorBody}
    requests: set[type[Model]] = set()
    for operation in operations:
        replies |= {reply.model for reply in operation.replies.values() if reply.model}
        if operation.body:
            requests.add(operation.body)
    _, schemas = models_json_schema(
        [
            *((model, "serialization") for model in sorted(replies, key=lambda one: one.__name__)),
            *((model, "validation") for model in sorted(requests, key=lambda one: one.__name__)),
        ],
        ref_template=_REF,
    )
    return {name: _without_null(schema) for name, schema in schemas["$defs"].items()}


def _without_null(schema: Any) -> Any:
    """A schema without null: what is absent is left out of replies, and null in a request stands for absent."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _without_null(value)
        for name, value in schema.items()
        if value is not None and not (name == "title" and isinstance(value, str))
    }
    options = [one for one in kept.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        return {**options[0], **kept}
    if options:
        kept["anyOf"] = options
    return kept


def _paths(shown: Iterable[tuple[Resource, str, Operation]]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for resource, method, operation in shown:
        item = paths.setdefault(resource.path, {})
        if resource.parts:
            item["parameters"] = [_parameter("path", name, part) for name, part in resource.parts.items()]
        item[method.lower()] = _operation(operation, resource)
    return paths


def _operation(operation: Operation, resource: Resource) -> dict[str, Any]:
    name = operation.handler.__name__
    described: dict[str, Any] = {
        "operationId": name if name not in ("hang_up", "create") else f"{name}_{_slug(resource.path)}",
        "summary": operation.summary,
        "parameters": [*_query(operation), *_headers(operation)],
        "responses": _replies(operation),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body:
        described["requestBody"] = _body(operation, operation.body)
    if operation.public:
        described["security"] = []
    return described


def _slug(path: str) -> str:
    return "_".join(part.strip("{}") for part in path.split("/")[3:])


def _query(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.query is None:
        return
    schema = operation.query.model_json_schema(by_alias=True)
    for name, part in schema["properties"].items():
        yield _parameter("query", name, _without_null(part))


def _headers(operation: Operation) -> Iterable[dict[str, Any]]:
    for name, description in operation.headers.items():
        yield _parameter("header", name, {"type": "string", "description": description})


def _parameter(place: str, name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in part.items() if key not in ("description", "examples")}
    parameter: dict[str, Any] = {"name": name, "in": place, "required": place == "path", "schema": schema}
    if "description" in part:
        parameter["description"] = part["description"]
    if "examples" in part:
        parameter["example"] = part["examples"][0]
    return parameter


def _body(operation: Operation, model: type[Model]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    if operation.examples:
        content["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
    kinds = ["application/x-www-form-urlencoded"] if operation.form else []
    return {"required": True, "content": dict.fromkeys([*kinds, "application/json"], content)}


def _replies(operation: Operation) -> dict[str, Any]:
    replies = {str(status): _reply(reply) for status, reply in operation.replies.items()}
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(operation.errors):
        by_status.setdefault(CODES[code][0], []).append(code)
    for status, codes in sorted(by_status.items()):
        headers = {"Retry-After": "Seconds."} if status in (429, 503) else {}
        headers |= {"WWW-Authenticate": "Bearer."} if status == 401 else {}
        words = "\n".join(f"- `{code}`: {CODES[code][1]}" for code in codes)
        described = _reply(Reply(words, ErrorBody, None, headers))
        described["content"]["application/json"]["examples"] = {
            code: {"value": {"error": {"code": code, "message": CODES[code][1]}}} for code in codes
        }
        replies[str(status)] = described
    return replies


def _reply(reply: Reply) -> dict[str, Any]:
    described: dict[str, Any] = {"description": reply.description}
    if reply.headers:
        described["headers"] = {
            name: {"description": words, "schema": {"type": "string"}}
            for name, words in reply.headers.items()
        }
    if reply.model:
        content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=reply.model.__name__)}}
        if reply.example is not None:
            content["example"] = reply.example
        described["content"] = {"application/json": content}
    elif reply.type:
        described["content"] = {reply.type: {"schema": {"type": "string"}, "example": reply.example}}
    return described
