"""Plays a `.call` file on the telephone and says where the conversation went another way."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import takewhile

from console.phone.call import CallerCall
from console.phone.callfile import CallFile
from console.phone.dialling import Leg
from console.phone.events import CALLER, Event, Failed, Heard, Phoned, Rang, TextSent
from console.phone.exchange import Exchange
from console.phone.execution import Execution, OutOfTurn
from console.phone.names import Cast
from console.phone.placed import PlacedCall
from console.phone.script import (
    CallEnds,
    Calls,
    ClockStands,
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
)
from console.phone.switchboard import Switchboard, quoted
from console.phone.texts import Text


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
    """A file that was played to its end: the calls that came in, everything that happened, and the calls
    that the program placed.
    """

    calls: tuple[CallerCall, ...]
    events: tuple[Event, ...]
    placed: tuple[PlacedCall, ...] = ()


def play(
    callfile: CallFile,
    exchange: Exchange,
    cast: Cast,
    facts: Callable[[str], str | None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    work: Callable[[], None] | None = None,
) -> Conversation:
    """Walks the file. `facts` answers lines about the journal: None if it holds, else why not. `work` lets
    the worker do what is due.

    Raises Mismatch at the first line that does not hold; also, at the end, for a phone that rang and
    that no line names, a text message to somebody of whom no line says so, and an error no line expects.
    `on_event` hears every event as it happens.
    """
    before, exchange.on_event = exchange.on_event, on_event or exchange.on_event
    try:
        return _Player(callfile, exchange, cast, facts, work).play()
    finally:
        exchange.on_event = before


class _Player:
    def __init__(
        self,
        file: CallFile,
        exchange: Exchange,
        cast: Cast,
        facts: Callable[[str], str | None] | None,
        work: Callable[[], None] | None,
    ) -> None:
        self.file = file
        self.exchange = exchange
        self.cast = cast
        self.facts = facts
        self.work = work
        self.works = False
        self.board = Switchboard(exchange, cast)
        self.first_event = len(exchange.events)
        # What the program had done by itself when somebody last did something.
        self.texts_before = self.first_text = len(exchange.texts.sent)
        self.placed_before = len(exchange.placed)
        self.read: set[str] = set()
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
        self._check_texts()
        self._check_errors()
        events = tuple(self.exchange.events[self.first_event :])
        return Conversation(tuple(self.board.calls), events, tuple(self.board.placed))

    def _take(self, line: Line) -> None:
        match line:
            case Hears():
                self._hears(line)
            case Rings(who=who):
                self._ringing(who)
            case Connected():
                self._connected(line)
            case IsPhoned(who=who):
                self._expect(
                    self.board.phoned(who) is not None, f"{who} to be phoned", self.board.situation()
                )
            case GetsText(who=who, fragments=fragments):
                self._reads(who, fragments, self.exchange.texts.sent[self.first_text :])
            case Reads(who=who, fragments=fragments):
                self._reads(who, fragments, self.exchange.texts.sent[self.texts_before :])
            case NoPhoneRings():
                self._expect(not self.board.any_rings(), "no phone to ring", self.board.situation())
            case NobodyTold():
                told = [each.to for each in self.exchange.placed[self.placed_before :]]
                told += [each.to for each in self.exchange.texts.sent[self.texts_before :]]
                names = ", ".join(map(self.cast.name_of, told))
                self._expect(not told, "nobody to be told", f"told: {names}")
            case CallEnds():
                state = self.board.latest.state
                self._expect(state == "ended", "the end of the call", f"it is {state}")
            case ErrorReported(code=code):
                self._expect(code in self._errors(), f"error {code}", f"reported were {self._errors()}")
            case Fact(text=text):
                self._fact(text)
            case ClockStands() | TimePasses():
                self._move_clock(line)
                self._begin_act()
                if self.works:
                    self._work()
                self.exchange.settle()
            case _:
                before = len(self.exchange.events) - self._trailing_words()
                self._begin_act()
                self._act(line)
                self.exchange.settle()
                self.since, self.matched = before + self._words_from(before), {}

    def _begin_act(self) -> None:
        self.texts_before = len(self.exchange.texts.sent)
        self.placed_before = len(self.exchange.placed)

    def _trailing_words(self) -> int:
        """How many events at the end are words: an act may yet cut them off."""
        return sum(1 for _ in takewhile(_is_heard, reversed(self.exchange.events)))

    def _words_from(self, place: int) -> int:
        return sum(1 for _ in takewhile(_is_heard, self.exchange.events[place:]))

    def _act(self, line: Line) -> None:
        match line:
            case Calls(who=who, to=to):
                self.board.calls.append(self.exchange.ring(self.cast.phone(who), self.cast.number(to)))
            case Presses(who=who, keys=keys, at_once=at_once):
                self._line_of(who).press(keys, after=0 if at_once else None)
            case PressesPin(customer=None, at_once=at_once):
                pin = self.cast.wrong_pin(self.wrong_pins)
                self.wrong_pins += 1
                self.board.call.press(f"{pin}#", label="a wrong PIN", after=0 if at_once else None)
            case PressesPin(customer=str(customer), at_once=at_once):
                pin = self.cast.pin(customer)
                self.board.call.press(f"{pin}#", label=f"PIN of {customer}", after=0 if at_once else None)
            case PressesCode():
                self.board.call.press(f"{self._last_code()}#")
            case PressesDigits():
                self.board.call.press(self._last_digits())
            case PressesNumber(of=of):
                self.board.call.press(f"00{self.cast.phone(of).removeprefix('+')}#", label=f"number of {of}")
            case Waits(who=who):
                self._line_of(who).wait()
            case Speaks(seconds=seconds, then=then):
                self.board.call.speak(seconds, then=then)
            case HangsUp(who=None):
                self.board.call.hang_up()
            case HangsUp(who=str(who)) | Does(who=who, act="hangs up"):
                self.board.picked_up(who).hang_up()
            case Does():
                self._does(line)
            case Talk(seconds=seconds, ends=ends):
                self.board.bridged().talk(seconds, ends=ends)
            case WorkerWorks():
                self.works = True
                self._work()
            case SendsText(who=who, text=text):
                self._texts(who, text)

    def _work(self) -> None:
        if self.work is None:
            raise self._mismatch("a worker", "there is none here")
        self.work()

    def _texts(self, who: str, text: str) -> None:
        phone = self.cast.phone(who)
        to = self.exchange.texts.last_sender_to(phone) or next(iter(self.cast.numbers.values()))
        if not to.startswith("+"):
            raise OutOfTurn(f"nobody can answer to {to}")
        self.exchange.text(phone, to, text.replace("CODE", self._last_code()) if "CODE" in text else text)

    def _last_code(self) -> str:
        return self._last_spoken(4, "no case code was spoken yet")

    def _last_digits(self) -> str:
        return self._last_spoken(2, "no two digits were spoken yet")

    def _last_spoken(self, many: int, why: str) -> str:
        """The digits spoken last of which there were so many in a row."""
        digits = " ".join([r"\d"] * many)
        spoken = [
            found
            for event in self.exchange.events
            if isinstance(event, Heard)
            for found in re.findall(rf"(?<!\d )\b{digits}\b(?! \d)", event.text)
        ]
        if not spoken:
            raise OutOfTurn(why)
        return str(spoken[-1]).replace(" ", "")

    def _does(self, line: Does) -> None:
        rung = self._ringing(line.who)
        match line.act:
            case "does not answer":
                rung.no_answer()
            case "is busy":
                rung.busy()
            case "cannot be reached":
                rung.fail()
            case "answers":
                rung.answer()
            case _:
                rung.voicemail()

    def _hears(self, line: Hears) -> None:
        party = CALLER if line.who is None else self.cast.phone(line.who)
        events = self.exchange.events[self.since :]
        heard = " ".join(e.text for e in events if isinstance(e, Heard) and e.party == party)
        folded, place = _folded(heard), self.matched.get(party, 0)
        end = _found_in(folded, line.fragments, place)
        if end is None:
            what = f'"{quoted(heard)}" was heard' if heard else "nothing was heard"
            who = line.who or "the caller"
            raise self._mismatch(f'{who} to hear "{" … ".join(line.fragments)}"', what)
        self.matched[party] = end

    def _reads(self, who: str, fragments: tuple[str, ...], texts: Sequence[Text]) -> None:
        """The first of these to `who` that no line has named yet and that says so counts as read."""
        phone = self.cast.phone(who)
        unread = [text for text in texts if text.to == phone and text.sid not in self.read]
        for text in unread:
            if _found_in(_folded(text.body), fragments, 0) is not None:
                self.read.add(text.sid)
                return
        got = " | ".join(quoted(text.body) for text in unread)
        what = f'there is "{got}"' if unread else "there is none"
        raise self._mismatch(f'a text message to {who} that says "{" … ".join(fragments)}"', what)

    def _connected(self, line: Connected) -> None:
        wanted = {self.cast.phone(line.who), self.cast.phone(line.other)}
        holds = wanted in self.board.connected()
        self._expect(holds, f"{line.who} and {line.other} connected", self.board.situation())

    def _line_of(self, who: str | None) -> Execution:
        return self.board.call if who is None else self.board.picked_up(who)

    def _ringing(self, who: str) -> Leg | PlacedCall:
        """The phone of `who`, which rings; a caller who is being asked something says nothing until then."""
        rung = self.board.rung(who)
        if rung is None and self.board.calls and self.board.call.state == "gathering":
            self.board.call.wait()
            rung = self.board.rung(who)
        if rung is None:
            raise self._mismatch(f"{who}'s phone to ring", self.board.situation())
        return rung

    def _fact(self, text: str) -> None:
        if self.facts is None:
            raise self._mismatch(f"a way to find out: {text}", "nobody can be asked")
        why_not = self.facts(text)
        self._expect(why_not is None, text, str(why_not))

    def _move_clock(self, line: ClockStands | TimePasses) -> None:
        clock = self.exchange.clock
        live = [call for call in self.board.live if call.state != "bridged"]
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

    # At the end

    def _check_dials(self) -> None:
        named: set[str] = set()
        for line in self.file.lines:
            for name in (getattr(line, "who", None), getattr(line, "other", None)):
                if isinstance(name, str):
                    named.add(self.cast.phone(name))
        for event in self.exchange.events[self.first_event :]:
            if isinstance(event, Rang | Phoned) and event.phone not in named:
                name = self.cast.name_of(event.phone)
                raise self._mismatch("no phone to ring but those named", f"{name} was rung")

    def _check_texts(self) -> None:
        told = {self.cast.phone(line.who) for line in self.file.lines if isinstance(line, GetsText | Reads)}
        for event in self.exchange.events[self.first_event :]:
            if isinstance(event, TextSent) and event.phone not in told:
                name = self.cast.name_of(event.phone)
                raise self._mismatch(
                    "no text message but to those named", f'{name} was sent "{quoted(event.text)}"'
                )

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


def _is_heard(event: Event) -> bool:
    return isinstance(event, Heard)


def _found_in(text: str, fragments: Sequence[str], place: int) -> int | None:
    """Where the last of the fragments ends, if all stand in `text` in this order from `place` on."""
    for fragment in map(_folded, fragments):
        found = text.find(fragment, place)
        if found < 0:
            return None
        place = found + len(fragment)
    return place


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("’", "'")).strip().casefold()
