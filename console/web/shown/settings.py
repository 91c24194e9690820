"""What the page of the settings shows: each key of the configuration in words, with where its value is from.

A secret is "set" or "missing": its value, its length and its number never leave here.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from sqlalchemy import make_url

from console.settings import SECRETS, Configuration, variable_of
from console.web.words import Words
from ivr.settings import DAYS, Level, NumberSettings, SpecialDay
from pins.settings import HashCost

# In the order in which people think of them.
SECTIONS = (
    *("hours", "number", "urgency", "ringing", "flood", "toll", "pins", "notices", "calendars", "mail"),
    *(
        "letters",
        "tickets",
        "reports",
        "privacy",
        "doctor",
        "watching",
        "backup",
        "service",
        "console",
        "twilio",
        "database",
        "rehearsal",
    ),
)
# What a figure counts, by key.
UNITS = {
    "seconds": (
        *("ringing.rings", "ringing.no_new_attempt_after", "ringing.office_rings", "ringing.message_limit"),
        *("ringing.pursue_after", "ringing.next_pass_after", "ringing.text_take_holds"),
        *("notices.receipt_within", "flood.within", "watching.heartbeat_every"),
    ),
    "minutes": ("notices.confirm_before", "notices.confirm_within", "urgency.level.within"),
    "days": (
        *("notices.look_ahead", "pins.overlap_days", "privacy.caller_numbers", "privacy.calls"),
        *("privacy.messages", "privacy.audit", "privacy.figures"),
    ),
    "months": ("pins.max_age_months",),
}
_UNIT = {key: unit for unit, keys in UNITS.items() for key in keys}
# Figures that are names, not amounts: they have no separator of thousands.
NAMES = ("mail.port",)
# Keys whose values are words of a list: each has a text `value-KEY-VALUE`.
CHOICES = (
    *("notices.confirm", "mail.security", "ringing.caller_id", "notices.text_sender", "console.oidc_name"),
    *("twilio.signatures", "service.log"),
)


@dataclass(frozen=True)
class Entry:
    """One key. `key` is dotted without places, and names its texts; `path` has them, as in
    "number.0.office". `source` is file, environment, secret-file or default; `changed`: it is not the
    default. A secret's `value` is what may be said of it.
    """

    key: str
    path: str
    value: str
    lines: tuple[str, ...]
    source: str
    changed: bool
    default: str
    secret: bool
    variable: str

    @property
    def words(self) -> str:
        return self.key.replace(".", "-").replace("_", "-")


@dataclass(frozen=True)
class Block:
    """Entries that belong together: a section, or one table of a list, which has a title."""

    title: str
    head: str
    entries: list[Entry]


@dataclass(frozen=True)
class Section:
    name: str
    blocks: list[Block]


def sections(configuration: Configuration, words: Words) -> list[Section]:
    """Every section, each key in it."""
    shown = _Shown(configuration, words)
    return [Section(name, shown.section(name)) for name in SECTIONS]


def keys_of(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The dotted key of every setting, tables of lists without their place. Costs are one setting each."""
    for name, each in model.model_fields.items():
        if each.exclude:
            continue
        key = f"{path}.{name}" if path else name
        inner = _model_in(each.annotation)
        if inner is None:
            yield key
        else:
            yield from keys_of(inner, key)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a table, or of the tables of a list; None for a value."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) and annotation is not HashCost else None
    found = (_model_in(each) for each in typing.get_args(annotation))
    return next((each for each in found if each is not None), None)


