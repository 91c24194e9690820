"""What `ivr init` asks at a terminal: each answer is checked at once, as the configuration would be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from console.first_configuration import Answers, Line, mistakes, put, shipped
from oncall import phones

# Typed where there shall be none, instead of what Enter would keep.
NONE = "-"
# How many mistakes of one answer are told.
_TOLD = 3


class Stopped(Exception):
    """Whoever was asked does not want it, or went away; the text says which. Nothing was written."""


class Terminal(Protocol):
    """Somebody who is asked. `ask` and `agreed` raise Stopped when he stops it."""

    def say(self, line: str = "") -> None: ...

    def ask(self, question: str, default: str, *, hidden: bool = False) -> str:
        """What he types, without blanks around it; `default` if he types nothing."""

    def agreed(self, question: str) -> bool: ...


@dataclass(frozen=True)
class Question:
    """`keeps` is what Enter keeps, of the answers so far; `take` puts what was typed among them, or raises
    ValueError with what is expected.
    """

    text: str
    keeps: Callable[[Answers], str]
    take: Callable[[Answers, str], Answers]
    hidden: bool = False


def _words(typed: str) -> tuple[str, ...]:
    return () if typed == NONE else tuple(re.findall(r"[^\s,;]+", typed))


def _or_none(typed: str) -> str:
    return "" if typed == NONE else typed


def _may_dial(known: Answers, countries: tuple[str, ...]) -> Answers:
    """With other countries the shipped offices are not proposed: they are not there."""
    if countries == known.countries:
        return known
    lines = tuple(replace(each, office=()) for each in known.lines)
    return replace(known, countries=countries, lines=lines)


FIRST = [
    Question(
        "Company, as callers hear it",
        lambda known: known.name,
        lambda known, typed: replace(known, name=typed),
    ),
    Question(
        "Address at which Twilio reaches this machine, https://… (Enter: set later)",
        lambda known: known.public_url,
        lambda known, typed: replace(known, public_url=_or_none(typed)),
    ),
    Question(
        "Time zone",
        lambda known: known.time_zone,
        lambda known, typed: replace(known, time_zone=typed),
    ),
    Question(
        "Language that callers hear first: it, en or de",
        lambda known: known.languages[0],
        lambda known, typed: known.spoken_first(typed.lower()),
    ),
    Question(
        f"Public holidays: country, and its part after a slash ({NONE} for none)",
        lambda known: known.holidays,
        lambda known, typed: replace(known, holidays=_or_none(typed)),
    ),
    Question(
        "Countries whose ordinary numbers may be dialled",
        lambda known: " ".join(known.countries),
        lambda known, typed: _may_dial(known, _words(typed.upper())),
    ),
]
LAST = [
    Question(
        "E-mail of the admins, who get alarms (Enter: set later)",
        lambda known: " ".join(known.admins),
        lambda known, typed: replace(known, admins=_words(typed)),
    ),
    Question(
        "Twilio account SID, AC… (Enter: set later)",
        lambda known: known.account_sid,
        lambda known, typed: replace(known, account_sid=_or_none(typed)),
    ),
]
TOKEN = Question(
    "Its auth token, which is not shown (Enter: set later)",
    lambda known: known.auth_token,
    lambda known, typed: replace(known, auth_token=_or_none(typed)),
    hidden=True,
)


def ask(terminal: Terminal, text: str, path: Path) -> str:
    """The text of the configuration with what was answered. Raises Stopped."""
    terminal.say(f"Enter keeps what stands in brackets. All of it can be changed later in {path}.")
    form = _Form(terminal, text, path)
    known = shipped(text)
    for question in FIRST:
        known = form.settle(known, question)
    known = _lines(form, known)
    for question in LAST:
        known = form.settle(known, question)
    if known.account_sid:
        known = form.settle(known, TOKEN)
    terminal.say()
    for line in summary(known):
        terminal.say(line)
    if not terminal.agreed(f"Write {path}?"):
        raise Stopped("not agreed to")
    return put(text, known)


def summary(known: Answers) -> list[str]:
    """What will be written, a line each; the token is not among it."""
    rows = [
        ("company", known.name),
        ("address", known.public_url or "set later"),
        ("time zone", known.time_zone),
        ("languages", " ".join(known.languages)),
        ("holidays", known.holidays or "none"),
        ("may be dialled", " ".join(known.countries)),
        *(("number", f"{each.number}  {each.name}, office {_office(each)}") for each in known.lines),
        ("alarms go to", " ".join(known.admins) or "set later"),
        ("Twilio account", known.account_sid or "set later"),
        ("its token", "given, not shown" if known.auth_token else "set later"),
    ]
    return [f"  {name:<15} {value}" for name, value in rows]


def _office(line: Line) -> str:
    return " ".join(line.office) or "none"


@dataclass(frozen=True)
class _Form:
    """Who is asked, and the file that the answers go into."""

    terminal: Terminal
    text: str
    path: Path

    def settle(self, known: Answers, question: Question) -> Answers:
        """Ask until the answer can stand in the configuration."""
        while True:
            typed = self.terminal.ask(question.text, question.keeps(known), hidden=question.hidden)
            wrong, found = self._tried(known, question, typed)
            if not wrong:
                return found
            for each in wrong[:_TOLD]:
                self.terminal.say(f"  {each}")

    def _tried(self, known: Answers, question: Question, typed: str) -> tuple[list[str], Answers]:
        if not typed.isprintable():
            return ["expected characters that can be printed"], known
        try:
            found = question.take(known, typed)
        except ValueError as why:
            return [str(why)], known
        return mistakes(put(self.text, found), self.path), found


# -- our numbers ---------------------------------------------------------------------------------


def _lines(form: _Form, known: Answers) -> Answers:
    """Each number with its name and its office. Those that are shipped are proposed as long as they are
    kept: a number of somebody's own is followed by his own.
    """
    proposed, known = known.lines, replace(known, lines=())
    while True:
        place = len(known.lines)
        kept = [each.number for each in known.lines] == [each.number for each in proposed[:place]]
        known = form.settle(
            known, _number(place, proposed[place] if kept and place < len(proposed) else None)
        )
        if len(known.lines) == place:
            return known
        known = form.settle(known, _name(place))
        known = form.settle(known, _its_office(place))


def _number(place: int, example: Line | None) -> Question:
    more = f" ({NONE} for no more)" if place and example else " (Enter: no more)" if place else ""

    def take(known: Answers, typed: str) -> Answers:
        if place and typed in ("", NONE):
            return known
        number = _dialled(typed, known)
        line = example if example and example.number == number else Line(number, f"Line {place + 1}")
        return replace(known, lines=(*known.lines, line))

    return Question(
        f"Number {place + 1} that customers call, hosted at Twilio{more}",
        lambda _: example.number if example else "",
        take,
    )


def _name(place: int) -> Question:
    return Question(
        "  its name",
        lambda known: known.lines[place].name,
        lambda known, typed: _changed(known, place, replace(known.lines[place], name=typed)),
    )


def _its_office(place: int) -> Question:
    def take(known: Answers, typed: str) -> Answers:
        office = tuple(_dialled(each, known) for each in _numbers_in(typed))
        return _changed(known, place, replace(known.lines[place], office=office))

    return Question(
        f"  its office, rung by day: one number or several, with commas ({NONE} for none)",
        lambda known: ", ".join(known.lines[place].office) or NONE,
        take,
    )


def _numbers_in(typed: str) -> list[str]:
    return [] if typed == NONE else [each for each in re.split(r"[,;]", typed) if each.strip()]


def _changed(known: Answers, place: int, line: Line) -> Answers:
    return replace(known, lines=(*known.lines[:place], line, *known.lines[place + 1 :]))


def _dialled(typed: str, known: Answers) -> str:
    """A number as people write it, in E.164. What may be dialled is checked with the configuration."""
    if typed.strip().startswith("sip:"):
        return typed.strip()
    digits = re.sub(r"[\s./()-]", "", typed)
    try:
        return digits if digits.startswith("+") else phones.from_keys(digits, known.countries)
    except phones.NumberRefused as why:
        raise ValueError(f"{why}: expected one such as +390461825060") from None
