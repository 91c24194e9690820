"""Judges a night of the soak from what its telephones experienced: who heard what, who pressed which key, who
was connected to whom, which phones rang when. The journal is not asked what happened; in the end it is held
against the telephones.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from soak_night import CUSTOMERS, OFFICES, WEST, Night
from soak_people import STAFF
from soak_words import answered, said, spoken_code
from sqlalchemy import select

from console.phone import CallerCall, PlacedCall
from console.phone.call import Call
from console.phone.events import (
    CALLER,
    Answered,
    Bridged,
    Event,
    Failed,
    Heard,
    HungUp,
    Missed,
    Phoned,
    Pressed,
    Rang,
    Recorded,
)
from ivr.tables import outgoing
from oncall.cases import cases as casebook
from oncall.rota import roster
from oncall.tables import attempts, cases, notice_sends
from pins.tables import customers

# The sentence before the last ring included.
NO_NEW_RING_AFTER = timedelta(seconds=240 + 5)
HOUR = timedelta(hours=1)
WAKE_UPS_AN_HOUR = 4
CUSTOMER_DIALS = 5
CALLBACK_WARNING = 15003
HIS = ("out-connecting", "out-no-number", "out-no-more-calls")
# What a caller whose emergency was accepted may hear last, if he has not hung up himself.
LAST_WORDS = ("nobody-answered", "call-back-promised", "goodbye")


@dataclass(frozen=True)
class Ring:
    """A phone that rang at `at`. Its line was in use from event to event, in the order of all events."""

    call: Call
    phone: str
    at: datetime
    begins: int
    ends: int


@dataclass(frozen=True)
class Purpose:
    """What a placed call is for. `rota` and `customer` are those of its case, if it is about one."""

    id: int
    purpose: str
    code: str
    rota: str
    customer: str


@dataclass
class Heed:
    """What a call was to its case: what was promised in it, and what came of it."""

    promised: list[tuple[str, datetime]] = field(default_factory=list)
    met: list[tuple[str, datetime]] = field(default_factory=list)


class Judge:
    """Of one night. `unmet` may be asked during it, `pass_sentence` once it is over."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._known: dict[str, Heed] = {}
        self._about: dict[str, Purpose] = {}

    # -- every accepted urgency ends with a person -------------------------------------------------

    def unmet(self) -> list[tuple[str, datetime]]:
        """Codes that callers were told of and that no technician has answered for since."""
        promised, met = self._promises()
        return [(code, at) for code, at in promised if not any(m > at for m in met.get(code, ()))]

    def _promises(self) -> tuple[list[tuple[str, datetime]], dict[str, list[datetime]]]:
        promised: list[tuple[str, datetime]] = []
        met: dict[str, list[datetime]] = defaultdict(list)
        for call in self._calls():
            heed = self._known.get(call.sid)
            if heed is None:
                came_in = isinstance(call, CallerCall)
                heed = self._of_caller(call) if came_in else self._of_placed(call)
                if call.state == "ended":
                    self._known[call.sid] = heed
            promised += heed.promised
            for code, at in heed.met:
                met[code].append(at)
        for text in self._night.answers:
            code = next((word for word in text.answer.split() if word.isdecimal() and len(word) == 4), "")
            if answered("closed", text.answer):
                met[code].append(text.at)
            elif answered("passed", text.answer):
                promised.append((code, text.at))
        return promised, met

    def _of_caller(self, call: Call) -> Heed:
        """A call that came in: codes he was told in full, also as he was put through again; talks."""
        heed, code = Heed(), ""
        for event in call.events:
            match event:
                case Heard(party=party, text=text, at=at) if party == CALLER:
                    if found := spoken_code(text):
                        code = found
                        heed.promised.append((code, at))
                    elif code and said("ringing-again", text):
                        heed.promised.append((code, at))
                case Bridged(phone=phone, at=at) if phone in STAFF:
                    # He may have keyed over his code, and the technician over it too.
                    met = code or _code_told(call, phone) or self._case_of_caller(call)
                    heed.met.append((met, at))
        return heed

    def _case_of_caller(self, call: Call) -> str:
        with self._night.house.database.read() as connection:
            found = casebook.of_call(connection, call.sid)
        return found.code if found else ""

    def _of_placed(self, call: Call) -> Heed:
        """A call that the program placed: he pressed 1 and was told that the case is his."""
        heed, pressed = Heed(), None
        for event in call.events:
            match event:
                case Heard(party=party, text=text) if party == call.party:
                    if pressed and any(said(name, text) for name in HIS):
                        heed.met.append((self._case_of(call), pressed))
                        break
                    if said("out-too-late", text):
                        break
                case Pressed(party=party, keys=keys, at=at) if party == call.party:
                    pressed = at if "1" in keys else None
        return heed

    def _case_of(self, call: Call) -> str:
        """The code that a placed call is about: as it was heard, else by the address it was placed with."""
        return _code_told(call, call.party) or self._placed_for(call).code

    def _placed_for(self, call: Call) -> Purpose:
        """What a placed call is for, by the address it was placed with."""
        found = self._about.get(call.sid)
        if found is None:
            assert isinstance(call, PlacedCall)
            which = self._night.seal.open(parse_qs(urlsplit(call._order.url).query)["l"][0])["out"]
            asked = (
                select(outgoing.c.id, outgoing.c.purpose, cases.c.code, cases.c.rota, customers.c.code)
                .outerjoin(cases, cases.c.id == outgoing.c.case_id)
                .outerjoin(customers, customers.c.id == cases.c.customer_id)
                .where(outgoing.c.id == which)
            )
            with self._night.house.database.read() as connection:
                which, purpose, code, rota, customer = connection.execute(asked).one()
            found = Purpose(which, purpose, code or "", rota or "", (customer or "").lower())
            self._about[call.sid] = found
        return found

    def _calls(self) -> Iterator[Call]:
        yield from self._night.exchange.calls
        yield from self._night.exchange.placed

    # -- the rest ----------------------------------------------------------------------------------

    def pass_sentence(self) -> None:
        """Everything that must hold of the night; what does not is noted there."""
        night = self._night
        if unmet := self.unmet():
            night.wrong(f"nobody has answered for {unmet} a day later")
        for line in night.lines.values():
            if line.call.state != "ended":
                night.wrong(f"{line.call} never ended")
        self._order = {id(event): place for place, event in enumerate(night.exchange.events)}
        rings = [ring for call in self._calls() for ring in self._rings(call)]
        self._faults()
        self._keys_before_bridges()
        self._numbers(rings)
        self._one_ring_at_a_time(rings)
        self._no_late_rings()
        self._strangers()
        self._one_pass_at_a_time()
        self._texts()
        self._journal()
        self._count(rings)

    def _rings(self, call: Call) -> Iterator[Ring]:
        """Every ring of the call, from its start to the end of its line."""
        begun: dict[str, Event] = {}
        for event in call.events:
            match event:
                case Rang(phone=phone) | Phoned(phone=phone):
                    begun[phone] = event
                case Missed(phone=phone) | HungUp(party=phone) if phone in begun:
                    yield self._ring(call, phone, begun.pop(phone), self._order[id(event)])
        for phone, event in begun.items():
            yield self._ring(call, phone, event, len(self._order))

    def _ring(self, call: Call, phone: str, begun: Event, ends: int) -> Ring:
        return Ring(call, phone, begun.at, self._order[id(begun)], ends)

    def _faults(self) -> None:
        for call in self._calls():
            for event in call.events:
                if isinstance(event, Failed) and event.code != CALLBACK_WARNING:
                    self._night.wrong(f"{call}: {event.code} {event.message}")

    def _keys_before_bridges(self) -> None:
        """Nobody is connected who has not pressed 1; nobody unverified to somebody who was not told."""
        for call in self._night.exchange.calls:
            for place, event in enumerate(call.events):
                if isinstance(event, Bridged) and event.phone in STAFF:
                    if not _pressed_1(call.events[:place], event.phone):
                        self._night.wrong(f"{call}: {event.phone} was connected without pressing 1")
                    told = [e for e in call.events[:place] if isinstance(e, Heard)]
                    codes = [spoken_code(e.text) for e in told if e.party == event.phone]
                    if not _keyed_a_pin(call) and any(codes):
                        self._night.wrong(f"{call}: to {event.phone} he was announced as verified")
        for placed in self._night.exchange.placed:
            for place, event in enumerate(placed.events):
                if isinstance(event, Rang) and not _pressed_1(placed.events[:place], placed.phone):
                    self._night.wrong(f"{placed}: {event.phone} was dialled without a key")

    def _numbers(self, rings: list[Ring]) -> None:
        """Who may be rung: people of the rota, offices; customers for their technician alone."""
        numbers: dict[str, set[str]] = defaultdict(set)
        for call in self._night.exchange.calls:
            for customer in _customers(call):
                numbers[customer] |= {CUSTOMERS.get(customer, ""), call.from_, *_keyed_numbers(call)}
        dialled: Counter[str] = Counter()
        for ring in rings:
            if isinstance(ring.call, CallerCall):
                if ring.phone not in STAFF and ring.phone not in OFFICES:
                    self._night.wrong(f"{ring.call}: {ring.phone} was dialled")
                if ring.phone == ring.call.from_:
                    self._night.wrong(f"{ring.call}: its own caller was dialled")
            elif ring.phone == ring.call.to:
                if ring.phone not in STAFF:
                    self._night.wrong(f"{ring.phone} was called")
            else:
                code, customer = self._case_of(ring.call), self._placed_for(ring.call).customer
                dialled[code] += 1
                if ring.phone not in numbers[customer]:
                    self._night.wrong(f"case {code}: {ring.phone} is none of the customer's numbers")
        for code, times in dialled.items():
            if times > CUSTOMER_DIALS:
                self._night.wrong(f"case {code}: the customer was dialled {times} times")

    def _one_ring_at_a_time(self, rings: list[Ring]) -> None:
        """A phone in use is never called by the pursuit; in a live call only if nobody else is left."""
        by_phone = defaultdict(list)
        for ring in sorted(rings, key=lambda each: each.begins):
            # A technician who called as a customer is dialled as one.
            if ring.phone in STAFF and (isinstance(ring.call, CallerCall) or ring.phone == ring.call.to):
                by_phone[ring.phone].append(ring)
        for phone, own in by_phone.items():
            for place, ring in enumerate(own):
                busy = [o for o in own[:place] if o.ends > ring.begins and o.call is not ring.call]
                if not busy:
                    continue
                if isinstance(ring.call, PlacedCall):
                    self._night.wrong(f"{phone} was phoned at {ring.at} while in use by {busy[0].call}")
                else:
                    self._night.count["rung though engaged, nobody else left"] += 1
                    if self._somebody_was_left(ring, rings):
                        self._night.wrong(
                            f"{ring.call}: {phone} rang at {ring.at} though engaged, others were left"
                        )

    def _somebody_was_left(self, ring: Ring, rings: list[Ring]) -> bool:
        """Whether another technician of the ladder was free and not tried in this pass. Only of a night in
        which nothing was lost: else the program may take somebody for engaged who is not.
        """
        night, call = self._night, ring.call
        since = max((at for _, at in self._of_caller(call).promised), default=None)
        if not night.calm or since is None or since > ring.at:
            return False
        with night.house.database.read() as connection:
            rota = "west" if call.to == WEST else "duty"
            ladder = roster.ladder(connection, night.house.configuration.ringing, rota, since)
        tried = Counter(r.phone for r in rings if r.call is call and since <= r.at and r.begins < ring.begins)
        in_use = {
            STAFF[r.phone]
            for r in rings
            if r.phone in STAFF and r.call is not call and r.begins < ring.begins < r.ends
        }
        in_use.add(STAFF.get(call.from_, ""))
        return any(
            tried[contact.phone] <= tried[ring.phone]
            and contact.technician not in in_use | {STAFF[ring.phone]}
            for contact in ladder
        )

    def _no_late_rings(self) -> None:
        """After 240 s nobody new is rung: whoever is on the line is told the truth and may leave word."""
        for call in self._night.exchange.calls:
            promised = [at for _, at in self._of_caller(call).promised]
            if not promised:
                continue
            for event in call.events:
                if isinstance(event, Rang) and event.phone in STAFF and event.at > promised[0]:
                    last = max(at for at in promised if at <= event.at)
                    if event.at - last > NO_NEW_RING_AFTER:
                        late = int((event.at - last).total_seconds())
                        self._night.wrong(f"{call}: {event.phone} was rung after {late} s")
            ended = [e for e in call.events if isinstance(e, HungUp) and e.party == CALLER]
            bridged = any(isinstance(e, Bridged) for e in call.events)
            heard = [e.text for e in call.events if isinstance(e, Heard) and e.party == CALLER]
            told = any(said(name, text) for name in LAST_WORDS for text in heard)
            if ended and ended[-1].by != CALLER and not bridged and not told:
                self._night.wrong(f"{call} was ended without a word")

    def _strangers(self) -> None:
        """Whoever was not verified reaches nobody, but a few who are asked for first."""
        woke: list[datetime] = []
        for call in self._night.exchange.calls:
            heard = [e.text for e in call.events if isinstance(e, Heard) and e.party == CALLER]
            greeted = any(said("greeting", text) for text in heard)
            promised = self._of_caller(call).promised
            if (greeted or promised) and not _keyed_a_pin(call):
                self._night.wrong(f"{call}: greeted or accepted without a PIN")
            rang = [e.at for e in call.events if isinstance(e, Rang) and e.phone in STAFF]
            if rang and not promised:
                # He hung up over his code, or a person was asked to decide.
                if any(said(name, text) for name in ("screening-name", "screening-wait") for text in heard):
                    woke.append(rang[0])
                elif not _keyed_a_pin(call):
                    self._night.wrong(f"{call}: a stranger, and {len(rang)} phones rang")
        woke.sort()
        for first, fifth in zip(woke, woke[WAKE_UPS_AN_HOUR:], strict=False):
            if fifth - first < HOUR - timedelta(seconds=15):
                self._night.wrong(f"five wake-ups by strangers from {first} to {fifth}")
        self._night.count["wake-ups by strangers"] += len(woke)

    def _one_pass_at_a_time(self) -> None:
        """Of the calls that pursue cases of one rota only one waits for its key at a time."""
        night = self._night
        spans: dict[str, list[tuple[int, int, PlacedCall]]] = defaultdict(list)
        placed_for: Counter[int] = Counter()
        for call in night.exchange.placed:
            about = self._placed_for(call)
            placed_for[about.id] += 1
            night.count[f"calls placed to {about.purpose}"] += 1
            if about.purpose != "pursue":
                continue
            spans[about.rota].append((*self._waits_for_a_key(call), call))
            if _code_told(call, call.party) not in ("", about.code):
                night.wrong(f"{call}: announced {_code_told(call, call.party)} for case {about.code}")
        for which, times in placed_for.items():
            if times > 1:
                night.wrong(f"call {which} was placed {times} times")
        for rota, calls in spans.items():
            calls.sort(key=lambda span: span[0])
            for (_, end, one), (begun, _, other) in itertools.pairwise(calls):
                if begun < end:
                    night.wrong(f"two passes of {rota} at once: {one} and {other} at {other.began}")

    def _waits_for_a_key(self, call: PlacedCall) -> tuple[int, int]:
        """From the ring to the key that takes the case, or to the end."""
        taken = [at for _, at in self._of_placed(call).met[:1]]
        until = [
            self._order[id(e)]
            for e in call.events
            if isinstance(e, Missed | HungUp)
            or (isinstance(e, Pressed) and e.party == call.phone and e.at in taken)
        ]
        return self._order[id(call.events[0])], min(until, default=len(self._order))

    def _texts(self) -> None:
        """No notice arrives twice on the same phone."""
        night = self._night
        with night.house.database.read() as connection:
            notice_of: dict[int, int] = {
                row.id: row.notice_id
                for row in connection.execute(select(notice_sends.c.id, notice_sends.c.notice_id))
            }
        arrived: Counter[tuple[int, str]] = Counter()
        for text, send_id in night.sends:
            if text.status in ("sent", "delivered"):
                arrived[notice_of[send_id], text.to] += 1
        for (notice, phone), times in arrived.items():
            if times > 1:
                night.wrong(f"notice {notice} arrived {times} times at {phone}")
        for placed in night.exchange.texts.sent:
            if placed.to not in STAFF:
                night.wrong(f"a text message went to {placed.to}")

    def _journal(self) -> None:
        """Whatever the journal calls accepted was a key that somebody pressed."""
        keys = {
            (event.party, event.at)
            for call in self._calls()
            for event in call.events
            if isinstance(event, Pressed) and event.party in STAFF and "1" in event.keys
        }
        with self._night.house.database.read() as connection:
            rows = connection.execute(select(attempts).where(attempts.c.pressed == "accepted")).all()
        for row in rows:
            seconds = timedelta(seconds=3)
            if not any(phone == row.phone and at <= row.pressed_at <= at + seconds for phone, at in keys):
                self._night.wrong(f"attempt {row.id} counts as accepted, and {row.phone} pressed nothing")

    def _count(self, rings: list[Ring]) -> None:
        count, night = self._night.count, self._night
        promised, _ = self._promises()
        count["accepted"] += len(promised)
        count["cases"] += len({code for code, _ in promised})
        for call in night.exchange.calls:
            seen = {type(e) for e in call.events}
            code = bool(self._of_caller(call).promised)
            if code and any(isinstance(e, Bridged) and e.phone in STAFF for e in call.events):
                count["connected in the call"] += 1
            if Recorded in seen:
                count["messages and names recorded"] += 1
            if any(isinstance(e, HungUp) and e.party == e.by == CALLER for e in call.events):
                count["callers who hung up"] += 1
        for placed in night.exchange.placed:
            count["taken in a placed call"] += bool(self._of_placed(placed).met)
            if any(isinstance(e, Bridged) for e in placed.events):
                count["customers reached in a placed call"] += 1
        for ring in rings:
            count["rings"] += 1
            if ring.phone in CUSTOMERS.values():
                count["customers dialled"] += 1
        for every in self._calls():
            for event in every.events:
                match event:
                    case Missed(why=why):
                        count[f"missed: {why}"] += 1
                    case Answered(by="voicemail"):
                        count["voicemails"] += 1
                    case Pressed(party=party, keys="2") if party in STAFF:
                        count["declined"] += 1
        count["texts sent"] += len(night.exchange.texts.sent)
        count["requests"] += night.requests


