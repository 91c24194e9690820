"""The telephone without a screen: commands from a file or a pipe, a plain transcript.

Nothing is asked, and every line is written as soon as it is known, so that a program may hold the
other end and answer what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from console.phone import OutOfTurn, lines
from console.phone.exchange import NeverSettles
from console.rehearsing.orders import NotUnderstood, Quit, obey
from console.rehearsing.stage import Stage

Write = Callable[[str], None]


class WrongOrder(Exception):
    """A line could not be done; what had happened until then stands. The message names the line."""


def run(
    stage: Stage, orders: Iterable[str], write: Write, *, caller: str, number: str, requests: bool = False
) -> None:
    """Do what each line says; at the end a call that is going on is hung up.

    Raises WrongOrder at the first line that cannot be done.
    """
    session = stage.session
    session.on_move = lambda: _tell(stage, write, requests)
    try:
        for count, order in enumerate(orders, start=1):
            try:
                obey(stage, order, caller=caller, number=number)
            except Quit:
                return
            except (NotUnderstood, OutOfTurn, LookupError, NeverSettles) as error:
                raise WrongOrder(f"line {count}: {error.args[0]}") from None
    finally:
        if session.going_on:
            session.hang_up()


def _tell(stage: Stage, write: Write, requests: bool) -> None:
    session = stage.session
    for heard in session.cut:
        write(f"          (cut off: {heard.text})")
    for text in lines(session.fresh, session.cast, requests=requests):
        write(text)
