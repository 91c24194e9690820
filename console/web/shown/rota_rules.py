"""The rules of a rota as a form: rungs with their people in order, hand-over, patterns. Both ways.

A form that is not sound is kept as it was typed; `wrong` names what is wrong by the field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from oncall.rota.rota_file import WEEK
from oncall.rota.rota_rules import parse_period
from oncall.rota.wallclock import parse_time

MOST_RUNGS, MOST_PATTERNS, MOST_PEOPLE = 20, 20, 100


@dataclass
class Pattern:
    """`days` as numbers, 0 is Monday."""

    days: list[int] = field(default_factory=lambda: list(range(7)))
    begins: str = ""
    ends: str = ""
    people: list[str] = field(default_factory=list)
    starts: str = ""
    number: str = "1"
    unit: str = "week"


@dataclass
class Rung:
    people: list[str] = field(default_factory=list)
    starts: str = ""
    handover: str = ""
    number: str = "1"
    unit: str = "week"
    rings: str = ""
    patterns: list[Pattern] = field(default_factory=list)


@dataclass
class RulesForm:
    key: str
    zone: str
    allowed: bool = True
    approval: bool = False
    ahead: str = "12"
    rungs: list[Rung] = field(default_factory=lambda: [Rung()])
    wrong: dict[str, str] = field(default_factory=dict)


# -- from what is stored, and from what was sent -----------------------------------------------


def of_document(key: str, document: Mapping[str, Any]) -> RulesForm:
    """Stored rules as a form."""
    swaps = document.get("swaps") or {}
    return RulesForm(
        key,
        str(document.get("time_zone", "Europe/Rome")),
        bool(swaps.get("allowed", True)),
        bool(swaps.get("approval", False)),
        str(swaps.get("ahead_hours", 12)),
        [_rung(each) for each in document["rung"]],
    )


def _rung(stored: Mapping[str, Any]) -> Rung:
    number, unit = _every(stored.get("every"))
    return Rung(
        list(stored.get("people", ())),
        str(stored.get("starts", "")),
        stored.get("handover", ""),
        number,
        unit,
        str(stored.get("rings") or ""),
        [_pattern(each) for each in stored.get("pattern", ())],
    )


def _pattern(stored: Mapping[str, Any]) -> Pattern:
    number, unit = _every(stored.get("every"))
    return Pattern(
        [WEEK.index(day) for day in stored.get("days") or WEEK],
        stored["from"],
        stored["to"],
        list(stored["people"]),
        str(stored.get("starts", "")),
        number,
        unit,
    )


def _every(text: str | None) -> tuple[str, str]:
    if not text:
        return "1", "week"
    days = parse_period(text)
    return (str(days // 7), "week") if text.split()[1].startswith("week") else (str(days), "day")


def of_form(given: MultiDict[str, str]) -> RulesForm:
    """What was typed, sound or not. Whoever was chosen twice on a rung stands there once."""
    rungs = []
    for n in range(min(_count(given, "rungs"), MOST_RUNGS)):
        patterns = [
            Pattern(
                [int(day) for day in given.getlist(f"r{n}p{m}-days") if day in "0123456" and day],
                given.get(f"r{n}p{m}-from", ""),
                given.get(f"r{n}p{m}-to", ""),
                _people(given, f"r{n}p{m}-people"),
                given.get(f"r{n}p{m}-starts", ""),
                given.get(f"r{n}p{m}-number", ""),
                given.get(f"r{n}p{m}-unit", ""),
            )
            for m in range(min(_count(given, f"r{n}-patterns"), MOST_PATTERNS))
        ]
        rungs.append(
            Rung(
                _people(given, f"r{n}-people"),
                given.get(f"r{n}-starts", ""),
                given.get(f"r{n}-handover", ""),
                given.get(f"r{n}-number", ""),
                given.get(f"r{n}-unit", ""),
                given.get(f"r{n}-rings", ""),
                patterns,
            )
        )
    return RulesForm(
        given.get("key", "").strip(),
        given.get("zone", "").strip(),
        given.get("swaps-allowed", "") == "yes",
        given.get("swaps-approval", "") == "yes",
        given.get("swaps-ahead", "").strip(),
        rungs or [Rung()],
    )


def _count(given: MultiDict[str, str], name: str) -> int:
    text = given.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _people(given: MultiDict[str, str], name: str) -> list[str]:
    return list(dict.fromkeys(each for each in given.getlist(name) if each))[:MOST_PEOPLE]


# -- changed by its buttons --------------------------------------------------------------------


def change(form: RulesForm, act: str) -> None:
    """What a button asks for: `rung-add`, `rung-remove-1`, `rung-up-1`, `pattern-add-0`,
    `pattern-remove-0-1`, `up-0-2` (a person of a rung), `pup-0-1-2` (of a pattern). Anything else changes
    nothing.
    """
    verb, *numbers = _parts(act)
    match verb, numbers:
        case "rung-add", []:
            if len(form.rungs) < MOST_RUNGS:
                form.rungs.append(Rung())
        case "rung-remove", [n] if n < len(form.rungs) and len(form.rungs) > 1:
            del form.rungs[n]
        case "rung-up", [n]:
            _up(form.rungs, n)
        case "pattern-add", [n] if n < len(form.rungs):
            form.rungs[n].patterns.append(Pattern())
        case "pattern-remove", [n, m] if n < len(form.rungs) and m < len(form.rungs[n].patterns):
            del form.rungs[n].patterns[m]
        case "up", [n, k] if n < len(form.rungs):
            _up(form.rungs[n].people, k)
        case "pup", [n, m, k] if n < len(form.rungs) and m < len(form.rungs[n].patterns):
            _up(form.rungs[n].patterns[m].people, k)


def _parts(act: str) -> tuple[Any, ...]:
    words = act.split("-")
    verb = "-".join(each for each in words if not each.isdigit())
    return verb, *(int(each) for each in words if each.isdigit() and len(each) < 4)


def _up(many: list[Any], n: int) -> None:
    if 0 < n < len(many):
        many[n - 1], many[n] = many[n], many[n - 1]


# -- checked, and written as the file has it ---------------------------------------------------


def check(form: RulesForm) -> dict[str, str]:
    """What is wrong, by the name of the field: the name of a text."""
    wrong: dict[str, str] = {}
    if not _is_key(form.key):
        wrong["key"] = "key"
    try:
        ZoneInfo(form.zone)
    except (KeyError, ValueError, OSError):
        wrong["zone"] = "zone"
    if not _is_whole(form.ahead, 0, 336):
        wrong["swaps-ahead"] = "ahead"
    for n, rung in enumerate(form.rungs):
        at = f"r{n}"
        if not rung.people and not rung.patterns:
            wrong[f"{at}-people"] = "nobody"
        if len(rung.people) > 1:
            wrong |= _turns(at, rung.starts, rung.number, rung.unit)
            if not _is_clock(rung.handover):
                wrong[f"{at}-handover"] = "clock"
        if rung.rings and not _is_whole(rung.rings, 10, 60):
            wrong[f"{at}-rings"] = "rings"
        for m, pattern in enumerate(rung.patterns):
            wrong |= _check_pattern(f"{at}p{m}", pattern)
    return wrong


def _check_pattern(at: str, pattern: Pattern) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not pattern.days:
        wrong[f"{at}-days"] = "days"
    if not pattern.people:
        wrong[f"{at}-people"] = "nobody"
    for name, value in (("from", pattern.begins), ("to", pattern.ends)):
        if not _is_clock(value):
            wrong[f"{at}-{name}"] = "clock"
    if len(pattern.people) > 1:
        wrong |= _turns(at, pattern.starts, pattern.number, pattern.unit)
    return wrong


def _turns(at: str, starts: str, number: str, unit: str) -> dict[str, str]:
    wrong: dict[str, str] = {}
    try:
        if not 1970 <= date.fromisoformat(starts).year < 2200:
            raise ValueError
    except ValueError:
        wrong[f"{at}-starts"] = "date"
    try:
        parse_period(f"{number} {unit}")
    except ValueError:
        wrong[f"{at}-number"] = "period"
    return wrong


def _is_whole(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5 and least <= int(text) <= most


def _is_clock(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def _is_key(text: str) -> bool:
    small = "abcdefghijklmnopqrstuvwxyz0123456789"
    return 0 < len(text) <= 32 and text[0] in small and all(each in f"{small}_-" for each in text)


def to_entry(form: RulesForm) -> dict[str, Any]:
    """The form, which is sound, as an entry of a rota file. One person alone takes no turns."""
    return {
        "key": form.key,
        "time_zone": form.zone,
        "swaps": {"allowed": form.allowed, "approval": form.approval, "ahead_hours": int(form.ahead)},
        "rung": [_rung_entry(rung) for rung in form.rungs],
    }


def _rung_entry(rung: Rung) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if rung.people:
        said["people"] = rung.people
    if len(rung.people) > 1:
        said |= {"starts": date.fromisoformat(rung.starts), "handover": rung.handover}
        said["every"] = _period(rung.number, rung.unit)
    if rung.rings:
        said["rings"] = int(rung.rings)
    if rung.patterns:
        said["pattern"] = [_pattern_entry(each) for each in rung.patterns]
    return said


def _pattern_entry(pattern: Pattern) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if len(pattern.days) < 7:
        said["days"] = [WEEK[day] for day in sorted(pattern.days)]
    said |= {"from": pattern.begins, "to": pattern.ends, "people": pattern.people}
    if len(pattern.people) > 1:
        said |= {"starts": date.fromisoformat(pattern.starts), "every": _period(pattern.number, pattern.unit)}
    return said


def _period(number: str, unit: str) -> str:
    return f"{int(number)} {unit}{'s' if int(number) > 1 else ''}"


# -- as text -----------------------------------------------------------------------------------


def to_toml(entry: Mapping[str, Any]) -> str:
    """One rota as `rota_file.read` reads it."""
    lines = ["[[rota]]"]
    lines += _pairs(entry, 0, ("key", "time_zone"))
    if entry.get("swaps"):
        lines += ["", "  [rota.swaps]", *_pairs(entry["swaps"], 2, ("allowed", "approval", "ahead_hours"))]
    for rung in entry["rung"]:
        lines += ["", "  [[rota.rung]]"]
        lines += _pairs(rung, 2, ("people", "starts", "handover", "every", "rings"))
        for pattern in rung.get("pattern") or ():
            lines += ["", "    [[rota.rung.pattern]]"]
            lines += _pairs(pattern, 4, ("days", "from", "to", "people", "starts", "every"))
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, Any], indent: int, names: Sequence[str]) -> list[str]:
    said = [(name, table[name]) for name in names if table.get(name) is not None]
    return [f"{' ' * indent}{name} = {_value(value, name)}" for name, value in said]


def _value(value: object, name: str) -> str:
    """A date may be stored as a text; all other texts are keys, times and periods, with nothing to escape."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each, '') for each in value)}]"
    if name == "starts" or isinstance(value, int):
        return str(value)
    return f'"{value}"'
