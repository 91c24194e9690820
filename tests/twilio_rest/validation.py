"""A request to Twilio, and the answer, held against Twilio's own OpenAPI documents.

The documents come from npm (`npm ci` in tests/openapi), beside Prism. Prism itself cannot stand before
something that keeps its state: it lets fields pass that no document has, and refuses what Twilio really does.
Twilio's own examples answer `"sms_application_sid": ""` where the document wants AP and 32 digits, and
addresses without a host where it wants whole ones. So two things are let pass here, and no more:

- in an answer an empty text is a text, and an address may be relative;
- in a request an empty text takes a sid or an address away.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_server import DOCUMENTS

FORM = "application/x-www-form-urlencoded"
MISSING = "needs Twilio's OpenAPI documents: `npm ci` in tests/openapi"

_formats = FormatChecker(formats=())


def there() -> bool:
    """Whether the documents are there. Fails under REQUIRE_ALL=1 if not."""
    if DOCUMENTS.is_dir():
        return True
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(MISSING, pytrace=False)
    return False


@_formats.checks("uri")
def _whole_address(value: object) -> bool:
    parts = urlsplit(str(value))
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in str(value)


@_formats.checks("phone-number")
def _phone_number(value: object) -> bool:
    return re.fullmatch(r"\+[0-9]{6,15}", str(value)) is not None


@_formats.checks("iso-country-code")
def _country(value: object) -> bool:
    return re.fullmatch("[A-Z]{2}", str(value)) is not None


@_formats.checks("date")
def _date(value: object) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) is not None


@_formats.checks("date-time")
def _instant(value: object) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?", str(value)) is not None


class Document:
    """One of Twilio's documents ("twilio_api_v2010"). Each method returns what is wrong, a line each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._read = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """Raises LookupError if the document has none such; `path` as it stands there."""
        found: dict[str, Any] | None = self._read["paths"].get(path, {}).get(method.lower())
        if found is None:
            raise LookupError(f"{self.name} has no {method} {path}")
        return found

    def success(self, method: str, path: str) -> int:
        """The status of an answer to a request that was done."""
        return min(int(status) for status in self.operation(method, path)["responses"] if status[0] == "2")

    def examples(self, method: str, path: str) -> list[Any]:
        """What Twilio shows as answers to it."""
        content = self._answer(method, path, self.success(method, path))
        return [each["value"] for each in content.get("examples", {}).values()]

    def wrong_request(
        self,
        method: str,
        path: str,
        named: Mapping[str, str],
        query: Mapping[str, list[str]],
        form: Mapping[str, list[str]],
    ) -> list[str]:
        """`named` is what stands in the path's braces; the others all values of each field."""
        operation = self.operation(method, path)
        known: dict[str, dict[str, dict[str, Any]]] = {"path": {}, "query": {}, "header": {}}
        needed = set()
        for each in operation.get("parameters", []):
            known[each["in"]][each["name"]] = each["schema"]
            if each.get("required") and each["in"] == "query":
                needed.add(each["name"])
        body = operation.get("requestBody", {}).get("content", {}).get(FORM, {}).get("schema", {})
        fields = body.get("properties", {})
        wrong = [f"query: {name} is missing" for name in sorted(needed - query.keys())]
        wrong += [f"form: {name} is missing" for name in sorted(set(body.get("required", ())) - form.keys())]
        for where, given, schemas in (
            ("path", {name: [value] for name, value in named.items()}, known["path"]),
            ("query", query, known["query"]),
            ("form", form, fields),
        ):
            for name, values in given.items():
                if name not in schemas:
                    wrong.append(f"{where}: there is no {name}")
                else:
                    wrong += [f"{where}: {name}: {why}" for why in self._field(schemas[name], values)]
        return wrong

    def wrong_answer(self, method: str, path: str, status: int, answer: Any) -> list[str]:
        """What an answer to a request that was done has that the document has not, or otherwise."""
        if status != self.success(method, path):
            return [f"status {status}"]
        schema = self._answer(method, path, status).get("schema")
        return [] if schema is None else self._faults(_loose(schema), answer, self._loose_components, False)

    def _answer(self, method: str, path: str, status: int) -> dict[str, Any]:
        content = self.operation(method, path)["responses"][str(status)].get("content", {})
        found: dict[str, Any] = content.get("application/json", {})
        return found

    def _field(self, schema: dict[str, Any], values: list[str]) -> list[str]:
        schema = self._named(schema)
        if schema.get("type") == "array":
            items = self._named(schema.get("items", {}))
            return [why for value in values for why in self._field(items, [value])]
        if len(values) != 1:
            return [f"stands there {len(values)} times"]
        kind = schema.get("type")
        if values == [""] and ("pattern" in schema or schema.get("format") == "uri"):
            return []  # taken away
        return self._faults(_strict(schema), _typed(values[0], kind), self._components, True)

    def _named(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            found: dict[str, Any] = self._read["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            return found
        return schema

    def _faults(self, schema: Any, value: Any, components: dict[str, Any], formats: bool) -> list[str]:
        validator = Draft202012Validator(
            {**schema, "components": components}, format_checker=_formats if formats else None
        )
        return [
            f"{'/'.join(map(str, error.absolute_path))} {error.message}".strip()[:200]
            for error in validator.iter_errors(value)
        ]

    @cached_property
    def _components(self) -> dict[str, Any]:
        return {"schemas": _strict(self._read["components"]["schemas"])}

    @cached_property
    def _loose_components(self) -> dict[str, Any]:
        return {"schemas": _loose(self._read["components"]["schemas"])}


@cache
def document(name: str) -> Document:
    """Read once."""
    return Document(name)


def _typed(value: str, kind: str | None) -> object:
    """A form's text as the type that is expected, or as it is."""
    if kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind == "integer" and re.fullmatch("-?[0-9]+", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return float(value)
    return value


def _strict(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema says it."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _strict(value) for name, value in schema.items()}
    if found.pop("nullable", False) is True:
        if isinstance(found.get("type"), str):
            found["type"] = [found["type"], "null"]
        if isinstance(found.get("enum"), list):
            found["enum"] = [*found["enum"], None]
    return found


def _loose(schema: Any) -> Any:
    """As _strict, and an empty text passes; so do more fields, which Twilio's examples have."""
    return _emptied(_strict(schema))


def _emptied(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_emptied(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _emptied(value) for name, value in schema.items()}
    if isinstance(found.get("pattern"), str):
        found["pattern"] = f"^$|{found['pattern']}"
        found.pop("minLength", None)
    return found
