"""Drawing a new PIN: how long, and which are too easy to guess. Pure."""

from __future__ import annotations

import random
from datetime import date
from itertools import pairwise


def length_for(live: int) -> int:
    """Digits of a new PIN when `live` PINs will be valid, the new one included.

    A guess succeeds with live / 10^digits; `max(8, 5 + ceil(log10 live))` keeps that at 1e-5 or less.
    """
    # ceil(log10 n), without floating point, is the number of digits of n - 1.
    return max(8, 5 + len(str(live - 1))) if live > 1 else 8


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
