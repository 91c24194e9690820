"""Writes the figures of the last run into docs/performance.md, and draws cost against growth.

    python bench/page.py

The table holds what the runner measures, with the figures of `results.json`; the picture holds the curves of
`curves.json`.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from math import log10
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))
from run import there  # noqa: E402 - the path comes first

DOCS = HERE.parent / "docs"
PAPER, PICTURE = DOCS / "performance.md", DOCS / "pictures" / "performance-growth.svg"
RESULTS, CURVES = HERE / "results.json", HERE / "curves.json"
BEGIN, END = "<!-- written by bench/page.py -->", "<!-- to here -->"

# Of the picture, in its own units.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 56, 210, 24, 52
# Told apart by shape, too: not everybody sees colours.
COLOURS = ("#0b6e99", "#b5442c", "#3f7d20", "#7a3e9d", "#8a6d00", "#444444")
DASHES = ("", "8 4", "2 4", "10 3 2 3", "4 4", "1 3")
# The goal of what grows with work.
GOAL = 1.1


def rows_of(name: str) -> list[str]:
    """What a measurement says in ROWS that it will name: read, for its import may need a whole house. Empty
    if it does not say.
    """
    known: dict[str, Any] = {"__builtins__": {}}
    for node in ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            with suppress(Exception):  # made of what the module imports: no row is
                exec(compile(ast.Module([node], []), name, "exec"), known)
    return list(known.get("ROWS", ()))


def every_row() -> list[str]:
    """In the runner's order."""
    return [row for name in there() for row in rows_of(name)]


def rows(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """The table: `names`, with what was measured of them; before them what else was measured."""
    known = {each["name"]: each for each in results}
    lines = ["| what | against | goal | measured | |", "|---|---|---|---|---|"]
    for name in [*(name for name in known if name not in names), *names]:
        each = known.get(name)
        if each is None:
            lines.append(f"| {name} | | | not measured | |")
            continue
        met = "met" if each["met"] else "**missed**"
        lines.append(f"| {name} | {each['against']} | ≤ {each['goal']:.4g} | {each['ratio']:.4g} | {met} |")
    return "\n".join(lines)


def written(paper: str, table: str) -> str:
    """The page with the table in its place."""
    before, found, rest = paper.partition(BEGIN)
    assert found
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def drawn(curves: Sequence[Mapping[str, Any]]) -> str:
    """Cost against how much there is, by powers of ten; each curve begins at 1."""
    most = max(log10(many) for each in curves for many, _ in each["points"])
    highest = max(1.5, *(cost for each in curves for _, cost in each["points"]))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(many: float) -> float:
        return LEFT + wide * log10(many) / most

    def y(cost: float) -> float:
        return TOP + high * (1 - cost / highest)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12">',
        "<title>What things cost as work grows</title>",
        "<desc>Cost, that with the least work being 1, against how much there is, by powers of ten.</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for power in range(int(most) + 1):
        at = x(10**power)
        parts.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:,}</text>'
        )
    for tenth in range(0, int(highest * 10) + 1, 5):
        at = y(tenth / 10)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    parts.append(
        f'<path d="M{LEFT} {y(GOAL):.1f}H{WIDTH - RIGHT}" stroke="#888888" stroke-dasharray="3 3"/>'
        f'<text x="{LEFT + 4}" y="{y(GOAL) - 5:.1f}" fill="#555555">goal {GOAL}</text>'
    )
    for number, each in enumerate(curves):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        line = " ".join(f"{x(many):.1f},{y(cost):.1f}" for many, cost in each["points"])
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
        parts += [
            f'<circle cx="{x(many):.1f}" cy="{y(cost):.1f}" r="3" fill="{colour}"/>'
            for many, cost in each["points"]
        ]
        at = TOP + 14 + 36 * number
        begin = WIDTH - RIGHT + 14
        parts.append(
            f'<path d="M{begin} {at}h24" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            f'<text x="{begin + 30}" y="{at + 4}">{escape(each["name"])}</text>'
            f'<text x="{begin + 30}" y="{at + 18}" fill="#555555">by {escape(each["what"])}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def read(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    PAPER.write_text(
        written(PAPER.read_text(encoding="utf-8"), rows(read(RESULTS), every_row())), encoding="utf-8"
    )
    PICTURE.write_text(drawn(read(CURVES)), encoding="utf-8")
