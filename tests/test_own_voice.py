"""A recording is read, measured and made fit for the telephone; what callers could not bear is refused."""

from __future__ import annotations

import math
from array import array
from contextlib import suppress

import pytest
from making import EXAMPLE, NIGHT, ROME
from voices import file_of, murmur, reading, silence

from console.settings import load
from ivr.own_voice import checking, levels, lines, wav
from ivr.own_voice.checking import prepare, seconds_allowed
from ivr.own_voice.wav import RecordingRefused, Sound
from ivr.prompts import Speaker, catalogue, spoken_languages

# Two seconds as the voice speaks.
TEXT = "x" * 28
SETTINGS = load(EXAMPLE, {})
SPEAKER = Speaker("Cloudfabric", ROME, SETTINGS.urgency)


def heard(content: bytes) -> Sound:
    return wav.read(content, longest=60)


def refusal(content: bytes, text: str = TEXT) -> str:
    with pytest.raises(RecordingRefused) as refused:
        prepare(content, text)
    assert str(refused.value)
    return refused.value.reason


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "near"),
    [
        ("8", 0.01),
        ("16", 1e-4),
        ("24", 1e-4),
        ("32", 1e-4),
        ("float", 1e-6),
        ("extensible", 1e-4),
        ("mulaw", 0.02),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_encoding_says_the_same(encoding: str, near: float, channels: int) -> None:
    samples = murmur(0.2, -12)
    found = heard(file_of(samples, encoding=encoding, channels=channels))
    assert found.rate == 8000
    assert len(found.samples) == len(samples)
    assert max(abs(a - b) for a, b in zip(found.samples, samples, strict=True)) < near


def test_what_is_written_is_read_again() -> None:
    made = wav.write([0.0, 0.5, -0.5, 1.0, -1.0, 2.0])
    assert [round(each, 3) for each in heard(made).samples] == [0.0, 0.5, -0.5, 1.0, -1.0, 1.0]
    assert wav.write(heard(made).samples) == made


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 48000])
def test_a_tone_stays_the_same_at_another_rate(rate: int) -> None:
    """Against the tone itself at the telephone's rate, away from its two ends."""
    given = [0.5 * math.sin(2 * math.pi * 1000 * n / rate) for n in range(rate // 4)]
    found = levels.at_telephone_rate(Sound(rate, array("d", given)))
    assert abs(len(found) - 2000) <= 1
    wanted = [0.5 * math.sin(2 * math.pi * 1000 * n / 8000) for n in range(2000)]
    assert max(abs(found[n] - wanted[n]) for n in range(200, 1800)) < 0.01


@pytest.mark.parametrize("hertz", [5000, 7000, 11000])
def test_what_no_telephone_carries_does_not_come_back_as_another_tone(hertz: int) -> None:
    given = array("d", [0.5 * math.sin(2 * math.pi * hertz * n / 48000) for n in range(12000)])
    found = levels.at_telephone_rate(Sound(48000, given))
    assert levels.peak(found[200:1800]) < -50


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not-wav"),
        (b"hello", "not-wav"),
        (b"ID3\x04" + bytes(500), "not-wav"),
        (b"\xff\xfb\x90" + bytes(500), "not-wav"),
        (b"OggS" + bytes(500), "not-wav"),
        (b"RIFF\0\0\0\0WAVE", "damaged"),
        (file_of(murmur(1))[:30], "damaged"),
        (file_of(murmur(1))[:60], "damaged"),
        (file_of(murmur(1), rate=8001), "rate"),
        (file_of(murmur(1)).replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x55\0"), "encoding"),
        (file_of(silence(31)), "long-file"),
        (bytes(4_000_001), "large"),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, reason: str) -> None:
    if reason == "damaged" and len(content) == 60:
        # The header alone: a recorder that never closed its file. There is no speech in what is left.
        reason = "silent"
    assert refusal(content) == reason


def test_an_mp3_is_called_by_its_name() -> None:
    with pytest.raises(RecordingRefused, match="not a WAV file, but MP3"):
        prepare(b"ID3\x04" + bytes(500), TEXT)


@pytest.mark.parametrize("place", range(0, 60))
def test_a_file_with_any_byte_of_its_head_changed_is_read_or_refused(place: int) -> None:
    whole = bytearray(file_of(murmur(0.1)))
    for value in (0, 1, 127, 255):
        whole[place] = value
        with suppress(RecordingRefused):
            wav.read(bytes(whole), longest=60)


# -- what is heard -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", [-36, -30, -24, -18, -12])
def test_whoever_reads_softly_or_loudly_is_heard_alike(level: float) -> None:
    made = prepare(file_of([*silence(0.5), *murmur(2, level), *silence(0.5)]), TEXT)
    assert abs(made.was - level) < 1.5
    assert abs(made.loudness - checking.TARGET) < 0.2
    assert abs(levels.loudness(heard(made.content).samples) - checking.TARGET) < 0.2
    assert made.peak <= checking.PEAK + 0.01


def test_pauses_do_not_make_it_louder() -> None:
    """The loudness is that of the words: long pauses between them would count as soft ones otherwise."""
    words = murmur(1, -20)
    paused = [*words, *silence(1.5), *words, *silence(1.5), *words]
    assert abs(levels.loudness(paused) - levels.loudness(words)) < 0.3


def test_the_silence_around_it_is_taken_away_and_the_words_are_not() -> None:
    made = prepare(file_of([*silence(2), *murmur(2), *silence(3)]), TEXT)
    assert 2.0 <= made.seconds <= 2.4
    assert 4.5 <= made.trimmed <= 5.0
    first = next(n for n, sample in enumerate(heard(made.content).samples) if abs(sample) > 0.01)
    assert 0.05 <= first / 8000 <= 0.15


def test_the_hum_of_a_cheap_sound_card_is_taken_out() -> None:
    shifted = [0.2 + sample for sample in [*silence(0.5), *murmur(2), *silence(0.5)]]
    made = prepare(file_of(shifted), TEXT)
    samples = heard(made.content).samples
    assert abs(math.fsum(samples) / len(samples)) < 0.003
    assert made.seconds < 2.5


def test_a_recording_is_known_by_its_content() -> None:
    made = prepare(reading(TEXT), TEXT)
    assert made == prepare(reading(TEXT), TEXT)
    assert made.digest == checking.digest_of(made.content)
    assert made.digest != prepare(reading(TEXT, hertz=300), TEXT).digest


def too_loud() -> bytes:
    return file_of([max(-1.0, min(1.0, sample)) for sample in murmur(2, 3)])


def knocked() -> bytes:
    """A soft voice, and somebody knocks at the microphone."""
    return file_of([*murmur(1, -34), *([0.95, -0.95] * 20), *murmur(1, -34)])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_of(silence(2)), "silent"),
        (file_of([0.0005 * (-1) ** n for n in range(16000)]), "silent"),
        (file_of([*silence(1), *murmur(0.1), *silence(1)]), "short"),
        (too_loud(), "clipped"),
        (file_of(murmur(2, -44)), "quiet"),
        (knocked(), "uneven"),
        (file_of(murmur(4)), "long"),
        (file_of(murmur(0.5)), "short"),
    ],
)
def test_what_callers_could_not_bear_is_refused(content: bytes, reason: str) -> None:
    assert refusal(content) == reason


