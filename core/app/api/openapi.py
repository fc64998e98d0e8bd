"""The OpenAPI 3.1 document, made of the operations and of the models that answer.

Our own few lines in place of a framework's: those that generate documents also read requests and
answer refusals, each in its own way, and what is described here is the models themselves.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import JSONResponse, Response

from core.app.api.bodies import IDEMPOTENCY_KEY, OURS
from core.app.api.oncall import NewFeed
from core.app.api.opening import OpenIncident
from core.app.api.operations import PREFIX, Call, Operation
from core.app.api.problems import CONTENT_TYPE, HEADERS, Problem, phrase
from core.app.api.requests import NoQuery, Query
from core.app.identity.caller import Role
from core.domain.command import LONGEST_NAME, Command
from core.domain.incident.commands import Snooze
from core.domain.matching import Match

_REFS: Final = "#/components/schemas/"
_ALWAYS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What every operation may answer."""
_WORDS: Final = r"[^\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
"""A character that is left when text is cleaned: a text that must have one, has one of these."""
_NAMED: Final = {
    "id": (
        "The incident: its handle, its own ID or the beginning of that, or its workflow ID, which "
        "means the last one there. Percent-encoded.",
        "k7m2qx",
    ),
    "schedule": ("The schedule's name.", "checkout"),
    "override": ("The override's ID.", "k7m2qx"),
    "silence": ("The ID of the silence or the maintenance window.", "k7m2qx"),
    "heartbeat": ("The heartbeat's name.", "backup"),
    "record": ("The record: its handle, its ID or the beginning of that.", "k7m2qx"),
}
"""What the parameters of paths name, each with an example."""
_KEY: Final = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "Makes a retry safe: of the same key of the same caller comes the same "
    "`command_id`, and a command is done once. Without one, each request is a command of its own.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_NAME,
        "pattern": "^[!-~]+$",
    },
}
_PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` does the same as `wait=false`.",
    "schema": {"type": "string"},
    "example": "respond-async",
}


async def served(call: Call[NoQuery]) -> Response:
    return JSONResponse(call.request.app.state.document(), headers=HEADERS)


OPERATION: Final = Operation(
    id="describe",
    method="GET",
    path="/openapi.json",
    summary="This document.",
    role=Role.VIEWER,
    query=NoQuery,
    handle=served,
    answers={HTTPStatus.OK: None},
)


def document(operations: Sequence[Operation[Any]]) -> dict[str, Any]:
    """The document of these operations."""
    answers = {
        model for operation in operations for model in operation.answers.values() if model
    } | {Problem}
    schemas = _schemas(sorted(answers, key=lambda model: model.__name__))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(f"{PREFIX}{operation.path}", {})[operation.method.lower()] = _described(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate",
            "version": "1",
            "summary": "Incidents and who is on call: read, and command.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": dict(_refusals(operations)),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A service token, or a JWT of the OpenID Connect issuer.",
                }
            },
        },
    }


def _schemas(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The schemas of answers, and of all that they name."""
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template=f"{_REFS}{{model}}"
    )
    return dict(found["$defs"])


def _described(operation: Operation[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        *(_path(name) for name in re.findall(r"{(\w+)}", operation.path)),
        *_query(operation.query, schemas),
    ]
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"Takes the role `{operation.role}`.",
        "responses": {
            **{str(status.value): _success(operation, status) for status in operation.answers},
            **{
                str(status.value): {"$ref": f"#/components/responses/{_name(status)}"}
                for status in sorted({*_ALWAYS, *operation.refusals})
            },
        },
    }
    if operation.command:
        parameters += [_KEY, *([_PREFER] if operation.sleeps else [])]
    if operation.command and operation.has_body:
        schema = _body(operation.command, schemas)
        described["requestBody"] = {
            "required": bool(schema.get("required") or schema.get("oneOf") or schema.get("anyOf")),
            "content": {"application/json": {"schema": schema}},
        }
    if parameters:
        described["parameters"] = parameters
    return described


def _path(name: str) -> dict[str, Any]:
    description, example = _NAMED[name]
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def _success(operation: Operation[Any], status: HTTPStatus) -> dict[str, Any]:
    model = operation.answers[status]
    schema = {"$ref": f"{_REFS}{model.__name__}"} if model else {"type": "object"}
    texts = {media: {"schema": {"type": "string"}} for media in operation.media[1:]}
    return {
        "description": phrase(status),
        "content": {operation.media[0]: {"schema": schema}, **texts},
    }


def _name(status: HTTPStatus) -> str:
    return phrase(status).title().replace(" ", "").replace("-", "")


def _refusals(operations: Sequence[Operation[Any]]) -> Iterable[tuple[str, Any]]:
    statuses = {*_ALWAYS}.union(*(operation.refusals for operation in operations))
    for status in sorted(statuses):
        yield (
            _name(status),
            {
                "description": phrase(status),
                "content": {CONTENT_TYPE: {"schema": {"$ref": f"{_REFS}{Problem.__name__}"}}},
            },
        )


def _query(query: type[Query], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a query, one for each field."""
    schema = _with_components(query, schemas)
    return [
        {
            "name": name,
            "in": "query",
            **({"description": described.pop("description")} if "description" in described else {}),
            "schema": _not_null(described),
        }
        for name, described in schema.get("properties", {}).items()
    ]


def _body(command: type[Command], schemas: dict[str, Any]) -> dict[str, Any]:
    """What a command's body may hold: its fields, less those that are given otherwise."""
    schema = _with_components(command, schemas)
    properties = {name: value for name, value in schema["properties"].items() if name not in OURS}
    required = [name for name in schema["required"] if name in properties]
    described = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }
    return {**described, **_either(command)}


def _either(command: type[Command]) -> dict[str, Any]:
    """What a validator of a whole command asks for, which its fields do not say."""
    if command is Snooze:
        return {"oneOf": _one_of(("until", "for"))}
    if command.name == "assign":
        return {"anyOf": [{"required": ["assignee"]}, {"required": ["commander"]}]}
    if command is OpenIncident:
        return {"anyOf": _one_of(("title", "follows"))}
    if command is NewFeed:
        return {"oneOf": _one_of(("schedule", "person"))}
    return {}


def _one_of(names: Iterable[str]) -> list[dict[str, Any]]:
    """For each of these fields that it is there, and is not null."""
    return [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]


def _with_components(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a request carries; what it names goes to the components."""
    schema = copy.deepcopy(model.model_json_schema(ref_template=f"{_REFS}{{model}}"))
    components = schema.pop("$defs", {})
    if Match.__name__ in components:
        components[Match.__name__]["anyOf"] = _one_of(Match.model_fields)
    schemas.update(components)
    _say_what_is_left(schema)
    return schema


def _say_what_is_left(schema: Any) -> None:
    """Say of every text with a shortest length that it counts what is left when it is cleaned."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "string" and schema.get("minLength"):
            schema.setdefault("pattern", _WORDS)  # type: ignore[attr-defined]
        for value in schema.values():
            _say_what_is_left(value)
    elif isinstance(schema, list):
        for value in schema:
            _say_what_is_left(value)


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema: one that is left out has no value, and none has null."""
    schema = {name: value for name, value in schema.items() if value is not None}
    schema.pop("title", None)
    if "anyOf" in schema:
        [kind] = [each for each in schema.pop("anyOf") if each.get("type") != "null"]
        schema = {**kind, **schema}
    return schema
