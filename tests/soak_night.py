"""One night of the soak: a house, its telephones, everybody who calls, and whatever goes wrong.

Drawn from a seed, played in virtual time: whoever's move comes first moves. Several calls are under way at
once. Afterwards comes the drain: nobody calls any more, nothing goes wrong any more, and one technician of
each rota is willing.
"""

from __future__ import annotations

import logging
import random
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from making import _migrated
from soak_network import CLEAR, Faults, Post, drawn_weather
from soak_people import ROTA, STAFF, Caller, Move, People, Temper
from soak_words import answered
from sqlalchemy import event

from console.commands.phone import shipped
from console.house import House
from console.phone import Behaviour, CallerCall, PlacedCall
from console.phone.call import Call
from console.phone.events import Event, TextSent
from console.phone.rest import FAULTS, Fault
from console.phone.texts import Receipts, Text
from console.processes.doors import sealing
from console.processes.worker import CLAIMED_AT_ONCE, TICK_SECONDS, tick
from console.rehearsing.rehearsal import ACTOR, Rehearsal
from console.settings import Configuration
from console.work import APART, AT_ONCE, HANDLERS, Handler
from ivr import journal
from oncall.rota import roster, rota_file
from pins import customers, outbox
from storage.alarms import ALARM
from storage.due import Work

EAST, WEST = ("+390461825060", "+390461402406"), "+390465324963"
OFFICES = {"+390461000001", "+390465000001"}
CUSTOMERS = {f"c{n:02d}": f"+3934711122{n:02d}" for n in range(1, 31)}
WITHHELD = "anonymous"
# Nobody's number; abroad, which is never dialled; and one that costs whoever dials it.
STRANGE = ("+4930901820", "+39899123456", "+390471999990")
CALLS_A_NIGHT = 100
# Before the first night of the year that is played.
SET_UP = datetime(2026, 1, 6, 12, tzinfo=UTC)
DRAIN = timedelta(hours=24)
MOST_STEPS = 100_000
RECEIPTS: tuple[Receipts, ...] = (*("delivered",) * 6, "undelivered", "failed", "sent", "none")


class Killed(BaseException):
    """The worker dies."""


@dataclass
class TextIn:
    """A technician's text message, and what he was answered."""

    at: datetime
    phone: str
    answer: str


@dataclass
class Line:
    """A call that goes on, the instant of its last move, and the next."""

    call: Call
    caller: Caller | None
    moved: datetime
    move: Move | None = None


@cache
def configuration() -> Configuration:
    """As shipped, with a second rota behind the third number."""
    read = shipped()
    numbers = [n.model_copy(update={"rota": "west"}) if n.number == WEST else n for n in read.number]
    return read.model_copy(update={"number": numbers})


