"""Which tone is in a recording, how sure that is, and how loud one frequency is in it. Pure.

Samples are floats from −1 to 1. Levels are in dBFS: 0 is the loudest sine that fits.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

SILENCE = -120.0  # dBFS; nothing is called quieter
# A Hann window spreads a sine over the two bins on each side; one more for a tone that wavers.
LOBE = 3
LARGEST = 16_384  # samples, two seconds of a telephone's sound: half a hertz between bins


@dataclass(frozen=True, slots=True)
class Tone:
    """The strongest frequency of a sound.

    hz: interpolated between bins. over_rest: dB by which the power around it exceeds that of everything
    else together. level: dBFS of the whole sound.
    """

    hz: float
    over_rest: float
    level: float


def strongest(samples: Sequence[float], rate: int) -> Tone:
    """The tone of the longest power of two samples that fits, from the middle; at most `LARGEST`.

    ValueError below 256 samples: nothing can be told of so little.
    """
    if len(samples) < 256:
        raise ValueError(f"{len(samples)} samples are too few to tell a tone")
    size = min(1 << (len(samples).bit_length() - 1), LARGEST)
    start = (len(samples) - size) // 2
    part = samples[start : start + size]
    powers = [abs(value) ** 2 for value in _fft([s * w for s, w in zip(part, _hann(size), strict=True)])]
    powers = powers[: size // 2]
    powers[:LOBE] = [0.0] * LOBE  # a constant is no sound
    peak = max(range(LOBE, len(powers) - 1), key=powers.__getitem__)
    near = sum(powers[max(peak - LOBE, 0) : peak + LOBE + 1])
    rest = sum(powers) - near
    if powers[peak] < 1e-12:
        return Tone(0.0, 0.0, level(part))
    # The peak of a Hann window's logarithm is a parabola, nearly.
    left, middle, right = (math.log(max(powers[peak + step], 1e-30)) for step in (-1, 0, 1))
    off = 0.5 * (left - right) / (left - 2 * middle + right)
    return Tone((peak + off) * rate / size, _decibels(near / max(rest, 1e-30)), level(part))


def level(samples: Sequence[float]) -> float:
    """The loudness of all of it, in dBFS; a full sine is 0."""
    if not samples:
        return SILENCE
    return max(_decibels(2 * math.fsum(s * s for s in samples) / len(samples)), SILENCE)


def level_at(samples: Sequence[float], rate: int, hz: float) -> float:
    """The loudness of one frequency, in dBFS, by Goertzel's algorithm under a Hann window.

    Its neighbourhood is 2 × rate / number of samples wide on each side.
    """
    size = len(samples)
    if size == 0:
        return SILENCE
    turn = 2 * math.cos(2 * math.pi * hz / rate)
    before, last = 0.0, 0.0
    for sample, weight in zip(samples, _hann(size), strict=True):
        before, last = last, sample * weight + turn * last - before
    power = before * before + last * last - turn * before * last
    # A sine of amplitude 1 has (size / 2 × the window's mean)² of it.
    return max(_decibels(max(power, 0.0) / (size / 4) ** 2), SILENCE)


def loudest_at(samples: Sequence[float], rate: int, hz: float, seconds: float = 0.5) -> float:
    """The loudest that `hz` is over any stretch of `seconds`, in dBFS: a short leak is not averaged away."""
    size = max(int(rate * seconds), 1)
    starts = range(0, max(len(samples) - size // 2, 1), size // 2)
    return max((level_at(samples[start : start + size], rate, hz) for start in starts), default=SILENCE)


def _decibels(ratio: float) -> float:
    return 10 * math.log10(ratio) if ratio > 0 else SILENCE


def _hann(size: int) -> list[float]:
    return [0.5 - 0.5 * math.cos(2 * math.pi * place / size) for place in range(size)]


def _fft(values: Sequence[float] | Sequence[complex]) -> list[complex]:
    """Cooley and Tukey; the length is a power of two."""
    size = len(values)
    if size == 1:
        return [complex(values[0])]
    even, odd = _fft(values[::2]), _fft(values[1::2])
    turned = [cmath.exp(-2j * math.pi * place / size) * odd[place] for place in range(size // 2)]
    return [even[p] + turned[p] for p in range(size // 2)] + [even[p] - turned[p] for p in range(size // 2)]
