"""Recordings as people make them: something like speech in a WAV file, at any rate, level and encoding."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence

from ivr.own_voice import wav


def murmur(seconds: float, level: float = -20.0, *, rate: int = 8000, hertz: float = 440.0) -> list[float]:
    """Syllables: a tone that swells four times a second. `level` is its loudness in dBFS, roughly."""
    # A tone is 3 dB below its peak; that of a swell, of which half a second counts, 4 dB more.
    height = 10 ** ((level + 6.2) / 20)
    return [
        height * math.sin(2 * math.pi * hertz * n / rate) * abs(math.sin(4 * math.pi * n / rate))
        for n in range(int(seconds * rate))
    ]


def silence(seconds: float, rate: int = 8000) -> list[float]:
    return [0.0] * int(seconds * rate)


def file_of(samples: Sequence[float], *, rate: int = 8000, channels: int = 1, encoding: str = "16") -> bytes:
    """A WAV file. `encoding`: bits of PCM, "float", "extensible" (PCM of 16 bits) or "mulaw"."""
    spread = [sample for sample in samples for _ in range(channels)]
    match encoding:
        case "8":
            tag, bits, data = 1, 8, bytes(round(128 + 127 * each) for each in spread)
        case "24":
            tag, bits = 1, 24
            data = b"".join(struct.pack("<i", round(each * 8388607))[:3] for each in spread)
        case "32":
            tag, bits, data = 1, 32, array("i", [round(each * 2147483647) for each in spread]).tobytes()
        case "float":
            tag, bits, data = 3, 32, array("f", spread).tobytes()
        case "mulaw":
            tag, bits = 7, 8
            table = [(wav._mulaw(byte), byte) for byte in range(256)]
            data = bytes(min(table, key=lambda pair: abs(pair[0] - each))[1] for each in spread)
        case _:
            tag = 0xFFFE if encoding == "extensible" else 1
            bits, data = 16, array("h", [round(max(-1, min(1, s)) * 32767) for s in spread]).tobytes()
    size = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * size, size, bits)
    if encoding == "extensible":
        form += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", 1) + bytes(14)
    # Recorders write notes of their own before the sound.
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + extra + b"data"
    return b"RIFF" + struct.pack("<I", len(body) + 4 + len(data)) + body + struct.pack("<I", len(data)) + data


def reading(text: str, *, seconds: float | None = None, level: float = -20.0, hertz: float = 440.0) -> bytes:
    """Somebody who reads `text` at the pace of the voice, with a breath before and after."""
    length = len(text) / 14 if seconds is None else seconds
    return file_of([*silence(0.4), *murmur(max(0.4, length), level, hertz=hertz), *silence(0.6)])
