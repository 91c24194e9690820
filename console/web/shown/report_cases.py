"""What the page of reports shows of cases: how soon they were taken in charge, and whether in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Connection

from console.settings import Configuration
from console.web.plots import Plot, Rect, columns, row
from console.web.words import Words
from ivr.records import figures
from ivr.records.figures import Late, Middle, Taken, Wanted

# Of late cases a page shows so many.
LATE = 10
# The deadline stands after so many columns of the plot of its level; half as many follow, then the rest.
TO_DEADLINE = 12
LEVEL_WIDTH = 380


@dataclass(frozen=True)
class Level:
    """Cases of one level. `within` is its deadline in minutes; `open`: there is time left. `share` of those
    that are decided was taken in time, in per cent.
    """

    code: str
    within: int | None
    cases: int
    kept: int
    missed: int
    open: int
    share: int | None
    middle: Middle | None
    bar: tuple[Rect, ...]
    plot: Plot | None
    rows: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Cases:
    """`share` of those that are decided was taken in time, in per cent."""

    total: int
    levels: list[Level]
    middle: Middle | None
    share: int | None
    missed: int
    late: list[Late]


def cases_of(
    connection: Connection, at: datetime, configuration: Configuration, words: Words, wanted: Wanted
) -> Cases:
    taken = figures.taken(connection, at, wanted)
    levels = _levels(configuration, words, taken)
    kept, missed = sum(each.kept for each in levels), sum(each.missed for each in levels)
    return Cases(
        total=sum(each.count for each in taken),
        levels=levels,
        middle=figures.middle(taken),
        share=share(kept, missed),
        missed=missed,
        late=figures.late(connection, at, wanted, LATE) if missed else [],
    )


def _levels(configuration: Configuration, words: Words, taken: Sequence[Taken]) -> list[Level]:
    """Those that occur, in the order of the configuration; then what is no longer configured."""
    within = {level.code: level.within for level in configuration.urgency.level}
    codes = [*within, *sorted({each.level for each in taken} - set(within))]
    found = {code: [each for each in taken if each.level == code] for code in codes}
    return [_level(words, code, within.get(code), some) for code, some in found.items() if some]


def _level(words: Words, code: str, within: int | None, taken: Sequence[Taken]) -> Level:
    verdicts: Counter[str] = Counter()
    for each in taken:
        verdicts[each.verdict] += each.count
    kept, missed, still = (verdicts[name] for name in ("kept", "missed", "open"))
    plot, rows = (None, ()) if within is None else _to_accept(words, within, taken)
    return Level(
        code=code,
        within=within,
        cases=verdicts.total(),
        kept=kept,
        missed=missed,
        open=still,
        share=share(kept, missed),
        middle=figures.middle(taken),
        bar=row(("kept", "late", "open"), (kept, missed, still), kept + missed + still),
        plot=plot,
        rows=rows,
    )


def _to_accept(
    words: Words, within: int, taken: Sequence[Taken]
) -> tuple[Plot, tuple[tuple[str, tuple[int, ...]], ...]]:
    """How long it took to take cases of a level in charge, with its deadline."""
    last = TO_DEADLINE * 3 // 2
    values = [[0, 0] for _ in range(last + 1)]
    for each in taken:
        if each.minutes is not None:
            values[min(each.minutes * TO_DEADLINE // within, last)][each.verdict == "missed"] += each.count
    starts = [round(place * within / TO_DEADLINE) for place in range(last + 1)]
    names = [
        words("reports.minutes-from", first=first, last=following) for first, following in pairwise(starts)
    ] + [words("reports.minutes-over", first=starts[-1])]
    series = ("kept", "late")
    said = told(words, names, series, values)
    labels = [str(start) for start in starts[:-1]] + [f"{starts[-1]}+"]
    mark = (TO_DEADLINE, words("reports.deadline", length=words.duration(within * 60)))
    plot = columns(series, values, labels, said, width=LEVEL_WIDTH, marks=[mark])
    rows = tuple((name, tuple(stack)) for name, stack in zip(names, values, strict=True) if any(stack))
    return plot, rows


def told(
    words: Words, names: Sequence[str], series: Sequence[str], values: Sequence[Sequence[int]]
) -> list[str]:
    """What the pointer is told of each column."""
    called = [words(f"reports.series-{each}") for each in series]
    none = words("reports.none")
    return [
        f"{name}: {', '.join(f'{each} {n}' for each, n in zip(called, stack, strict=True) if n) or none}"
        for name, stack in zip(names, values, strict=True)
    ]


def share(good: int, bad: int) -> int | None:
    return round(100 * good / (good + bad)) if good + bad else None