class Night:
    """`play()` it, then judge it. `count` is what happened, `wrongs` what must not."""

    def __init__(self, seed: str, number: int, calls: int, tell: Callable[[str], None] | None = None) -> None:
        self.number = number
        self.calls = calls
        self.random = random.Random(f"{seed}:{number}")
        self.weather = drawn_weather(self.random)
        self.calm = self.weather.calm
        self.count: Counter[str] = Counter()
        self.wrongs: list[str] = []
        self.answers: list[TextIn] = []
        self.sends: list[tuple[Text, int]] = []
        self.lines: dict[str, Line] = {}
        self.began = self._begins()
        self.requests = 0
        self.drained_from: datetime | None = None
        self._tell = tell
        self._later: list[tuple[datetime, int, str, Callable[[], object]]] = []
        self._promised = 0
        self._outages: list[tuple[datetime, datetime]] = []
        self._worker_from = self.began
        # The worker dies at so many statements from now, or at the first after it asked the provider.
        self._dies_in: int | None = None
        self._dies_asking = self._asked = False

    def _begins(self) -> datetime:
        """Mostly as a PIN window begins or within it; the year is past the nights the clock changes too."""
        day = SET_UP.replace(hour=0) + timedelta(days=self.random.randrange(8, 350))
        if self.random.random() < 0.2:
            return day + timedelta(minutes=self.random.randrange(24 * 60))
        return day + timedelta(minutes=self.random.randrange(18 * 60, 27 * 60))

    # -- setting up --------------------------------------------------------------------------------

    @contextmanager
    def staged(self) -> Iterator[Night]:
        """With a house of its own, in memory."""
        with tempfile.TemporaryDirectory(dir=fast_folder(), prefix="soak-") as folder, heard_logs(self):
            file = Path(folder) / "soak.db"
            file.write_bytes(_migrated())
            settings = configuration()
            if self.random.random() < 0.1:
                by_person = settings.pins.model_copy(update={"screen_without_pin": True})
                settings = settings.model_copy(update={"pins": by_person})
            with Rehearsal(
                settings,
                SET_UP,
                source=random.Random(self.random.random()),
                behaviour=self._behaviour(),
                database_url=f"sqlite:///{file}",
            ) as rehearsal:
                self._furnish(rehearsal, file)
                yield self
                self._raw.close()

    def _behaviour(self) -> Behaviour:
        pick = self.random.choice
        return Behaviour(
            declined_status=pick(("completed", "no-answer")),
            voicemail_status=pick(("completed", "no-answer")),
            caller_gone_status=pick(("canceled", "no-answer")),
            action_after_caller_hangup=self.random.random() < 0.8,
            sends_digits_when_empty=pick((True, False)),
            keeps_keys=pick((True, False)),
            callbacks_late=not self.weather.calm and self.random.random() < 0.2,
            ends_reported=self.weather.calm or self.random.random() < 0.9,
            receipts_backwards=self.random.random() < 0.2,
            receipt_seconds=pick((0, 2, 45)),
        )

    def _furnish(self, rehearsal: Rehearsal, file: Path) -> None:
        self.rehearsal, self.house = rehearsal, rehearsal.house
        self.seal = sealing(rehearsal.configuration)
        with self.house.database.write() as connection:
            roster.apply(connection, ACTOR, SET_UP, rehearsal.configuration.ringing, rota_file.read(ROTA))
            for code, phone in CUSTOMERS.items():
                customers.add_customer(
                    connection, ACTOR, SET_UP, f"Ditta {code}", code=code.upper(), phones=[phone]
                )
        for code in CUSTOMERS:
            rehearsal.issue(code.upper())
        clock = self.clock = rehearsal.clock
        clock.set(self.began)
        exchange = self.exchange = rehearsal.exchange
        exchange.hex32 = lambda: f"{self.random.getrandbits(128):032x}"
        exchange.on_event = self._notice
        exchange.rest.faults = Faults(self)
        exchange.door = Post(self, exchange.door)
        send = exchange.texts.send

        def sent(to: str, from_: str, body: str, status_callback: str = "", **more: Any) -> Text:
            text = send(to, from_, body, status_callback, **more)
            if status_callback:
                sealed = parse_qs(urlsplit(status_callback).query)["l"][0]
                self.sends.append((text, self.seal.open(sealed)["text"]))
            return text

        setattr(exchange.texts, "send", sent)  # noqa: B010  (it is a method to mypy)
        taken = set(rehearsal.pins.values())
        tempers: list[Temper] = ["willing", "willing", "willing", "moody", "moody", "owl"]
        self.people = People(
            random=self.random,
            now=clock.now,
            tempers={name: self.random.choice(tempers) for name in dict.fromkeys(STAFF.values())},
            pins=rehearsal.pins,
            wrong_pin=lambda _: self._nobodys_pin(taken),
            occupied=self._occupied,
        )
        self.handlers: dict[str, Handler] = {k: do for k, do in HANDLERS.items() if k != outbox.LETTER}
        self.handlers |= {journal.FETCH: self._fetched, ALARM: lambda *_: None}
        apart = {kind for kinds in APART.values() for kind in kinds}
        self._groups = [
            ({k: do for k, do in self.handlers.items() if k not in apart}, CLAIMED_AT_ONCE),
            *(
                ({k: self.handlers[k] for k in kinds if k in self.handlers}, AT_ONCE)
                for kinds in APART.values()
            ),
        ]
        self._raw = sqlite3.connect(file, isolation_level=None)
        event.listen(self.house.database.engine, "before_cursor_execute", self._statement)

    def _nobodys_pin(self, taken: set[str]) -> str:
        while (pin := f"{self.random.randrange(10**8):08d}") in taken:
            pass
        return pin

    @staticmethod
    def _fetched(house: House, work: Work, at: datetime) -> datetime | None:
        """A recording arrives at once; nobody listens to it."""
        with house.database.write() as connection:
            journal.message_fetched(connection, at, work.key, f"{work.key}.mp3")
        return None

    # -- what goes wrong ---------------------------------------------------------------------------

    def chance(self, odds: float) -> bool:
        return odds > 0 and self.random.random() < odds

    def wrong(self, what: str) -> None:
        self.wrongs.append(what)
        self.tell(f"WRONG: {what}")

    def tell(self, what: str) -> None:
        if self._tell is not None:
            self._tell(f"{self.clock.now():%d %H:%M:%S} {what}")

    def befalls(self) -> Fault | None:
        """What befalls the request to the provider that is just made."""
        self._asked = True
        now, fault = self.clock.now(), None
        if any(begins <= now < ends for begins, ends in self._outages):
            fault = self.random.choice(("500 before", "hang before", "not reached", "429"))
        elif self.chance(self.weather.faults):
            fault = self.random.choice(FAULTS)
        if fault is not None:
            self.count["provider errors"] += 1
            self.tell(f"the provider: {fault}")
        return fault  # type: ignore[return-value]

    def _statement(self, *_: object) -> None:
        """A statement is about to be executed: the worker dies there, if it is its hour."""
        if self._dies_in is None:
            return
        self._dies_in -= 1
        if self._dies_in == 0 or (self._dies_asking and self._asked):
            self._dies_in = None
            raise Killed

    def _works(self) -> None:
        """The worker's turn: whatever is due, each kind as the worker does it."""
        now = self.clock.now()
        self._worker_from = now + timedelta(seconds=TICK_SECONDS)
        if self.chance(self.weather.deaths):
            self._dies_in = self.random.randrange(1, 30)
            self._dies_asking = self.random.random() < 0.4
        self._asked = False
        try:
            for handlers, limit in self._groups:
                if handlers and self._due_at(handlers, now):
                    tick(self.house, now, handlers, limit)
        except Killed:
            self.count["worker deaths"] += 1
            self.tell("the worker dies")
            self._worker_from = now + timedelta(seconds=self.random.uniform(1, 60))
        finally:
            self._dies_in = None

    def _due_at(self, handlers: dict[str, Handler], at: datetime) -> bool:
        first = self._first_due(handlers)
        return first is not None and first <= at

    def _first_due(self, handlers: dict[str, Handler]) -> datetime | None:
        """When the next of this work may be claimed. Only to know when a tick is not in vain."""
        row = self._raw.execute(
            "select min(max(due_at, coalesce(leased_until, ''))) from due_work"
            f" where state = 'pending' and kind in ({','.join('?' * len(handlers))})",
            list(handlers),
        ).fetchone()
        return datetime.fromisoformat(row[0]).replace(tzinfo=UTC) if row[0] else None

    # -- what people do of themselves --------------------------------------------------------------

    def later(self, seconds: float, what: str, act: Callable[[], object]) -> None:
        self._promised += 1
        self._later.append((self.clock.now() + timedelta(seconds=seconds), self._promised, what, act))

    def _rings_us(self) -> None:
        """Somebody calls one of our numbers."""
        who = self.people.caller(CUSTOMERS)
        drawn = self.random.random()
        if drawn < 0.7:
            from_ = CUSTOMERS[who.customer]
        elif drawn < 0.85:
            from_ = f"+39347555{self.random.randrange(10_000):04d}"
        elif drawn < 0.92:
            from_ = WITHHELD
        elif drawn < 0.97:
            from_ = self.random.choice(STRANGE)
        else:
            from_ = self.random.choice(sorted(STAFF))
        to = WEST if self.random.random() < 0.4 else self.random.choice(EAST)
        self.count["calls"] += 1
        self.tell(f"{from_} ({who.kind}, {who.customer}) calls {to}")
        call = self.exchange.ring(from_, to)
        self.lines[call.sid] = Line(call, who, call.began)

    def _notice(self, happened: Event) -> None:
        """A technician who gets a text message may answer it."""
        if self._tell is not None:
            self.tell(f"    {happened}")
        if not isinstance(happened, TextSent) or happened.phone not in STAFF:
            return
        code = re.search(r"OK ([0-9]{4})", happened.text)
        if code is None or self.drained_from is not None or not self.chance(0.12):
            return
        said = self.random.choices(
            ("OK {}", "ok{}", "Ok, {} arrivo", "ok", "CHIUSO {} riavviato", "PASSO {}", "boh {}"),
            (40, 10, 10, 5, 8, 12, 5),
        )[0]
        writes = partial(self._writes, happened.phone, happened.sender, said.format(code[1]))
        self.later(self.random.expovariate(1 / 240), "a technician writes", writes)

    def _writes(self, phone: str, number: str, text: str) -> None:
        self.count["texts received"] += 1
        for reply in self.exchange.text(phone, number, text):
            self.answers.append(TextIn(self.clock.now(), phone, reply.body))
            if answered("taken", reply.body):
                self.count["taken by text"] += 1

    def _occupied(self, phone: str, call: Call) -> bool:
        """Whether whoever has this phone is talking or listening on it in another call."""
        for line in self.lines.values():
            other = line.call
            if other is call or other.state == "ended":
                continue
            if isinstance(other, CallerCall) and other.from_ == phone:
                return True
            if isinstance(other, PlacedCall) and other.phone == phone and other.state != "phoning":
                return True
            if other.leg is not None and other.leg.phone == phone:
                return True
        return False

    # -- playing -----------------------------------------------------------------------------------

    def play(self, satisfied: Callable[[], bool]) -> None:
        """The night, then the drain: until `satisfied`, at most a day."""
        pace = self.random.choice((25, 60, 150))
        at = 0.0
        for _ in range(self.calls):
            at += self.random.expovariate(1 / pace)
            self.later(at, "somebody calls", self._rings_us)
        for _ in range(self.weather.outages):
            begins = self.began + timedelta(seconds=self.random.uniform(0, at))
            self._outages.append((begins, begins + timedelta(seconds=self.random.uniform(20, 90))))
        if self.chance(self.weather.stalls):
            self.later(self.random.uniform(0, at), "the worker stalls", self._stalls)
        self._go_on(until=self.clock.now() + timedelta(seconds=at), enough=lambda: False)
        # Calls that came last are played to their end, with everything that goes wrong.
        self._go_on(
            until=self.clock.now() + timedelta(minutes=self.random.choice((5, 30))), enough=self._idle
        )
        self._drain(satisfied)

    def _stalls(self) -> None:
        self.count["worker stalls"] += 1
        self._worker_from = self.clock.now() + timedelta(seconds=self.random.uniform(60, 600))

    def _drain(self, satisfied: Callable[[], bool]) -> None:
        self.drained_from = self.clock.now()
        self.tell("the drain begins")
        self.weather, self._outages = CLEAR, []
        self.exchange.behaviour = replace(
            self.exchange.behaviour, ends_reported=True, callbacks_late=False, receipts="delivered"
        )
        # Dario is on the last rung of both; sometimes somebody of each rota is.
        willing = self.random.choice((("dario",), ("elsa", "anna", "bruno", "carla")))
        for name in willing:
            self.people.tempers[name] = "willing"
        self._go_on(
            until=self.clock.now() + DRAIN, enough=lambda: self._idle() and not self._later and satisfied()
        )

    def _idle(self) -> bool:
        return not any(line.call.state != "ended" for line in self.lines.values())

    def _go_on(self, until: datetime, enough: Callable[[], bool]) -> None:
        for _ in range(MOST_STEPS):
            if enough() or not self._step(until):
                return
        self.wrong(f"the night has no end: {MOST_STEPS} steps")

    def _step(self, until: datetime) -> bool:
        """The next move of all. False if there is none before `until`."""
        exchange, clock = self.exchange, self.clock
        exchange.settle()
        if self.chance(0.03) and self.drained_from is None:
            receipts: Receipts = self.random.choice(
                (*("delivered",) * 6, "undelivered", "failed", "sent", "none")
            )
            exchange.behaviour = replace(exchange.behaviour, receipts=receipts)
        for call in exchange.placed[self.count["calls placed"] :]:
            self.count["calls placed"] += 1
            self.lines[call.sid] = Line(call, None, call.began)
        for sid in [sid for sid, line in self.lines.items() if line.call.state == "ended"]:
            del self.lines[sid]
        moves = [self._move(line) for line in self.lines.values()]
        first = min(moves, key=lambda found: found[0].at) if moves else None
        own = min(self._later) if self._later else None
        promised = exchange._later[0][0] if exchange._later else None
        due = self._first_due(self.handlers)
        works = None if due is None else max(_to_the_tick(due), self._worker_from)
        instants = [each for each in (first and first[0].at, own and own[0], promised, works) if each]
        if not instants or min(instants) > until:
            if clock.now() < until:
                clock.reach(until)
            return False
        at = min(instants)
        clock.reach(at)
        if own is not None and own[0] == at:
            self._later.remove(own)
            self.tell(own[2])
            own[3]()
        elif first is not None and first[0].at == at:
            move, line = first
            line.moved, line.move = at, None
            self.tell(f"{line.call.party}: {move.what}")
            move.act()
        elif works == at:
            self._works()
        return True

    def _move(self, line: Line) -> tuple[Move, Line]:
        """What comes next on this line; drawn once."""
        if line.move is None:
            if isinstance(line.call, CallerCall):
                assert line.caller is not None
                line.move = self.people.of_caller(line.call, line.caller, line.moved)
            else:
                assert isinstance(line.call, PlacedCall)
                line.move = self.people.of_placed(line.call, line.moved)
        return line.move, line


def _to_the_tick(at: datetime) -> datetime:
    """The worker looks every two seconds."""
    seconds = at.timestamp()
    return datetime.fromtimestamp(-(-seconds // TICK_SECONDS) * TICK_SECONDS, UTC)


def fast_folder() -> str | None:
    """In memory, where there is such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class _Logs(logging.Handler):
    """Whatever is logged with a traceback must not happen."""

    def __init__(self, night: Night) -> None:
        super().__init__(logging.ERROR)
        self._night = night

    def emit(self, record: logging.LogRecord) -> None:
        self._night.count["errors logged"] += 1
        if record.exc_info:
            self._night.wrong(f"{record.getMessage()}: {record.exc_info[1]!r}")
        else:
            self._night.tell(f"log: {record.getMessage()}")


@contextmanager
def heard_logs(night: Night) -> Iterator[None]:
    """What is logged meanwhile is counted instead of printed."""
    root, handler = logging.getLogger(), _Logs(night)
    before, root.handlers = root.handlers, [handler]
    try:
        yield
    finally:
        root.handlers = before
