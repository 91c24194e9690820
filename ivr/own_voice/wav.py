"""WAV files in and out: whatever a recorder makes of speech, as numbers between -1 and 1, and back.

Read are PCM of 8 to 32 bits, floating point of 32, and µ-law, in one or more channels, which are mixed into
one. Written is what a telephone plays: 8,000 samples a second of 16 bits, one channel.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RATE = 8000
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
MOST_CHANNELS = 8
_Reader = Callable[[bytes], "array[float]"]
_PCM, _FLOAT, _MULAW, _EXTENSIBLE = 1, 3, 7, 0xFFFE
# How files of other kinds begin, at which byte.
_OTHERS = (
    ("MP3", 0, b"ID3"),
    ("MP3", 0, b"\xff\xfb"),
    ("MP3", 0, b"\xff\xf3"),
    ("MP3", 0, b"\xff\xf2"),
    ("Ogg", 0, b"OggS"),
    ("FLAC", 0, b"fLaC"),
    ("WebM", 0, b"\x1a\x45\xdf\xa3"),
    ("AIFF", 0, b"FORM"),
    ("M4A", 4, b"ftyp"),
    ("AMR", 0, b"#!AMR"),
)


class RecordingRefused(Exception):
    """This cannot be played to callers. `reason` is a short name, `values` what a sentence about it needs."""

    def __init__(self, reason: str, text: str, **values: str | float | int) -> None:
        super().__init__(text)
        self.reason = reason
        self.values = values


@dataclass(frozen=True)
class Sound:
    """One channel: `rate` samples a second, each from -1 to 1."""

    rate: int
    samples: array[float]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def read(content: bytes, *, longest: float) -> Sound:
    """The sound of a WAV file, its channels mixed into one. Raises RecordingRefused: no WAV file, one of
    another encoding or rate, a damaged one, or one of more than `longest` seconds.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        kind = next((name for name, at, start in _OTHERS if content[at:].startswith(start)), "")
        raise RecordingRefused(
            "not-wav", f"not a WAV file{f', but {kind}' if kind else ''}", kind=kind or "?"
        )
    form, data = _chunks(content)
    encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if encoding == _EXTENSIBLE and len(form) >= 26:
        (encoding,) = struct.unpack_from("<H", form, 24)
    if rate not in RATES:
        raise RecordingRefused("rate", f"{rate} samples a second: not a usual rate", rate=rate)
    if not 1 <= channels <= MOST_CHANNELS:
        raise RecordingRefused("damaged", f"{channels} channels")
    if (encoding, bits) not in _READERS:
        raise RecordingRefused(
            "encoding", f"encoding {encoding} of {bits} bits: give PCM of 8 to 32 bits", encoding=encoding
        )
    frame = channels * bits // 8
    if len(data) // frame > longest * rate:
        raise RecordingRefused("long-file", f"longer than {longest:.0f} s", longest=int(longest))
    samples = _READERS[encoding, bits](data[: len(data) // frame * frame])
    return Sound(rate, _mixed(samples, channels))


def write(samples: Sequence[float]) -> bytes:
    """A WAV file of samples at RATE."""
    whole = array("h", (max(-32768, min(32767, round(sample * 32768))) for sample in samples))
    if sys.byteorder == "big":
        whole.byteswap()
    data = whole.tobytes()
    form = struct.pack("<HHIIHH", _PCM, 1, RATE, 2 * RATE, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", len(form))
    return head + form + b"data" + struct.pack("<I", len(data)) + data


def _chunks(content: bytes) -> tuple[bytes, bytes]:
    """The format and the samples. A recorder that was cut off leaves a length that is too large, or none."""
    form = b""
    at = 12
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        body = content[at + 8 : at + 8 + length]
        if name == b"fmt ":
            form = body
        elif name == b"data" and len(form) >= 16:
            return form, body if length else content[at + 8 :]
        at += 8 + length + length % 2
    raise RecordingRefused("damaged", "the WAV file is damaged: it has no sound")


def _mixed(samples: array[float], channels: int) -> array[float]:
    if channels == 1:
        return samples
    each = [samples[channel::channels] for channel in range(channels)]
    return array("d", (sum(frame) / channels for frame in zip(*each, strict=True)))


def _integers(code: str, scale: float) -> _Reader:
    def reader(data: bytes) -> array[float]:
        whole = array(code, data)
        if sys.byteorder == "big":
            whole.byteswap()
        return array("d", (each / scale for each in whole))

    return reader


def _of_8(data: bytes) -> array[float]:
    return array("d", ((each - 128) / 128 for each in data))


def _of_24(data: bytes) -> array[float]:
    # The upper three bytes of a number of 32 bits.
    wide = bytearray(len(data) // 3 * 4)
    for place in range(3):
        wide[place + 1 :: 4] = data[place::3]
    return _READERS[_PCM, 32](bytes(wide))


def _floats(data: bytes) -> array[float]:
    found = array("f", data)
    if sys.byteorder == "big":
        found.byteswap()
    # What is no number, or far beyond the scale, is noise of a broken file.
    return array("d", (each if -8 <= each <= 8 else 0.0 for each in found))


def _of_mulaw(data: bytes) -> array[float]:
    return array("d", map(_MULAW_TABLE.__getitem__, data))


def _mulaw(byte: int) -> float:
    """ITU-T G.711: sign, three bits of exponent, four of mantissa, all inverted."""
    byte = ~byte & 0xFF
    size = (((byte & 0x0F) << 3) + 0x84 << (byte >> 4 & 0x07)) - 0x84
    return (-size if byte & 0x80 else size) / 32768


_MULAW_TABLE = [_mulaw(byte) for byte in range(256)]
_READERS: dict[tuple[int, int], _Reader] = {
    (_PCM, 8): _of_8,
    (_PCM, 16): _integers("h", 32768),
    (_PCM, 24): _of_24,
    (_PCM, 32): _integers("i", 2147483648),
    (_FLOAT, 32): _floats,
    (_MULAW, 8): _of_mulaw,
}
