"""Whoever calls, and whoever is called: what they do is drawn, one random source for each conversation."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from acceptance.caller import CallError
from soak_words import answered, said, spoken_code

from faults.balancer import Balancer, NoAnswer
from faults.judge import Judge
from faults.network import Made
from faults.phones import Caller, CutOff, PlacedPhone, TechniciansPhone
from faults.town import Number, Town

Kind = Literal["right", "wrong then right", "mistyped", "wrong", "none", "silent", "other urgency"]
KINDS: tuple[Kind, ...] = (
    "right",
    "wrong then right",
    "mistyped",
    "wrong",
    "none",
    "silent",
    "other urgency",
)
RIGHTFUL = ("right", "wrong then right", "mistyped")
# So few wrong ones that a batch leaves the budget of misses alone: what is throttled is tried elsewhere.
WEIGHTS = (77, 2, 6, 1, 4, 4, 6)
Manner = Literal["accepts", "lets it ring", "busy", "voicemail", "passes", "hangs up", "caller gone"]
MANNERS: tuple[Manner, ...] = (
    "accepts",
    "lets it ring",
    "busy",
    "voicemail",
    "passes",
    "hangs up",
    "caller gone",
)
MANNERLY = (52, 16, 6, 10, 8, 5, 3)
MOST_STEPS = 60
# The text message that whoever has pressed his key gets.
CASE_YOURS = re.compile(r"Caso ([0-9]{4}) di .*: lo segue lei")
# The customer is not dialled for him, and he hears why.
TOLD_IT_IS_HIS = ("out-no-number", "out-no-more-calls", "out-capped")
# Seconds that a voicemail may cost from picking up, by a rough count of how fast sentences are spoken. The
# tests of the prompts measure them.
VOICEMAIL = 28.0
LETTERS_A_SECOND = 15.0


@dataclass(frozen=True)
class Part:
    """What a caller is going to do."""

    kind: Kind
    customer: str
    key: str
    # Hangs up before his so-manieth deed; 0 never.
    hangs_up_at: int
    known: bool
    callbacks_late: bool
    # Whether he may want to be called back, or to talk on if he is asked after a talk that was short. They
    # all are: no time goes by here.
    whims: bool = True


def drawn(random: random.Random, number: Number) -> Part:
    return Part(
        kind=random.choices(KINDS, WEIGHTS)[0],
        customer=random.choice(sorted(number.customers)),
        key=random.choice("123"),
        hangs_up_at=random.randrange(1, 7) if random.random() < 0.15 else 0,
        known=random.random() < 0.8,
        callbacks_late=random.random() < 0.1,
    )


class People:
    """Everybody in the town. `willing` in the end: every technician who is phoned accepts."""

    def __init__(self, town: Town, line: Balancer, judge: Judge, seed: str) -> None:
        self.town, self.line, self.judge = town, line, judge
        self.willing = False
        self.manners: Callable[[random.Random], Manner] = lambda source: source.choices(MANNERS, MANNERLY)[0]
        self.late: list[Callable[[], object]] = []
        # Codes of cases that somebody has, with his phone: to be closed by a text message.
        self.holders: dict[str, str] = {}
        self._random = random.Random(f"{seed}:network")
        self._engaged: set[str] = set()
        self._lock = threading.Lock()

    # -- a conversation ----------------------------------------------------------------------------

    def converse(self, source: random.Random, number: Number, part: Part | None = None) -> Caller:
        """One call, from its beginning to its end."""
        part = part or drawn(source, number)
        phone = (
            self.town.customers[part.customer] if part.known else f"+39347555{source.randrange(10_000):04d}"
        )
        call = Caller(self.line, number.number, phone)
        call.callbacks_late = part.callbacks_late
        self.judge.note("conversations")
        self.judge.note(f"callers: {part.kind}")
        acted = _Acted(self, source, number, part, call)
        try:
            call.begins()
            acted.plays()
        except CutOff as cut:
            self.judge.note("calls cut off")
            if acted.rightful and not acted.code:
                self.judge.nobody(f"{call.sid} ({part.kind}): {cut}")
        except CallError as error:
            self.judge.wrong(f"{call.sid} ({part.kind}): {error}")
        with self._lock:
            self.late += call.late
        return call

    @contextmanager
    def engaged(self, phone: str) -> Iterator[bool]:
        """Whether this phone could be used; it is in use meanwhile."""
        with self._lock:
            free = phone not in self._engaged
            self._engaged.add(phone)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._engaged.discard(phone)

    # -- calls that the program places -------------------------------------------------------------

    def is_phoned(self, made: Made) -> None:
        """A call that the program placed rings."""
        with self._lock:
            source = random.Random(self._random.random())
        manner: Manner = "accepts" if self.willing else self.manners(source)
        phone = PlacedPhone(self.line, made, lambda _: source.random() < 0.8)
        self.judge.note("placed calls")
        with self.engaged(made.to) as free:
            try:
                if not free or manner == "busy":
                    phone.ends("busy")
                elif manner in ("lets it ring", "caller gone"):
                    phone.ends("no-answer")
                else:
                    phone.picks_up()
                    self._acts(phone, manner)
            except CallError as error:
                self.judge.wrong(f"placed {made.sid} to {made.to}: {error}")
            finally:
                phone.ends("completed")

    def _acts(self, phone: PlacedPhone, manner: Manner) -> None:
        code = spoken_code(phone.heard) or ""
        had_somebody = self.judge.has_somebody(code)
        for _ in range(MOST_STEPS):
            if phone.over or phone.waiting is None:
                break
            code = spoken_code(phone.heard) or code
            if phone.waiting.tag == "Dial":
                if said("out-connecting", " ".join(phone.transcript[-2:])):
                    self._has_it(code, phone)
                phone.customer_answers()
            elif manner == "accepts":
                if said("out-not-reached", phone.heard) or said("out-cut-short", phone.heard):
                    phone.ends("completed")
                    break
                self.judge.pressed(phone.sid, phone.number, code, placed=True)
                phone.press("1")
            elif manner == "passes":
                phone.press("2")
            elif manner == "hangs up":
                phone.ends("completed")
            else:
                phone.waits()
        told = " ".join(phone.transcript)
        if had_somebody:
            self.judge.note("technicians phoned about a case that somebody had")
        if "1" in phone.pressed and any(said(name, told) for name in TOLD_IT_IS_HIS):
            self._has_it(code, phone)

    def _has_it(self, code: str, phone: PlacedPhone) -> None:
        if "1" not in phone.pressed:
            self.judge.strangers.append(f"placed {phone.sid}: the customer is dialled without a key")
        self.met(code, phone.number)

    def met(self, code: str, phone: str) -> None:
        self.judge.met(code)
        with self._lock:
            self.holders[code] = phone

    # -- text messages -----------------------------------------------------------------------------

    def is_texted(self, made: Made) -> None:
        """A message of ours arrives, or does not; its receipt may come late."""
        with self._lock:
            drawn = self._random.random()
        made.status = "undelivered" if drawn < 0.05 else "delivered"
        if made.status == "delivered" and (yours := CASE_YOURS.match(made.body)):
            self.judge.has_in_writing(made.to, yours[1])
        if not made.callback or drawn > 0.95:
            return
        fields = [
            ("MessageSid", made.sid),
            ("AccountSid", self.line.account_sid),
            ("From", made.sender),
            ("To", made.to),
            ("MessageStatus", made.status),
        ]
        self._receipt(made.callback, fields, late=drawn > 0.9)

    def _receipt(self, url: str, fields: list[tuple[str, str]], *, late: bool) -> None:
        def tell() -> None:
            try:
                self.line.deliver(url, fields, "receipt")
            except NoAnswer:
                self.judge.note("receipts lost")

        if late:
            with self._lock:
                self.late.append(tell)
        else:
            tell()

    def closes(self, code: str, phone: str, number: str) -> bool:
        """A technician writes that his case is done; whether the answer says so."""
        fields = [
            ("MessageSid", f"SM{self._random.getrandbits(128):032x}"),
            ("AccountSid", self.line.account_sid),
            ("From", phone),
            ("To", number),
            ("Body", f"CHIUSO {code} sistemato"),
        ]
        try:
            answer = self.line.deliver(self.line.address("/sms"), fields, "text message")
        except NoAnswer:
            return False
        if answer.status != 200:
            return False
        text = " ".join(ElementTree.fromstring(answer.body).itertext())
        return answered("closed", text) or answered("closed-already", text)


class _Acted:
    """One caller's part in one call."""

    def __init__(
        self, people: People, source: random.Random, number: Number, part: Part, call: Caller
    ) -> None:
        self._people, self._judge = people, people.judge
        self._random, self._number, self._part, self._call = source, number, part, call
        self._tries = self._deeds = 0
        self._screened = False
        self.code = ""
        # He has a right PIN and an urgency, and stays on the line: he must get somebody, or a promise.
        self.rightful = part.kind in RIGHTFUL

    def plays(self) -> None:
        call, part = self._call, self._part
        for _ in range(MOST_STEPS):
            if call.over or call.waiting is None:
                break
            self._listens()
            self._deeds += 1
            if part.hangs_up_at == self._deeds:
                self.rightful = False
                if call.waiting.tag == "Dial":
                    self._judge.note("callers who hang up while a phone rings")
                call.hangs_up()
                break
            match call.waiting.tag:
                case "Dial":
                    self._rings()
                case "Record":
                    call.waits()
                case _ if call.asks_for_pin and not self._numbers_asked():
                    self._pin()
                case _:
                    self._menu()
        else:
            self._judge.wrong(f"{call.sid}: it never ends; heard last: {call.heard!r}")
        if self.rightful and not self.code and not self._screened:
            self._without_code()

    def _without_code(self) -> None:
        """His PIN was not looked at, and no telephone rang. That nobody can be rung at the moment, or not any
        more in this hour, he is told; his message, and a notice, go to the technician on duty.
        """
        told = " ".join(self._call.transcript)
        if said("screening-full", told) or said("screening-nobody", told):
            self._judge.note("callers who were not screened: a message and a notice")
            return
        self._judge.nobody(f"{self._call.sid} ({self._part.kind}): {' / '.join(self._call.transcript[-3:])}")

    def _listens(self) -> None:
        heard = self._call.heard
        if self._call.pin_keyed and (code := spoken_code(heard)) and code != self.code:
            self.code = code
            self._judge.promised(code, self._call.sid)
        elif self.code and said("ringing-again", heard):
            self._judge.promised(self.code, self._call.sid)

    def _numbers_asked(self) -> bool:
        return said("number-ask", self._call.heard) or said("number-wrong", self._call.heard)

    def _pin(self) -> None:
        call, kind = self._call, self._part.kind
        self._tries += 1
        right = self._people.town.pins[self._part.customer]
        if kind == "none":
            call.press("0#")
        elif kind == "silent":
            call.waits()
        elif kind == "wrong" or (kind == "wrong then right" and self._tries == 1):
            call.press(self._wrong() + "#")
        elif kind == "mistyped" and self._tries == 1:
            call.press(right[:4] + "#")
        elif self._tries > 4:
            call.waits()
        else:
            call.pin_keyed = True
            call.press(right + "#")

    def _wrong(self) -> str:
        while (pin := f"{self._random.randrange(10**8):08d}") in self._people.town.pins.values():
            pass
        return pin

    def _menu(self) -> None:
        call, heard = self._call, self._call.heard
        if said("same-case", heard) or said("same-case-taken", heard):
            call.press("1" if self._random.random() < 0.7 else "2")
        elif call.pin_keyed and not self.code and self._is_urgency():
            if self._part.kind == "other urgency":
                call.press("4")
            else:
                call.press(self._part.key)
        elif self._whim():
            call.press("1")
        elif self._numbers_asked():
            call.press("3471234567#")
        else:
            call.waits()

    def _whim(self) -> bool:
        """Now and then he wants to be called back, or to talk on."""
        heard = self._call.heard
        odds = 0.05 if said("ringing-missed", heard) else 0.3 if said("talk-was-short", heard) else 0.0
        return self._part.whims and odds > 0 and self._random.random() < odds

    def _is_urgency(self) -> bool:
        heard = self._call.heard
        # Also when it is read to him again, because what he keyed did not arrive.
        return "prema 9" in heard or said("key-silence", heard)

    # -- the technician's side -----------------------------------------------------------------------

    def _rings(self) -> None:
        """A phone rings: somebody does something about it."""
        call = self._call
        number = call.phones[0]
        manner = self._people.manners(self._random)
        self._screened = self._screened or not call.pin_keyed
        if number not in self._people.town.staff:
            self._judge.strangers.append(f"{call.sid}: {number} was dialled, who is no technician")
        with self._people.engaged(number) as free:
            self._judge.note("rings")
            if not free or manner == "busy":
                call.busy()
            elif manner == "lets it ring" or (manner == "caller gone" and not self.code):
                call.no_answer()
            else:
                self._picked_up(number, manner)

    def _picked_up(self, number: str, manner: Manner) -> None:
        call = self._call
        phone = call.picks_up(lambda each: self._key(each))
        self._judge.note(f"technicians: {manner}")
        if phone.over or phone.waiting is None:
            self._put_through(phone, number)
            return
        told = phone.heard
        match manner:
            case "accepts" | "caller gone":
                phone.press("1")
            case "passes":
                phone.press("2")
            case "hangs up":
                phone.hangs_up()
            case _:
                phone.stays_silent()
                self._costs(phone)
        if manner == "caller gone" and phone.bridged:
            self.rightful = False
            call.bridge_fails(phone)
        elif phone.bridged:
            self._put_through(phone, number, told)

    def _key(self, phone: TechniciansPhone) -> None:
        if phone.pressed[-1] == "1":
            self._judge.pressed(self._call.sid, phone.number)

    def _put_through(self, phone: TechniciansPhone, number: str, told: str = "") -> None:
        call = self._call
        if not phone.bridged:
            return
        unverified = any(
            said(name, told)
            for name in ("technician-screened", "technician-screened-number", "technician-screened-withheld")
        )
        self._judge.connected(
            f"{call.sid} ({self._part.kind})",
            pressed="1" in phone.pressed,
            pin=call.pin_keyed,
            told_unverified=unverified,
        )
        self.rightful = False
        # A case that was opened in two places at once has two codes until it has come home.
        for code in {spoken_code(told), self.code} - {None, ""}:
            assert code
            self._people.met(code, number)
        call.talks(seconds=self._random.choice((5, 95, 400)))

    def _costs(self, phone: TechniciansPhone) -> None:
        """What a voicemail cost: the sentences, and the time in which it pressed nothing."""
        if phone.bridged:
            return  # judged where the two are put through
        spoken = sum(map(len, phone.transcript)) / LETTERS_A_SECOND
        if phone.waited + spoken > VOICEMAIL:
            heard = " / ".join(phone.transcript)
            self._judge.wrong(f"{self._call.sid}: a voicemail cost {phone.waited + spoken:.0f} s: {heard}")
        self._judge.note("voicemails that were hung up on")
