"""Verbs on customers and PINs. Each takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pins import drawing
from pins.index import Digest, PinIndex
from pins.tables import customer_phones, customers, pins
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


class UnknownPin(RegistryRefusal):
    def __init__(self, pin_id: int) -> None:
        super().__init__(f"there is no PIN with id {pin_id}")


class PinRevokedAlready(RegistryRefusal):
    def __init__(self, pin_id: int) -> None:
        super().__init__(f"PIN {pin_id} was revoked before")


class PinUsedBefore(RegistryRefusal):
    """The drawn PIN was issued once, to whomever, however long ago: draw another."""

    def __init__(self) -> None:
        super().__init__("this PIN was issued before")


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


@dataclass(frozen=True)
class NewPin:
    """A drawn PIN that is not issued yet. Its repr shows no digit."""

    pin: str
    digests: tuple[Digest, ...]

    def __repr__(self) -> str:
        return f"NewPin({len(self.pin)} digits)"


@dataclass(frozen=True)
class PinRecord:
    """A PIN as the registry knows it: without its digits."""

    id: int
    customer: str
    label: str
    expires: date | None
    issued_at: datetime
    issued_by: str
    revoked_at: datetime | None
    last_used: datetime | None

    def status(self, last_opening: date) -> str:
        """`active`, `revoked` or `expired`, on the rule of `PinFound.expired`."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires and self.expires < last_opening else "active"


@dataclass(frozen=True)
class PinFound:
    """A row stands under the digests that were looked up."""

    pin_id: int
    customer_id: int
    code: str
    spoken_name: str
    language: str | None
    contract: Contract
    revoked: bool
    expires_on: date | None

    def expired(self, last_opening: date) -> bool:
        """Whether it has expired, `last_opening` being the day on which the office last opened.

        A PIN expires at the first opening of the office after its last day: never inside a PIN
        window, where nobody could give the customer another.
        """
        return self.expires_on is not None and self.expires_on < last_opening


# -- customers ---------------------------------------------------------------------------------


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
    name = _clean(name)
    if not name:
        raise RegistryRefusal("a customer needs a name")
    spoken = _clean(spoken_name or "") or name
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


# -- PINs --------------------------------------------------------------------------------------


def length_of_next(connection: Connection) -> int:
    """Digits of the next PIN to be issued: by the rule for the live PINs, that one included, and
    never shorter than the longest live one.
    """
    return max(drawing.length_for(live_pins(connection) + 1), longest_live(connection))


def live_pins(connection: Connection) -> int:
    return connection.execute(select(func.count()).where(pins.c.revoked_at.is_(None))).scalar_one()


_LONGEST = select(func.max(pins.c.length)).where(pins.c.revoked_at.is_(None))


def longest_live(connection: Connection) -> int:
    """Digits of the longest PIN that is not revoked; 8 when there is none."""
    return connection.execute(_LONGEST).scalar() or 8


def draw(index: PinIndex, length: int, source: random.Random | None = None) -> NewPin:
    """Draw a PIN and hash it. Costs one slow hash: call it outside any transaction."""
    pin = drawing.draw(length, source or random.SystemRandom())
    return NewPin(pin, tuple(index.digests(pin)))


def issue(
    connection: Connection,
    actor: str,
    at: datetime,
    code: str,
    new: NewPin,
    *,
    label: str = "",
    expires: date | None = None,
) -> int:
    """Issue a drawn PIN to the customer and return its id.

    Raises UnknownCustomer, or PinUsedBefore if anybody ever had it: draw again. A customer whose
    contract has ended may be issued one; it is the call that refuses him.
    """
    owner = customer(connection, code)
    values = [digest.value for digest in new.digests]
    if connection.execute(select(pins.c.id).where(pins.c.digest.in_(values))).first():
        raise PinUsedBefore
    current = new.digests[0]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    pin_id: int | None = connection.execute(
        dialect.insert(pins)
        .values(
            customer_id=owner.id,
            label=_clean(label),
            digest=current.value,
            key_version=current.key_version,
            params_version=current.params_version,
            length=len(new.pin),
            issued_at=at,
            issued_by=actor,
            expires_on=expires,
        )
        .on_conflict_do_nothing(index_elements=["digest"])
        .returning(pins.c.id)
    ).scalar()
    if pin_id is None:  # at this very instant, to somebody else
        raise PinUsedBefore
    audit.record(connection, actor, at, "pin.issue", f"pin:{pin_id}", details={"customer": owner.code})
    return pin_id


def revoke(connection: Connection, actor: str, at: datetime, pin_id: int, reason: str | None = None) -> None:
    """Revoke at once and for ever. Raises UnknownPin or PinRevokedAlready."""
    row = connection.execute(select(pins.c.revoked_at).where(pins.c.id == pin_id)).first()
    if row is None:
        raise UnknownPin(pin_id)
    if row.revoked_at is not None:
        raise PinRevokedAlready(pin_id)
    standing = update(pins).where(pins.c.id == pin_id, pins.c.revoked_at.is_(None))
    changed = connection.execute(standing.values(revoked_at=at, revoked_by=actor, revoke_reason=reason))
    if changed.rowcount != 1:  # revoked since we looked
        raise PinRevokedAlready(pin_id)
    audit.record(connection, actor, at, "pin.revoke", f"pin:{pin_id}", reason=reason)


def all_pins(connection: Connection, code: str | None = None) -> list[PinRecord]:
    """Every PIN ever issued, or those of one customer, oldest first."""
    query = select(pins, customers.c.code).join(customers, customers.c.id == pins.c.customer_id)
    if code is not None:
        query = query.where(pins.c.customer_id == customer(connection, code).id)
    return [
        PinRecord(
            id=row.id,
            customer=row.code,
            label=row.label,
            expires=row.expires_on,
            issued_at=row.issued_at,
            issued_by=row.issued_by,
            revoked_at=row.revoked_at,
            last_used=row.last_used_at,
        )
        for row in connection.execute(query.order_by(pins.c.id))
    ]


_FIND = (
    select(
        pins.c.id,
        pins.c.customer_id,
        pins.c.revoked_at,
        pins.c.expires_on,
        customers.c.code,
        customers.c.spoken_name,
        customers.c.language,
        customers.c.coverage,
        customers.c.contract_from,
        customers.c.contract_until,
        customers.c.minutes_left,
    )
    .join(customers, customers.c.id == pins.c.customer_id)
    .where(pins.c.digest.in_(bindparam("digests", expanding=True)))
)
_USED = update(pins).where(pins.c.id == bindparam("pin_id")).values(last_used_at=bindparam("used"))


def find_pin(connection: Connection, digests: Sequence[Digest]) -> PinFound | None:
    """Whose PIN this is, whatever its state, or None. One look-up by unique index."""
    row = connection.execute(_FIND, {"digests": [digest.value for digest in digests]}).first()
    if row is None:
        return None
    return PinFound(
        pin_id=row.id,
        customer_id=row.customer_id,
        code=row.code,
        spoken_name=row.spoken_name,
        language=row.language,
        contract=Contract(row.coverage, row.contract_from, row.contract_until, row.minutes_left),
        revoked=row.revoked_at is not None,
        expires_on=row.expires_on,
    )


def used(connection: Connection, at: datetime, pin_id: int) -> None:
    """Remember that the PIN opened a call at `at`."""
    connection.execute(_USED, {"pin_id": pin_id, "used": at})


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


def _clean(text: str) -> str:
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
