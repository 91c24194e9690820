"""Numbers in addresses and forms: no column holds a larger one, so whatever is larger is nobody's."""

from __future__ import annotations

from collections.abc import Iterable

LARGEST = 2**31 - 1
# As a place of a rule: f"/pins/<{ID}:pin_id>".
ID = f"int(max={LARGEST})"


def number(text: str | None) -> int:
    """The number a text is; 0 for anything that is no id."""
    found = int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return found if found <= LARGEST else 0


def numbers(texts: Iterable[str]) -> list[int]:
    """The ids among the texts, each once."""
    return [each for each in dict.fromkeys(map(number, texts)) if each]
