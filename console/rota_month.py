"""A month of a rota, to be read in a terminal: a line a day, a column a rung, a line more for a hole.

Who is on duty is told by his name, and why by a sign; colours only help. Times are those of the zone that
is asked for; what happens on the days the clock is set stands beneath them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from oncall.rota.coverage import duration
from oncall.rota.rota import Because, Book
from oncall.rota.wallclock import candidates, instant_of

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
# Behind a name, where it is not simply his turn.
SIGNS: dict[Because, str] = {"override": "*", "swap": "~", "absence": "+"}
MEANING: dict[Because, str] = {
    "override": "an override",
    "swap": "a swap",
    "absence": "stands in for somebody who is away",
}
NOBODY = "–"
ALARMING = "bold red"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_WIDTH = 8
# A rung takes at least so many columns; further rungs are drawn beneath.
NARROWEST = 20
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Month:
    """A calendar month of a time zone, from its first midnight up to, not including, the next one's."""

    first: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        return instant_of(self.first, time(), self.zone)

    @property
    def end(self) -> datetime:
        return instant_of(_next_month(self.first), time(), self.zone)

    @property
    def name(self) -> str:
        return f"{self.first:%Y-%m}"

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((_next_month(self.first) - self.first).days)]


@dataclass(frozen=True)
class Turn:
    """Somebody (None: nobody) has a rung from `start` up to, not including, `end`.

    `begun`: he had it before `start` already, in the month before.
    """

    rung: int
    technician: str | None
    start: datetime
    end: datetime
    because: Because | None
    begun: bool = False


def month_of(text: str, zone: ZoneInfo) -> Month:
    """`"2026-03"`. Raises ValueError."""
    found = _MONTH.fullmatch(text)
    if not found or not 1970 <= int(found[1]) < 2200:
        raise ValueError(f"{text!r} is not a month: give 2026-03")
    return Month(date(int(found[1]), int(found[2]), 1), zone)


def turns(book: Book, month: Month) -> list[Turn]:
    """Who has which rung why, cut at the month's edges; stretches that a rung has nobody are among them.

    Rung by rung, each without gap or overlap from the rota's first rules on.
    """
    before = {duty.rung: duty for duty in book.ladder(month.start - timedelta(microseconds=1))}
    segments = book.segments(month.start, month.end)
    edges = {month.start, *(segment.start for segment in segments)}
    edges |= {v.valid_from for v in book.versions if month.start < v.valid_from < month.end}
    found: list[Turn] = []
    for edge, until in _pairs(sorted(edges), month.end):
        rules = book.rules_at(edge)
        there = {duty.rung: duty for duty in book.ladder(edge)}
        for rung in range(1, len(rules.rungs) + 1 if rules else 1):
            duty = there.get(rung)
            who, why = (duty.technician, duty.because) if duty else (None, None)
            last = next((t for t in reversed(found) if t.rung == rung), None)
            if last and (last.end, last.technician, last.because) == (edge, who, why):
                found[found.index(last)] = Turn(rung, who, last.start, until, why, last.begun)
                continue
            early = before.get(rung)
            same = (early.technician, early.because) == (who, why) if early else who is None
            found.append(Turn(rung, who, edge, until, why, edge == month.start and same))
    return sorted(found, key=lambda turn: (turn.rung, turn.start))


def holes(book: Book, month: Month) -> list[tuple[datetime, datetime]]:
    """The stretches of the month in which no rung has anybody."""
    return [(s.start, s.end) for s in book.segments(month.start, month.end) if not s.standing]


def short_names(people: Mapping[str, str], shown: Iterable[str]) -> dict[str, str]:
    """What each is called in a column: his first name if nobody else of them has it, else his key."""
    wanted = sorted(set(shown))
    firsts = {key: (people.get(key, key).split() or [key])[0] for key in wanted}
    count = Counter(name.casefold() for name in firsts.values())
    return {key: name if count[name.casefold()] == 1 else key for key, name in firsts.items()}


