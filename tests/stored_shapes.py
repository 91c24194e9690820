"""The shapes in which calls are stored between their turns, and whether one release reads another's.

`released_shapes.json` holds them as the release before this one has them. Run by hand when a release is made:
`python tests/stored_shapes.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ivr.answer import Answer
from ivr.outgoing_flow import Outgoing
from ivr.technician_flow import Leg
from ivr.vocabulary import Call

RELEASED = Path(__file__).with_name("released_shapes.json")
# What stands in calls.state, legs.state, outgoing.state, and in the answers beside their turns.
STORED: dict[str, type] = {"call": Call, "leg": Leg, "outgoing": Outgoing, "answer": Answer}

Shape = dict[str, Any]


def shapes() -> dict[str, Shape]:
    """As JSON Schema, by name, without what is there for people."""
    return {name: _bare(TypeAdapter(kind).json_schema()) for name, kind in STORED.items()}


def released() -> dict[str, Shape]:
    found: dict[str, Shape] = json.loads(RELEASED.read_text(encoding="utf-8"))
    return found


def _bare(shape: Any, names: bool = False) -> Any:
    """`names`: the keys are names of fields, not words of JSON Schema."""
    if isinstance(shape, dict):
        kept = shape if names else {k: v for k, v in shape.items() if k not in ("title", "description")}
        return {key: _bare(each, key in ("properties", "$defs") and not names) for key, each in kept.items()}
    return [_bare(each) for each in shape] if isinstance(shape, list) else shape


def unreadable(written: Shape, reader: Shape) -> list[str]:
    """What of `written`, as a release writes it, the release whose shape is `reader` cannot read.

    Every field is always written. A field that the reader does not know is passed over by it.
    """
    return list(_unreadable(written, reader, written, reader, ""))


def _unreadable(new: Shape, old: Shape, of_new: Shape, of_old: Shape, path: str) -> list[str]:
    new, old = _resolved(new, of_new), _resolved(old, of_old)
    kinds, known = _kinds(new), _kinds(old)
    if len(kinds) > 1 or len(known) > 1:
        missing = []
        for kind in kinds:
            tries = [_unreadable(kind, each, of_new, of_old, path) for each in known]
            if all(tries):
                missing.append(min(tries, key=len)[0])
        return missing
    if "properties" in new and "properties" in old:
        found = [
            f"{path}.{name} is missed" for name in old.get("required", []) if name not in new["properties"]
        ]
        for name in new["properties"].keys() & old["properties"].keys():
            within = new["properties"][name], old["properties"][name]
            found += _unreadable(*within, of_new, of_old, f"{path}.{name}")
        return sorted(found)
    if "properties" in old or new.get("type") != old.get("type"):
        return [f"{path} is of another type"]
    if "items" in old and "items" in new:
        return _unreadable(new["items"], old["items"], of_new, of_old, f"{path}[]")
    values = {*new.get("enum", []), *([new["const"]] if "const" in new else [])}
    accepted = {*old.get("enum", []), *([old["const"]] if "const" in old else [])}
    if accepted and (unknown := sorted(values - accepted) or ([] if values else ["anything"])):
        return [f"{path} may be {each}" for each in unknown]
    return [] if new.get("format") == old.get("format") else [f"{path} is of another form"]


def _resolved(shape: Shape, top: Shape) -> Shape:
    while "$ref" in shape:
        shape = top["$defs"][shape["$ref"].rpartition("/")[2]]
    return shape


def _kinds(shape: Shape) -> list[Shape]:
    found: list[Shape] = shape.get("anyOf") or shape.get("oneOf") or [shape]
    return found


def stripped(stored: Any, shape: Shape, top: Shape | None = None) -> Any:
    """`stored` without the fields that `shape` does not know: as a release of that shape writes it again."""
    top = top or shape
    shape = _resolved(shape, top)
    for kind in _kinds(shape):
        each = _resolved(kind, top)
        if isinstance(stored, dict) and "properties" in each:
            do = each["properties"].get("do", {}).get("const")
            if do in (None, stored.get("do")):
                known = each["properties"]
                return {n: stripped(v, known[n], top) for n, v in stored.items() if n in known}
        if isinstance(stored, list) and "items" in each:
            return [stripped(one, each["items"], top) for one in stored]
    return stored


def grown(stored: Any) -> Any:
    """`stored` with a field in every object that nobody knows yet: as a newer release may write it."""
    if isinstance(stored, dict):
        return {name: grown(each) for name, each in stored.items()} | {"of_the_future": {"a": [1]}}
    return [grown(each) for each in stored] if isinstance(stored, list) else stored


if __name__ == "__main__":
    RELEASED.write_text(json.dumps(shapes(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
