"""A house that is played in: phoned in-process at instants of our choosing, by people of our invention.

The telephone signs its requests and knocks at the house's own door. The worker works when it is told to, and
what it would ask of anybody outside stays here: it calls and writes to people over the playhouse's own
telephone network, e-mail is kept in a list.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from console.house import House, pin_index, state_folder
from console.phone import Behaviour, Cast, Conversation, Exchange, Rest, VirtualClock, WsgiDoor, parse, play
from console.phone.events import Event, Worked
from console.phone.exchange import NeverSettles
from console.phone.rest import FAULTS
from console.processes.doors import webhook_app
from console.processes.standing_by import Keeper, snapshot_file, spares
from ivr import ageing, journal
from oncall.cases import cases
from oncall.cases.cases import PURSUE
from oncall.notices.channels import Channels
from oncall.reaching import attempts, watch
from oncall.rota import roster
from pins import customers, registry
from storage import due
from storage.alarms import ALARM
from storage.due import Work
from storage.engine import Database
from webhooks.outbound import RestTelephone, RestTexts

if TYPE_CHECKING:
    from console.work import Handler

# Rounds of the worker at one instant; more mean that it makes work for itself.
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Mailed:
    """An e-mail that would have been sent."""

    to: str
    subject: str
    text: str
    at: datetime


class MailKept(list[Mailed]):
    """`oncall.notices.channels.Mail` that keeps what it is given. The same message is kept once."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[tuple[str, str]] = set()

    def send(self, to: str, subject: str, text: str, identity: str, at: datetime) -> None:
        if (to, identity) not in self._known:
            self._known.add((to, identity))
            self.append(Mailed(to, subject, text, at))


class Lifeline(Database):
    """A database that can be taken away, for whoever rehearses that it is gone."""

    def __init__(self, real: Database) -> None:
        super().__init__(real.engine, turns=real.turns)
        self.away = False

    def read(self) -> AbstractContextManager[Connection]:
        self._there()
        return super().read()

    def write(self) -> AbstractContextManager[Connection]:
        self._there()
        return super().write()

    def _there(self) -> None:
        if self.away:
            raise OperationalError("the database", None, ConnectionError("was taken away"))


