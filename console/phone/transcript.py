"""Writes down what happened: to read, or as a `.call` file to play again."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from console.phone import script as written_as
from console.phone.callfile import MOST_DIGITS
from console.phone.events import (
    CALLER,
    Answered,
    Bridged,
    Called,
    Event,
    Failed,
    Heard,
    HungUp,
    Missed,
    Phoned,
    Pressed,
    Rang,
    Recorded,
    Requested,
    TextReceived,
    TextSent,
    Waited,
    Worked,
)
from console.phone.names import Cast
from console.phone.script import Line, written

MISSED = {
    "no-answer": "does not answer",
    "busy": "is busy",
    "failed": "cannot be reached",
    "canceled": "stops ringing",
}


def lines(events: Iterable[Event], names: Cast, *, requests: bool = False) -> Iterator[str]:
    """One line an event, with the local time: `22:00:45  Anna's phone rings`.

    `requests`: shows the webhooks that were asked as well.
    """
    for event in events:
        text = _sentence(event, names, requests)
        if text:
            yield f"{event.at.astimezone(names.zone):%H:%M:%S}  {text}"


def _sentence(event: Event, names: Cast, requests: bool) -> str:
    match event:
        case Called(caller=caller, to=to):
            return f"{_capital(names.name_of(caller))} calls {_capital(names.name_of_number(to))}"
        case Requested(path=path, status=status):
            return f"·  {path} {status or 'does not answer'}" if requests else ""
        case Heard(party=party, text=text):
            return f"☎ → {_who(party, names):<8}  {text}"
        case Pressed(party=party, keys=keys):
            return f"{_who(party, names)} keys  {keys}"
        case Waited(party=party):
            return f"{_who(party, names)} says and presses nothing"
        case Phoned(phone=phone):
            return f"{_who(phone, names)} is phoned"
        case Rang(phone=phone):
            return f"{_who(phone, names)}'s phone rings"
        case Missed(phone=phone, why="canceled"):
            return f"{_who(phone, names)}'s phone stops ringing"
        case Missed(phone=phone, why=why):
            return f"{_who(phone, names)} {MISSED[why]}"
        case Answered(phone=phone, by=by):
            return f"{_who(phone, names)}{chr(39) + 's voicemail' if by == 'voicemail' else ''} answers"
        case Bridged(phone=phone, other=other):
            with_whom = "the caller" if other == CALLER else _who(other, names)
            return f"{_who(phone, names)} and {with_whom} are connected"
        case Recorded(party=party, seconds=seconds, ended_by=ended_by):
            key = f", then {ended_by}" if len(ended_by) == 1 else ""
            return f"{_who(party, names)} speaks for {seconds} s{key}"
        case HungUp(party="caller", by="program"):
            return "the call ends"
        case HungUp(party=party, by=by) if party == by:
            return f"{_who(party, names)} hangs up"
        case HungUp(party=party):
            return f"{_who(party, names)} is hung up on"
        case Failed(code=code, message=message):
            return f"!  error {code}: {message}"
        case TextSent(phone=phone, text=text):
            return f"✉ → {_who(phone, names):<8}  {' '.join(text.split())}"
        case TextReceived(phone=phone, text=text):
            return f"✉ ← {_who(phone, names):<8}  {' '.join(text.split())}"
    return ""


def save(events: Iterable[Event], names: Cast) -> str:
    """What happened, as the text of a `.call` file. PINs stand in it by name.

    Of what was heard it keeps the words and leaves out numbers that differ from call to call, such
    as case codes and times. A run of digits that was keyed without a label is left out, with a comment.
    """
    return written(_Saver(names).lines(events))


class _Saver:
    def __init__(self, names: Cast) -> None:
        self.names = names
        self.caller = ""
        # The two who talk, and since when.
        self.bridged: tuple[str, str, datetime] | None = None
        # What people were sent that a file has to name: the answers to their own messages.
        self.asked: set[str] = set()
        self.caller_has_left = False
        self.voicemails: set[str] = set()
        self.last: datetime | None = None
        # Whose calls are going on: "caller", and the phones that the program called.
        self.live: set[str] = set()
        self.works = False

    def lines(self, events: Iterable[Event]) -> Iterator[Line]:
        for event in events:
            yield from self._lines(event)
            self.last = event.at
            match event:
                case Called():
                    self.live.add(CALLER)
                case Phoned(phone=party):
                    self.live.add(party)
                case HungUp(party=party) | Missed(phone=party):
                    self.live.discard(party)

    def _time(self, at: datetime) -> Iterator[Line]:
        """When this is, or how long after the last event."""
        if self.last is None:
            yield written_as.ClockStands(0, _wall_clock(at, self.names.zone))
        elif seconds := int((at - self.last).total_seconds()):
            # A step, not an instant: the next player may speak faster, and no clock goes back.
            yield written_as.TimePasses(0, seconds, "s")

    def _lines(self, event: Event) -> Iterator[Line]:
        match event:
            case Called(at=at, caller=caller, to=to):
                yield from self._time(at)
                self.caller, self.bridged, self.caller_has_left = caller, None, False
                yield written_as.Calls(0, self.names.name_of(caller), self.names.name_of_number(to))
            case Heard(party=party, text=text):
                if fragments := _stable(text):
                    yield written_as.Hears(0, self._side(party), fragments)
            case Pressed():
                yield self._pressed(event)
            case Waited(party=party):
                yield written_as.Waits(0, self._side(party))
            case Rang(phone=phone):
                yield written_as.Rings(0, self.names.name_of(phone))
            case Missed(phone=phone, why=why) if why != "canceled":
                act = next(act for act in written_as.ACTS if act == MISSED[why])
                yield written_as.Does(0, self.names.name_of(phone), act)
            case Answered(phone=phone, by=by):
                act = "answers" if by == "person" else "voicemail answers"
                yield written_as.Does(0, self.names.name_of(phone), act)
                if by == "voicemail":
                    self.voicemails.add(phone)
            case Bridged(at=at, phone=phone, other=other):
                self.bridged = (phone, other, at)
                other = self.caller if other == CALLER else other
                yield written_as.Connected(0, self.names.name_of(phone), self.names.name_of(other))
            case Recorded(seconds=seconds, ended_by=ended_by):
                self.caller_has_left = ended_by == "hang up"
                # A recording that ran full is played again by speaking on.
                then = "silence" if ended_by == "limit" else ended_by
                yield written_as.Speaks(0, seconds, then)
            case HungUp():
                yield from self._hung_up(event)
            case Phoned(phone=phone):
                yield written_as.IsPhoned(0, self.names.name_of(phone))
            case Worked(at=at):
                moved = [] if self.live else list(self._time(at))
                yield from moved
                # Once it works, it does so by itself whenever the clock was moved.
                if not (self.works and moved):
                    yield written_as.WorkerWorks(0)
                self.works = True
            case TextSent() | TextReceived():
                yield from self._text(event)
            case Failed(code=code):
                yield written_as.ErrorReported(0, code)

    def _pressed(self, event: Pressed) -> Line:
        side = self._side(event.party)
        if event.keys == "a wrong PIN":
            return written_as.PressesPin(0, None, event.stopped_prompt)
        if event.labelled and event.keys.startswith("PIN of "):
            return written_as.PressesPin(0, event.keys.removeprefix("PIN of "), event.stopped_prompt)
        if event.labelled:
            return written_as.Comment(0, f"here were keyed, and left out: {event.keys}")
        return written_as.Presses(0, side, event.keys, event.stopped_prompt)

    def _text(self, event: TextSent | TextReceived) -> Iterator[Line]:
        name = self.names.name_of(event.phone)
        if isinstance(event, TextReceived):
            self.asked.add(event.phone)
            # A code differs from call to call; more digits than one has do not stand in a file.
            code = re.sub(r"(?<!\d)\d{4}(?!\d)", "CODE", " ".join(event.text.split()))
            if sum(character.isdigit() for character in code) > MOST_DIGITS:
                yield written_as.Comment(0, f"here {name} sent a text message, left out")
            else:
                yield written_as.SendsText(0, name, code)
        # An address is a secret of its own, and another each time.
        elif fragments := _stable(re.sub(r"https?://\S+", "…", event.text)):
            answers = event.phone in self.asked
            self.asked.discard(event.phone)
            yield (written_as.Reads if answers else written_as.GetsText)(0, name, fragments)

    def _hung_up(self, event: HungUp) -> Iterator[Line]:
        talk, self.bridged = self.bridged, None
        seconds = round((event.at - talk[2]).total_seconds()) if talk else 0
        if talk and talk[1] != CALLER:
            # The program had dialled the customer, talk[0], for the technician, talk[1].
            if event.by in talk:
                yield written_as.Talk(0, seconds, "technician" if event.by == talk[1] else "caller")
        elif event.party == CALLER and event.by == CALLER:
            if talk:
                yield written_as.Talk(0, seconds, "caller")
            elif not self.caller_has_left:
                yield written_as.HangsUp(0, None)
            self.caller_has_left = True
            yield from self._call_ends()
        elif event.party == CALLER:
            yield from self._call_ends()
        elif event.by != CALLER and talk:
            yield written_as.Talk(0, seconds, "technician")
        elif event.by == event.party and event.party not in self.voicemails:
            yield written_as.HangsUp(0, self.names.name_of(event.party))

    def _call_ends(self) -> Iterator[Line]:
        """Not told while the program calls somebody: a file would mean that call, which began later."""
        if not self.live - {CALLER}:
            yield written_as.CallEnds(0)

    def _side(self, party: str) -> str | None:
        return None if party == CALLER else self.names.name_of(party)


def _stable(text: str) -> tuple[str, ...]:
    """The words of `text` that stay the same: without numbers, unless they belong to a word (P1)."""
    parts = re.split(r"(?<!\w)\d(?:[\d\s:.,]*\d)?(?!\w)|…|\.\.\.", text)
    return tuple(part for part in (" ".join(p.split()).strip(" .,;:") for p in parts) if part)


def _wall_clock(at: datetime, zone: tzinfo) -> datetime:
    """Local time where that says which instant is meant; with its offset in the hour that comes twice."""
    local = at.astimezone(zone).replace(microsecond=0)
    other = local.replace(fold=1 - local.fold)
    return local if other.utcoffset() != local.utcoffset() else local.replace(tzinfo=None)


def _who(party: str, names: Cast) -> str:
    return party if party == CALLER else _capital(names.name_of(party))


def _capital(name: str) -> str:
    return name if name.startswith(("an ", "a ")) else name[:1].upper() + name[1:]
