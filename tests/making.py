"""What the tests here make for themselves: a migrated database, a configuration, people, cases."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import Connection, insert

import console.house  # noqa: F401 (collects the tables of every package in the one metadata)
from console import settings
from console.settings import Configuration
from ivr.tables import calls
from oncall.cases import cases
from oncall.cases.cases import Case
from oncall.rota import roster, rota_file
from oncall.settings import RingingSettings
from pins import customers
from pins.settings import HashCost, PinSettings
from storage import schema
from storage.engine import Database, open_database

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config.example.toml"
ROME = ZoneInfo("Europe/Rome")
RINGING = RingingSettings()
ACTOR = "test"
SID = "CA" + "0" * 31 + "1"

# Secrets of nobody. Keys of the right length that are random enough to be taken.
PEPPER = bytes(range(32)).hex()
SECOND_PEPPER = bytes(range(100, 132)).hex()
SALT = bytes(range(50, 66)).hex()
SEAL = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "12345678901234567890abcdefabcdef"
SECRETS = {
    "IVR_SERVICE_KEYS": SEAL,
    "IVR_TWILIO_AUTH_TOKENS": TOKEN,
    "IVR_PINS_PEPPERS": PEPPER,
    "IVR_PINS_SALT": SALT,
}

ROTA = """
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "+393331234501"
[[technician]]
key = "bruno"
name = "Bruno Bianchi"
phone = "+393331234502"
[[technician]]
key = "dario"
name = "Dario Neri"
phone = "+393331234504"
[[rota]]
key = "duty"
  [[rota.rung]]
  people = ["anna", "bruno"]
  starts = 2026-01-05
  handover = "18:30"
  every = "1 week"
  [[rota.rung]]
  people = ["dario"]
"""


def utc(text: str) -> datetime:
    """`"2026-03-29 01:30"`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rome(text: str, fold: int = 0) -> datetime:
    """`"2026-03-10 22:00"` by the clocks of Rome, as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ROME, fold=fold).astimezone(UTC)


NIGHT = rome("2026-03-10 22:00")


# -- a database --------------------------------------------------------------------------------


@cache
def _migrated() -> bytes:
    """A migrated SQLite file. Made once a process: Alembic takes a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migrated.db"
        database = open_database(f"sqlite:///{file}")
        schema.migrate(database)
        database.close()
        return file.read_bytes()


@contextmanager
def fresh_database(folder: Path) -> Iterator[Database]:
    """A migrated, empty SQLite database in `folder`."""
    file = folder / "ivr.db"
    file.write_bytes(_migrated())
    database = open_database("sqlite:///ivr.db", folder=folder)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_at(url: str) -> Iterator[Database]:
    """The database at `url`, of either kind, closed afterwards."""
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()


def everything_written(folder: Path) -> bytes:
    """Every byte of every file in `folder`, the write-ahead log included."""
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


# -- a configuration ---------------------------------------------------------------------------


def pin_settings(*peppers: str) -> PinSettings:
    """Settings of a PIN index whose hash costs next to nothing."""
    return PinSettings(
        peppers=[SecretStr(pepper) for pepper in peppers or (PEPPER,)],
        salt=SecretStr(SALT),
        cost=HashCost(memory_kib=8, passes=1),
    )


def configuration(folder: Path, environment: Mapping[str, str] = SECRETS) -> Configuration:
    """The shipped configuration with made-up secrets, an account and a cheap hash."""
    path = folder / "config.toml"
    path.write_text(
        with_lines(
            EXAMPLE.read_text(encoding="utf-8"),
            public_url='"https://ivr.example.net"',
            account_sid=f'"{ACCOUNT}"',
            cost="{ memory_kib = 8, passes = 1 }",
        ),
        encoding="utf-8",
    )
    return settings.load(path, environment)


def with_lines(text: str, **lines: str) -> str:
    """`text` with the first line `key = …` of each key replaced."""
    for key, value in lines.items():
        text, found = re.subn(rf"(?m)^{key} = .*$", lambda _, k=key, v=value: f"{k} = {v}", text, count=1)
        assert found, key
    return text


# -- people and cases --------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A case, with what opened it."""

    id: int
    number: str
    code: str
    sid: str


def staff(connection: Connection, at: datetime = NIGHT, rota: str = ROTA) -> None:
    """Technicians and a rota "duty" of two rungs."""
    roster.apply(connection, ACTOR, at, RINGING, rota_file.read(rota))


def a_call(connection: Connection, sid: str = SID, at: datetime = NIGHT) -> str:
    """A caller's call, as little of it as other rows need to point to."""
    connection.execute(
        insert(calls).values(
            sid=sid, caller="", number="+390461825060", started_at=at, turn=0, step="ringing", state="{}"
        )
    )
    return sid


def a_case(
    connection: Connection, at: datetime = NIGHT, *, sid: str = SID, source: random.Random | None = None
) -> Opened:
    """Customer ACME's open P1+ case of a call of its own, with its pursuit due after 270 s."""
    known = {customer.code: customer.id for customer in customers.all_customers(connection)}
    customer = known.get("ACME") or customers.add_customer(connection, ACTOR, at, "Acme", code="ACME").id
    a_call(connection, sid, at)
    number = cases.next_number(connection, at.year)
    code = cases.free_code(connection, at, source or random.Random(number))
    case_id = cases.open_case(
        connection,
        at,
        number=number,
        code=code,
        call_sid=sid,
        customer_id=customer,
        rota="duty",
        urgency="P1+",
        due_at=at + timedelta(hours=1),
        pursue_at=at + timedelta(seconds=270),
        billable=False,
    )
    return Opened(case_id, number, code, sid)


def case(connection: Connection, opened: Opened) -> Case:
    """The case as it stands now."""
    return cases.find(connection, opened.number)


def a_sid(number: int) -> str:
    """The `number`-th CallSid."""
    return f"CA{number:032x}"
