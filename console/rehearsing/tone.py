"""A sound for recordings that nobody spoke: quiet beeps as an MP3, as the telephone network would deliver it.

MPEG-2 Layer III, 16 kHz, mono, 32 kbit/s: 144 bytes are a frame of 576 samples. Each frame says one line of
the spectrum, or none.
"""

from __future__ import annotations

RATE, SAMPLES, FRAME = 16_000, 576, 144
# Layer III of MPEG-2 without a checksum; 32 kbit/s at 16 kHz; one channel.
HEADER = bytes((0xFF, 0xF3, 0x48, 0xC4))
# Two quantised lines at a time, up to the pair that sounds: line 32 of 576 is 450 Hz.
PAIR = 16
GAIN = 200
# A steady tone between two lines turns by a quarter of a circle from frame to frame.
SIGNS = "0110"
# Of each 16 frames (0.58 s) the first nine sound.
SOUNDING, BEEP = 9, 16


def tone(seconds: int) -> bytes:
    """So many seconds of it, in whole frames."""
    frames = range(round(seconds * RATE / SAMPLES))
    return b"".join(_frame(n) for n in frames)


def _frame(n: int) -> bytes:
    sounds = n % BEEP < SOUNDING
    # Huffman table 1: "1" is a pair of zeros, "01" and a sign a one before a zero.
    lines = "1" * PAIR + "01" + SIGNS[n % 4] if sounds else ""
    side = [
        (0, 9),  # the data begin in this frame; private
        (len(lines), 12),
        (PAIR + 1 if sounds else 0, 9),
        (GAIN, 8),
        (0, 9 + 1),  # no scale factors; one long window
        (1, 5),
        (1, 5),
        (1, 5),
        (0, 4 + 3),  # regions, of which each has table 1
        (0, 2),
    ]
    bits = "".join(f"{value:0{width}b}" for value, width in side) + lines
    content = int(bits.ljust((FRAME - len(HEADER)) * 8, "0"), 2)
    return HEADER + content.to_bytes(FRAME - len(HEADER))
