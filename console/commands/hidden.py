"""Keeps the digits of PINs out of what commands say. Arguments show in process lists and shell histories;
what a command prints may end up in a log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from console.commands.common import Refused

# Any command: eight digits or more, perhaps with spaces, perhaps as an option or its value.
_ALONE = re.compile(r"(?:-+(?:[A-Za-z-]+=?)?)?\d(?: ?\d){7,}")
# In commands on PINs also with whatever people put between digits.
_DIGITS = re.compile(r"\d(?:[ .,:;_/-]?\d){7,}")
_OPTION = re.compile(r"-+(?:[A-Za-z-]+=?)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

REFUSAL = "an argument looks like a PIN: a PIN is never given as an argument"


def looks_like_a_pin(argument: str) -> bool:
    """Whether an argument of any command could be a PIN."""
    return _ALONE.fullmatch(argument) is not None


def hide(text: str) -> str:
    """`text` with whatever could be the digits of a PIN left out; dates stay."""
    return _DIGITS.sub(lambda found: found[0] if _DATE.fullmatch(found[0]) else "…", text)


class PinGroup(click.Group):
    """Commands on PINs: refuse a PIN among the arguments, and repeat no digits in an error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for argument in args:
            given = _OPTION.sub("", argument, count=1) if argument.startswith("-") else argument
            if _DIGITS.fullmatch(given.strip()) and not _DATE.fullmatch(given):
                raise Refused(REFUSAL)
        with _hiding():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _hiding():
            return super().invoke(ctx)


@contextmanager
def _hiding() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        said = hide(error.format_message())
        if said == error.format_message():
            raise
        if isinstance(error, click.UsageError):
            raise click.UsageError(said, error.ctx) from None
        raise Refused(said) from None


class PinId(click.ParamType[int]):
    """The number of a PIN's record."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"0*[1-9][0-9]{0,6}", value):
            # Part of a PIN is not repeated either.
            shown = "" if any(character.isdigit() for character in value) else f"{value!r} is no ID: "
            self.fail(
                f"{shown}an ID is the number that `ivr pin list` shows, never a PIN's digits", param, ctx
            )
        return int(value)
