"""The figures in docs/growth.md are those of its simulation."""

from __future__ import annotations

import sys

import pytest
from making import ROOT

if str(ROOT / "bench") not in sys.path:
    sys.path.append(str(ROOT / "bench"))

import growth  # (the path comes first)

PAGE = growth.PAPER.read_text(encoding="utf-8")
# If one of these fails: `python bench/growth.py`. The heavy storms are left to that.
QUICK = [shape for shape in growth.SHAPES if shape.times <= 10]


def test_the_light_storms_are_as_the_page_says() -> None:
    lines = growth.storms(QUICK)
    assert len(lines) == 4
    assert [line for line in lines if line not in PAGE.splitlines()] == []


def test_every_storm_has_its_line() -> None:
    for shape in [*growth.SHAPES, *growth.REGIONS]:
        assert f"\n| {shape.name} | " in PAGE


def test_the_lengths_of_pins_are_as_the_page_says() -> None:
    assert [line for line in growth.pins() if line not in PAGE.splitlines()] == []


def test_the_same_seed_is_the_same_storm() -> None:
    assert growth.Storm(QUICK[0]).run() == growth.Storm(QUICK[0]).run()


def test_who_comes_first_has_it_first_and_who_gave_up_is_passed_over() -> None:
    world = growth.World("few")
    one = growth.Few(world, 1)
    told: list[str] = []
    one.use(2.0, lambda: told.append(f"first at {world.now:.1f}"))
    one.take(lambda: told.append("never"), 0.5, lambda: told.append(f"gave up at {world.now:.1f}"))
    one.use(1.0, lambda: told.append(f"third at {world.now:.1f}"))
    world.run()
    assert told == ["gave up at 0.5", "first at 2.0", "third at 3.0"]


@pytest.mark.parametrize("values", [[1.0], [2.0, 1.0], [float(n) for n in range(200)]])
def test_p99_is_what_all_but_one_in_a_hundred_stay_under(values: list[float]) -> None:
    found = growth.p99(values)
    assert sum(each > found for each in values) <= len(values) / 100
