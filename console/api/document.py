"""The OpenAPI 3.1 document of the interface, made of the operations and their shapes. It names no house."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from console.access.scopes import Scope
from console.api import problems
from console.api.operation import Operation
from console.api.shapes.common import ProblemShown

REF = "#/components/schemas/{model}"
ABOUT = """\
Customers, PINs without their digits, who is on duty, calls and cases of an after-hours telephone, for other
programs. Days and instants are ISO 8601; instants have an offset. What is not known is refused. Lists come in
pages: `next` of one is the `cursor` of the next. A POST with an `Idempotency-Key` is done once, however often
it comes within a day. Errors are problem details (RFC 9457).\
"""
# What any operation may be answered, beside its success.
ALWAYS = {
    401: "No token, or one that is not good (any more).",
    403: "The token's scopes do not have this operation.",
    422: "A field or parameter is missing, unknown, or cannot be what it is.",
    429: "Too often: `Retry-After` says how many seconds to wait.",
    500: "The service failed; its log says how.",
    503: "The database does not answer.",
}
WITH_PLACES = {404: "There is nothing of this name."}
WITH_BODY = {
    400: "The body is not JSON, or did not arrive whole.",
    413: "The body is too long.",
    415: "The body is not application/json.",
}
WRITING = {409: "It cannot be done as things stand; `type` says why."}
REPLAYED = {
    "description": "There if the request came before under its Idempotency-Key: nothing was done now.",
    "schema": {"type": "string", "enum": ["true"]},
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own name of this request. Sent again with it, it is done once and answered alike.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """As JSON has it."""
    found = list(operations)
    schemas, refs = _schemas(found)
    paths: dict[str, dict[str, Any]] = {}
    for operation in found:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "After-hours telephone", "version": "1", "description": ABOUT},
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                str(status): {
                    "description": said,
                    "content": {problems.MIMETYPE: {"schema": refs[ProblemShown, "serialization"]}},
                }
                for status, said in sorted((ALWAYS | WITH_PLACES | WITH_BODY | WRITING).items())
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Made by `ivr token add NAME --scope …`. "
                    f"Scopes: {', '.join(f'`{scope}`' for scope in Scope)}.",
                }
            },
        },
    }


Refs = dict[tuple[Any, JsonSchemaMode], dict[str, Any]]


def _schemas(operations: list[Operation]) -> tuple[dict[str, Any], Refs]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemShown, "serialization")]
    for each in operations:
        wanted.append((each.answer, "serialization"))
        if each.body is not None:
            wanted.append((each.body, "validation"))
    refs, definitions = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    schemas = definitions["$defs"]
    return {name: _plain(schemas[name]) for name in sorted(schemas)}, {**refs}


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of every name."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for name, value in schema.items():
        if name == "title" and isinstance(value, str):
            continue
        if name == "properties":
            kept[name] = {each: _plain(inner) for each, inner in value.items()}
        else:
            kept[name] = value if name in ("default", "enum", "examples") else _plain(value)
    return kept


def _operation(operation: Operation, refs: Refs) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, **_parameter(adapter.json_schema())}
        for name, adapter in operation.places.items()
    ]
    parameters += _query(operation.query)
    answered: dict[str, Any] = {
        "description": "Done." if operation.writes else "Found.",
        "content": {"application/json": {"schema": refs[operation.answer, "serialization"]}},
    }
    if operation.method == "POST":
        parameters.append(KEY)
        answered["headers"] = {"Idempotent-Replayed": REPLAYED}
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.area],
        "summary": operation.summary,
        "description": f"{operation.about}\n\nNeeds the scope `{operation.scope}`.",
        "security": [{"token": [operation.scope.value]}],
        "parameters": parameters,
    }
    if operation.body is not None:
        made["requestBody"] = {
            "required": operation.body_needed,
            "content": {"application/json": {"schema": refs[operation.body, "validation"]}},
        }
    made["responses"] = {str(operation.status): answered}
    made["responses"] |= {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(_refusals(operation))
    }
    return made


def _refusals(operation: Operation) -> set[int]:
    found = {*ALWAYS}
    if operation.places or _names_somebody(operation):
        found |= WITH_PLACES.keys()
    if operation.body is not None:
        found |= WITH_BODY.keys()
    if operation.writes:
        found |= WRITING.keys()
    return found


def _names_somebody(operation: Operation) -> bool:
    """Whether a customer is named beside the path: there may be none of this code."""
    return any(
        model is not None and "customer" in model.model_fields for model in (operation.body, operation.query)
    )


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(ref_template=REF)
    needed = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in needed, **_parameter(each)}
        for name, each in schema["properties"].items()
    ]


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out has no null."""
    plain = _plain(schema)
    said = plain.pop("description", None)
    if options := plain.pop("anyOf", None):
        (only,) = [each for each in options if each != {"type": "null"}]
        plain = {**{k: v for k, v in plain.items() if k != "default"}, **only}
        said = said or plain.pop("description", None)
    return {"schema": plain} | ({"description": said} if said else {})
