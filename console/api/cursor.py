"""Cursors: where a page of a list ended, in a text that says nothing to anybody else. One a list."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from console.api.problems import Field, Problem
from console.api.shapes.common import LARGEST_ID

_BAD = Problem(422, "fields", "not a cursor of this list", [Field("cursor", "is none of this list")])


def write(of: str, *place: object) -> str:
    """`place` is what JSON can hold."""
    return urlsafe_b64encode(json.dumps([of, *place]).encode()).decode().rstrip("=")


def read(of: str, given: str | None, *kinds: type) -> list[object] | None:
    """The place; None if none was given. `kinds` are of its parts: int (an id), str, datetime. Raises Problem
    for what `write` did not make for this list.
    """
    if given is None:
        return None
    try:
        named, *place = json.loads(urlsafe_b64decode(given + "=" * (-len(given) % 4)))
        if named != of:
            raise _BAD
        return [_part(kind, part) for kind, part in zip(kinds, place, strict=True)]
    except (ValueError, TypeError, RecursionError):
        raise _BAD from None


def _part(kind: type, part: object) -> object:
    match part:
        case bool():
            pass
        case int() if kind is int and 0 <= part <= LARGEST_ID:
            return part
        case str() if kind is str and part.isascii() and part.isprintable():
            return part
        case str() if kind is datetime:
            at = datetime.fromisoformat(part)
            if at.tzinfo is not None and 1900 <= at.year < 2200:
                return at.astimezone(UTC)
    raise ValueError(part)
