"""New PINs: long enough for the number of them, and never one that a guesser tries early."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pins.drawing import draw, is_weak, length_for


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
