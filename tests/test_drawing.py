"""New PINs: long enough for the number of them, and never one that a guesser tries early."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pins.drawing import LIMIT, chance, draw, is_weak, length_for, most_of, next_length


@pytest.mark.parametrize(
    ("live", "digits"),
    [
        (0, 8),
        (1, 8),
        (999, 8),
        (1000, 8),
        (1001, 9),
        (10_000, 9),
        (10_001, 10),
        (100_000, 10),
        (1_000_000, 11),
    ],
)
def test_the_length_grows_with_the_number_of_pins(live: int, digits: int) -> None:
    assert length_for(live) == digits


@given(live=some.integers(1, 10**9))
def test_a_guess_succeeds_once_in_a_hundred_thousand_at_most(live: int) -> None:
    digits = length_for(live)
    assert live / 10**digits <= 1e-5
    # And no longer than that needs.
    assert digits == 8 or live / 10 ** (digits - 1) > 1e-5


@given(live=some.integers(1, 10**6))
def test_it_is_the_formula_of_the_papers(live: int) -> None:
    # Rounded where floating point would make log10(1000) a little more than 3.
    assert length_for(live) == max(8, 5 + math.ceil(round(math.log10(live), 9)))


WEAK = ["00000000", "11112222", "12121212", "12312312", "47124712", "11112223"]
RUNS = ["12345678", "98765432", "01234567", "45678019", "90123475", "96543281", "87654039"]
DATES = ["24121985", "12241985", "19851224", "01012000", "20261109", "29022024", "311219994"]
STRONG = ["38205917", "04719268", "90385714", "31029899", "30022031", "123847590", "29022023"]


@pytest.mark.parametrize("pin", WEAK + DATES)
def test_repeats_and_dates_are_weak(pin: str) -> None:
    assert is_weak(pin)


@pytest.mark.parametrize(
    "pin", ["12345678", "98765432", "01234567", "45678019", "38012345", "96543281", "87654039"]
)
def test_runs_are_weak(pin: str) -> None:
    assert is_weak(pin)


@pytest.mark.parametrize("pin", STRONG)
def test_any_other_is_not(pin: str) -> None:
    assert not is_weak(pin)


@given(digits=some.integers(8, 12), seed=some.integers(0, 2**32))
def test_what_is_drawn_is_digits_and_not_weak(digits: int, seed: int) -> None:
    pin = draw(digits, random.Random(seed))
    assert len(pin) == digits
    assert set(pin) <= set("0123456789")
    assert not is_weak(pin)


def test_leading_zeros_are_digits_like_any_other() -> None:
    source = random.Random(1)
    firsts = [draw(8, source)[0] for _ in range(2000)]
    assert 130 < firsts.count("0") < 270


# -- what a guesser may hope for -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ({}, 0),
        ({8: 1}, Fraction(1, 10**6)),
        ({8: 1000}, Fraction(1, 1000)),
        # The weakest length counts, not the sum: whoever guesses chooses how long his guesses are.
        ({8: 400, 9: 8000, 12: 1}, Fraction(8, 10_000)),
        ({8: 10**7}, 1),
    ],
)
def test_a_hundred_guesses_at_the_weakest_length(live: dict[int, int], expected: Fraction) -> None:
    assert chance(live) == expected


@pytest.mark.parametrize(
    ("live", "more", "digits"),
    [
        ({}, 1, 8),
        ({8: 999}, 1, 8),
        ({8: 1000}, 1, 9),
        ({8: 600}, 400, 8),
        ({8: 600}, 401, 9),
        ({8: 10, 10: 1}, 1, 10),
        ({8: 10, 10: 0}, 1, 8),
    ],
)
def test_the_length_of_the_next_ones(live: dict[int, int], more: int, digits: int) -> None:
    assert next_length(live, more) == digits


@given(digits=some.integers(8, 14))
def test_the_most_of_a_length_is_the_most(digits: int) -> None:
    assert chance({digits: most_of(digits)}) <= LIMIT < chance({digits: most_of(digits) + 1})


STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("issue"), some.integers(1, 1500)),
        some.tuples(some.just("asked"), some.integers(8, 11)),
        some.tuples(some.just("revoke"), some.integers(1, 3000)),
        some.tuples(some.just("rotate all"), some.integers(0, 1)),
    ),
    min_size=1,
    max_size=8,
)


@given(steps=STEPS)
def test_by_the_rule_no_sequence_of_acts_takes_the_chance_above_the_limit(
    steps: list[tuple[str, int]],
) -> None:
    standing: Counter[int] = Counter()  # PINs that nothing has replaced, by length
    overlap: Counter[int] = Counter()  # and those in their overlap
    for act, number in steps:
        if act == "issue":
            live = standing + overlap
            for _ in range(number):
                digits = next_length(live)
                live[digits] += 1
                standing[digits] += 1
        elif act == "asked":  # as `pin issue --digits`: refused where there are too many
            if (standing + overlap)[number] < most_of(number):
                standing[number] += 1
        elif act == "revoke":
            for kind in (standing, overlap):
                for digits in sorted(kind):
                    kind[digits] = max(kind[digits] - number, 0)
        elif (base := standing.total()) and not overlap.total():
            digits = max(length_for(2 * base), next_length(standing, base))
            overlap, standing = standing, Counter({digits: base})
            assert chance(standing + overlap) <= LIMIT
            if number:
                overlap = Counter()
        assert chance(standing + overlap) <= LIMIT
        assert standing.total() == 0 or max(standing) >= 8
