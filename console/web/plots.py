"""Plots as geometry: what a template draws as SVG. Nothing here knows what is drawn, nor a word of it.

A plot has its own units; the template gives it its width. Colour and texture come from a series' name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 14, 26
# Labels below the columns: no more than fit beside each other.
MOST_LABELS = 16
# A row of a table that is a bar: its width in its own units.
ROW = 400


@dataclass(frozen=True)
class Rect:
    """A piece of a bar that lies in a row of a table."""

    x: float
    width: float
    series: str


@dataclass(frozen=True)
class Area:
    """Every piece of one series, as the path of an SVG."""

    series: str
    path: str


@dataclass(frozen=True)
class Column:
    """Where one column stands, and what the pointer is told of it."""

    x: float
    width: float
    told: str


@dataclass(frozen=True)
class Mark:
    """A line across the plot, at `x` or at `y`, with what it is called."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """`ticks` are horizontal lines with their figures, `labels` stand below, `marks` are vertical lines."""

    areas: tuple[Area, ...]
    columns: tuple[Column, ...]
    ticks: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    marks: tuple[Mark, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def floor(self) -> float:
        return self.height - BOTTOM


def columns(
    series: Sequence[str],
    values: Sequence[Sequence[int]],
    labels: Sequence[str],
    told: Sequence[str],
    *,
    width: int = WIDTH,
    marks: Sequence[tuple[float, str]] = (),
) -> Plot:
    """Stacked columns: `values[i]` has a figure for each of `series`, from below. `marks` are at so many
    columns from the left.
    """
    most = max((sum(each) for each in values), default=0)
    steps = _steps(most)
    scale = (HEIGHT - TOP - BOTTOM) / steps[-1]
    floor = HEIGHT - BOTTOM
    each_width = (width - LEFT - RIGHT) / max(len(values), 1)
    gap = min(each_width * 0.2, 6)
    drawn: list[Column] = []
    paths: dict[str, list[str]] = {name: [] for name in series}
    for place, stack in enumerate(values):
        x, top = LEFT + place * each_width, float(floor)
        drawn.append(Column(round(x, 1), round(each_width, 1), told[place]))
        for name, value in zip(series, stack, strict=True):
            if value:
                height, wide = value * scale, each_width - gap
                top -= height
                paths[name].append(f"M{x + gap / 2:.1f} {top:.1f}h{wide:.1f}v{height:.1f}h-{wide:.1f}z")
    every = math.ceil(len(labels) / MOST_LABELS * WIDTH / width)
    return Plot(
        tuple(Area(name, "".join(pieces)) for name, pieces in paths.items() if pieces),
        tuple(drawn),
        tuple(Mark(round(floor - step * scale, 1), f"{step}") for step in steps),
        tuple(
            Mark(round(LEFT + (place + 0.5) * each_width, 1), label)
            for place, label in enumerate(labels)
            if place % every == 0
        ),
        tuple(Mark(round(LEFT + place * each_width, 1), text) for place, text in marks),
        width=width,
    )


def row(series: Sequence[str], values: Sequence[int], most: int) -> tuple[Rect, ...]:
    """One bar of stacked pieces, lying; `most` is what fills the whole width."""
    x, pieces = 0.0, []
    for name, value in zip(series, values, strict=True):
        if value and most:
            length = value * ROW / most
            pieces.append(Rect(round(x, 1), round(length, 1), name))
            x += length
    return tuple(pieces)


def shade(value: int, most: int, shades: int = 5) -> int:
    """Which of so many shades a value has: 0 for none at all, `shades` for the most."""
    return 0 if not value or not most else min(shades, max(1, math.ceil(value * shades / most)))


def _steps(most: int) -> list[int]:
    """Up to six round figures from 0 on, the last not less than `most`."""
    step = 1
    for power in range(12):
        for base in (1, 2, 5):
            step = base * 10**power
            if step * 5 >= most:
                return [each * step for each in range(max(1, math.ceil(most / step)) + 1)]
    return [0, max(most, 1)]
