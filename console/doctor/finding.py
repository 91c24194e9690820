"""What a check has found: how grave, what is so, what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# red: tonight would go wrong. yellow: look at it. green: was looked at, and is well.
Level = Literal["red", "yellow", "green"]
LEVELS: tuple[Level, ...] = ("red", "yellow", "green")


@dataclass(frozen=True)
class Finding:
    """`key` is the finding's name, the same each day while it lasts. `what` is so, `remedy` is to be done:
    one or two sentences each, with no secret in them. `subject` is the check's; whoever asked fills it
    in. `blocks`: what needs this subject cannot be looked at.
    """

    level: Level
    key: str
    what: str
    remedy: str = ""
    subject: str = ""
    blocks: bool = False


def ordered(found: Iterable[Finding], subjects: Iterable[str]) -> list[Finding]:
    """The worst first; of one level in the order of the subjects."""
    place = {subject: number for number, subject in enumerate(subjects)}
    return sorted(found, key=lambda each: (LEVELS.index(each.level), place[each.subject], each.key))


def red(key: str, what: str, remedy: str, *, blocks: bool = False) -> Finding:
    return Finding("red", key, what, remedy, blocks=blocks)


def yellow(key: str, what: str, remedy: str, *, blocks: bool = False) -> Finding:
    return Finding("yellow", key, what, remedy, blocks=blocks)


def green(key: str, what: str, remedy: str = "") -> Finding:
    return Finding("green", key, what, remedy)
