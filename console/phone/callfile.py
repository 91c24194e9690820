"""The `.call` file: one conversation, line by line, with people by name and no PIN in it.

    # The second technician accepts.
    @ 2026-03-10 22:00                   the clock: local time, or ISO 8601 with an offset
    @ +90s                               time passes (s, m or h; or "+ 3 minutes")
    * mario calls trento                 a name, a number, "an unknown number", "a withheld number"
    < Benvenuto … PIN                    the caller hears these fragments, in this order
    > PIN acme                           keys the PIN of acme, then #
    > wrong PIN                          keys a PIN that nobody has, then #
    > the case code                      keys the code that was spoken last, then #
    > the two digits                     keys the two digits that were spoken last
    > the number of mario                keys a telephone number, then #
    > 0#                                 keys; " at once" after them: without hearing the prompt out
    > nothing                            says and presses nothing until the Gather gives up
    > speaks 12 s                        into a recording, then hangs up
    > speaks 12 s and presses #          … or "and is silent"
    > hangs up
    * anna's phone rings                 she is called now
    * anna does not answer               also: is busy, cannot be reached, answers, hangs up
    * anna's voicemail answers
    anna < Chiamata P1                   what she hears
    anna > 1                             what she does; also: nothing, hangs up
    * the worker works                   does what is due: now, and from now on whenever the clock was moved
    * anna is phoned                     the program has called her: her phone rings, the same acts follow
    * anna gets a text "Chiamata P1"     fragments, as after <
    anna texts "OK CODE"                 to the number that wrote to her last; CODE: the code told last
    anna reads "preso in carico"         what she is answered
    * nobody is told                     no call placed, no text sent since the last line that did something
    * no phone rings
    * anna and mario are connected
    * they talk for 4 minutes            then the technician hangs up; or ", then the caller hangs up":
                                         the customer, if the program dialled him
    * the call ends                      the call is over by now
    * error 11200                        Twilio would have reported this error
    * outcome connected                  any other fact, asked of whoever plays the file

What stands to the right of the examples is explanation, not grammar.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from console.phone.script import (
    ACTS,
    UNKNOWN,
    WITHHELD,
    CallEnds,
    Calls,
    ClockStands,
    Comment,
    Connected,
    Does,
    ErrorReported,
    Fact,
    GetsText,
    HangsUp,
    Hears,
    IsPhoned,
    Line,
    NobodyTold,
    NoPhoneRings,
    Presses,
    PressesCode,
    PressesDigits,
    PressesNumber,
    PressesPin,
    Reads,
    Rings,
    SendsText,
    Speaks,
    Talk,
    TimePasses,
    Waits,
    WorkerWorks,
    written,
)

__all__ = [
    "MOST_DIGITS",
    "UNKNOWN",
    "WITHHELD",
    "BadCallFile",
    "CallFile",
    "ClockStands",
    "Comment",
    "Fact",
    "Hears",
    "parse",
]

MOST_DIGITS = 4  # a line with more could hold a PIN

WHO = rf"(?P<who>{UNKNOWN}|{WITHHELD}|\+[0-9]+|[^\W\d_][\w.-]*)"
_WHO_ELSE = WHO.replace("who", "other")
_LONG_UNITS = {"s": 1, "second": 1, "minute": 60, "hour": 3600}


class BadCallFile(ValueError):
    """A line is not understood. The message names file and line, and quotes no `>` line with digits."""

    def __init__(self, path: str, number: int, what: str) -> None:
        super().__init__(f"{path}:{number}: {what}")
        self.number = number


@dataclass(frozen=True, slots=True)
class CallFile:
    """A conversation. `path` is only for messages."""

    path: str
    lines: tuple[Line, ...]

    def __str__(self) -> str:
        return written(self.lines)


def parse(text: str, path: str = "conversation") -> CallFile:
    """Reads the text of a `.call` file. Raises BadCallFile for the first line it does not understand."""
    return CallFile(
        path,
        tuple(_line(path, number, raw.strip()) for number, raw in enumerate(text.splitlines(), start=1)),
    )


def _line(path: str, number: int, text: str) -> Line:
    if not text or text.startswith("#"):
        return Comment(number, text.lstrip("#").strip())
    side = re.fullmatch(rf"(?:{WHO}\s+)?(?P<sign>[<>])\s*(?P<rest>.*)", text)
    try:
        if side and side["sign"] == ">":
            return _done(number, side["who"], side["rest"].strip())
        if side:
            return Hears(number, side["who"], _fragments(side["rest"]))
        if text.startswith("@"):
            return _clock(number, text[1:].strip())
        if text.startswith("*"):
            return _happened(number, text[1:].strip())
        if texts := re.fullmatch(rf'{WHO}\s+(?P<act>texts|reads)\s+"(?P<words>.*)"', text):
            return _texts(number, texts)
    except ValueError as error:
        raise BadCallFile(path, number, str(error)) from None
    raise BadCallFile(path, number, "a line begins with #, @, *, <, > or a name and <, >, texts or reads")


def _fragments(text: str) -> tuple[str, ...]:
    fragments = tuple(part for part in (" ".join(p.split()) for p in re.split(r"…|\.\.\.", text)) if part)
    if not fragments:
        raise ValueError("some words are needed to be heard or read")
    return fragments


def _clock(number: int, text: str) -> Line:
    passes = re.fullmatch(
        r"\+\s*(?P<amount>[0-9]{1,6})(?:\s*(?P<unit>[smh])|\s+(?P<word>second|minute|hour)s?)", text
    )
    if passes:
        unit = passes["unit"] or passes["word"][0]
        return TimePasses(number, int(passes["amount"]), "s" if unit == "s" else "m" if unit == "m" else "h")
    try:
        return ClockStands(number, datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(f'"{text}" is no instant: write 2026-03-10 22:00, or +90s') from None


def _done(number: int, who: str | None, text: str) -> Line:
    """A `>` line. It is never quoted in an error: somebody may have written a PIN there."""
    if sum(character.isdigit() for character in text) > MOST_DIGITS:
        raise ValueError(
            f"more than {MOST_DIGITS} digits: a PIN never stands in a file, write PIN and a name"
        )
    if text == "nothing":
        return Waits(number, who)
    if text == "hangs up":
        return HangsUp(number, who)
    keyed = re.fullmatch(r"(?P<what>.*?)(?P<once>\s+at once)?", text)
    assert keyed is not None
    what, at_once = keyed["what"], keyed["once"] is not None
    if re.fullmatch(r"[0-9*#]+", what):
        return Presses(number, who, what, at_once)
    if who is None:
        if what == "the case code":
            return PressesCode(number)
        if what == "the two digits":
            return PressesDigits(number)
        if of := re.fullmatch(r"the number of ([^\W\d_][\w.-]*)", what):
            return PressesNumber(number, of[1])
        if what == "wrong PIN":
            return PressesPin(number, None, at_once)
        if pin := re.fullmatch(r"PIN\s+([^\W\d_][\w.-]*)", what):
            return PressesPin(number, pin[1], at_once)
        speaks = re.fullmatch(
            r"speaks (?P<n>[0-9]+) s(?P<silent> and is silent| and presses (?P<key>[0-9*#]))?", text
        )
        if speaks:
            then = speaks["key"] or ("silence" if speaks["silent"] else "hang up")
            return Speaks(number, int(speaks["n"]), then)
        raise ValueError(
            "> is followed by keys, PIN and a name, wrong PIN, the case code, the two digits, the number of "
            "NAME, nothing, speaks N s (and presses #), hangs up"
        )
    raise ValueError("a technician's > is followed by keys, nothing or hangs up")


def _texts(number: int, match: re.Match[str]) -> Line:
    if sum(character.isdigit() for character in match["words"]) > MOST_DIGITS:
        raise ValueError(f"more than {MOST_DIGITS} digits: a PIN never stands in a file")
    if match["act"] == "reads":
        return Reads(number, match["who"], _fragments(match["words"]))
    return SendsText(number, match["who"], match["words"].strip())


def _happened(number: int, text: str) -> Line:
    if not text:
        raise ValueError("* is followed by what happens")
    for pattern, make in _HAPPENINGS:
        match = re.fullmatch(pattern, text)
        if match:
            return make(number, match)
    if text.startswith("they talk"):
        raise ValueError("write: they talk for 4 minutes[, then the caller hangs up]")
    return Fact(number, text)


def _act(number: int, match: re.Match[str]) -> Line:
    return Does(number, match["who"], next(act for act in ACTS if act == match["act"]))


def _talk(number: int, match: re.Match[str]) -> Line:
    seconds = int(match["amount"]) * _LONG_UNITS[match["unit"]]
    return Talk(number, seconds, match["ends"] or "technician")  # type: ignore[arg-type]


_HAPPENINGS: tuple[tuple[str, Callable[[int, re.Match[str]], Line]], ...] = (
    (rf"{WHO} calls (?P<to>\S+)", lambda n, m: Calls(n, m["who"], m["to"])),
    (rf"{WHO}'s phone rings", lambda n, m: Rings(n, m["who"])),
    (rf"{WHO}'s voicemail answers", lambda n, m: Does(n, m["who"], "voicemail answers")),
    (rf"{WHO} (?P<act>{'|'.join(ACTS)})", _act),
    (r"the worker works", lambda n, m: WorkerWorks(n)),
    (rf"{WHO} is phoned", lambda n, m: IsPhoned(n, m["who"])),
    (rf'{WHO} gets a text "(?P<words>.*)"', lambda n, m: GetsText(n, m["who"], _fragments(m["words"]))),
    (r"no phone rings", lambda n, m: NoPhoneRings(n)),
    (r"nobody is told", lambda n, m: NobodyTold(n)),
    (rf"{WHO} and {_WHO_ELSE} are connected", lambda n, m: Connected(n, m["who"], m["other"])),
    (
        r"they talk for (?P<amount>[0-9]{1,5}) (?P<unit>s|second|minute|hour)s?"
        r"(?:, then the (?P<ends>caller|technician) hangs up)?",
        _talk,
    ),
    (r"the call ends", lambda n, m: CallEnds(n)),
    (r"error (?P<code>[0-9]{5})", lambda n, m: ErrorReported(n, int(m["code"]))),
)
