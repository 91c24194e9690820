"""The telephone without a screen: what can be done now, and what happened.

Every move is one thing that one person does. A move that is not possible raises OutOfTurn with a
sentence for people, and changes nothing. What a PIN is made of is in no attribute that shows itself,
in no event and in no message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import dropwhile
from typing import Literal, get_args

from console.phone import CallerCall, Cast, Exchange, Leg, OutOfTurn, PlacedCall
from console.phone.callfile import MOST_DIGITS
from console.phone.events import Event, Heard
from console.phone.execution import Execution
from console.phone.switchboard import Switchboard
from console.rehearsing.asked import Asked, asked_on

State = Literal["idle", "phoning", "gathering", "ringing", "whispering", "bridged", "recording", "ended"]
Act = Literal["answers", "declines", "does not answer", "is busy", "cannot be reached", "voicemail"]
ACTS: tuple[Act, ...] = get_args(Act)

A_MINUTE = 60
# One digit alone is a choice of a menu; with more, the keys of a live call could be a PIN.
MOST_LIVE_DIGITS = 1


class Session:
    """One telephone and everybody's hands on it: the caller's, and those of whoever the program rings.

    `live`: the clock is the real one and no PIN is known by name. `real_pins`: it is not known of every PIN
    whether it is right. `on_move` is called after every move.
    """

    def __init__(
        self, exchange: Exchange, cast: Cast, *, live: bool = False, real_pins: bool = False
    ) -> None:
        self.exchange = exchange
        self.cast = cast
        self.board = Switchboard(exchange, cast)
        self.live = live
        self._all_known = not (live or real_pins)
        self.call: CallerCall | None = None
        self.spoken = 0  # seconds spoken into the recording that is going on
        self.on_move: Callable[[], None] = lambda: None
        self.moves = 0
        self.fresh: tuple[Event, ...] = ()  # what the latest move brought
        self.cut: tuple[Heard, ...] = ()  # what was heard of the prompts it cut off
        self._typed = ""
        self._first_after: float | None = None

    def __repr__(self) -> str:
        return f"<Session {self.state}>"

    # What there is to see

    @property
    def state(self) -> State:
        return self.call.state if self.call else "idle"

    @property
    def going_on(self) -> bool:
        """Whether a call is going on."""
        return self.state not in ("idle", "ended")

    @property
    def now(self) -> datetime:
        return self.exchange.clock.now()

    @property
    def events(self) -> list[Event]:
        """What happened in the present call, or in the latest."""
        return self.call.events if self.call else []

    @property
    def ringing(self) -> list[str]:
        """Whose phones ring, by name."""
        return [self.cast.name_of(leg.phone) for leg in self.call.ringing] if self.call else []

    @property
    def on_the_line(self) -> str | None:
        """Who picked up, by name: he hears a whisper, or is connected."""
        return self.cast.name_of(self.call.leg.phone) if self.call and self.call.leg else None

    @property
    def pad(self) -> str:
        """The keys that are typed and not sent yet, as they may be shown: • for each while a PIN is asked."""
        asked = self.asked()
        return "•" * len(self._typed) if asked is None or asked.secret else self._typed

    def asked(self, who: str | None = None) -> Asked | None:
        """What the caller's line, or the phone of `who`, listens for."""
        if who is None:
            return asked_on(self.call) if self.call else None
        try:
            return asked_on(self.board.picked_up(who))
        except (OutOfTurn, LookupError):
            return None

    # What the caller does

    def dial(self, who: str, to: str) -> None:
        """`who` calls `to`, each a name of the cast. Raises LookupError for a name nobody has."""
        if self.going_on:
            raise OutOfTurn("a call is going on: hang up first")
        from_, number = self.cast.phone(who), self.cast.number(to)
        with self.moving():
            self.call = None
            self.call = self.exchange.ring(from_, number)
            self.board.calls.append(self.call)

    def key(self, key: str, who: str | None = None, *, after: float | None = None) -> None:
        """One key. Where several are asked it is kept, out of sight, until they are complete.

        `after`: seconds from the beginning of the prompt to the key, which stops it; None: heard out.
        """
        asked = self.asked(who)
        if asked is None or asked.one_key:
            self.press(key, who, after=after)
            return
        if not self._typed:
            self._first_after = after
        self._typed += key
        if key == asked.finish or len(self._typed) == asked.most:
            self._send(self._line(who))

    def press(self, keys: str, who: str | None = None, *, after: float | None = None) -> None:
        """Several keys, one after the other."""
        if who is None and self.state == "recording":
            self._finish_speaking(keys)
            return
        line = self._line(who)
        if asked_on(line) is None:
            raise OutOfTurn(f"{who or 'the caller'} presses keys and nobody listens: {self.situation()}")
        label = self._label(keys, asked_on(line))
        with self.moving():
            line.press(keys, label=label, after=after)

    def pin(self, customer: str, *, after: float | None = None) -> None:
        """Keys the rehearsal's PIN of `customer`, then #. Raises LookupError for one without a PIN."""
        self._name_pin(self.cast.pin(customer), f"PIN of {customer}", after)

    def wrong_pin(self, *, after: float | None = None) -> None:
        """Keys a PIN that nobody has, another at each time, then #."""
        which = sum(1 for event in self.exchange.events if getattr(event, "keys", "") == "a wrong PIN")
        self._name_pin(self.cast.wrong_pin(which), "a wrong PIN", after)

    def wait(self, who: str | None = None, seconds: int | None = None) -> None:
        """Silence: the question times out, nobody picks up, the recording ends; else time passes.

        `seconds` (60 unless told) count only while no call is going on, or two people talk.
        """
        if self._typed and self.state == "gathering":
            self._send(self._line(who))
        if who is not None and isinstance(line := self._picked_up_or_none(who), PlacedCall):
            with self.moving():
                line.wait()
            return
        with self.moving():
            match self.state:
                case "idle" | "ended" | "bridged":
                    if self.live:
                        raise OutOfTurn("this telephone is live: time passes by itself")
                    self.exchange.clock.forward(seconds=A_MINUTE if seconds is None else seconds)
                case _ if seconds is not None:
                    raise OutOfTurn("the telephone itself decides how long a silence lasts here")
                case "recording":
                    self._speak_out("silence")
                case "ringing":
                    self._the_call.wait()
                case "whispering":
                    self._line(who or self.on_the_line).wait()
                case _:
                    self._line(who).wait()

    def speak(self, seconds: int) -> None:
        """Speaks into the recording, which goes on: a key, silence or hanging up ends it."""
        if self.state != "recording":
            raise OutOfTurn(f"nothing records: {self.situation()}")
        self.spoken += seconds

    def hang_up(self) -> None:
        """The caller hangs up, at whatever moment."""
        if not self.going_on:
            raise OutOfTurn("there is no call to hang up")
        with self.moving():
            if self.state == "recording":
                self._speak_out("hang up")
            else:
                self._the_call.hang_up()

    # What somebody else's phone does

    def does(self, who: str, act: Act) -> None:
        """What happens to a phone that rings; "declines" answers and passes, also in the whisper."""
        if act == "declines" and (who == self.on_the_line or self.asked(who) is not None):
            self.press("2", who)
            return
        leg = self._ringing(who)
        with self.moving():
            match act:
                case "answers":
                    leg.answer()
                case "declines":
                    leg.answer()
                    if asked_on(leg) is not None:
                        leg.press("2")
                case "does not answer":
                    leg.no_answer()
                case "is busy":
                    leg.busy()
                case "cannot be reached":
                    leg.fail()
                case "voicemail":
                    leg.voicemail()

    def leaves(self, who: str) -> None:
        """The person at a phone that was picked up hangs up."""
        leg = self._picked_up(who)
        with self.moving():
            leg.hang_up()

    def texts(self, who: str, words: str) -> None:
        """Somebody writes a text message to the number of ours that wrote to him last, else to the first.

        Raises LookupError for a name nobody has.
        """
        phone = self.cast.phone(who)
        to = self.exchange.texts.last_sender_to(phone) or next(iter(self.cast.numbers.values()))
        if not to.startswith("+"):
            raise OutOfTurn(f"nobody can answer to {to}")
        with self.moving():
            self.exchange.text(phone, to, words)

    # In words

    def situation(self) -> str:
        """What is going on, in a few words."""
        match self.state:
            case "idle":
                return "nobody has called yet"
            case "ended":
                return "the call is over"
            case "ringing":
                whose = " and ".join(f"{name}'s" for name in self.ringing)
                return f"{whose} phone rings" if len(self.ringing) == 1 else f"{whose} phones ring"
            case "whispering":
                return f"{self.on_the_line} hears who is calling"
            case "bridged":
                return f"{self.on_the_line} and the caller are connected"
            case "recording":
                return "a message is being recorded"
            case "gathering":
                return "the caller is asked for a key"
            case "phoning":
                return "his phone rings"

    @contextmanager
    def moving(self) -> Iterator[None]:
        """What is done within is one move. Afterwards `fresh` and `cut` tell what it brought, also when a bug
        ends it halfway.
        """
        before, then = list(self.exchange.events), self.exchange.clock.now()
        try:
            yield
        finally:
            after = self.exchange.events
            time_passed = not self.live and self.exchange.clock.now() != then
            cut, fresh = brought(before, after)
            if cut or fresh or len(after) != len(before) or time_passed:
                self.moves += 1
                self._typed = ""
                self.fresh, self.cut = fresh, cut
                self.on_move()

    def go_on_with(self, calls: Sequence[CallerCall]) -> None:
        """Take calls in hand that somebody else began, the latest as the present one."""
        self.board.calls[:] = calls
        self.call = calls[-1] if calls else None

    # Inside

    @property
    def _the_call(self) -> CallerCall:
        if self.call is None:
            raise OutOfTurn("nobody has called yet")
        return self.call

    def _line(self, who: str | None) -> Execution:
        return self._the_call if who is None else self._picked_up(who)

    def _ringing(self, who: str) -> Leg | PlacedCall:
        with suppress(LookupError):
            if (rung := self.board.rung(who)) is not None:
                return rung
        raise OutOfTurn(f"{who}'s phone does not ring: {self.situation()}")

    def _picked_up(self, who: str) -> Leg | PlacedCall:
        if (line := self._picked_up_or_none(who)) is None:
            raise OutOfTurn(f"{who} is not on the line: {self.situation()}")
        return line

    def _picked_up_or_none(self, who: str) -> Leg | PlacedCall | None:
        try:
            return self.board.picked_up(who)
        except (OutOfTurn, LookupError):
            return None

    def _name_pin(self, pin: str, label: str, after: float | None) -> None:
        if self.asked() is None:
            raise OutOfTurn(f"no PIN is asked: {self.situation()}")
        self._typed = ""
        with self.moving():
            self._the_call.press(f"{pin}#", label=label, after=after)

    def _send(self, line: Execution) -> None:
        keys, self._typed = self._typed, ""
        with self.moving():
            line.press(keys, label=self._label(keys, asked_on(line)), after=self._first_after)

    def _label(self, keys: str, asked: Asked | None) -> str | None:
        """What is recorded instead of the keys, where they could be a PIN."""
        digits = re.sub(r"[^0-9]", "", keys)
        if len(digits) <= (MOST_LIVE_DIGITS if self.live else MOST_DIGITS):
            return None
        for name, pin in self.cast.pins.items():
            if pin == digits:
                return f"PIN of {name}"
        if asked and asked.secret and len(digits) == asked.most and self._all_known:
            return "a wrong PIN"
        return f"{len(digits)} digits"

    def _finish_speaking(self, key: str) -> None:
        with self.moving():
            self._speak_out(key)

    def _speak_out(self, then: str) -> None:
        self._the_call.speak(self.spoken, then=then)
        self.spoken = 0


def brought(before: Sequence[Event], after: Sequence[Event]) -> tuple[tuple[Heard, ...], tuple[Event, ...]]:
    """What was heard of the prompts that were cut off since `before`, and what happened then."""
    same = next((i for i, e in enumerate(before) if i >= len(after) or after[i] is not e), len(before))
    new = after[same:]
    fresh = tuple(new) if same == len(before) else tuple(dropwhile(_is_words, new))
    return tuple(e for e in new[: len(new) - len(fresh)] if isinstance(e, Heard)), fresh


def _is_words(event: Event) -> bool:
    return isinstance(event, Heard)
