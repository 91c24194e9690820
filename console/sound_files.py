"""The recordings of messages in this machine's folder, for whoever sends one on."""

from __future__ import annotations

from console import case_story
from console.house import House


def content(house: House, name: str) -> bytes | None:
    """The sound of a recording, as MP3; None if its file is not on this machine, or cannot be read."""
    heard = case_story.sound(house, name)
    return None if heard is None else heard.getvalue()  # some 1 MB at most
