"""The commands of the piped telephone: one line, one thing that somebody does.

    call [WHO [NUMBER]]      dials; without it the first command that needs a call dials
    1     0#     1 at once   keys; "at once": without hearing the prompt out
    p acme     p wrong       the PIN of acme, then #; a PIN that nobody has
    wait     wait 90s        says and presses nothing; between calls and in a talk, time passes
    speak 12                 into a recording; then a key, wait or hangup
    hangup
    anna answers             also: declines, busy, no answer, voicemail, unreachable, waits, hangs up
    anna 1                   what anna presses
    quit                     as the end of the input: hangs up a call that is going on

Empty lines, and lines that begin with "# " and a word, are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from console.rehearsing.session import Act, Session
from console.rehearsing.stage import Stage

SECONDS_TO_SPEAK = 10
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_ACTS: dict[str, Act] = {
    "answers": "answers",
    "declines": "declines",
    "busy": "is busy",
    "is busy": "is busy",
    "no answer": "does not answer",
    "does not answer": "does not answer",
    "voicemail": "voicemail",
    "unreachable": "cannot be reached",
    "cannot be reached": "cannot be reached",
}
_HANGS_UP = ("hangup", "hangs up", "hang up")
_WAITS = ("wait", "waits", "nothing")


class NotUnderstood(ValueError):
    """The line is no command. The message does not quote it: it could hold a PIN."""

    def __init__(self) -> None:
        super().__init__(
            "not understood: give keys, p NAME, wait, speak SECONDS, hangup, call, quit, or NAME and an act"
        )


class Quit(Exception):
    """The line asks to stop."""


def obey(stage: Stage, text: str, *, caller: str, number: str) -> None:
    """Do what one line says. `caller` and `number` are who calls whom where the line does not say.

    Raises NotUnderstood, Quit, OutOfTurn for what is not possible now, LookupError for a name nobody has.
    """
    text = " ".join(text.split())
    session = stage.session
    if not text or re.match(r"#\s*[^\W\d_]", text):
        return
    if text in ("quit", "q"):
        raise Quit
    if call := re.fullmatch(r"call(?: (\S+))?(?: (\S+))?", text):
        session.dial(stage.caller(call[1] or caller), stage.number(call[2] or number))
    elif passes := re.fullmatch(r"wait ([0-9]{1,6})([smh]?)", text):
        session.wait(seconds=int(passes[1]) * _UNITS[passes[2]])
    else:
        who, _, what = text.partition(" ")
        somebody = who in {person.key for person in stage.people} or who in stage.other_phones
        do = _of_somebody(session, who, what) if somebody else _of_the_caller(session, text)
        # Only now: no call is placed for the sake of a slip.
        if session.state == "idle":
            session.dial(caller, number)
        do()


def _of_the_caller(session: Session, text: str) -> Callable[[], None]:
    at_once, text = _at_once(text)
    if re.fullmatch(r"[0-9*#]+", text):
        return lambda: session.press(text, after=at_once)
    if text in ("p wrong", "PIN wrong", "wrong PIN"):
        return lambda: session.wrong_pin(after=at_once)
    if pin := re.fullmatch(r"(?:p|PIN) ([\w.-]+)", text):
        # Digits that are nobody's name could be a PIN, which no message may quote.
        if pin[1].lower() not in session.cast.pins and not re.match(r"[^\W\d_]", pin[1]):
            raise NotUnderstood
        if session.live:
            raise LookupError("no PIN is known by name on the running service: type it")
        return lambda: session.pin(pin[1].lower(), after=at_once)
    if speaks := re.fullmatch(r"(?:speak|m)(?: ([0-9]{1,4}))?", text):
        return lambda: session.speak(int(speaks[1] or SECONDS_TO_SPEAK))
    if text in _WAITS:
        return session.wait
    if text in (*_HANGS_UP, "h"):
        return session.hang_up
    raise NotUnderstood


def _of_somebody(session: Session, who: str, what: str) -> Callable[[], None]:
    at_once, what = _at_once(what)
    if what in _ACTS:
        return lambda: session.does(who, _ACTS[what])
    if what in _HANGS_UP:
        return lambda: session.leaves(who)
    if what in _WAITS:
        return lambda: session.wait(who)
    if re.fullmatch(r"[0-9*#]{1,4}", what):
        return lambda: session.press(what, who, after=at_once)
    raise NotUnderstood


def _at_once(text: str) -> tuple[float | None, str]:
    rest = text.removesuffix(" at once")
    return (None if rest == text else 0), rest
