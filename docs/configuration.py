"""Writes the tables of docs/configuration.md: every key with its type and default as the settings models have
them, and with what the comments of config.example.toml say of it.

Run by hand: `python docs/configuration.py`. A test says when it is time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from console.settings import SECRETS, Configuration, variable_of
from console.web.words import texts
from pins.settings import HashCost

HERE = Path(__file__).parent
PAPER = HERE / "configuration.md"
BEGIN, END = "<!-- written by docs/configuration.py -->", "<!-- to here -->"
# A table, or a key; either may be commented out, and then stands there as an example.
_TABLE = re.compile(r"(?P<out># )?\[+(?P<path>[a-z_.]+)\]+\s*")
_KEY = re.compile(r"(?P<out># )?(?P<key>[a-z_]+) = (?P<value>.*)")


class Comments:
    """What the comments of the example say: `of_table` and `of_key` by dotted path; and `examples`, the
    values of keys that are commented out. A comment over several keys is that of the first.
    """

    def __init__(self, text: str) -> None:
        self.of_table: dict[str, str] = {}
        self.of_key: dict[str, str] = {}
        self.examples: dict[str, str] = {}
        path, said = "", list[str]()
        for line in text.splitlines():
            if found := _TABLE.fullmatch(line):
                path = found["path"]
                self.of_table.setdefault(path, " ".join(said))
                said = []
            elif found := _KEY.fullmatch(line):
                key = f"{path}.{found['key']}"
                self.of_key.setdefault(key, " ".join(said))
                if found["out"]:
                    self.examples.setdefault(key, found["value"])
                said = []
            elif line.startswith("#"):
                said.append(line.removeprefix("#").strip())
            else:
                said = []


def tables() -> str:
    """As Markdown: a heading a table of the file, a line a key."""
    comments = Comments((HERE.parent / "config.example.toml").read_text(encoding="utf-8"))
    lines: list[str] = []
    for path, model, several in models(Configuration):
        named = f"[[{path}]]" if several else f"[{path}]"
        lines += [f"## `{named}`", "", *_lead(path, comments), "| key | type | default | what it is |"]
        lines.append("|---|---|---|---|")
        for name, field in model.model_fields.items():
            if field.exclude or _table_of(field.annotation):
                continue
            cells = (f"`{name}`", kind(field), default(field), _meaning(path, name, comments))
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def models(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, type[BaseModel], bool]]:
    """Each table of the file in its order: its dotted path, its model, whether it may stand several times."""
    for name, field in model.model_fields.items():
        inner = None if field.exclude else _table_of(field.annotation)
        if inner is not None:
            path = f"{above}{name}"
            yield path, inner, get_origin(field.annotation) is list
            yield from models(inner, f"{path}.")


def _table_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a key that is written as a table, or as several; one that fits on a line is none."""
    inner = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    if isinstance(inner, type) and issubclass(inner, BaseModel) and inner is not HashCost:
        return inner
    return None


def kind(field: FieldInfo) -> str:
    """The type in words, with the least and the most."""
    return _kind(field.annotation, field.metadata)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _kind(inner[0], [*annotation.__metadata__, *metadata])
    if origin is Literal:
        return "one of " + ", ".join(f"`{_toml(each)}`" for each in inner)
    if origin in (Union, UnionType):
        return _kind(next(each for each in inner if each is not type(None)), metadata)
    if origin is list:
        return f"list: {_kind(inner[0], [])}"
    if origin is dict:
        return f"table: name = {_kind(inner[1], [])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        parts = (f"`{name}` ({kind(field)})" for name, field in annotation.model_fields.items())
        return f"table: {', '.join(parts)}"
    names: dict[Any, str] = {
        str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path",
        SecretStr: "secret", date: "date",
    }  # fmt: skip
    limits = [each for meta in metadata for each in getattr(meta, "metadata", [meta])]
    least = next((each.ge for each in limits if isinstance(each, Ge)), None)
    most = next((each.le for each in limits if isinstance(each, Le)), None)
    named = names.get(annotation, getattr(annotation, "__name__", str(annotation)))
    if least is not None and most is not None:
        return f"{named}, {least} to {most}"
    return f"{named}, {least} or more" if least is not None else named


def default(field: FieldInfo) -> str:
    """As it would be written in the file."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        inner = ", ".join(f"{key} = {_toml(each)}" for key, each in value.model_dump().items())
        return f"{{ {inner} }}"
    if isinstance(value, SecretStr):
        return _toml(value.get_secret_value())
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{}" if not value else json.dumps(value)
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _lead(path: str, comments: Comments) -> list[str]:
    """What the table is, in the words of the console and of the example."""
    words = texts("en").get(f"settings.about-section-{path}", "")
    said = " ".join(filter(None, [words, _marked(comments.of_table.get(path, ""))]))
    return [said, ""] if said else []


def _meaning(path: str, name: str, comments: Comments) -> str:
    """What the example says of a key; what the console says, if that is nothing or a word."""
    said = _marked(comments.of_key.get(f"{path}.{name}", ""))
    if len(said.split()) < 2:
        dashed = f"{path}.{name}".replace(".", "-").replace("_", "-")
        said = f"{texts('en').get(f'settings.about-{dashed}', '')} {said}".strip()
    if example := comments.examples.get(f"{path}.{name}"):
        said += f" Such as `{example}`."
    if (path, name) in SECRETS:
        said += f" Also `{name}_file`, or `{variable_of(path, name)}` in the environment."
    return said


def _marked(text: str) -> str:
    """A comment as Markdown: values are set as such, papers are linked."""
    text = re.sub(r"docs/([a-z-]+\.md)", r"[\1](\1)", text)
    return re.sub(r'(?<![`\w])("[^"]*")(?!`)', r"`\1`", text)


def main() -> None:
    before, _, rest = PAPER.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAPER.write_text(f"{before}{BEGIN}\n\n{tables()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
