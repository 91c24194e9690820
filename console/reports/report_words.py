"""A report in words: headings, and how its cells are shown to people, in the languages of the service."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from console.reports.report_tables import NOBODY, SPLIT, Cell

LANGUAGES = ("it", "en", "de")
# Columns of seconds: hours on call are shown to the minute, the rest to the second.
_LONG = frozenset(SPLIT)
_SHORT = frozenset({"median", "p90", "worst", "duration", "talk", "billable-talk"})


@dataclass(frozen=True)
class Words:
    """The words of one language, and the zone whose clocks are shown."""

    language: str
    texts: Mapping[str, str]
    values: Mapping[str, str]
    zone: ZoneInfo

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def day(self, day: date) -> str:
        return day.strftime(self.texts["day"])

    def instant(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{self.day(local)} {local.hour}:{local.minute:02d}"

    def shown(self, column: str, cell: Cell) -> str:
        """A cell as people read it."""
        if isinstance(cell, datetime):
            return self.instant(cell)
        if isinstance(cell, int):
            if column in _LONG:
                return f"{cell // 3600}:{cell % 3600 // 60:02d}"
            if column in _SHORT:
                return f"{cell // 3600}:{cell % 3600 // 60:02d}:{cell % 60:02d}"
            return str(cell)
        if column in ("urgency", "from", "to"):
            return cell or self.texts["not-asked"]
        if column in ("outcome", "result"):
            return self.values.get(f"{column}-{cell}", self.values.get(cell, cell))
        return self.texts["nobody"] if column == "rung" and cell == NOBODY else cell


def words(language: str, zone: ZoneInfo) -> Words:
    """The words of `language`, one of LANGUAGES."""
    found = _catalogue()[language]
    texts = {name: text for name, text in found.items() if isinstance(text, str)}
    return Words(language, texts, found["value"], zone)


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    file = resources.files("console.reports") / "report_words.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
