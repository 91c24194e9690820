"""Drawing a new PIN: how long, which are too easy to guess, and the odds of a guesser. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from itertools import pairwise

# Wrong PINs that are looked up among all in a day, over all lines: the throttle's shared budget.
MISSES_A_DAY = 100
# What a guesser who uses up that budget for a day may hope for, at most.
LIMIT = Fraction(1, 1000)


def length_for(live: int) -> int:
    """Digits of a new PIN when `live` PINs will be valid, the new one included.

    A guess succeeds with live / 10^digits; `max(8, 5 + ceil(log10 live))` keeps that at 1e-5 or less.
    """
    # ceil(log10 n), without floating point, is the number of digits of n - 1.
    return max(8, 5 + len(str(live - 1))) if live > 1 else 8


def next_length(live: Mapping[int, int], more: int = 1) -> int:
    """Digits of the next `more` PINs, `live` being how many live PINs there are of each length.

    By the rule for all of them together, and never shorter than the longest live one: a caller need not
    say where his PIN ends unless it is an old one.
    """
    return max(length_for(sum(live.values()) + more), *(digits for digits, count in live.items() if count), 0)


def chance(live: Mapping[int, int]) -> Fraction:
    """The chance that an attacker who guesses for a day finds any PIN.

    He chooses how long his guesses are, so each length stands for itself and the weakest counts.
    """
    return max((chance_of(digits, count) for digits, count in live.items()), default=Fraction(0))


def chance_of(digits: int, count: int) -> Fraction:
    """The same among `count` live PINs of `digits` digits."""
    return min(Fraction(MISSES_A_DAY * count, 10**digits), Fraction(1))


def most_of(digits: int) -> int:
    """How many live PINs of this length there may be before a guesser's chance passes LIMIT."""
    return int(LIMIT * 10**digits / MISSES_A_DAY)


def draw(digits: int, source: random.Random) -> str:
    """A PIN of `digits` digits from `source`, never a weak one. Leading zeros are digits too."""
    while True:
        pin = "".join(str(source.randrange(10)) for _ in range(digits))
        if not is_weak(pin):
            return pin


def is_weak(pin: str) -> bool:
    """Whether a guesser would try this PIN early: repeats, runs, dates.

    Repeats: fewer than four different digits, or one half (or quarter) said again. Runs: five or
    more digits that go up or down by one. Dates: eight digits that are a day of 1900–2099 as
    DDMMYYYY, MMDDYYYY or YYYYMMDD, anywhere in the PIN.
    """
    if len(set(pin)) < 4:
        return True
    for parts in (2, 4):
        size = len(pin) // parts
        if size * parts == len(pin) and pin[:size] * parts == pin:
            return True
    steps = [int(b) - int(a) for a, b in pairwise(pin)]
    for step in (1, -1):
        run = 0
        for each in steps:
            run = run + 1 if each == step else 0
            if run >= 4:
                return True
    return any(_is_date(pin[start : start + 8]) for start in range(len(pin) - 7))


def _is_date(eight: str) -> bool:
    for year, month, day in (
        (eight[4:], eight[2:4], eight[:2]),
        (eight[4:], eight[:2], eight[2:4]),
        (eight[:4], eight[4:6], eight[6:]),
    ):
        if "1900" <= year <= "2099":
            try:
                date(int(year), int(month), int(day))
            except ValueError:
                continue
            return True
    return False
