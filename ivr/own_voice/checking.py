"""Whether a recording may be played to callers, and how it is made fit for it.

Everything a caller hears comes at about the same loudness, begins at once and is not longer than the sentence
it replaces would be if it were spoken: how long people listen, and how soon a technician rings, was measured
with the spoken ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivr.own_voice import levels, wav
from ivr.own_voice.shelf import digest_of
from ivr.own_voice.wav import RecordingRefused

# As a voice speaks, roughly; and what a sentence may take at most, in seconds.
CHARACTERS_A_SECOND = 14
LONGEST, LONGEST_MENU = 12.0, 15.0
SHORTEST = 0.3
# Somebody reads more slowly than the voice speaks: so many times as long, or so many seconds more.
SLOWER, SLOWER_BY = 1.5, 1.5
# Quicker than this, words are missing.
QUICKER = 0.4
# A file is looked at up to here; what it has beyond silence must be shorter.
LONGEST_FILE = 30.0
LARGEST_FILE = 4_000_000
# How loud speech is made, and between which levels it may end up where its peaks leave no room.
TARGET, QUIETEST = -18.0, -24.0
PEAK = -1.0
# Noise grows with the speech when that is made louder.
MOST_GAIN = 20.0
# How often it may have been too loud for its recorder.
MOST_CUTS = 5


@dataclass(frozen=True)
class Prepared:
    """A recording as it is played: a WAV file, the name by which it is known, and what was found and done."""

    content: bytes
    digest: str
    seconds: float
    # Of the speech, before and after, in dBFS; and the peak after.
    was: float
    loudness: float
    peak: float
    # Seconds of silence that were taken away.
    trimmed: float


def seconds_allowed(text: str, *, menu: bool = False) -> tuple[float, float]:
    """How short and how long a recording of `text` may be."""
    spoken = len(text) / CHARACTERS_A_SECOND
    slowly = min(LONGEST_MENU if menu else LONGEST, max(spoken * SLOWER, spoken + SLOWER_BY))
    return max(SHORTEST, spoken * QUICKER), max(spoken, slowly)


def prepare(content: bytes, text: str, *, menu: bool = False) -> Prepared:
    """The recording of `text`, fit to be played. Raises RecordingRefused."""
    if len(content) > LARGEST_FILE:
        raise RecordingRefused("large", f"the file has more than {LARGEST_FILE // 1_000_000} MB")
    sound = wav.read(content, longest=LONGEST_FILE)
    # Looked for before anything is changed: a cut top is flat only there.
    cuts = levels.cut_off(sound.samples)
    whole = levels.at_telephone_rate(wav.Sound(sound.rate, levels.centred(sound.samples)))
    speech = levels.trimmed(whole)
    was = levels.loudness(speech)
    if len(speech) < SHORTEST * wav.RATE or was == levels.NOTHING:
        raise RecordingRefused("silent", "there is no speech in it")
    if cuts > MOST_CUTS:
        raise RecordingRefused("clipped", f"it is too loud for its recorder in {cuts} places", cuts=cuts)
    if TARGET - was > MOST_GAIN:
        raise RecordingRefused(
            "quiet",
            f"it is too quiet: {was:.0f} dBFS, expected at least {TARGET - MOST_GAIN:.0f}",
            was=round(was),
        )
    seconds = len(speech) / wav.RATE
    _check_length(seconds, text, menu=menu)
    gain = min(TARGET - was, PEAK - levels.peak(speech))
    if was + gain < QUIETEST:
        raise RecordingRefused(
            "uneven", "a noise in it is much louder than the speech", above=round(levels.peak(speech) - was)
        )
    fit = levels.louder(speech, gain)
    made = wav.write(fit)
    return Prepared(
        made,
        digest_of(made),
        seconds,
        was,
        levels.loudness(fit),
        levels.peak(fit),
        sound.seconds - seconds,
    )


def _check_length(seconds: float, text: str, *, menu: bool) -> None:
    shortest, longest = seconds_allowed(text, menu=menu)
    if seconds > longest:
        raise RecordingRefused(
            "long",
            f"it takes {seconds:.1f} s; this sentence may take {longest:.1f} s",
            seconds=round(seconds, 1),
            longest=round(longest, 1),
        )
    if seconds < shortest:
        raise RecordingRefused(
            "short",
            f"it takes {seconds:.1f} s; read in full the sentence takes at least {shortest:.1f} s",
            seconds=round(seconds, 1),
            shortest=round(shortest, 1),
        )
