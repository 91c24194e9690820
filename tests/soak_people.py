"""The people of the soak: callers, technicians and customers, and what each does next, drawn by lot.

A move is an instant and what is done then. It is drawn as a line begins to wait for somebody, and holds
until something else happens on that line.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from soak_words import said, spoken_code

from console.phone import CallerCall, Leg, PlacedCall
from console.phone.call import Call
from console.phone.events import CALLER, Heard

ROTA = """
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "+393331234501"
[[technician]]
key = "bruno"
name = "Bruno Bianchi"
phone = "+393331234502"
other_phones = ["+393331234512"]
[[technician]]
key = "carla"
name = "Carla Verdi"
phone = "+393331234503"
email = "carla@example.net"
rings = 15
[[technician]]
key = "dario"
name = "Dario Neri"
phone = "+393331234504"
[[technician]]
key = "elsa"
name = "Elsa Gallo"
phone = "+393331234505"
language = "de"
[[technician]]
key = "franco"
name = "Franco Riva"
phone = "+390461222206"

[[rota]]
key = "duty"
  [[rota.rung]]
  people = ["anna", "bruno", "carla"]
  starts = 2026-01-05
  handover = "18:30"
  every = "1 day"
  [[rota.rung]]
  people = ["dario"]

[[rota]]
key = "west"
  [[rota.rung]]
  people = ["elsa"]
  [[rota.rung]]
  people = ["franco", "anna"]
  starts = 2026-01-05
  handover = "22:00"
  every = "1 day"
  [[rota.rung]]
  people = ["dario"]
