"""Recordings: 16-bit mono WAV files as numbers, and several of them as one."""

from __future__ import annotations

import array
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FULL = 32_768


@dataclass(frozen=True)
class Sound:
    """`samples` from −1 to 1, `rate` of them a second."""

    samples: Sequence[float]
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def without(self, first: float) -> Sound:
        """The sound after its `first` seconds."""
        return Sound(self.samples[int(first * self.rate) :], self.rate)


def read(file: Path) -> Sound:
    """ValueError if it is not 16-bit mono."""
    with wave.open(str(file), "rb") as source:
        if (source.getsampwidth(), source.getnchannels()) != (2, 1):
            raise ValueError(f"{file.name} is not 16-bit mono")
        numbers = array.array("h", source.readframes(source.getnframes()))
        if sys.byteorder == "big":
            numbers.byteswap()
        return Sound([number / FULL for number in numbers], source.getframerate())


def join(parts: Sequence[Path], whole: Path) -> None:
    """Writes the parts, one after the other, as one file. ValueError if they differ in kind."""
    with wave.open(str(whole), "wb") as out:
        kind = None
        for part in parts:
            with wave.open(str(part), "rb") as source:
                this = (source.getnchannels(), source.getsampwidth(), source.getframerate())
                if kind is None:
                    kind = this
                    out.setnchannels(this[0])
                    out.setsampwidth(this[1])
                    out.setframerate(this[2])
                if this != kind:
                    raise ValueError(f"{part.name} is of another kind than the first")
                out.writeframes(source.readframes(source.getnframes()))