class Playhouse:
    """A house with a telephone to ring it and a clock in our hands. Its tables must be there."""

    # Who issues PINs in it.
    actor = "playhouse"

    def __init__(
        self,
        house: House,
        at: datetime,
        *,
        source: random.Random | None = None,
        behaviour: Behaviour | None = None,
        sound: Callable[[int], bytes] = lambda seconds: b"",
    ) -> None:
        """`house` has all that serving calls needs. `sound` makes a recording of so many seconds."""
        self.configuration = house.configuration
        self.clock = VirtualClock(at)
        self.sound = sound
        self.mails = MailKept()
        # What the admins were alarmed of.
        self.alarms: list[str] = []
        # How often the database was taken away.
        self.outages = 0
        # The network and the house know each other: the requests find it when they are made.
        network = Rest(lambda: self.exchange, behaviour.rest_faults if behaviour else ())
        twilio = self.configuration.twilio
        self.lifeline = Lifeline(house.database)
        self.house: House = replace(
            house,
            database=self.lifeline,
            outward=Channels(RestTelephone(twilio, network), RestTexts(twilio, network), self.mails),
        )
        self.keeper = Keeper(self.house, self.lifeline, spares(self.configuration))
        self.app = webhook_app(self.house, self.clock.now, source)
        self.exchange = Exchange(
            WsgiDoor(self.app),
            public_url=self.configuration.service.public_url,
            account_sid=twilio.account_sid,
            auth_token=twilio.auth_tokens[0].get_secret_value(),
            shared_key=twilio.shared_keys[0].get_secret_value() if twilio.signatures == "sha256" else "",
            clock=self.clock,
            behaviour=behaviour,
            owned=self.configuration.our_numbers,
            rest=network,
        )
        self.pins: dict[str, str] = {}
        self.pin_ids: dict[str, int] = {}
        self.people: dict[str, str] = {}

    # -- who plays ------------------------------------------------------------------------------

    def issue(self, code: str, *, at: datetime | None = None) -> None:
        """Issue a PIN to the customer; in a `.call` file it goes by the code in small letters."""
        index = pin_index(self.configuration)
        with self.house.database.read() as connection:
            length = registry.length_of_next(connection)
        new = registry.draw(index, length)
        with self.house.database.write() as connection:
            pin_id = registry.issue(connection, self.actor, at or self.clock.now(), code, new)
        self.pins[code.lower()] = new.pin
        self.pin_ids[code.lower()] = pin_id

    def cast(self) -> Cast:
        """Everybody by name: technicians by key, customers' first phones by code, our numbers."""
        with self.house.database.read() as connection:
            people = {t.key: t.phone for t in roster.all_technicians(connection)}
            for customer in customers.all_customers(connection):
                if customer.phones:
                    people.setdefault(customer.code.lower(), customer.phones[0])
        offices = dict.fromkeys(phone for number in self.configuration.number for phone in number.office)
        for count, phone in enumerate(offices, start=1):
            people[f"office-{count}" if count > 1 else "office"] = phone
        numbers = {n.name.lower().replace(" ", "-"): n.number for n in self.configuration.number}
        return Cast(people | self.people, numbers, self.configuration.zone, self.pins)

    # -- playing --------------------------------------------------------------------------------

    def play(
        self, text: str, path: str = "conversation", on_event: Callable[[Event], None] | None = None
    ) -> Conversation:
        """Play a `.call` file. Raises BadCallFile or Mismatch."""
        return play(parse(text, path), self.exchange, self.cast(), self.fact, on_event, self.work)

    def work(self) -> None:
        """Let the worker do what is due at this instant, and what that makes due, until nothing is.

        Raises NeverSettles if that has no end.
        """
        from console.processes.worker import tick  # APScheduler and what else a worker needs
        from console.work import WITHOUT_DATABASE

        handlers = self._handlers()
        self.exchange.note(Worked(self.clock.now()))
        for _ in range(MOST_ROUNDS):
            done = 0
            if self.lifeline.away:
                alone = {kind: do for kind, do in handlers.items() if kind in WITHOUT_DATABASE}
                for house in self.keeper.houses():
                    done += tick(house, self.clock.now(), alone)
            else:
                self.keeper.bring_home(self.clock.now())
                done = tick(self.house, self.clock.now(), handlers)
            self.exchange.settle()
            if not done:
                return
        raise NeverSettles(f"after {MOST_ROUNDS} rounds the worker still has work")

    def has_work(self) -> bool:
        """Whether anything is due for the worker at this instant."""
        with self.house.database.read() as connection:
            return due.waiting(connection, self.clock.now(), tuple(self._handlers()))

    def _handlers(self) -> dict[str, Handler]:
        from console.work import HANDLERS
        from pins import outbox

        # Letters would reach outside by another way than the channels: they wait. The house is entered in the
        # middle of a turn, and nobody is told that it begins.
        left_out = (outbox.LETTER, watch.WATCH, journal.FORGET, ageing.FORGET)
        handlers = {kind: do for kind, do in HANDLERS.items() if kind not in left_out}
        return handlers | {journal.FETCH: self._fetched, ALARM: self._alarmed}

    def _fetched(self, house: House, work: Work, at: datetime) -> datetime | None:
        """A recording arrives at once. Whatever was said, it is `sound`."""
        folder = state_folder(house.configuration) / "messages"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"{work.key}.mp3"
        with house.database.read() as connection:
            found = journal.messages_of(connection, work.payload.get("call", ""))
        file.write_bytes(self.sound(sum(each.seconds for each in found if each.recording == work.key)))
        with house.database.write() as connection:
            journal.message_fetched(connection, at, work.key, file.name)
        return None

    def _alarmed(self, _: House, work: Work, __: datetime) -> datetime | None:
        self.alarms.append(work.payload["what"])
        return None

    def fact(self, asked: str) -> str | None:
        """Whether something holds of the latest call, as a `.call` file asks it; None: it does.

        `outcome connected` · `no case` · `case P1+ is open and pursued` ("closed", "connected";
        "not pursued"; "unverified" for the urgency of a caller without a verified PIN) ·
        `anna's result is declined` (of the latest attempt) · `a message of 12 s` · `customer acme` ·
        `managers get an e-mail "…"` (also: admins; anna gets) · `the admins are alarmed of pin-budget`.

        Some lines are no question. `the network meets 500 after` (or another of FAULTS) befalls the
        next request to place a call or to send a text message. `the database goes away` and `comes back`;
        before it goes the snapshot is written, unless `the snapshot is lost` stands there afterwards.
        """
        if asked in ("the database goes away", "the database comes back", "the snapshot is lost"):
            self.outage(asked)
            return None
        if about := re.fullmatch(r'(?P<who>\S+) gets? an e-mail "(?P<words>.*)"', asked):
            return self._mailed(about["who"], about["words"])
        if asked.startswith("the admins are alarmed of "):
            what = asked.rpartition(" ")[2]
            return None if what in self.alarms else f"they are alarmed of {self.alarms}"
        fault = next((each for each in FAULTS if asked == f"the network meets {each}"), None)
        if fault is not None:
            self.exchange.rest.faults.append(fault)
            return None
        with self._journal().read() as connection:
            calls = journal.recent(connection, limit=1)
            if not calls:
                return "there was no call"
            latest = calls[0]
            case = cases.of_call(connection, latest.sid)
            words = asked.split()
            match words:
                case ["outcome", expected]:
                    return None if latest.outcome == expected else f"the outcome is {latest.outcome}"
                case ["customer", code]:
                    known = customers.codes(connection).get(latest.customer_id or 0)
                    return None if known == code.upper() else f"the customer is {known}"
                case ["no", "case"]:
                    return None if case is None else f"there is case {case.number}"
                case ["case", urgency, "is", state, "and", *pursuit]:
                    if case is None:
                        return "there is no case"
                    pursued = due.pending(connection, PURSUE, case.number)
                    is_ = "closed" if case.closed_at else "connected" if case.connected_at else "open"
                    happened = [case.urgency or "unverified", is_, "pursued" if pursued else "not pursued"]
                    wanted = [urgency, state, " ".join(pursuit)]
                    return None if happened == wanted else f"the case is {', '.join(happened)}"
                case [whose, "result", "is", expected] if whose.endswith("'s") and case:
                    results = [
                        attempt.result
                        for attempt in attempts.attempts_of(connection, case.id)
                        if attempt.technician == whose.removesuffix("'s")
                    ]
                    return None if results and results[-1] == expected else f"the results are {results}"
                case ["a", "message", "of", seconds, "s"]:
                    kept = [each.seconds for each in journal.messages_of(connection, latest.sid)]
                    return None if int(seconds) in kept else f"messages of {kept} s were kept"
                case _:
                    return "that is no fact the journal can answer"

    def outage(self, what: str) -> None:
        """The database goes away, with the snapshot just written; or comes back, and all is brought home."""
        match what.split()[-1]:
            case "lost":
                snapshot_file(self.configuration).unlink(missing_ok=True)
            case "away":
                self.keeper.keep(self.clock.now())
                self.lifeline.away = True
                self.outages += 1
            case _:
                self.lifeline.away = False
                self.keeper.bring_home(self.clock.now())

    def _journal(self) -> Database:
        """Where the latest call stands: in the spare while the database is away, if it is used."""
        there = self.keeper.spares.standing()
        return there[-1] if self.lifeline.away and there else self.house.database

    def _mailed(self, who: str, words: str) -> str | None:
        """Why not, if no e-mail to `who` has these fragments in it, in this order."""
        notices = self.configuration.notices
        if who in ("managers", "admins"):
            addresses = notices.managers if who == "managers" else notices.admins
        else:
            with self.house.database.read() as connection:
                emails = {t.key: t.email for t in roster.all_technicians(connection)}
            addresses = [emails.get(who) or ""]
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in re.split(r"…|\.\.\.", words))
        subjects = []
        for mail in self.mails:
            if mail.to in addresses:
                subjects.append(mail.subject)
                if re.search(pattern, " ".join(f"{mail.subject} {mail.text}".split()), re.IGNORECASE):
                    return None
        return f"they were sent {subjects}"
