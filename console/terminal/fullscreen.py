"""The telephone on the whole screen: keys in, session on, picture and voice out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from console.phone.events import CALLER
from console.terminal.hands import Hands
from console.terminal.keyboard import Keyboard
from console.terminal.screen import draw
from console.terminal.speech import Speaker

TICK = 0.1  # seconds between two pictures while something moves
IDLE = 0.4  # … and while nothing does: a window that was resized is drawn anew
FRAMES_A_SECOND = 2


def run(hands: Hands, keyboard: Keyboard, speaker: Speaker, console: Console) -> None:
    """Play until somebody quits. The terminal is then as it was, whatever happened.

    A call that is going on is hung up, also when a bug ends the program: that is then raised.
    """
    with _quiet_logs(hands), speaker, keyboard, _screen(console) as live:
        try:
            _play(
                hands, keyboard, speaker, lambda frame: live.update(draw(hands, console, frame), refresh=True)
            )
        except (KeyboardInterrupt, EOFError):
            pass
        finally:
            hands.leave()


def _play(hands: Hands, keyboard: Keyboard, speaker: Speaker, show: Callable[[int], None]) -> None:
    began, moves = time.monotonic(), -1
    while not hands.done:
        if hands.session.moves != moves:
            moves = hands.session.moves
            speaker.stop()
            speaker.say((s.heard.text, s.heard.language, s.heard.party == CALLER) for s in hands.sentences)
        show(int((time.monotonic() - began) * FRAMES_A_SECOND))
        moving = hands.speaking or hands.session.state == "ringing"
        for key in keyboard.keys(TICK if moving or speaker.is_speaking else IDLE):
            speaker.stop()
            hands.press(key)
        speaker.go_on()
        hands.tick()


@contextmanager
def _screen(console: Console) -> Iterator[Live]:
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        yield live


class _ToMessage(logging.Handler):
    """An error of the program is told in the message line; less than that would only tear the picture."""

    def __init__(self, hands: Hands) -> None:
        super().__init__(logging.ERROR)
        self._hands = hands

    def emit(self, record: logging.LogRecord) -> None:
        self._hands.message = f"the program reports an error: {record.getMessage()}"


@contextmanager
def _quiet_logs(hands: Hands) -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [_ToMessage(hands)]
    try:
        yield
    finally:
        root.handlers[:] = before