@pytest.mark.parametrize(
    ("characters", "menu", "allowed"),
    [(7, False, (0.3, 2.0)), (70, False, (2.0, 7.5)), (140, False, (4.0, 12.0)), (210, True, (6.0, 15.0))],
)
def test_a_recording_takes_about_as_long_as_the_voice(
    characters: int, menu: bool, allowed: tuple[float, float]
) -> None:
    assert seconds_allowed("x" * characters, menu=menu) == pytest.approx(allowed)


# -- which sentences ---------------------------------------------------------------------------


def test_whole_sentences_that_are_always_the_same_can_be_recorded() -> None:
    found = {each.name: each for each in lines.sentences(SPEAKER, "it", NIGHT)}
    assert list(found) == list(catalogue("it").sentences)
    assert [each.place for each in found.values()] == list(range(1, len(found) + 1))
    assert found["welcome-night"].text.startswith("Cloudfabric, emergenze fuori orario.")
    assert {name: each.why for name, each in found.items() if name in (
        "welcome-night", "goodbye", "urgency-menu", "not-covered", "greeting", "definitions", "write-to",
        "technician-keys", "out-keys", "screening-wait", "stand-in-nobody")
    } == {
        "welcome-night": "", "goodbye": "", "urgency-menu": "", "not-covered": "", "greeting": "variable",
        "definitions": "pieces", "write-to": "part", "technician-keys": "technician",
        "out-keys": "technician", "screening-wait": "screening", "stand-in-nobody": "stand-in",
    }  # fmt: skip
    assert found["code-known-taken"].variable == ("since", "technician")
    assert "{since}" in found["code-known-taken"].text


@pytest.mark.parametrize("language", spoken_languages())
def test_no_sentence_that_can_be_recorded_has_a_place_in_it(language: str) -> None:
    found = [each for each in lines.sentences(SPEAKER, language, NIGHT) if each.recordable]
    assert len(found) > 30
    assert [each.name for each in found if "{" in each.text or each.variable] == []
    # It would not be found in a call: there it is said in one piece, with these very words.
    for each in found:
        shortest, longest = seconds_allowed(each.text, menu=each.name == lines.MENU)
        assert shortest <= len(each.text) / 14 <= longest


def test_a_sentence_that_stays_spoken_cannot_be_recorded() -> None:
    for name in ("greeting", "definitions", "technician-keys", "screening-wait", "stand-in-nobody"):
        sentence = lines.sentence(SPEAKER, "it", NIGHT, name)
        with pytest.raises(RecordingRefused, match="stays spoken") as refused:
            lines.recorded(sentence, reading(sentence.text))
        assert refused.value.reason == f"spoken-{sentence.why}"
    with pytest.raises(LookupError):
        lines.sentence(SPEAKER, "it", NIGHT, "no-such-sentence")
