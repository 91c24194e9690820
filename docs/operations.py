"""Writes docs/operations.md below its head: every operation of the JSON interface and every shape, off the
same OpenAPI document that programs get.

Run by hand: `python docs/operations.py`. A test says when it is time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from console.api.document import document
from console.api.operations import all_operations

PAPER = Path(__file__).parent / "operations.md"
BEGIN, END = "<!-- written by docs/operations.py -->", "<!-- to here -->"
# Patterns that say what a word does not; others are too long to help anybody.
_LONGEST_PATTERN = 40


def page() -> str:
    """As Markdown: the operations in their order, then the shapes by name."""
    whole = document(all_operations())
    bodies = [each.get("requestBody") for methods in whole["paths"].values() for each in methods.values()]
    sent = re.findall(r"/[A-Za-z]+(?=\")", json.dumps(bodies))
    lines: list[str] = []
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            lines += _operation(f"{method.upper()} {path}", operation)
    lines += ["## Shapes", ""]
    for name, schema in sorted(whole["components"]["schemas"].items()):
        lines += [f"### {name}", "", *_about(schema), *_shape(schema, sent=f"/{name}" in sent)]
    return "\n".join(lines)


def _operation(named: str, operation: dict[str, Any]) -> list[str]:
    lines = [f"## `{named}`", "", *_about(operation)]
    parameters = [
        (each["name"], each["in"], each["schema"], each["required"], each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    rows = (
        (f"`{name}` ({place})", _kind(schema), _default(schema, required and place != "path"), said)
        for name, place, schema, required, said in parameters
    )
    lines += _table("parameter", rows)
    if body := operation.get("requestBody"):
        may = "" if body["required"] else ", which may be left out"
        lines += [f"Sent: {_kind(body['content']['application/json']['schema'])}{may}.", ""]
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content = answer.get("content", {}).get("application/json")
            shape = f", {_kind(content['schema'])}" if content else ""
            lines += [f"Answered: {status}{shape}.", ""]
    return lines


def _about(said: dict[str, Any]) -> list[str]:
    paragraphs = re.split(r"\n\s*\n", said.get("description", "").strip())
    return [line for each in paragraphs if each for line in (" ".join(each.split()), "")]


def _shape(schema: dict[str, Any], *, sent: bool) -> list[str]:
    """Its fields. What is answered has all of them, whatever it holds."""
    rows = []
    for name, field in schema.get("properties", {}).items():
        inner = next((each["description"] for each in field.get("anyOf", ()) if "description" in each), "")
        said = " ".join((field.get("description") or inner).split())
        rows.append((f"`{name}`", _kind(field), _default(field, name in schema.get("required", ())), said))
    if sent or not rows:
        return _table("field", iter(rows))
    lines = [f"| {name} | {kind} | {said} |" for name, kind, _, said in map(_celled, rows)]
    return ["| field | type | what it is |", "|---|---|---|", *lines, ""]


def _celled(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cell.replace("|", "\\|") for cell in row)


def _table(what: str, rows: Iterator[tuple[str, str, str, str]]) -> list[str]:
    lines = [f"| {' | '.join(_celled(row))} |" for row in rows]
    return [f"| {what} | type | if left out | what it is |", "|---|---|---|---|", *lines, ""] if lines else []


def _default(schema: dict[str, Any], required: bool) -> str:
    if required:
        return "refused" if "default" not in schema else ""
    return f"`{json.dumps(schema['default'])}`" if "default" in schema else ""


def _kind(schema: dict[str, Any]) -> str:
    """The type in words; a shape as a link to its heading."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{json.dumps(each)}`" for each in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    words = {"date-time": "instant", "date": "day"}
    said = words.get(schema.get("format", ""), schema.get("type", "anything"))
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None and most < 2**31 - 1:
        said += f", {least} to {most}"
    if said == "string" and "maxLength" in schema:
        said += f" of up to {schema['maxLength']}"
    pattern = schema.get("pattern", "")
    return said + (f" like `{pattern}`" if said == "string" and 0 < len(pattern) < _LONGEST_PATTERN else "")


def main() -> None:
    before, _, rest = PAPER.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAPER.write_text(f"{before}{BEGIN}\n\n{page()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
