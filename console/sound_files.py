"""The recordings of messages in this machine's folder, for whoever sends one on."""

from __future__ import annotations

from console import case_story
from console.house import House


def content(house: House, name: str) -> bytes | None:
    """The sound of a recording, as MP3; None if its file is not on this machine, or cannot be read."""
    file = case_story.sound_file(house, name)
    if file is None:
        return None
    try:
        return file.read_bytes()  # some 1 MB at most
    except OSError:
        return None