"""
# Phones by their technicians.
STAFF = {f"+39333123450{n}": name for n, name in enumerate(("anna", "bruno", "carla", "dario", "elsa"), 1)}
STAFF |= {"+393331234512": "bruno", "+390461222206": "franco"}

Temper = Literal["willing", "moody", "owl"]
Answer = Literal[
    "accepts",
    "accepts late",
    "plays",
    "declines",
    "listens",
    "hangs up",
    "voicemail",
    "busy",
    "fails",
    "rings out",
]
# How often each does what. A night owl's phone is never picked up by a person.
ANSWERS: dict[Temper, dict[Answer, float]] = {
    "willing": {"accepts": 70, "accepts late": 5, "declines": 5, "listens": 2, "rings out": 14, "busy": 4},
    "moody": {
        "accepts": 20,
        "accepts late": 7,
        "plays": 6,
        "declines": 14,
        "listens": 9,
        "hangs up": 7,
        "voicemail": 9,
        "busy": 7,
        "fails": 5,
        "rings out": 16,
    },
    "owl": {"rings out": 60, "voicemail": 25, "busy": 10, "fails": 5},
}
Kind = Literal["customer", "fumbles", "stranger", "pinless", "silent", "quits", "chaos", "verifies"]
KINDS: dict[Kind, float] = {
    "customer": 60,
    "fumbles": 8,
    "stranger": 8,
    "pinless": 5,
    "silent": 3,
    "quits": 8,
    "chaos": 5,
    "verifies": 3,
}
KEYS = ("1", "1", "2", "3", "4", "7", "8", "9", "#", "*", "0#", "12#", "9#", "*#", "1*3#", "5555555")

Act = Callable[[], object]


@dataclass(frozen=True)
class Move:
    at: datetime
    what: str
    act: Act = field(repr=False)


@dataclass
class Caller:
    """Somebody who calls. `quits`: how likely he is to hang up at each step."""

    kind: Kind
    customer: str
    quits: float
    tries: int = 0
    urgency: str = "1"


@dataclass
class People:
    """Everybody's mind. `occupied` tells whether a phone is in use for something else."""

    random: random.Random
    now: Callable[[], datetime]
    tempers: dict[str, Temper]
    pins: dict[str, str]
    wrong_pin: Callable[[int], str]
    occupied: Callable[[str, Call], bool]
    # What a phone that was picked up is going to do, by the line.
    minds: dict[str, Answer] = field(default_factory=dict)
    wrong: int = 0
    codes: list[str] = field(default_factory=list)

    def draw(self, odds: dict[Answer, float]) -> Answer:
        return self.random.choices(list(odds), list(odds.values()))[0]

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def after(self, least: float, most: float) -> datetime:
        """An instant so many seconds from now."""
        return self.now() + timedelta(seconds=self.random.uniform(least, most))

    # -- who calls ---------------------------------------------------------------------------------

    def caller(self, customers: Collection[str]) -> Caller:
        (kind,) = self.random.choices(list(KINDS), list(KINDS.values()))
        quits = 0.25 if kind == "quits" else 0.02
        urgency = self.random.choice("111223")
        return Caller(kind, self.random.choice(sorted(customers)), quits, urgency=urgency)

    def of_caller(self, call: CallerCall, who: Caller, since: datetime) -> Move:
        """What is done next on a call that came in. `since`: the instant of the last."""
        match call.state:
            case "gathering":
                return self._at_the_keys(call, who, since)
            case "ringing":
                leg = call.ringing[0]
                reached = self._rings(leg, call)
                leaves = self.after(1, 26)
                if self.chance(max(who.quits, 0.1)) and leaves < reached.at:
                    return Move(leaves, "hangs up while it rings", call.hang_up)
                return reached
            case "whispering":
                answered = call.leg
                assert answered is not None
                if self.chance(max(who.quits, 0.03)):
                    return Move(self.after(0, 8), "hangs up in the whisper", call.hang_up)
                return self._listens(answered, answered.sid, times_out(answered))
            case "bridged":
                return self._talks(call)
            case _:
                return self._records(call)

    def _records(self, call: Call) -> Move:
        drawn = self.random.random()
        if drawn < 0.2:
            return Move(self.now(), "says nothing", partial(call.speak, 0, then="silence"))
        if drawn < 0.35:
            return Move(self.now(), "speaks and hangs up", partial(call.speak, self.random.randint(1, 9)))
        if drawn < 0.45:
            return Move(self.after(0, 3), "hangs up", call.hang_up)
        return Move(self.now(), "speaks", partial(call.speak, self.random.randint(1, 12), then="#"))

    def _talks(self, call: Call) -> Move:
        leg = call.leg
        assert leg is not None
        seconds = self.random.uniform(2, 18) if self.chance(0.2) else self.random.uniform(20, 300)
        ends: Literal["technician", "caller"] = self.random.choice(("technician", "caller"))
        return Move(self.after(seconds, seconds), f"{ends} ends the talk", partial(leg.talk, 0, ends=ends))

    def _at_the_keys(self, call: CallerCall, who: Caller, since: datetime) -> Move:
        text = heard_since(call, CALLER, since)
        wait = Move(times_out(call), "waits", call.wait)
        if not text:
            return wait
        if self.chance(who.quits):
            return Move(self.after(0, 15), "hangs up", call.hang_up)
        pressed = self._key(who, text)
        if pressed is None:
            return wait
        what, keys, label = pressed
        seconds = self.random.uniform(0.2, 9)
        at = self.now() + timedelta(seconds=seconds)
        if at >= wait.at:
            return wait
        return Move(at, what, partial(call.press, keys, label=label, after=seconds))

    def _key(self, who: Caller, text: str) -> tuple[str, str, str | None] | None:
        """What he keys at what he was asked: how it is told, the keys, and the label of a PIN."""
        if who.kind == "silent":
            return None
        if who.kind == "chaos" and self.chance(0.5):
            return self._plain(self.random.choice(KEYS))
        if any(said(name, text) for name in ("pin-again", "welcome-night", "pin-more-time")):
            return self._pin(who)
        if said("urgency-menu", text):
            if who.kind == "verifies" and self.chance(0.6):
                return self._plain("8")
            drawn = self.random.random()
            odd = "4" if drawn < 0.05 else "9" if drawn < 0.09 else "7" if drawn < 0.12 else who.urgency
            return None if drawn > 0.96 else self._plain(odd)
        if said("code-ask", text):
            code = self.random.choice(self.codes) if self.codes and self.chance(0.7) else "0000"
            return self._plain(code + "#")
        if said("same-case", text) or said("same-case-taken", text):
            return self._one_of({"1": 0.45, "2": 0.35, "7": 0.05})
        if said("ringing-missed", text):
            return self._one_of({"1": 0.12})
        if said("number-ask", text):
            number = f"3475551{self.random.randrange(1000):03d}"
            return f"keys {number}#", number + "#", number
        if said("talk-was-short", text):
            return self._one_of({"1": 0.4})
        if said("office-missed", text):
            return self._one_of({"1": 0.6})
        if said("message-offer", text):
            return self._one_of({"1": 0.4, "7": 0.1})
        # He hears his code, and keys over it or not.
        return self._one_of({"1": 0.1})

    def _one_of(self, odds: dict[str, float]) -> tuple[str, str, str | None] | None:
        drawn = self.random.random()
        for key, share in odds.items():
            drawn -= share
            if drawn < 0:
                return self._plain(key)
        return None

    def _pin(self, who: Caller) -> tuple[str, str, str | None] | None:
        who.tries += 1
        match who.kind:
            case "pinless":
                return self._plain("0#")
            case "stranger":
                return self._wrong()
            case "fumbles" if who.tries <= 2 and self.chance(0.7):
                return self._wrong()
            case "chaos" if self.chance(0.3):
                return self._wrong()
        if self.chance(0.04):
            return self._plain(self.random.choice(("9#", "*#", "12#")))
        name = who.customer
        return f"keys the PIN of {name}", self.pins[name] + "#", f"PIN of {name}"

    def _wrong(self) -> tuple[str, str, str | None]:
        self.wrong += 1
        return "keys a wrong PIN", self.wrong_pin(self.wrong) + "#", "a wrong PIN"

    @staticmethod
    def _plain(keys: str) -> tuple[str, str, str | None]:
        return f"keys {keys}", keys, None

    # -- whoever is rung ---------------------------------------------------------------------------

    def _rings(self, leg: Leg, call: Call) -> Move:
        """A phone that a Dial rings: a technician's, an office's, a customer's."""
        mind = self._mind(leg.phone, call)
        self.minds[leg.sid] = mind
        who = STAFF.get(leg.phone, leg.phone)
        seconds = self.random.uniform(0.5, 24)
        match mind:
            case "busy":
                return Move(self.after(2, 2), f"{who} is busy", leg.busy)
            case "fails":
                return Move(self.after(0, 2), f"{who} cannot be reached", leg.fail)
            case "rings out":
                return Move(rings_until(call), f"{who} does not answer", leg.no_answer)
            case "voicemail":
                seconds = min(seconds + 10, 24)
                return Move(
                    self.after(seconds, seconds), f"{who}: voicemail", partial(leg.voicemail, after=seconds)
                )
            case _:
                return Move(
                    self.after(seconds, seconds), f"{who} picks up", partial(leg.answer, after=seconds)
                )

    def _mind(self, phone: str, call: Call) -> Answer:
        """What becomes of a ring at this phone."""
        if self.occupied(phone, call):
            return "busy"
        if phone in STAFF:
            return self.draw(ANSWERS[self.tempers[STAFF[phone]]])
        return self.draw({"accepts": 60, "rings out": 20, "busy": 10, "fails": 4, "voicemail": 6})

    def _listens(self, line: Leg | PlacedCall, sid: str, until: datetime) -> Move:
        """A technician who has picked up and hears what it is about; his keys are live."""
        mind = self.minds.get(sid, "listens")
        who = STAFF.get(line.party, line.party)
        wait = Move(until, f"{who} is silent", line.wait)
        seconds = self.random.uniform(0.3, 11)
        key = {"accepts": "1", "accepts late": "1", "declines": "2"}.get(mind)
        if mind == "accepts late" or (mind == "accepts" and self.chance(0.05)):
            self.minds[sid] = "accepts"
            return wait
        if mind == "plays":
            key = self.random.choice("99753#*12")
        if mind == "hangs up" and self.chance(0.7):
            return Move(self.after(0, 8), f"{who} hangs up", line.hang_up)
        at = self.now() + timedelta(seconds=seconds)
        if key is None or at >= until:
            return wait
        return Move(at, f"{who} presses {key}", partial(line.press, key, after=seconds))

    # -- calls that the program places -------------------------------------------------------------

    def of_placed(self, call: PlacedCall, since: datetime) -> Move:
        """What is done next on a call to a technician's phone."""
        who = STAFF.get(call.phone, call.phone)
        match call.state:
            case "phoning":
                mind = self._mind(call.phone, call)
                self.minds[call.sid] = mind
                seconds = self.random.uniform(0.5, 24)
                match mind:
                    case "busy":
                        return Move(self.after(2, 2), f"{who} is busy", call.busy)
                    case "fails":
                        return Move(self.after(0, 2), f"{who} cannot be reached", call.fail)
                    case "rings out":
                        return Move(rings_until(call), f"{who} does not answer", call.no_answer)
                    case "voicemail":
                        act = partial(call.voicemail, after=seconds)
                        return Move(self.after(seconds, seconds), f"{who}: voicemail", act)
                at = self.after(seconds, seconds)
                return Move(at, f"{who} picks up", partial(call.answer, after=seconds))
            case "ringing":
                reached = self._rings(call.ringing[0], call)
                leaves = self.after(1, 26)
                if self.chance(0.05) and leaves < reached.at:
                    return Move(leaves, f"{who} hangs up as the customer's phone rings", call.hang_up)
                return reached
            case "bridged":
                return self._talks(call)
            case "gathering":
                text = heard_since(call, call.phone, since)
                until = times_out(call)
                if any(said(name, text) for name in ("out-not-reached", "out-cut-short")):
                    if self.chance(0.6):
                        seconds = self.random.uniform(1, 8)
                        at = self.now() + timedelta(seconds=seconds)
                        press = partial(call.press, "1", after=seconds)
                        return Move(min(at, until), f"{who} tries the customer again", press)
                    return Move(until, f"{who} leaves it at that", call.wait)
                code = spoken_code(text)
                if code is not None and code not in self.codes:
                    self.codes.append(code)
                return self._listens(call, call.sid, until)
            case _:
                return Move(self.now(), f"{who} hangs up", call.hang_up)


# -- what the telephone knows of its own time ------------------------------------------------------


def heard_since(call: Call, party: str, since: datetime) -> str:
    """What a party heard from then on."""
    return " ".join(
        e.text for e in call.events if isinstance(e, Heard) and e.party == party and e.at >= since
    )


def times_out(line: Leg | Call) -> datetime:
    """When the Gather that waits for keys gives up."""
    gathering = line._gathering
    assert gathering is not None
    return gathering.times_out


def rings_until(call: Call) -> datetime:
    """When a phone of this call stops ringing."""
    if isinstance(call, PlacedCall) and call.state == "phoning":
        return call._deadline
    assert call._dialling is not None
    return call._dialling._deadline
