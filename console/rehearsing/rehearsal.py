"""A throwaway copy of the house in which a call can be rehearsed: same rules, same rota.

Nothing real is touched: a database of its own in a temporary folder, keys and an account of its own, a
virtual clock. It is a playhouse: what the worker would ask of anybody outside stays in it.
"""

from __future__ import annotations

import random
import secrets
import shutil
import tempfile
from collections.abc import Collection
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import event, insert, select

from console.house import open_house
from console.phone import Behaviour
from console.rehearsing.playhouse import Playhouse
from console.settings import Configuration, MailSettings
from ivr.tables import caller_rules
from oncall.settings import CalendarSettings
from oncall.tables import absences, rota_overrides, rota_versions, swaps, technicians
from pins import customers
from pins import tables as pin_tables
from pins.settings import PinSettings
from storage import schema
from storage.engine import Database, open_database, sqlite_file

PUBLIC_URL = "https://rehearsal.invalid"
ACTOR = "rehearsal"
# What of a real database is copied; PINs only where they are right too, calls and cases need not be.
COPIED = (
    technicians,
    rota_versions,
    swaps,
    rota_overrides,
    absences,
    pin_tables.customers,
    pin_tables.customer_sites,
    pin_tables.customer_phones,
    caller_rules,
)


class Rehearsal(Playhouse):
    """A house of its own, and the telephone to ring it. Close it, or use it in a `with`."""

    actor = ACTOR

    def __init__(
        self,
        configuration: Configuration,
        at: datetime,
        *,
        source: random.Random | None = None,
        behaviour: Behaviour | None = None,
        database_url: str = "sqlite:///rehearsal.db",
        real_pins: bool = False,
    ) -> None:
        """`database_url` is an empty database, or one with the tables and nothing in them. With `real_pins`
        the PINs of the house that is copied are right here too: only for whoever may issue them, since a
        rehearsal lets one try as often as one likes.
        """
        self.real_pins = real_pins
        self._folder = Path(tempfile.mkdtemp(prefix="ivr-rehearsal-"))
        self.account_sid = "AC" + secrets.token_hex(16)
        self.auth_token = secrets.token_hex(16)
        house = open_house(
            _throwaway(
                configuration,
                self._folder,
                self.account_sid,
                self.auth_token,
                database_url,
                configuration.pins if real_pins else _other_pins(configuration),
            )
        )
        file = sqlite_file(database_url, self._folder)
        if file is not None and not file.exists():
            file.write_bytes(_empty_tables())
        if file is not None:
            event.listen(house.database.engine, "connect", _hurry)
        schema.migrate(house.database)
        super().__init__(house, at, source=source, behaviour=behaviour)

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

    def copy(self, real: Database, *, issue: Collection[str] | None = None) -> None:
        """Copy technicians, rota and customers, and issue each customer a PIN for this rehearsal; with
        `issue`, only those of these codes. A PIN costs a hash: for thousands that takes a while.
        """
        with real.read() as source, self.house.database.write() as target:
            for each in (*COPIED, *([pin_tables.pins] if self.real_pins else [])):
                rows = [dict(row) for row in source.execute(select(each)).mappings()]
                if rows:
                    target.execute(insert(each), rows)
        if issue is None:
            with self.house.database.read() as connection:
                issue = [customer.code for customer in customers.all_customers(connection)]
        for code in issue:
            self.issue(code)


def _hurry(connection: Any, _: object) -> None:
    """What is thrown away need not survive a power cut, and the disk is left to those who must."""
    connection.execute("PRAGMA synchronous=OFF")


@cache
def _empty_tables() -> bytes:
    """An SQLite file with all tables and nothing in them. Made once a process: migrations take their time."""
    with tempfile.TemporaryDirectory(prefix="ivr-rehearsal-") as folder:
        database = open_database("sqlite:///empty.db", folder=Path(folder))
        schema.migrate(database)
        database.close()
        return (Path(folder) / "empty.db").read_bytes()


def _other_pins(configuration: Configuration) -> PinSettings:
    """Keys of its own, under which no PIN of the real house is right."""
    return PinSettings(
        peppers=[SecretStr(secrets.token_hex(32))],
        salt=SecretStr(secrets.token_hex(16)),
        cost=configuration.rehearsal.cost,
        screen_without_pin=configuration.pins.screen_without_pin,
    )


def _throwaway(
    configuration: Configuration,
    folder: Path,
    account_sid: str,
    auth_token: str,
    database_url: str,
    pins: PinSettings,
) -> Configuration:
    """The same rules with keys, account and database of their own."""
    service = configuration.service.model_copy(
        update={
            "public_url": PUBLIC_URL,
            "keys": [SecretStr(Fernet.generate_key().decode())],
            "signing_key": SecretStr(secrets.token_hex(32)),
            "state": Path("state"),
        }
    )
    return configuration.model_copy(
        update={
            "service": service,
            "twilio": configuration.twilio.model_copy(
                update={
                    "account_sid": account_sid,
                    "auth_tokens": [SecretStr(auth_token)],
                    "signatures": "sha1",
                    "shared_keys": [],
                    "api_base": None,
                }
            ),
            # Nothing of a rehearsal leaves it: no mail server, no other service, nobody's calendar.
            "mail": MailSettings(),
            "notices": configuration.notices.model_copy(update={"services": {}}),
            "calendars": CalendarSettings(),
            "database": configuration.database.model_copy(update={"url": database_url}),
            "pins": pins,
            "folder": folder,
        }
    )