class _Shown:
    def __init__(self, configuration: Configuration, words: Words) -> None:
        self._configuration, self._words = configuration, words

    def section(self, name: str) -> list[Block]:
        value = getattr(self._configuration, name)
        if isinstance(value, list):
            return list(self._tables(name, value))
        own: list[Entry] = []
        blocks: list[Block] = []
        for key, field in type(value).model_fields.items():
            inner = getattr(value, key)
            if _model_in(field.annotation) is None:
                own.append(self._entry(f"{name}.{key}", f"{name}.{key}", inner, field))
            else:
                blocks += self._tables(f"{name}.{key}", inner)
        return [Block("", f"[{name}]", own), *blocks]

    def _tables(self, key: str, values: Sequence[BaseModel]) -> Iterator[Block]:
        for place, each in enumerate(values):
            entries = [
                self._entry(f"{key}.{name}", f"{key}.{place}.{name}", getattr(each, name), field)
                for name, field in type(each).model_fields.items()
            ]
            yield Block(self._title(each), f"[[{key}]]", entries)

    def _title(self, each: BaseModel) -> str:
        match each:
            case NumberSettings():
                return f"{each.name}, {each.number}"
            case Level():
                return f"{each.code}: {each.meaning}"
            case SpecialDay():
                return self._words.day(each.date)
            case _:
                return ""

    def _entry(self, key: str, path: str, value: object, field: FieldInfo) -> Entry:
        section, _, name = key.partition(".")
        hidden = (section, name) in SECRETS
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        lines = self._lines(key, value)
        return Entry(
            key=key,
            path=path,
            value=self._hidden(value) if hidden else "" if lines else self._value(key, value),
            lines=lines,
            source=self._source(path),
            changed=not field.is_required() and not hidden and value != default,
            default="" if hidden or field.is_required() else self._value(key, default),
            secret=hidden,
            variable=variable_of(section, name) if hidden else "",
        )

    def _source(self, path: str) -> str:
        origin = self._configuration.origin
        if path in origin:
            return origin[path]
        return next((where for each, where in origin.items() if each.startswith(f"{path}.")), "default")

    # -- values ----------------------------------------------------------------------------------

    def _lines(self, key: str, value: object) -> tuple[str, ...]:
        """A value that is a table: a line for each of its keys. Of secrets, the names alone."""
        if not isinstance(value, dict):
            return ()
        return tuple(f"{name}: {self._value(key, each)}" for name, each in value.items())

    def _value(self, key: str, value: object) -> str:
        words = self._words
        match value:
            case SecretStr():
                return self._hidden(value)
            case bool():
                return words("settings.yes" if value else "settings.no")
            case int():
                return self._figure(key, value)
            case HashCost():
                memory = words.number(value.memory_kib)
                return words("settings.cost", memory=memory, passes=value.passes, version=value.version)
            case list():
                return ", ".join(self._value(key, each) for each in value) or words("settings.nothing")
            case date():
                return words.day(value)
            case dict() | None | "":
                return words.maybe(f"settings.empty-{_dashed(key)}", words("settings.nothing"))
        text = str(value)
        if key == "database.url":
            return _database(text)
        if key == "hours.closed_days" and text in DAYS:
            return words(f"time.weekday-{DAYS.index(text) + 1}")
        if key in ("service.languages", "number.language"):
            return words(f"settings.language-{text}")
        return words.maybe(f"settings.value-{_dashed(key)}-{text}", text) if key in CHOICES else text

    def _hidden(self, value: object) -> str:
        """Of a secret, or a list of them: whether there is one."""
        there = value.get_secret_value() if isinstance(value, SecretStr) else value
        return self._words("settings.set" if there else "settings.missing")

    def _figure(self, key: str, value: int) -> str:
        empty = f"settings.empty-{_dashed(key)}"
        if value == 0 and empty in self._words:
            return self._words(empty)
        if key in _UNIT:
            return self._words.count(f"settings.{_UNIT[key]}", value)
        return str(value) if key in NAMES else self._words.number(value)


def _database(text: str) -> str:
    """Which database, without user, password or options."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {Path(url.database).name if url.database else ''}"
    return f"PostgreSQL, {url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def _dashed(key: str) -> str:
    return key.replace(".", "-").replace("_", "-")
