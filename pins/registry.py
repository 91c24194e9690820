"""Verbs on PINs: issued, found, revoked. Each takes a Connection, the actor and `at`, and never commits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pins import drawing
from pins.customers import Contract, RegistryRefusal, clean, customer
from pins.index import Digest, PinIndex
from pins.tables import customers, pins
from storage import audit


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
    # Another PIN was issued in its place; this one works until it expires.
    replaced: bool = False

    def expired(self, last_opening: date) -> bool:
        """Whether it has expired, `last_opening` being the day on which the office last opened.

        A PIN expires at the first opening of the office after its last day: never inside a PIN
        window, where nobody could give the customer another.
        """
        return self.expires_on is not None and self.expires_on < last_opening


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
            label=clean(label),
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
        pins.c.replaced_by,
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
        replaced=row.replaced_by is not None,
    )


def used(connection: Connection, at: datetime, pin_id: int) -> None:
    """Remember that the PIN opened a call at `at`."""
    connection.execute(_USED, {"pin_id": pin_id, "used": at})