def draw(
    console: Console, rota: str, book: Book, month: Month, people: Mapping[str, str], at: datetime
) -> None:
    """Draw the month with its holes, and what the signs mean. `people`: names by key; `at`: now."""
    found = turns(book, month)
    names = short_names(people, (turn.technician for turn in found if turn.technician is not None))
    looks = {key: COLOURS[n % len(COLOURS)] for n, key in enumerate(sorted(names))}
    empty = holes(book, month)
    title = f"rota {rota} · {month.first:%B %Y} · {month.zone.key}"
    console.print(Text(title, style="bold"))
    rungs = sorted({turn.rung for turn in found})
    each = max(1, (console.width - DAY_WIDTH) // NARROWEST)
    for first in range(0, max(len(rungs), 1), each):
        some = rungs[first : first + each]
        page = _Page(month, found, some, names, looks, (console.width - DAY_WIDTH) // max(len(some), 1))
        console.print()
        for line in page.lines(empty if first == 0 else [], at):
            console.print(line, no_wrap=True)
    console.print()
    console.print(_beside(_legend(found, people, names, looks), console.width))
    if empty:
        length = sum(((end - start) for start, end in empty), timedelta())
        times = "once" if len(empty) == 1 else f"{len(empty)} times"
        console.print(Text(f"! nobody on duty at all: {times}, {duration(length)} together", style=ALARMING))


# -- parts of the picture ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Page:
    """Some rungs of the month beside one another, each `width` wide."""

    month: Month
    turns: Sequence[Turn]
    rungs: Sequence[int]
    names: Mapping[str, str]
    looks: Mapping[str, str]
    width: int

    def lines(self, empty: Sequence[tuple[datetime, datetime]], at: datetime) -> Iterator[Text]:
        yield self._row(Text(), [Text(f"rung {rung}", style="bold") for rung in self.rungs])
        for day in self.month.days():
            if day.weekday() == 0 or day.day == 1:
                yield Text(f"week {day.isocalendar().week}", style="dim")
            begin, end = _day(day, self.month.zone)
            none = [(max(a, begin), min(b, end)) for a, b in empty if a < end and begin < b]
            mark = "!" if none else ">" if begin <= at < end else " "
            label = Text(f"{mark}{WEEKDAYS[day.weekday()]} {day.day:2}", style="" if mark == " " else "bold")
            yield self._row(label, [self._cell(rung, begin, end) for rung in self.rungs])
            if none:
                told = ", ".join(self._span(a, b, begin, end) for a, b in none)
                yield Text.assemble(" " * DAY_WIDTH, (f"NOBODY {told}", ALARMING))
            if (hours := round((end - begin).total_seconds() / 3600)) != 24:
                yield Text(f"{' ' * DAY_WIDTH}({hours} hours: the clocks change)", style="dim")

    def _row(self, label: Text, cells: Sequence[Text]) -> Text:
        parts = [cell.split("\n") for cell in cells]
        rows: list[Text] = []
        for number in range(max((len(part) for part in parts), default=1)):
            row = label.copy() if number == 0 else Text()
            for column, part in enumerate(parts):
                row.append(" " * (DAY_WIDTH + column * self.width - cell_len(row.plain)))
                row.append_text(part[number] if number < len(part) else Text())
            row.rstrip()
            rows.append(row)
        return Text("\n").join(rows)

    def _cell(self, rung: int, begin: datetime, end: datetime) -> Text:
        """Who has the rung when the day begins, and each who takes it over, with when."""
        pieces: list[Text] = []
        for turn in self.turns:
            if turn.rung != rung or turn.end <= begin or end <= turn.start:
                continue
            takes_over = turn.start >= begin and not turn.begun
            when = f"{_clock(turn.start, self.month.zone)} " if takes_over else ""
            if turn.technician is None:
                pieces.append(Text.assemble(when, (NOBODY, "dim")))
            else:
                sign = SIGNS.get(turn.because, "") if turn.because else ""
                name = self.names[turn.technician] + sign
                pieces.append(Text.assemble(when, (name, self.looks[turn.technician])))
        return _beside(pieces, self.width - 2)

    def _span(self, start: datetime, end: datetime, begin: datetime, until: datetime) -> str:
        if (start, end) == (begin, until):
            return "all day"
        first = _clock(start, self.month.zone)
        return f"{first}–{'24:00' if end == until else _clock(end, self.month.zone)}"


def _beside(pieces: Sequence[Text], width: int) -> Text:
    """The pieces beside one another as far as there is room, else beneath."""
    found, taken = Text(), 0
    for piece in pieces:
        length = cell_len(piece.plain)
        if taken and taken + 2 + length > width:
            found.append("\n")
            taken = 0
        elif taken:
            found.append("  ")
            taken += 2
        found.append_text(piece)
        taken += length
    return found


def _legend(
    found: Sequence[Turn], people: Mapping[str, str], names: Mapping[str, str], looks: Mapping[str, str]
) -> list[Text]:
    told = [
        Text.assemble((names[key], looks[key]), f" = {people.get(key, key)} ({key})")
        for key in sorted(names, key=lambda key: names[key].casefold())
    ]
    whys = {turn.because for turn in found if turn.because}
    told += [Text(f"{sign} {MEANING[why]}") for why, sign in SIGNS.items() if why in whys]
    if any(turn.technician is None for turn in found):
        told.append(Text(f"{NOBODY} nobody on this rung"))
    return told


# -- small parts -------------------------------------------------------------------------------


def _pairs(edges: Sequence[datetime], end: datetime) -> Iterator[tuple[datetime, datetime]]:
    return zip(edges, [*edges[1:], end], strict=True)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return instant_of(day, time(), zone), instant_of(day + timedelta(days=1), time(), zone)


def _clock(at: datetime, zone: ZoneInfo) -> str:
    """`18:30`; with the zone's name in the hour that comes twice."""
    wall = at.astimezone(zone)
    twice = len(candidates(wall.replace(tzinfo=None), zone)) > 1
    return f"{wall:%H:%M %Z}" if twice else f"{wall:%H:%M}"
