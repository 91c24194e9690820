"""A list to choose from by typing the beginning of a word, or with the arrows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.rehearsing.stage import Choice


class Chooser:
    """`chosen` is called with the choice; the list is then done. Escape leaves it without a choice."""

    def __init__(
        self, title: str, choices: Sequence[Choice], chosen: Callable[[Choice], None], *, first: str = ""
    ) -> None:
        """`first` is the name of the choice that is marked to begin with."""
        self.title = title
        self.typed = ""
        self.done = False
        self._choices = tuple(choices)
        self._chosen = chosen
        self._place = next((i for i, choice in enumerate(choices) if choice.name == first), 0)

    @property
    def matching(self) -> list[Choice]:
        """Those with a word, in name or title, that begins as typed; all while nothing is typed."""
        return [choice for choice in self._choices if _matches(choice, self.typed)]

    @property
    def marked(self) -> Choice | None:
        found = self.matching
        return found[min(self._place, len(found) - 1)] if found else None

    def press(self, key: str) -> None:
        """One key, by name."""
        match key:
            case "escape":
                self.done = True
            case "enter" | "tab" if self.marked is not None:
                self.done = True
                self._chosen(self.marked)
            case "up":
                self._place = max(self._place - 1, 0)
            case "down":
                self._place = min(self._place + 1, max(len(self.matching) - 1, 0))
            case "backspace":
                self.typed, self._place = self.typed[:-1], 0
            case _ if len(key) == 1:
                self.typed, self._place = self.typed + key, 0


def _matches(choice: Choice, typed: str) -> bool:
    words = f"{choice.name} {choice.title} {choice.detail}".casefold()
    return words.startswith(typed.casefold()) or f" {typed.casefold()}" in words
