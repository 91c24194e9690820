"""What sounds on a line, and what of it is written down: players, tones, recorders, a bridge. By PJSUA2.

Each is a port of the conference bridge that PJSUA has in every process; its clock moves the sound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pjsua2 as pj

from realcall.sip import RATE

LOUDNESS = 8000  # of 32,767: well below where PCMU clips
RINGS_IN_ITALY = (425, 1000, 4000)  # Hz, ms of sound, ms of silence


class _Player(pj.AudioMediaPlayer):
    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()

    def onEof2(self) -> None:  # noqa: N802
        self.over.set()


async def play(file: Path, into: pj.AudioMedia) -> None:
    """Plays a WAV file to its end, or until cancelled."""
    player = _Player()
    player.createPlayer(str(file), pj.PJMEDIA_FILE_NO_LOOP)
    player.startTransmit(into)
    try:
        await player.over.wait()
    finally:
        _part(player, into)


@contextmanager
def tone(into: pj.AudioMedia, hz: int, on: int = 1000, off: int = 0) -> Iterator[None]:
    """A tone for as long as the context lasts; `on` ms of it, then `off` ms of silence, and again."""
    generator = pj.ToneGenerator()
    generator.createToneGenerator(RATE, 1)
    wanted = pj.ToneDesc()
    wanted.freq1, wanted.freq2, wanted.on_msec, wanted.off_msec, wanted.volume = hz, 0, on, off, LOUDNESS
    generator.play(pj.ToneDescVector([wanted]), True)
    generator.startTransmit(into)
    try:
        yield
    finally:
        _part(generator, into)


class Recorder:
    """Writes what `source` sends into a WAV file, from now until `close`."""

    def __init__(self, source: pj.AudioMedia, file: Path) -> None:
        self.file = file
        self._source = source
        self._port: pj.AudioMediaRecorder | None = pj.AudioMediaRecorder()
        self._port.createRecorder(str(file))
        source.startTransmit(self._port)

    async def close(self) -> None:
        """The file is whole afterwards. PJSUA closes it on its own clock, which tells nobody: the header,
        written last, does.
        """
        port, self._port = self._port, None
        if port is None:
            return
        _part(self._source, port)
        del port
        while not _is_whole(self.file):
            await asyncio.sleep(0.005)


def _is_whole(file: Path) -> bool:
    """The header tells the length that the file has."""
    with file.open("rb") as source:
        header = source.read(8)
    return int.from_bytes(header[4:8], "little") + 8 == file.stat().st_size


def bridge(one: pj.AudioMedia, other: pj.AudioMedia) -> None:
    """Each hears the other."""
    one.startTransmit(other)
    other.startTransmit(one)


def part(one: pj.AudioMedia, other: pj.AudioMedia) -> None:
    _part(one, other)
    _part(other, one)


def _part(source: pj.AudioMedia, sink: pj.AudioMedia) -> None:
    with suppress(pj.Error):  # either may be gone with its call
        source.stopTransmit(sink)
