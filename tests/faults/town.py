"""Who lives in the harness: our numbers, each with a rota of its own, its technicians, its customers.

Conversations on different numbers share nothing but the house, so that what one technician does changes no
other conversation's course.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from making import ACCOUNT, ACTOR, EXAMPLE, SECRETS, TOKEN, with_lines

from console.house import House, pin_index
from oncall.rota import roster, rota_file
from pins import customers, registry

PUBLIC_URL = "https://phone.example.net"
# Signed with either while one is being changed: what comes first in the configuration is the new one.
OLD_TOKEN, NEW_TOKEN = TOKEN, "abcdefabcdefabcdefab12345678901234567890"[:32]
TECHNICIANS = 3
# Who is rung if nobody knows who is on duty: the first technician of the first number.
DUTY = "+393331234500"
SIGNING = bytes(range(100, 132)).hex()


@dataclass(frozen=True)
class Number:
    """One of our numbers, and whoever belongs to it."""

    number: str
    rota: str
    # Phones by technician, the first who is rung first.
    technicians: dict[str, str]
    # Customers by code: his phone.
    customers: dict[str, str]


@dataclass
class Town:
    """Everybody. `pins` are the customers', once `enter` has issued them."""

    numbers: list[Number]
    pins: dict[str, str] = field(default_factory=dict)

    @property
    def staff(self) -> dict[str, str]:
        """The phones of all technicians: whose they are."""
        return {phone: key for number in self.numbers for key, phone in number.technicians.items()}

    @property
    def customers(self) -> dict[str, str]:
        return {code: phone for number in self.numbers for code, phone in number.customers.items()}


def founded(numbers: int, customers_of_each: int) -> Town:
    """A town of so many numbers."""
    return Town([_number(place, customers_of_each) for place in range(numbers)])


def _number(place: int, customers_of_each: int) -> Number:
    technicians = {f"tech{place}{n}": f"+3933312345{place}{n}" for n in range(TECHNICIANS)}
    return Number(
        f"+39046182506{place}",
        f"rota{place}",
        technicians,
        {f"C{place}{n:02d}": f"+3934711{place}22{n:02d}" for n in range(customers_of_each)},
    )


def rota(town: Town) -> str:
    """Its technicians and rotas, as an admin would write them."""
    return "\n".join(_lines(town))


def _lines(town: Town) -> Iterator[str]:
    for number in town.numbers:
        for key, phone in number.technicians.items():
            yield f'[[technician]]\nkey = "{key}"\nname = "Tecnico {key}"\nphone = "{phone}"'
    for number in town.numbers:
        yield f'[[rota]]\nkey = "{number.rota}"'
        for key in number.technicians:
            yield f'  [[rota.rung]]\n  people = ["{key}"]'


def configuration(town: Town, *, database: str, listen: str, api: str, workers: int = 2) -> str:
    """The shipped configuration with the town's numbers in it; a PIN is asked at any hour."""
    text = with_lines(
        EXAMPLE.read_text(encoding="utf-8"),
        public_url=f'"{PUBLIC_URL}"',
        account_sid=f'"{ACCOUNT}"',
        auth_tokens=f'["{NEW_TOKEN}", "{OLD_TOKEN}"]',
        keys=f'["{SECRETS["IVR_SERVICE_KEYS"]}"]',
        signing_key=f'"{SIGNING}"',
        peppers=f'["{SECRETS["IVR_PINS_PEPPERS"]}"]',
        salt=f'"{SECRETS["IVR_PINS_SALT"]}"',
        url=f'"{database}"',
        workers=str(workers),
        listen=f'"{listen}"',
        closed_days='["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]',
        shifts="false",
        duty_phone=f'"{DUTY}"',
    )
    text = text.replace('# api_base = "http://127.0.0.1:4010"', f'api_base = "{api}"')
    blocks = "".join(
        f'[[number]]\nnumber = "{each.number}"\nname = "{each.rota}"\nrota = "{each.rota}"\n'
        'office = ["+390461000001"]\n\n'
        for each in town.numbers
    )
    text, found = re.subn(r"(?ms)^\[\[number\]\].*?(?=^\[urgency\])", lambda _: blocks, text)
    assert found == 1
    # A year's calls come on one day here: what a flood and a day's caps do is tried elsewhere.
    text, found = re.subn(r"(?m)^calls = [0-9]+$", "calls = 0", text, count=1)
    caps = ("customers", "one_customer", "technicians", "one_phone", "others", "texts")
    for cap in caps:
        text, more = re.subn(rf"(?m)^{cap} = [0-9]+$", f"{cap} = 100000", text)
        found += more
    assert found == 1 + len(caps)
    return text


def enter(town: Town, house: House, at: datetime) -> None:
    """Write the town into an empty house, and issue its PINs."""
    index = pin_index(house.configuration)
    with house.database.write() as connection:
        ringing = house.configuration.ringing
        roster.apply(connection, ACTOR, at, ringing, rota_file.read(rota(town)))
        for code, phone in town.customers.items():
            customers.add_customer(connection, ACTOR, at, f"Ditta {code}", code=code, phones=[phone])
    for code in town.customers:
        new = registry.draw(index, 8)
        with house.database.write() as connection:
            registry.issue(connection, ACTOR, at, code, new)
        town.pins[code] = new.pin