# -- one call --------------------------------------------------------------------------------------


def _code_told(call: Call, phone: str) -> str:
    """The code that a technician was told at this phone."""
    heard = (e.text for e in call.events if isinstance(e, Heard) and e.party == phone)
    return next((code for code in map(spoken_code, heard) if code), "")


def _keyed_a_pin(call: Call) -> bool:
    return any(
        isinstance(e, Pressed) and e.party == CALLER and e.keys.startswith("PIN of ") for e in call.events
    )


def _pressed_1(events: list[Event], phone: str) -> bool:
    """Whether somebody at `phone` pressed 1 since it was last picked up."""
    for event in reversed(events):
        if isinstance(event, Pressed) and event.party == phone and "1" in event.keys:
            return True
        if isinstance(event, Answered) and event.phone == phone:
            return False
    return False


def _customers(call: Call) -> set[str]:
    """Whose PINs were keyed in it."""
    keyed = (e.keys for e in call.events if isinstance(e, Pressed) and e.party == CALLER)
    return {keys.removeprefix("PIN of ") for keys in keyed if keys.startswith("PIN of ")}


def _keyed_numbers(call: Call) -> set[str]:
    """Telephone numbers that he keyed, to be called back there."""
    keyed = (e.keys for e in call.events if isinstance(e, Pressed) and e.party == CALLER)
    return {f"+39{keys}" for keys in keyed if keys.isdecimal() and len(keys) == 10}
