"""What is heard of a recording: how loud the speech in it is, where it begins and ends; and how it is made
fit for the telephone.

Levels are in decibels below full scale (dBFS), of the root mean square over blocks of 50 ms. Loudness is that
of the speech alone: blocks that are far below the others are pauses and do not count, in the manner of
ITU-R BS.1770, without its weighting by frequency, of which little is left on a telephone.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from operator import mul

from ivr.own_voice.wav import RATE, Sound

BLOCK = 0.05
NOTHING = -120.0
# Blocks below this are silence whatever else there is; so far below the louder ones, they are pauses.
ABSOLUTE_GATE = -55.0
RELATIVE_GATE = 12.0
# What is left of the silence before the first word and after the last, in seconds.
LEAD, TAIL = 0.08, 0.2
# Quieter than the speech by so much is before or after it. The first consonant of a word is a soft one.
_EDGE = 30.0
# Zero crossings of the low-pass on either side, and how much of the band it lets through.
_CROSSINGS, _BAND = 12, 0.92
# So many samples in a row at the very top have been cut off by whatever recorded them.
_CUT_RUN, _TOP = 3, 0.999


def decibels(ratio: float) -> float:
    return 20 * math.log10(ratio) if ratio > 1e-6 else NOTHING


def times(decibel: float) -> float:
    return float(10 ** (decibel / 20))


def peak(samples: Sequence[float]) -> float:
    """In dBFS."""
    return decibels(max(map(abs, samples), default=0.0))


def cut_off(samples: Sequence[float]) -> int:
    """How many times the sound was louder than its recorder could write down."""
    runs = run = 0
    before = 0.0
    for sample in samples:
        if (sample >= _TOP and before >= _TOP) or (sample <= -_TOP and before <= -_TOP):
            run += 1
            runs += run == _CUT_RUN - 1
        else:
            run = 0
        before = sample
    return runs


def centred(samples: array[float]) -> array[float]:
    """Without the constant voltage that cheap sound cards add."""
    if not samples:
        return samples
    middle = math.fsum(samples) / len(samples)
    return array("d", (sample - middle for sample in samples))


def blocks(samples: Sequence[float], rate: int = RATE) -> list[float]:
    """The level of each block in dBFS."""
    size = max(1, int(rate * BLOCK))
    found = []
    for start in range(0, len(samples), size):
        part = samples[start : start + size]
        found.append(decibels(math.sqrt(sum(map(mul, part, part)) / len(part))))
    return found


def loudness(samples: Sequence[float], rate: int = RATE) -> float:
    """Of the speech, in dBFS; NOTHING if there is none."""
    heard = [level for level in blocks(samples, rate) if level > ABSOLUTE_GATE]
    if not heard:
        return NOTHING
    gate = _together(heard) - RELATIVE_GATE
    return _together([level for level in heard if level > gate])


def trimmed(samples: array[float], rate: int = RATE) -> array[float]:
    """Without the silence before and after the speech."""
    levels = blocks(samples, rate)
    edge = max(ABSOLUTE_GATE, loudness(samples, rate) - _EDGE)
    heard = [place for place, level in enumerate(levels) if level > edge]
    if not heard:
        return array("d")
    size = int(rate * BLOCK)
    begin = max(0, heard[0] * size - int(LEAD * rate))
    end = min(len(samples), (heard[-1] + 1) * size + int(TAIL * rate))
    return samples[begin:end]


def louder(samples: array[float], by: float) -> array[float]:
    """By so many decibels."""
    factor = times(by)
    return array("d", (sample * factor for sample in samples))


def at_telephone_rate(sound: Sound) -> array[float]:
    """The same at RATE: a windowed sinc, which lets through what a telephone does and nothing above it."""
    if sound.rate == RATE:
        return sound.samples
    common = math.gcd(sound.rate, RATE)
    up, down = RATE // common, sound.rate // common
    half = _half(up, down)
    padded = array("d", bytes(8 * half)) + sound.samples + array("d", bytes(8 * (half + 1)))
    made = array("d")
    for place in range(len(sound.samples) * up // down):
        whole, phase = divmod(place * down, up)
        kernel = _kernel(up, down, phase)
        made.append(sum(map(mul, kernel, padded[whole : whole + len(kernel)])))
    return made


def _together(levels: Sequence[float]) -> float:
    """The level of blocks heard as one."""
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels) / len(levels))


def _half(up: int, down: int) -> int:
    return math.ceil(_CROSSINGS * max(1.0, down / up))


@lru_cache(maxsize=1024)
def _kernel(up: int, down: int, phase: int) -> tuple[float, ...]:
    """The low-pass around a place that lies `phase` parts of `up` behind a sample."""
    half = _half(up, down)
    cutoff = _BAND * min(1.0, up / down)
    found = []
    for tap in range(-half, half + 1):
        distance = tap - phase / up
        sinc = 1.0 if distance == 0 else math.sin(math.pi * cutoff * distance) / (math.pi * cutoff * distance)
        # Blackman's window.
        turn = math.pi * distance / (half + 1)
        window = 0.42 + 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)
        found.append(sinc * max(0.0, window))
    whole = sum(found)
    return tuple(each / whole for each in found)
