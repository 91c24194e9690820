"""What every command shares: the configuration, transactions, output, and how instants are typed."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from console.house import House, not_ready, open_house, system_clock
from console.outside import follow
from console.settings import Configuration, ConfigurationRefused, load
from oncall.rota.wallclock import candidates, choices

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Refused(click.ClickException):
    """Refused: exit 1, one line on standard error that says what and why."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        click.echo(f"ivr: {' '.join(self.message.split())}", err=True)


class Context:
    """What a command is given: where the configuration stands, and the instant, read once."""

    def __init__(self, config_path: Path) -> None:
        self.config_path = config_path
        self.at = system_clock()
        self.actor = f"cli:{_who()}"
        self._configuration: Configuration | None = None

    @property
    def configuration(self) -> Configuration:
        if self._configuration is None:
            try:
                self._configuration = load(self.config_path)
            except ConfigurationRefused as refused:
                raise Refused(f"{self.config_path}: {refused}") from None
        return self._configuration

    @contextmanager
    def house(self) -> Iterator[House]:
        house = open_house(self.configuration)
        try:
            if wrong := not_ready(house):
                raise Refused(f"database: {wrong['database']}")
            yield house
        finally:
            house.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.house() as house, refusing(), house.database.read() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.house() as house:
            with refusing(), house.database.write() as connection:
                yield connection
            follow(house, self.at)


@contextmanager
def refusing() -> Iterator[None]:
    """What the database fails with becomes a refusal that names the error's kind and nothing else."""
    try:
        yield
    except SQLAlchemyError as error:
        raise Refused(f"the database failed: {type(error).__name__}") from error


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user id
        return "unknown"


def json_option(function: Decorated) -> Decorated:
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(
        function
    )


def reason_option(function: Decorated) -> Decorated:
    return click.option("--reason", metavar="TEXT", help="Why; it is kept in the audit log.")(function)


def print_json(document: Any, *, for_people: bool = False) -> None:
    """On one line; `for_people` on as many as it has things to say."""
    click.echo(json.dumps(document, ensure_ascii=False, default=_plain, indent=2 if for_people else None))


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def local(at: datetime | None, zone: ZoneInfo) -> str | None:
    """An instant as people read it: local time with its offset; None stays None."""
    return None if at is None else at.astimezone(zone).isoformat()


def instant(text: str, zone: ZoneInfo) -> datetime:
    """ISO 8601 with an offset, or local time in `zone`.

    Raises Refused; for a local time that occurs twice or never, with the two candidates.
    """
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        _bad_instant(text)
    if given.tzinfo is not None:
        return _within_reach(given.astimezone(UTC), text)
    found = choices(given, zone)
    if len(found) == 1:
        return _within_reach(found[0], text)
    either, other = (local(candidate, zone) for candidate in found)
    why = "occurs twice" if candidates(given, zone) else "does not exist"
    raise Refused(f"{text} {why} in {zone.key}: give {either} or {other}")


def _bad_instant(text: str) -> NoReturn:
    raise Refused(f"{text!r} is not an instant: give 2026-03-10T22:00 or 2026-03-10T22:00:00+01:00")


def _within_reach(at: datetime, text: str) -> datetime:
    if not 1900 <= at.year <= 2200:
        raise Refused(f"{text} is out of reach: give an instant between 1900 and 2200")
    return at


class Day(click.ParamType[date]):
    """DATE, in ISO form."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date: give 2026-12-31", param, ctx)


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> None:
    """Print rows in columns as wide as they need."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
