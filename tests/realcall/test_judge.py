"""What a call is judged by: each thing that may be wrong is found."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import pytest

from realcall.judge import Check, audible, crossed, held, written_down
from realcall.sound import Sound, join, read
from realcall.test_tone import RATE, mixed, noise, sine

SILENCE = Sound([0.0] * (4 * RATE), RATE)
TALK = Sound(sine(1000, 3, 0.25), RATE)
WHISPER = Sound(noise(4, 0.05), RATE)
CALL = {"outcome": "connected", "ended": "then", "urgency": "P1", "case": "2026-00001"}
CASE: dict[str, Any] = {
    "number": "2026-00001",
    "code": "4712",
    "urgency": "P1",
    "connected_at": "then",
    "attempts": [
        {"technician": "anna", "result": "declined"},
        {"technician": "bruno", "result": "connected"},
    ],
}
RANG = [("anna", "declined"), ("bruno", "connected")]


def wrong(checks: list[Check]) -> list[str]:
    return [check.what for check in checks if not check.holds]


@pytest.mark.parametrize("before", [SILENCE, WHISPER], ids=["silence", "somebody speaks"])
def test_a_tone_that_comes_with_the_key(before: Sound) -> None:
    assert wrong(crossed("she", 1000, before, TALK)) == []


@pytest.mark.parametrize("seconds", [0.25, 4.0])
def test_a_tone_that_was_there_before_the_key(seconds: float) -> None:
    leak = sine(1000, seconds, 0.25) + [0.0] * round((4 - seconds) * RATE)
    before = Sound(mixed(leak, noise(4, 0.05)), RATE)
    assert wrong(crossed("she", 1000, before, TALK)) == ["she hears none of it before the key"]


@pytest.mark.parametrize(
    "talk",
    [Sound(sine(1010, 3, 0.25), RATE), Sound(mixed(sine(1000, 3, 0.1), noise(3, 0.3)), RATE)],
    ids=["another tone", "more noise than tone"],
)
def test_a_tone_that_is_not_the_one(talk: Sound) -> None:
    assert "what she hears after the key is 1000 Hz" in wrong(crossed("she", 1000, SILENCE, talk))


def test_nothing_crosses() -> None:
    assert wrong(crossed("she", 1000, SILENCE, SILENCE)) == [
        "what she hears after the key is 1000 Hz",
        "she hears none of it before the key",
    ]
    assert not audible("she heard it", SILENCE).holds
    assert audible("she heard it", WHISPER).holds


def test_a_frequency_is_printed() -> None:
    assert "1000.0 Hz" in held("the message", 1000, TALK).found


def test_the_journal_tells_the_same() -> None:
    assert wrong(written_down(CALL, CASE, RANG)) == []


@pytest.mark.parametrize(
    ("call", "case", "what"),
    [
        ({"outcome": "message"}, {}, "the call's outcome is connected"),
        ({"ended": None}, {}, "the call has ended"),
        ({"urgency": "P2"}, {}, "the urgency is P1"),
        ({}, {"urgency": "P1+"}, "the urgency is P1"),
        ({"case": "2026-00002"}, {}, "the case is the call's"),
        ({}, {"attempts": CASE["attempts"][1:]}, "the attempts are those that rang"),
        ({}, {"connected_at": None}, "the case was connected"),
    ],
)
def test_the_journal_tells_another_story(call: dict[str, Any], case: dict[str, Any], what: str) -> None:
    assert wrong(written_down(CALL | call, CASE | case, RANG)) == [what]


def written(file: Path, samples: bytes, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)
    return file


def test_recordings_are_read_and_joined(tmp_path: Path) -> None:
    one = written(tmp_path / "1.wav", b"\x00\x40" * 100)
    other = written(tmp_path / "2.wav", b"\x00\xc0" * 50)
    join([one, other], tmp_path / "whole.wav")
    sound = read(tmp_path / "whole.wav")
    assert (sound.rate, list(sound.samples)) == (RATE, [0.5] * 100 + [-0.5] * 50)
    assert sound.seconds == 150 / RATE
    assert len(sound.without(0.01).samples) == 70


def test_recordings_of_another_kind(tmp_path: Path) -> None:
    one, other = written(tmp_path / "1.wav", b""), written(tmp_path / "2.wav", b"", rate=16_000)
    with pytest.raises(ValueError, match=r"2\.wav"):
        join([one, other], tmp_path / "whole.wav")
    with pytest.raises(ValueError, match="mono"):
        read(written(tmp_path / "3.wav", b"", channels=2))
