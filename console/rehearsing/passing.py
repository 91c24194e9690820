"""Time goes by on a virtual clock: what was only waiting for it happens, and the worker works meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from console.phone.events import Requested, TextReceived, TextSent, Worked
from console.phone.execution import Execution
from console.rehearsing.asked import asked_on
from console.rehearsing.session import Session

# How far the clock goes at once while nothing ends. The real worker looks every two seconds.
STEP = timedelta(seconds=15)
# What may happen without anybody's being needed.
BY_ITSELF = (Requested, TextReceived, TextSent, Worked)


def let_pass(session: Session, seconds: float, work: Callable[[], None]) -> None:
    """Let up to `seconds` go by, counted from when what is being said has been said. It ends early when
    something happened that people hear or see: a phone rings or falls silent, a question is given up.

    A message that is being recorded grows meanwhile.
    """
    if session.state == "recording":
        _speak_on(session, round(seconds))
        return
    end = _said_by(session) + timedelta(seconds=seconds)
    while session.now < end:
        before = len(session.exchange.events)
        target = min(end, session.now + STEP)
        line, ends = min(_waiting(session), key=lambda each: each[1], default=(None, end))
        with session.moving():
            if line is not None and ends <= target:
                line.wait()
            else:
                session.exchange.clock.reach(target)
            session.exchange.settle()
        work()
        if any(not isinstance(event, BY_ITSELF) for event in session.exchange.events[before:]):
            return


def _speak_on(session: Session, seconds: int) -> None:
    assert session.call is not None
    limit = session.call.records_for or 0
    session.speak(min(seconds, limit - session.spoken))
    if session.spoken >= limit:
        session.wait()


def _waiting(session: Session) -> Iterator[tuple[Execution, datetime]]:
    """Every line that waits for somebody, and until when."""
    for call in session.board.live:
        if call.rings_until is not None:
            yield call, call.rings_until
        for line in (call, call.leg):
            if line is not None and (asked := asked_on(line)) is not None:
                yield line, asked.times_out


def _said_by(session: Session) -> datetime:
    """When the prompts that are being said have been said; now, if none is."""
    lines = [line for call in session.board.live for line in (call, call.leg) if line is not None]
    asked = [each for each in map(asked_on, lines) if each is not None]
    return max([session.now, *(each.prompt_ends for each in asked)])
