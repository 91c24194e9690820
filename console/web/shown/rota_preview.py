"""What a change of duty would bring, before it is made: who has what turn instead of whom, what would be
wrong then, everybody's load before and after, and who is told of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from console.web.people import Person
from console.web.shown import rota as picture
from console.web.shown.rota import Week, WhyFree
from console.web.shown.rota_view import not_working
from oncall.rota import foresight, shares, validation
from oncall.rota.foresight import Telling
from oncall.rota.rota import Book
from oncall.rota.validation import Change, Finding
from oncall.rota.wallclock import instant_of
from oncall.settings import NoticeSettings

# Rows that are shown of each; the rest is counted.
MOST = 30
# Months of which the load is compared, weeks that are drawn.
MOST_MONTHS, MOST_WEEKS = 2, 3


@dataclass(frozen=True)
class Load:
    """Somebody's part of a rung in a month, before and after: seconds, nights, free days."""

    who: Person
    rung: int
    before: tuple[int, int, int]
    after: tuple[int, int, int]


@dataclass(frozen=True)
class MonthLoad:
    rota: str
    month: date
    rows: list[Load]


@dataclass(frozen=True)
class Preview:
    """`weeks` show the rota as it would be. `end` is how far one looked: what lasts until then may go on."""

    start: datetime
    end: datetime
    changes: list[Change]
    opened: list[Finding]
    arose: list[Finding]
    mended: list[Finding]
    loads: list[MonthLoad]
    told: list[Telling]
    weeks: list[Week]
    known: dict[str, Person]

    @property
    def nothing(self) -> bool:
        """Whether nobody's turn changes and nothing goes wrong."""
        return not (self.changes or self.opened or self.arose or self.mended)


def compare(
    before: Mapping[str, Book],
    after: Mapping[str, Book],
    people_before: Sequence[validation.Person],
    people_after: Sequence[validation.Person],
    known: dict[str, Person],
    *,
    rota: str,
    zone: ZoneInfo,
    at: datetime,
    start: datetime,
    end: datetime,
    free: WhyFree,
    night: str,
    notices: NoticeSettings,
    quiet_zone: ZoneInfo,
) -> Preview:
    """Compare all rotas from `start` up to, not including, `end`; `rota` is the one that is drawn."""
    start, end = max(start, at), max(end, at)
    if end <= start:
        return Preview(start, end, [], [], [], [], [], [], [], known)
    changes = sorted(validation.changes(before, after, start, end), key=lambda c: (c.start, c.rota, c.rung))
    was = validation.review(before, people_before, start, end)
    is_ = validation.review(after, people_after, start, end)
    opened = validation.opened(before, after, start, end)
    # Of what was wrong already, at its other edges, nothing is said anew.
    arose = [f for f in is_ if f.kind != "hole" and f not in was and not _known(f, was)]
    mended = [f for f in was if f.kind == "hole" and f not in is_ and not _known(f, is_)]
    loads, weeks = [], []
    if changes:
        first, last = changes[0].start, max(c.end for c in changes)
        for key in sorted({change.rota for change in changes}):
            loads += _loads(key, before.get(key) or Book(), after[key], known, zone, first, last, night, free)
        if rota in after:
            weeks = _weeks(rota, after[rota], known, zone, at, free, first, last)
    told = foresight.tellings(before, after, at, end, notices, quiet_zone)
    return Preview(start, end, changes, opened, arose, mended, loads, told, weeks, known)


def _known(finding: Finding, others: Sequence[Finding]) -> bool:
    """Whether the same is wrong in a stretch that holds all of this one."""
    return any(
        (o.kind, o.rota, o.rung, o.people, o.also)
        == (finding.kind, finding.rota, finding.rung, finding.people, finding.also)
        and o.start <= finding.start
        and finding.end <= o.end
        for o in others
    )


def _loads(
    rota: str,
    before: Book,
    after: Book,
    known: Mapping[str, Person],
    zone: ZoneInfo,
    first: datetime,
    last: datetime,
    night: str,
    free: WhyFree,
) -> list[MonthLoad]:
    found: list[MonthLoad] = []
    month = first.astimezone(zone).date().replace(day=1)
    while instant_of(month, time(), zone) < last and len(found) < MOST_MONTHS:
        following = picture.next_month(month)
        parts = [
            {
                (each.rung, each.technician): (each.seconds, each.nights, each.free_days)
                for each in shares.shares(book, month, following, zone, night, not_working(free))
            }
            for book in (before, after)
        ]
        rows = [
            Load(known[who], rung, parts[0].get((rung, who), (0, 0, 0)), parts[1].get((rung, who), (0, 0, 0)))
            for rung, who in sorted(parts[0].keys() | parts[1].keys())
            if who in known
        ]
        # Of a rung on which nothing changes there is nothing to compare.
        moved = {row.rung for row in rows if row.before != row.after}
        found.append(MonthLoad(rota, month, [row for row in rows if row.rung in moved]))
        month = following
    return [each for each in found if each.rows]


def _weeks(
    rota: str,
    book: Book,
    known: Mapping[str, Person],
    zone: ZoneInfo,
    at: datetime,
    free: WhyFree,
    first: datetime,
    last: datetime,
) -> list[Week]:
    monday = picture.week_of(first.astimezone(zone).date())
    final = picture.week_of((last - timedelta(microseconds=1)).astimezone(zone).date())
    weeks = min((final - monday).days // 7 + 1, MOST_WEEKS)
    shown = picture.days([monday + timedelta(days=n) for n in range(weeks * 7)], zone, at, free, None)
    start, end = shown[0].start, shown[-1].end
    found = picture.bars(book, start, end, known, at)
    return picture.weeks(shown, found, picture.holes(book, rota, start, end, at), [], known, at)


Direction = Literal["more", "less", "same"]


def direction(before: int, after: int) -> Direction:
    return "same" if before == after else "more" if after > before else "less"
