"""Verbs on customers and their contracts. Each takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Row, bindparam, insert, select

from pins.tables import customer_phones, customers
from storage import audit

LONGEST_NAME = 200
COVERAGES = ("contract", "prepaid", "none")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class RegistryRefusal(Exception):
    """What was asked of the registry cannot be; nothing was changed. The text says why."""


class UnknownCustomer(RegistryRefusal):
    def __init__(self, code: str) -> None:
        super().__init__(f"there is no customer {code!r}")


class CodeTaken(RegistryRefusal):
    def __init__(self, code: str) -> None:
        super().__init__(f"there is a customer {code} already")


class PhoneTaken(RegistryRefusal):
    def __init__(self, phone: str, code: str) -> None:
        super().__init__(f"{phone} stands on the file of customer {code} already")


@dataclass(frozen=True)
class Contract:
    """What a customer has bought. Dates are inclusive, in the configured zone; None is open-ended.

    `minutes_left` counts for a prepaid package only.
    """

    coverage: str = "contract"
    starts: date | None = None
    until: date | None = None
    minutes_left: int | None = None

    def covers(self, day: date, *, prepaid_counts: bool) -> bool:
        """Whether an urgency that needs a contract is covered on `day`."""
        if (self.starts and day < self.starts) or (self.until and day > self.until):
            return False
        if self.coverage == "prepaid":
            return prepaid_counts and (self.minutes_left or 0) > 0
        return self.coverage == "contract"


@dataclass(frozen=True)
class Customer:
    id: int
    code: str
    name: str
    spoken_name: str
    language: str | None
    contract: Contract
    phones: tuple[str, ...]
    notes: str


def add_customer(
    connection: Connection,
    actor: str,
    at: datetime,
    name: str,
    *,
    code: str | None = None,
    spoken_name: str | None = None,
    language: str | None = None,
    contract: Contract = Contract(),
    phones: Sequence[str] = (),
    notes: str = "",
) -> Customer:
    """Add a customer; without `code` one is made of the name.

    Raises CodeTaken, PhoneTaken, or RegistryRefusal for a malformed value; then nothing is written.
    """
    name = clean(name)
    if not name:
        raise RegistryRefusal("a customer needs a name")
    spoken = clean(spoken_name or "") or name
    if max(len(name), len(spoken)) > LONGEST_NAME:
        raise RegistryRefusal(f"a name has at most {LONGEST_NAME} characters")
    if contract.coverage not in COVERAGES:
        raise RegistryRefusal(f"coverage is one of {', '.join(COVERAGES)}")
    if contract.starts and contract.until and contract.until < contract.starts:
        raise RegistryRefusal("the contract ends before it starts")
    if contract.minutes_left is not None and contract.minutes_left < 0:
        raise RegistryRefusal("minutes are counted from 0 up")
    code = _free_code(connection, name) if code is None else code.upper()
    if not _CODE.fullmatch(code):
        raise RegistryRefusal(
            "a customer's code is 1 to 32 of A–Z, 0–9, - and _, starting with a letter or digit"
        )
    if connection.execute(select(customers.c.id).where(customers.c.code == code)).first():
        raise CodeTaken(code)
    unique_phones = tuple(dict.fromkeys(_e164(phone) for phone in phones))
    for phone in unique_phones:
        if taken := customer_of_phone(connection, phone):
            raise PhoneTaken(phone, taken)
    identity = connection.execute(
        insert(customers).values(
            code=code,
            name=name,
            spoken_name=spoken,
            language=language,
            coverage=contract.coverage,
            contract_from=contract.starts,
            contract_until=contract.until,
            minutes_left=contract.minutes_left,
            notes=notes,
            created_at=at,
        )
    ).inserted_primary_key
    assert identity is not None
    customer_id = int(identity[0])
    for phone in unique_phones:
        connection.execute(insert(customer_phones).values(customer_id=customer_id, phone=phone))
    audit.record(connection, actor, at, "customer.add", f"customer:{code}")
    return customer(connection, code)


def customer(connection: Connection, code: str) -> Customer:
    """The customer with this code (case does not matter). Raises UnknownCustomer."""
    row = connection.execute(select(customers).where(customers.c.code == code.upper())).first()
    if row is None:
        raise UnknownCustomer(code)
    return _customer(connection, row)


def all_customers(connection: Connection) -> list[Customer]:
    """Every customer, by code."""
    phones: dict[int, list[str]] = {}
    for customer_id, phone in connection.execute(select(customer_phones).order_by(customer_phones.c.phone)):
        phones.setdefault(customer_id, []).append(phone)
    rows = connection.execute(select(customers).order_by(customers.c.code))
    return [_of_row(row, tuple(phones.get(row.id, ()))) for row in rows]


def codes(connection: Connection) -> dict[int, str]:
    """Every customer's code, by id."""
    return {row.id: row.code for row in connection.execute(select(customers.c.id, customers.c.code))}


_BY_PHONE = (
    select(customers.c.code)
    .join(customer_phones, customer_phones.c.customer_id == customers.c.id)
    .where(customer_phones.c.phone == bindparam("phone"))
)


def customer_of_phone(connection: Connection, phone: str) -> str | None:
    """The code of the customer on whose file `phone` stands, or None."""
    return connection.execute(_BY_PHONE, {"phone": phone}).scalar()


_PHONES_OF = (
    select(customer_phones.c.phone)
    .where(customer_phones.c.customer_id == bindparam("customer"))
    .order_by(customer_phones.c.phone)
)


def phones_of(connection: Connection, customer_id: int) -> list[str]:
    """The numbers on a customer's file."""
    return list(connection.execute(_PHONES_OF, {"customer": customer_id}).scalars())


# -- small parts -------------------------------------------------------------------------------


def _customer(connection: Connection, row: Row[tuple[object, ...]]) -> Customer:
    phones = connection.execute(
        select(customer_phones.c.phone)
        .where(customer_phones.c.customer_id == row.id)
        .order_by(customer_phones.c.phone)
    ).scalars()
    return _of_row(row, tuple(phones))


def _of_row(row: Row[tuple[object, ...]], phones: tuple[str, ...]) -> Customer:
    return Customer(
        id=row.id,
        code=row.code,
        name=row.name,
        spoken_name=row.spoken_name,
        language=row.language,
        contract=Contract(row.coverage, row.contract_from, row.contract_until, row.minutes_left),
        phones=phones,
        notes=row.notes,
    )


def clean(text: str) -> str:
    """Without control characters and lone surrogates, which no XML and no log may hold."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
    return " ".join(kept.split())


def _free_code(connection: Connection, name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    base = "".join(c for c in plain if c.isalnum())[:12] or "CUSTOMER"
    taken = set(
        connection.execute(select(customers.c.code).where(customers.c.code.startswith(base))).scalars()
    )
    code, count = base, 1
    while code in taken:
        count += 1
        code = f"{base}-{count}"
    return code


def _e164(phone: str) -> str:
    if not _E164.fullmatch(phone):
        raise RegistryRefusal(f"{phone!r} is not a telephone number in the form +390461123456")
    return phone
