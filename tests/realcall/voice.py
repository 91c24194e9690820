"""Sentences as sound, by espeak-ng: 16-bit PCM WAV files, each made once."""

from __future__ import annotations

import asyncio
from pathlib import Path

VOICES = {"it": "it", "de": "de", "en-US": "en-us", "en": "en-gb"}
PLAIN = "en-us"  # Twilio reads in English what names no language
WORDS_A_MINUTE = 190


def voice_for(language: str) -> str:
    """The voice of a TwiML language such as it-IT."""
    return VOICES.get(language) or VOICES.get(language.partition("-")[0], PLAIN)


class Voice:
    """Speaks into files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said: dict[tuple[str, str], Path] = {}

    async def say(self, text: str, language: str) -> Path:
        """The file in which `text` is spoken. RuntimeError if espeak-ng fails."""
        what = (text, voice_for(language))
        if what not in self._said:
            file = self._folder / f"said-{len(self._said)}.wav"
            program = await asyncio.create_subprocess_exec(
                *("espeak-ng", "-v", what[1], "-s", str(WORDS_A_MINUTE), "--stdin", "-w", str(file)),
                stdin=asyncio.subprocess.PIPE,
            )
            await program.communicate(text.encode())
            if program.returncode or not file.exists():
                raise RuntimeError(f"espeak-ng ended with {program.returncode}")
            self._said[what] = file
        return self._said[what]
