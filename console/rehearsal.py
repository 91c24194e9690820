"""A throwaway copy of the house in which a call can be rehearsed: same rules, same rota, other PINs.

Nothing real is touched: a database of its own in a temporary folder, keys and an account of its own,
a virtual clock, no worker. The telephone still signs its requests and knocks at the same door.
"""

from __future__ import annotations

import random
import secrets
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import insert, select

from console.doors import webhook_app
from console.house import House, open_house, pin_index
from console.phone import Behaviour, Cast, Conversation, Exchange, VirtualClock, WsgiDoor, parse, play
from console.phone.events import Event
from console.settings import Configuration
from ivr import journal
from oncall import attempts, cases, roster
from oncall.cases import PURSUE
from oncall.tables import rota_overrides, rota_versions, technicians
from pins import customers, registry
from pins import tables as pin_tables
from pins.settings import PinSettings
from storage import due, schema
from storage.engine import Database

PUBLIC_URL = "https://rehearsal.invalid"
ACTOR = "rehearsal"
# What of a real database is copied; PINs cannot be, calls and cases need not be.
COPIED = (
    technicians,
    rota_versions,
    rota_overrides,
    pin_tables.customers,
    pin_tables.customer_sites,
    pin_tables.customer_phones,
)


class Rehearsal:
    """A house of its own, and the telephone to ring it. Close it, or use it in a `with`."""

    def __init__(
        self,
        configuration: Configuration,
        at: datetime,
        *,
        source: random.Random | None = None,
        behaviour: Behaviour | None = None,
        database_url: str = "sqlite:///rehearsal.db",
    ) -> None:
        """`database_url` is an empty database, or one with the tables and nothing in them."""
        self._folder = Path(tempfile.mkdtemp(prefix="ivr-rehearsal-"))
        self.account_sid = "AC" + secrets.token_hex(16)
        self.auth_token = secrets.token_hex(16)
        self.configuration = _throwaway(
            configuration, self._folder, self.account_sid, self.auth_token, database_url
        )
        self.house: House = open_house(self.configuration)
        schema.migrate(self.house.database)
        self.clock = VirtualClock(at)
        self.app = webhook_app(self.house, self.clock.now, source)
        self.exchange = Exchange(
            WsgiDoor(self.app),
            public_url=PUBLIC_URL,
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            clock=self.clock,
            behaviour=behaviour,
            owned=self.configuration.our_numbers,
        )
        self.pins: dict[str, str] = {}
        self.pin_ids: dict[str, int] = {}
        self.people: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.house.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        return self._folder

    # -- who plays ------------------------------------------------------------------------------

    def copy(self, real: Database) -> None:
        """Copy technicians, rota and customers, and issue each customer a PIN for this rehearsal."""
        with real.read() as source, self.house.database.write() as target:
            for each in COPIED:
                rows = [dict(row) for row in source.execute(select(each)).mappings()]
                if rows:
                    target.execute(insert(each), rows)
        with self.house.database.read() as connection:
            found = customers.all_customers(connection)
        for customer in found:
            self.issue(customer.code)

    def issue(self, code: str, *, at: datetime | None = None) -> None:
        """Issue a PIN to the customer; in a `.call` file it goes by the code in small letters."""
        index = pin_index(self.configuration)
        with self.house.database.read() as connection:
            length = registry.length_of_next(connection)
        new = registry.draw(index, length)
        with self.house.database.write() as connection:
            pin_id = registry.issue(connection, ACTOR, at or self.clock.now(), code, new)
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
        return play(parse(text, path), self.exchange, self.cast(), self.fact, on_event)

    def fact(self, asked: str) -> str | None:
        """Whether something holds of the latest call, as a `.call` file asks it; None: it does.

        `outcome connected` · `no case` · `case P1+ is open and pursued` ("closed", "connected";
        "not pursued"; "unverified" for the urgency of a caller without a verified PIN) ·
        `anna's result is declined` (of the latest attempt) · `a message of 12 s` · `customer acme`.
        """
        with self.house.database.read() as connection:
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


def _throwaway(
    configuration: Configuration, folder: Path, account_sid: str, auth_token: str, database_url: str
) -> Configuration:
    """The same rules with keys, account and database of their own."""
    service = configuration.service.model_copy(
        update={
            "public_url": PUBLIC_URL,
            "keys": [SecretStr(Fernet.generate_key().decode())],
            "state": Path("state"),
        }
    )
    return configuration.model_copy(
        update={
            "service": service,
            "twilio": configuration.twilio.model_copy(
                update={"account_sid": account_sid, "auth_tokens": [SecretStr(auth_token)]}
            ),
            "database": configuration.database.model_copy(update={"url": database_url}),
            "pins": PinSettings(
                peppers=[SecretStr(secrets.token_hex(32))],
                salt=SecretStr(secrets.token_hex(16)),
                cost=configuration.rehearsal.cost,
                screen_without_pin=configuration.pins.screen_without_pin,
            ),
            "folder": folder,
        }
    )
