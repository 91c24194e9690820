"""The words of the public pages, one file a language, and how instants and durations are written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

LANGUAGES = ("it", "en", "de")


class Words:
    """The words of one language. `page`, `acts`, `done`, `refused`, `log`, `results`, `errors`, `feed`."""

    def __init__(self, language: str, document: Mapping[str, Any]) -> None:
        self.language = language
        self.page: Mapping[str, Any] = document["page"]
        self.acts: Mapping[str, str] = document["acts"]
        self.done: Mapping[str, str] = document["done"]
        self.refused: Mapping[str, str] = document["refused"]
        self.log: Mapping[str, str] = document["log"]
        self.results: Mapping[str, str] = document["results"]
        self.errors: Mapping[str, str] = document["errors"]
        self.feed: Mapping[str, Any] = document["feed"]

    def clock(self, at: datetime, now: datetime, zone: ZoneInfo) -> str:
        """`18:30`; with `ieri` or the date before it if it is another day than that of `now`."""
        then, today = at.astimezone(zone), now.astimezone(zone).date()
        time = f"{then:%H:%M}"
        if then.date() == today:
            return time
        if then.date() == today - timedelta(days=1):
            return f"{self.page['yesterday']} {time}"
        months = self.page.get("months")
        date = self.page["date"].format(
            day=then.day, month=then.month, month_name=months[then.month - 1] if months else ""
        )
        return f"{date} {time}"

    def deadline(self, due: datetime, now: datetime, zone: ZoneInfo) -> str:
        """`23:00`; `02:00 (domani)` if it is another day than that of `now`."""
        day, _, time = self.clock(due, now, zone).rpartition(" ")
        if due.astimezone(zone).date() - now.astimezone(zone).date() == timedelta(days=1):
            day = self.page["tomorrow"]
        return f"{time} ({day})" if day else time

    @staticmethod
    def duration(length: timedelta) -> str:
        """`42 min`, `1 h 20 min`, `2 d 3 h`. Under a minute counts as one."""
        minutes = max(int(abs(length.total_seconds())) // 60, 1)
        hours, minutes = divmod(minutes, 60)
        if hours >= 48:
            return f"{hours // 24} d {hours % 24} h"
        if hours:
            return f"{hours} h {minutes} min" if minutes else f"{hours} h"
        return f"{minutes} min"

    def level(self, rung: int) -> str:
        """A rung of the ladder, for people."""
        named = self.feed["levels"]
        if rung <= len(named):
            return str(named[rung - 1])
        return str(self.feed["level"].format(number=rung))


@cache
def words(language: str) -> Words:
    """The words of `language`, Italian for one that is not spoken here."""
    spoken = language if language in LANGUAGES else LANGUAGES[0]
    file = resources.files("console.public") / "texts" / f"{spoken}.toml"
    return Words(spoken, tomllib.loads(file.read_text(encoding="utf-8")))


def preferred(wanted: str | None, languages: list[str]) -> Words:
    """The words of `wanted` if we speak it, else those of the house's first language."""
    return words(wanted if wanted in languages or wanted in LANGUAGES else languages[0])
