"""The measuring of tones: against sines that are known, against noise, speech-like sound and silence."""

from __future__ import annotations

import math
import random

import pytest

from realcall.tone import SILENCE, level, level_at, loudest_at, strongest

RATE = 8000


def sine(hz: float, seconds: float, amplitude: float = 0.5, phase: float = 0.0) -> list[float]:
    return [amplitude * math.sin(2 * math.pi * hz * n / RATE + phase) for n in range(round(RATE * seconds))]


def noise(seconds: float, amplitude: float = 0.5) -> list[float]:
    draw = random.Random("noise")
    return [amplitude * draw.uniform(-1, 1) for _ in range(round(RATE * seconds))]


def mixed(*sounds: list[float]) -> list[float]:
    return [math.fsum(at) for at in zip(*sounds, strict=True)]


@pytest.mark.parametrize("hz", [425.0, 600.0, 1000.0, 1000.3, 1477.77, 2900.0, 3999.0 - 100])
@pytest.mark.parametrize("seconds", [0.25, 1.0, 2.7])
def test_a_sine_is_found_to_a_tenth_of_a_bin(hz: float, seconds: float) -> None:
    tone = strongest(sine(hz, seconds, phase=0.7), RATE)
    bin_width = RATE / (1 << (int(RATE * seconds).bit_length() - 1))
    assert tone.hz == pytest.approx(hz, abs=0.1 * bin_width)
    assert tone.over_rest > 40
    assert tone.level == pytest.approx(20 * math.log10(0.5), abs=0.1)


def test_as_much_noise_as_tone_is_said() -> None:
    """A sine of amplitude a has the power a²/2, uniform noise of amplitude b has b²/3."""
    equal = math.sqrt(1.5) * 0.3
    tone = strongest(mixed(sine(1000, 2, 0.3), noise(2, equal)), RATE)
    assert tone.hz == pytest.approx(1000, abs=0.5)
    assert tone.over_rest == pytest.approx(0, abs=1)


def test_noise_is_no_tone() -> None:
    assert strongest(noise(2), RATE).over_rest < -15


def test_two_tones_are_not_one() -> None:
    tone = strongest(mixed(sine(1000, 1, 0.4), sine(1633, 1, 0.2)), RATE)
    assert tone.hz == pytest.approx(1000, abs=0.5)
    assert tone.over_rest == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("nothing", [[0.0] * RATE, [0.3] * RATE], ids=["silence", "a constant"])
def test_silence_has_no_tone(nothing: list[float]) -> None:
    tone = strongest(nothing, RATE)
    assert (tone.hz, tone.over_rest) == (0, 0)
    assert loudest_at(nothing, RATE, 1000) < -100


def test_too_little_to_tell() -> None:
    with pytest.raises(ValueError, match="255"):
        strongest([0.0] * 255, RATE)


def test_loudness() -> None:
    assert level(sine(440, 1, 1.0)) == pytest.approx(0, abs=0.01)
    assert level(sine(440, 1, 0.1)) == pytest.approx(-20, abs=0.01)
    assert level([]) == level([0.0] * 9) == SILENCE


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_the_loudness_of_one_frequency(amplitude: float) -> None:
    sound = sine(1000, 1, amplitude)
    assert level_at(sound, RATE, 1000) == pytest.approx(20 * math.log10(amplitude), abs=0.05)
    assert level_at(sound, RATE, 2900) <= 20 * math.log10(amplitude) - 60


def test_a_short_leak_is_found() -> None:
    """A tenth of a second in ten seconds: the mean would hide it, the loudest half second does not."""
    silence = [0.0] * (5 * RATE)
    sound = silence + sine(1000, 0.1, 0.25) + silence
    assert loudest_at(sound, RATE, 1000) > -30
    assert level_at(sound, RATE, 1000) < -45


def test_nothing_at_all() -> None:
    assert level_at([], RATE, 1000) == loudest_at([], RATE, 1000) == SILENCE
