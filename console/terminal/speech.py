"""Speaks sentences through espeak-ng, if it is there. It never blocks, and its failing is no error."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections import deque
from collections.abc import Iterable

PROGRAM = "espeak-ng"
VOICES = {"en": "en-gb"}
WORDS_A_MINUTE = "165"
CALLER_PITCH, TECHNICIAN_PITCH = "50", "35"


def program() -> str | None:
    """Where espeak-ng is; None if it is not installed."""
    return shutil.which(PROGRAM)


class Speaker:
    """One voice at a time, sentence after sentence. Without a `program` it is silent."""

    def __init__(self, program: str | None) -> None:
        self._program = program
        self._waiting: deque[tuple[str, str, str]] = deque()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_speaking(self) -> bool:
        return self._process is not None or bool(self._waiting)

    def say(self, sentences: Iterable[tuple[str, str, bool]]) -> None:
        """Begin to say, after what is being said: text, language tag, whether the caller hears it."""
        if self._program is None:
            return
        for text, language, to_caller in sentences:
            base = language.partition("-")[0]
            pitch = CALLER_PITCH if to_caller else TECHNICIAN_PITCH
            self._waiting.append((text, VOICES.get(base, base), pitch))
        self.go_on()

    def go_on(self) -> None:
        """Begin the next sentence if the last one has been said. To be called now and then."""
        if self._process is not None:
            ended = self._process.poll()
            if ended is None:
                return
            self._process = None
            if ended > 0:  # no sound here, or no such voice: silence from now on
                self._program = None
                self._waiting.clear()
        if self._waiting and self._program is not None:
            self._begin(self._program, *self._waiting.popleft())

    def stop(self) -> None:
        """Silence at once, as a key stops a prompt."""
        self._waiting.clear()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()

    def _begin(self, program: str, text: str, voice: str, pitch: str) -> None:
        command = [program, "-v", voice, "-s", WORDS_A_MINUTE, "-p", pitch, "--stdin"]
        try:
            process = subprocess.Popen(  # noqa: S603 - a program of this machine, the text comes by its input
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError:
            self._program = None
            self._waiting.clear()
            return
        assert process.stdin is not None
        # A sentence is far shorter than a pipe holds, so this does not wait for the reader.
        with contextlib.suppress(OSError), process.stdin as into:
            into.write(text.encode())
        self._process = process
