"""A house to be called for a benchmark: a configuration, a database of either kind, customers with PINs."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parent.parent
for each in (ROOT, ROOT / "tests"):
    if str(each) not in sys.path:
        sys.path.insert(0, str(each))

from making import ACCOUNT, EXAMPLE, SECRETS, TOKEN, with_lines  # noqa: E402 - they stand beside the tests
from sqlalchemy import delete  # noqa: E402

from console.demonstration import cast  # noqa: E402
from console.house import House, open_house, pin_index  # noqa: E402
from console.settings import load  # noqa: E402
from pins import customers, registry  # noqa: E402
from pins.tables import pin_tries  # noqa: E402
from storage import schema  # noqa: E402
from storage.engine import Database  # noqa: E402

PUBLIC_URL = "https://ivr.example.net"
NUMBER = "+390461825060"
# A hash that costs next to nothing: what a slow one costs, pin_checks.py measures.
CHEAP_HASH = "{ memory_kib = 8, passes = 1 }"


@dataclass(frozen=True)
class Customer:
    """Calls from `phone`, which stands on his file, and keys `pin`."""

    phone: str
    pin: str


class CalledHouse:
    """A configuration in `folder` that asks for a PIN at any hour, and customers who have not called yet."""

    def __init__(self, folder: Path, port: int, many: int, database: str = "sqlite:///ivr.db") -> None:
        self.folder, self.port = folder, port
        self.file = folder / "config.toml"
        self.file.write_text(_text(port, database), encoding="utf-8")
        self._house = house = open_house(load(self.file, {}))
        schema.migrate(house.database)
        cast.enter(house, "bench", datetime.now(UTC))
        self.everybody = _customers(house, many)
        self._waiting = iter(self.everybody)

    @property
    def database(self) -> Database:
        return self._house.database

    def customers(self, many: int) -> list[Customer]:
        """The next so many, none of whom has an open case."""
        found = list(itertools.islice(self._waiting, many))
        assert len(found) == many, "more customers are wanted than were made"
        return found

    def forget_wrong_pins(self) -> None:
        """So that the throttle's budget is never spent by callers who each key one wrong PIN."""
        with self.database.write() as connection:
            connection.execute(delete(pin_tries))

    def close(self) -> None:
        self._house.close()


def _text(port: int, database: str) -> str:
    return with_lines(
        EXAMPLE.read_text(encoding="utf-8"),
        public_url=f'"{PUBLIC_URL}"',
        account_sid=f'"{ACCOUNT}"',
        auth_tokens=f'["{TOKEN}"]',
        keys=f'["{SECRETS["IVR_SERVICE_KEYS"]}"]',
        peppers=f'["{SECRETS["IVR_PINS_PEPPERS"]}"]',
        salt=f'"{SECRETS["IVR_PINS_SALT"]}"',
        listen=f'"127.0.0.1:{port}"',
        url=f'"{database}"',
        cost=CHEAP_HASH,
        workers="1",
        closed_days="[]",
        pin_windows=_always_but_a_minute(),
    )


def _always_but_a_minute() -> str:
    """The office opens each day as any does, for a minute that is half a day away from now."""
    opens = datetime.now(ZoneInfo("Europe/Rome")) + timedelta(hours=12)
    return f'["{opens + timedelta(minutes=1):%H:%M}-{opens:%H:%M}"]'


def _customers(house: House, many: int) -> list[Customer]:
    index, at, found = pin_index(house.configuration), datetime.now(UTC), []
    # Of eight digits there may be a thousand.
    drawn = [registry.draw(index, 8 if many < 1000 else 9) for _ in range(many)]
    with house.database.write() as connection:
        for number, new in enumerate(drawn):
            phone = f"+39046190{number:04d}"
            added = customers.add_customer(connection, "bench", at, f"Ditta {number}", phones=[phone])
            registry.issue(connection, "bench", at, added.code, new)
            found.append(Customer(phone, new.pin))
    return found
