"""Plays a `.call` file on the telephone and says where the conversation went another way."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from itertools import takewhile

from console.phone.call import CallerCall
from console.phone.callfile import (
    UNKNOWN,
    WITHHELD,
    CallEnds,
    CallFile,
    Calls,
    ClockStands,
    Connected,
    Does,
    ErrorReported,
    Fact,
    HangsUp,
    Hears,
    Line,
    Presses,
    PressesCode,
    PressesNumber,
    PressesPin,
    Rings,
    Speaks,
    Talk,
    TimePasses,
    Waits,
)
from console.phone.dialling import Leg
from console.phone.events import CALLER, Event, Failed, Heard, Rang
from console.phone.exchange import Exchange
from console.phone.execution import Execution, OutOfTurn

LONGEST_QUOTE = 300
WRONG_PIN_LENGTH = 8  # when the cast has no PIN to take the length from


@dataclass(frozen=True)
class Cast:
    """Who is who. Neither `repr` nor any error shows a PIN.

    people: name → number or SIP address; numbers: name → the number called, E.164;
    pins: customer's name → digits; zone: the service's time zone;
    unknown: a number that is on nobody's file; withheld: what Twilio sends for a hidden one.
    """

    people: Mapping[str, str]
    numbers: Mapping[str, str]
    zone: tzinfo
    pins: Mapping[str, str] = field(default_factory=dict, repr=False)
    unknown: str = "+390471999990"
    withheld: str = "anonymous"

    def phone(self, who: str) -> str:
        """The number of a person, of E.164 itself, or of the two kinds of stranger. LookupError otherwise."""
        if who in (UNKNOWN, WITHHELD):
            return self.unknown if who == UNKNOWN else self.withheld
        return who if who.startswith("+") else _found(self.people, who, "person")

    def number(self, to: str) -> str:
        """The number that is called, by its name or by itself. LookupError otherwise."""
        return to if to.startswith("+") else _found(self.numbers, to, "number of ours")

    def pin(self, customer: str) -> str:
        """The digits. LookupError for a customer without one."""
        return _found(self.pins, customer, "PIN")

    def wrong_pin(self, which: int) -> str:
        """The `which`-th of a row of PINs that nobody in the cast has, as long as the longest of theirs."""
        length = max(map(len, self.pins.values()), default=WRONG_PIN_LENGTH)
        taken = set(self.pins.values())
        return [pin for pin, _ in zip(_made_up(length, taken), range(which + 1), strict=False)][which]

    def name_of(self, phone: str) -> str:
        """The name that a `.call` file uses for a phone: the number itself if nobody has it."""
        if phone in (self.unknown, self.withheld):
            return UNKNOWN if phone == self.unknown else WITHHELD
        return next((name for name, number in self.people.items() if number == phone), phone)

    def name_of_number(self, number: str) -> str:
        return next((name for name, ours in self.numbers.items() if ours == number), number)


class Mismatch(AssertionError):
    """The conversation differs from the file at `path`, `line`."""

    def __init__(self, path: str, line: int, expected: str, happened: str) -> None:
        super().__init__(f"{path}:{line}: expected {expected}; {happened}")
        self.path = path
        self.line = line
        self.expected = expected
        self.happened = happened


@dataclass(frozen=True, slots=True)
class Conversation:
    """A file that was played to its end: the calls in it, and everything that happened."""

    calls: tuple[CallerCall, ...]
    events: tuple[Event, ...]


def play(
    callfile: CallFile,
    exchange: Exchange,
    cast: Cast,
    facts: Callable[[str], str | None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Conversation:
    """Walks the file. `facts` answers lines about the journal: None if it holds, else why not.

    Raises Mismatch at the first line that does not hold; also, at the end, for a phone that rang and
    that no line names, and for an error no line expects. `on_event` hears every event as it happens.
    """
    before, exchange.on_event = exchange.on_event, on_event or exchange.on_event
    try:
        return _Player(callfile, exchange, cast, facts).play()
    finally:
        exchange.on_event = before


class _Player:
    def __init__(
        self, file: CallFile, exchange: Exchange, cast: Cast, facts: Callable[[str], str | None] | None
    ) -> None:
        self.file = file
        self.exchange = exchange
        self.cast = cast
        self.facts = facts
        self.call: CallerCall | None = None
        self.calls: list[CallerCall] = []
        self.first_event = len(exchange.events)
        self.line: Line = file.lines[0] if file.lines else CallEnds(1)
        self.wrong_pins = 0
        # Only what was heard since the last thing somebody did can be expected, each word once.
        self.since = self.first_event
        self.matched: dict[str, int] = {}

    def play(self) -> Conversation:
        for line in self.file.lines:
            self.line = line
            try:
                self._take(line)
            except OutOfTurn as error:
                # Without its cause: a test's traceback would show the keys that were pressed.
                raise self._mismatch(f'that "{line}" is possible', str(error)) from None
            except LookupError as error:
                raise self._mismatch("a known name", str(error)) from None
        self._check_dials()
        self._check_errors()
        return Conversation(tuple(self.calls), tuple(self.exchange.events[self.first_event :]))

    def _take(self, line: Line) -> None:
        match line:
            case Hears():
                self._hears(line)
            case Rings(who=who):
                self._ringing(who)
            case Connected():
                self._connected(line)
            case CallEnds():
                self._expect(self._call.state == "ended", "the end of the call", f"it is {self._call.state}")
            case ErrorReported(code=code):
                self._expect(code in self._errors(), f"error {code}", f"reported were {self._errors()}")
            case Fact(text=text):
                self._fact(text)
            case ClockStands() | TimePasses():
                self._move_clock(line)
            case _:
                before = len(self.exchange.events) - self._trailing_words()
                self._act(line)
                self.since, self.matched = before + self._words_from(before), {}

    def _trailing_words(self) -> int:
        """How many events at the end are words: an act may yet cut them off."""
        return sum(1 for _ in takewhile(_is_heard, reversed(self.exchange.events)))

    def _words_from(self, place: int) -> int:
        return sum(1 for _ in takewhile(_is_heard, self.exchange.events[place:]))

    def _act(self, line: Line) -> None:
        match line:
            case Calls(who=who, to=to):
                self.call = self.exchange.ring(self.cast.phone(who), self.cast.number(to))
                self.calls.append(self.call)
            case Presses(who=who, keys=keys, at_once=at_once):
                self._line_of(who).press(keys, after=0 if at_once else None)
            case PressesPin(customer=None, at_once=at_once):
                pin = self.cast.wrong_pin(self.wrong_pins)
                self.wrong_pins += 1
                self._call.press(f"{pin}#", label="a wrong PIN", after=0 if at_once else None)
            case PressesPin(customer=str(customer), at_once=at_once):
                pin = self.cast.pin(customer)
                self._call.press(f"{pin}#", label=f"PIN of {customer}", after=0 if at_once else None)
            case PressesCode():
                self._call.press(f"{self._last_code()}#")
            case PressesNumber(of=of):
                self._call.press(f"00{self.cast.phone(of).removeprefix('+')}#", label=f"number of {of}")
            case Waits(who=who):
                self._line_of(who).wait()
            case Speaks(seconds=seconds, then=then):
                self._call.speak(seconds, then=then)
            case HangsUp(who=None):
                self._call.hang_up()
            case HangsUp(who=str(who)) | Does(who=who, act="hangs up"):
                self._picked_up(who).hang_up()
            case Does():
                self._does(line)
            case Talk(seconds=seconds, ends=ends):
                leg = self._call.leg
                if leg is None:
                    raise OutOfTurn(f"nobody is connected: the call is {self._call.state}")
                leg.talk(seconds, ends=ends)

    def _last_code(self) -> str:
        spoken = [
            code
            for event in self.exchange.events
            if isinstance(event, Heard)
            for code in re.findall(r"(?<!\d )\b\d \d \d \d\b(?! \d)", event.text)
        ]
        if not spoken:
            raise OutOfTurn("no case code was spoken yet")
        return str(spoken[-1]).replace(" ", "")

    def _does(self, line: Does) -> None:
        leg = self._ringing(line.who)
        match line.act:
            case "does not answer":
                leg.no_answer()
            case "is busy":
                leg.busy()
            case "cannot be reached":
                leg.fail()
            case "answers":
                leg.answer()
            case _:
                leg.voicemail()

    def _hears(self, line: Hears) -> None:
        party = CALLER if line.who is None else self.cast.phone(line.who)
        events = self.exchange.events[self.since :]
        heard = " ".join(e.text for e in events if isinstance(e, Heard) and e.party == party)
        folded, place = _folded(heard), self.matched.get(party, 0)
        for fragment in map(_folded, line.fragments):
            found = folded.find(fragment, place)
            what = f'"{_quoted(heard)}" was heard' if heard else "nothing was heard"
            who = line.who or "the caller"
            self._expect(found >= 0, f'{who} to hear "{" … ".join(line.fragments)}"', what)
            place = found + len(fragment)
        self.matched[party] = place

    def _connected(self, line: Connected) -> None:
        leg = self._call.leg
        bridged = {leg.phone, self._call.from_} if leg and leg.state == "bridged" else set()
        wanted = {self.cast.phone(line.who), self.cast.phone(line.other)}
        self._expect(bridged == wanted, f"{line.who} and {line.other} connected", self._situation())

    def _fact(self, text: str) -> None:
        if self.facts is None:
            raise self._mismatch(f"a way to find out: {text}", "nobody can be asked")
        why_not = self.facts(text)
        self._expect(why_not is None, text, str(why_not))

    def _move_clock(self, line: ClockStands | TimePasses) -> None:
        clock = self.exchange.clock
        live = self.call is not None and self.call.state not in ("ended", "bridged")
        self._expect(not live, "no call going on while time passes", 'in a call write "> nothing"')
        if isinstance(line, TimePasses):
            clock.forward(seconds=line.seconds)
            return
        at = line.at if line.at.tzinfo else line.at.replace(tzinfo=self.cast.zone)
        twice_or_never = at.utcoffset() != at.replace(fold=1 - at.fold).utcoffset()
        self._expect(
            line.at.tzinfo is not None or not twice_or_never,
            "an instant",
            "the clocks change then: write the offset too, as in 2026-10-25 02:30+01:00",
        )
        at = at.astimezone(UTC)
        shown = clock.now().astimezone(self.cast.zone).isoformat(sep=" ", timespec="seconds")
        self._expect(at >= clock.now(), "time to go forward", f"it is {shown} already")
        clock.set(at)

    # Who is on the telephone

    @property
    def _call(self) -> CallerCall:
        if self.call is None:
            raise OutOfTurn("nobody has called yet")
        return self.call

    def _line_of(self, who: str | None) -> Execution:
        return self._call if who is None else self._picked_up(who)

    def _picked_up(self, who: str) -> Leg:
        leg = self._call.leg
        if leg is None or leg.phone != self.cast.phone(who):
            raise OutOfTurn(f"{who} is not on the line: {self._situation()}")
        return leg

    def _ringing(self, who: str) -> Leg:
        """The leg on which `who` is rung; a caller who is being asked something says nothing until then."""
        phone = self.cast.phone(who)
        if not self._call.ringing and self._call.state == "gathering":
            self._call.wait()
        leg = next((leg for leg in self._call.ringing if leg.phone == phone), None)
        if leg is None:
            raise self._mismatch(f"{who}'s phone to ring", self._situation())
        return leg

    def _situation(self) -> str:
        if self._call.ringing:
            return "ringing: " + ", ".join(self.cast.name_of(leg.phone) for leg in self._call.ringing)
        leg = self._call.leg
        with_whom = f", with {self.cast.name_of(leg.phone)}" if leg else ""
        heard = self._call.heard()
        last = f', the caller last heard "{_quoted(heard[-1])}"' if heard else ""
        return f"the call is {self._call.state}{with_whom}{last}"

    # At the end

    def _check_dials(self) -> None:
        named: set[str] = set()
        for line in self.file.lines:
            for name in (getattr(line, "who", None), getattr(line, "other", None)):
                if isinstance(name, str):
                    named.add(self.cast.phone(name))
        for event in self.exchange.events[self.first_event :]:
            if isinstance(event, Rang) and event.phone not in named:
                name = self.cast.name_of(event.phone)
                raise self._mismatch("no phone to ring but those named", f"{name} was rung")

    def _check_errors(self) -> None:
        expected = {line.code for line in self.file.lines if isinstance(line, ErrorReported)}
        for event in self.exchange.events[self.first_event :]:
            if isinstance(event, Failed) and event.code not in expected:
                raise self._mismatch("no error", f"Twilio would report {event.code}: {event.message}")

    def _errors(self) -> list[int]:
        return [event.code for event in self.exchange.events[self.first_event :] if isinstance(event, Failed)]

    def _expect(self, holds: bool, expected: str, happened: str) -> None:
        if not holds:
            raise self._mismatch(expected, happened)

    def _mismatch(self, expected: str, happened: str) -> Mismatch:
        return Mismatch(self.file.path, self.line.number, expected, happened)


def _found(names: Mapping[str, str], name: str, kind: str) -> str:
    try:
        return names[name]
    except KeyError:
        raise LookupError(f"the cast has no {kind} called {name}") from None


def _is_heard(event: Event) -> bool:
    return isinstance(event, Heard)


def _made_up(length: int, taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        digest = hashlib.sha256(f"a PIN that nobody has, number {number}".encode()).digest()
        pin = str(int.from_bytes(digest))[-length:]
        if pin not in taken:
            yield pin
        number += 1


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("’", "'")).strip().casefold()


def _quoted(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else "… " + text[-LONGEST_QUOTE:]
