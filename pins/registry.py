"""Verbs on PINs, from issue to end. Each takes a Connection, the actor and `at`, and never commits.

Several take `opened`, the day on which the office last opened: a PIN that has ended is gone only when
the office has opened after its last day (`PinFound.expired`). Without it every PIN that is not revoked
counts as live.
"""

from __future__ import annotations

import random
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from pins import drawing, outbox
from pins.customers import Contract, RegistryRefusal, clean, customer
from pins.index import Digest, PinIndex
from pins.tables import customers, pins, spent_pins
from storage import audit, due, ledger
from storage.conflicts import inserting
from storage.prepared import Prepared

# The kind of the work that reminds the admins of a PIN's end, and how many days ahead it is due.
ENDS = "pin.ends"
REMINDERS = (30, 7)
# So long after the last day of a PIN the office has opened again, whatever the holidays.
SURELY_OVER = timedelta(days=31)
LONGEST_LABEL = 120


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


class PinReplacedAlready(RegistryRefusal):
    def __init__(self, pin_id: int, replaced_by: int | None) -> None:
        by = f" by PIN {replaced_by}" if replaced_by else ""
        super().__init__(f"PIN {pin_id} was replaced before{by}")
        self.replaced_by = replaced_by


class PinHasEnded(RegistryRefusal):
    def __init__(self, pin_id: int, expires: date) -> None:
        super().__init__(f"PIN {pin_id} ended on {expires}: issue a new one")


class LabelTooLong(RegistryRefusal):
    def __init__(self) -> None:
        super().__init__(f"a label has at most {LONGEST_LABEL} characters")


class PinStillLives(RegistryRefusal):
    def __init__(self, pin_id: int) -> None:
        super().__init__(f"PIN {pin_id} may still be in use: only a record of a dead PIN is purged")


class TooManyOfThisLength(RegistryRefusal):
    """One more live PIN of `digits` digits would be too easy to guess; `switch_to` is long enough."""

    def __init__(self, digits: int, switch_to: int) -> None:
        super().__init__(
            f"there would be more than {drawing.most_of(digits)} live PINs of {digits} digits, and a"
            f" guesser's chance in a day above {float(drawing.LIMIT):.1%}: switch to {switch_to} digits"
        )
        self.digits, self.switch_to = digits, switch_to


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
    customer_id: int
    customer: str
    label: str
    digits: int
    expires: date | None
    issued_at: datetime
    issued_by: str
    reason: str
    replaced_by: int | None
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: str | None
    last_used: datetime | None

    def status(self, last_opening: date) -> str:
        """`active`; `overlap` while another has taken its place; `expired`, on the rule of
        `PinFound.expired`; or `revoked`.
        """
        if self.revoked_at:
            return "revoked"
        if self.expires and self.expires < last_opening:
            return "expired"
        return "overlap" if self.replaced_by else "active"


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


# -- how many live, how long --------------------------------------------------------------------


def live(opened: date | None = None) -> ColumnElement[bool]:
    """Whether a row of `pins` is of a PIN that opens calls."""
    standing = pins.c.revoked_at.is_(None)
    if opened is None:
        return standing
    return and_(standing, or_(pins.c.expires_on.is_(None), pins.c.expires_on >= opened))


def live_by_length(connection: Connection, opened: date | None = None) -> dict[int, int]:
    """How many live PINs there are of each length, the shortest first."""
    query = select(pins.c.length, func.count().label("many")).where(live(opened)).group_by(pins.c.length)
    return {row.length: row.many for row in connection.execute(query.order_by(pins.c.length))}


def live_pins(connection: Connection, opened: date | None = None) -> int:
    return sum(live_by_length(connection, opened).values())


def length_of_next(connection: Connection, opened: date | None = None, *, more: int = 1) -> int:
    """Digits of the next `more` PINs to be issued: see `drawing.next_length`."""
    return drawing.next_length(live_by_length(connection, opened), more)


def check_length(connection: Connection, digits: int, opened: date | None = None, *, more: int = 1) -> None:
    """Raises TooManyOfThisLength if `more` live PINs of this length would be too easy to guess."""
    most = drawing.most_of(digits)
    of_it = select(pins.c.id).where(live(opened), pins.c.length == digits).limit(most + 1)
    count: int = connection.execute(select(func.count()).select_from(of_it.subquery())).scalar_one()
    if count + more > most:
        raise TooManyOfThisLength(digits, max(length_of_next(connection, opened, more=more), digits + 1))


_LONGEST = Prepared(select(func.max(pins.c.length)).where(pins.c.revoked_at.is_(None)))


def longest_live(connection: Connection) -> int:
    """Digits of the longest PIN that is not revoked; 8 when there is none."""
    return _LONGEST.scalar(connection, {}) or 8


# -- issue, rotate, revoke ------------------------------------------------------------------------


def last_day(issued_on: date, months: int) -> date | None:
    """The last day of a PIN that ends by its age: so many months on, or the last day of that month if
    it has no such day. None for 0 months.
    """
    if not months:
        return None
    years, month = divmod(issued_on.month - 1 + months, 12)
    year, month = issued_on.year + years, month + 1
    return date(year, month, min(issued_on.day, monthrange(year, month)[1]))


def last_day_of_old(expires: date | None, today: date, overlap_days: int) -> date | None:
    """The last day of a PIN that is rotated: the overlap's, never a later one than it had. None without
    an overlap: it ends at once.
    """
    if not overlap_days:
        return None
    until = today + timedelta(days=overlap_days)
    return until if expires is None else min(until, expires)


def draw(index: PinIndex, length: int, source: random.Random | None = None) -> NewPin:
    """Draw a PIN and hash it. Costs one slow hash: call it outside any transaction."""
    pin = drawing.draw(length, source or random.SystemRandom())
    return NewPin(pin, tuple(index.digests(pin)))


def reserve(connection: Connection, count: int) -> list[int]:
    """Ids for PINs whose letters are written before they are issued. Nobody else is given them; those
    that stay unused are missing from then on.
    """
    if connection.dialect.name == "postgresql":
        ids = text("SELECT nextval(pg_get_serial_sequence('pins', 'id')) FROM generate_series(1, :count)")
        return list(connection.execute(ids, {"count": count}).scalars())
    newest = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'pins'")).scalar()
    if newest is None:
        newest = 0
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('pins', 0)"))
    taken = text("UPDATE sqlite_sequence SET seq = seq + :count WHERE name = 'pins'")
    connection.execute(taken, {"count": count})
    return list(range(newest + 1, newest + count + 1))


def issue(
    connection: Connection,
    actor: str,
    at: datetime,
    code: str,
    new: NewPin,
    *,
    label: str = "",
    expires: date | None = None,
    reason: str = "",
    pin_id: int | None = None,
    opened: date | None = None,
    counted: bool = False,
) -> int:
    """Issue a drawn PIN to the customer and return its id, `pin_id` if one was reserved; with `expires`
    the admins are reminded.

    Raises UnknownCustomer; TooManyOfThisLength, unless `counted` says that the caller has seen to it in
    this transaction; or PinUsedBefore if anybody ever had it: draw again. A customer whose contract has
    ended may be issued one; it is the call that refuses him.
    """
    owner = customer(connection, code)
    label = clean(label)
    if len(label) > LONGEST_LABEL:
        raise LabelTooLong
    if not counted:
        check_length(connection, len(new.pin), opened)
    values = [digest.value for digest in new.digests]
    for known in (pins, spent_pins):
        if connection.execute(select(known.c.digest).where(known.c.digest.in_(values))).first():
            raise PinUsedBefore
    current = new.digests[0]
    reserved = {} if pin_id is None else {"id": pin_id}
    issued: int | None = connection.execute(
        inserting(connection, pins)
        .values(
            **reserved,
            customer_id=owner.id,
            label=label,
            digest=current.value,
            key_version=current.key_version,
            params_version=current.params_version,
            length=len(new.pin),
            issued_at=at,
            issued_by=actor,
            reason=clean(reason),
            expires_on=expires,
        )
        .on_conflict_do_nothing(index_elements=["digest"])
        .returning(pins.c.id)
    ).scalar()
    if issued is None:  # at this very instant, to somebody else
        raise PinUsedBefore
    if expires:
        _remind(connection, at, issued, expires)
    told = {"customer": owner.id, "label": label, "reason": clean(reason)}
    audit.record(connection, actor, at, "pin.issue", f"pin:{issued}", details=told)
    return issued


def rotatable(connection: Connection, pin_id: int, today: date) -> PinRecord:
    """A PIN that can be rotated. Raises UnknownPin, PinRevokedAlready, PinReplacedAlready, PinHasEnded."""
    found = pin(connection, pin_id)
    if found.revoked_at is not None:
        raise PinRevokedAlready(pin_id)
    if found.replaced_by is not None:
        raise PinReplacedAlready(pin_id, found.replaced_by)
    if found.expires is not None and found.expires < today:
        raise PinHasEnded(pin_id, found.expires)
    return found


def rotate(
    connection: Connection,
    actor: str,
    at: datetime,
    pin_id: int,
    new: NewPin,
    overlap_days: int,
    today: date,
    reason: str = "",
    *,
    expires: date | None = None,
    pin_id_of_new: int | None = None,
    opened: date | None = None,
    counted: bool = False,
) -> int:
    """Issue a drawn PIN in the place of a live one and return its id: same customer, same label.

    The old one still works for `overlap_days`, never longer than it would have; with 0 it is revoked at
    once. Raises what `rotatable` and `issue` raise.
    """
    old = rotatable(connection, pin_id, today)
    new_id = issue(
        connection,
        actor,
        at,
        old.customer,
        new,
        label=old.label,
        expires=expires,
        reason=reason,
        pin_id=pin_id_of_new,
        opened=opened,
        counted=counted,
    )
    until = last_day_of_old(old.expires, today, overlap_days) or today
    standing = update(pins).where(
        pins.c.id == pin_id, pins.c.revoked_at.is_(None), pins.c.replaced_by.is_(None)
    )
    if connection.execute(standing.values(replaced_by=new_id, expires_on=until)).rowcount != 1:
        raise PinReplacedAlready(pin_id, None)  # since we looked
    _forget_reminders(connection, at, pin_id, actor)
    told = {"customer": old.customer_id, "new": new_id, "until": until, "reason": clean(reason)}
    audit.record(connection, actor, at, "pin.rotate", f"pin:{pin_id}", details=told)
    if overlap_days == 0:
        revoke(connection, actor, at, pin_id, "rotated")
    return new_id


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
    _forget_reminders(connection, at, pin_id, actor)
    outbox.cancel(connection, at, pin_id, actor)
    audit.record(connection, actor, at, "pin.revoke", f"pin:{pin_id}", reason=reason)
    ledger.note(connection, at, "pin.revoke", pin_id)


def purge_record(connection: Connection, actor: str, at: datetime, pin_id: int) -> None:
    """Remove a dead PIN's row; only its digest is kept, so that it is never issued again.

    Raises UnknownPin, or PinStillLives for one that is neither revoked nor surely over.
    """
    row = connection.execute(select(pins).where(pins.c.id == pin_id)).first()
    if row is None:
        raise UnknownPin(pin_id)
    over = row.expires_on is not None and row.expires_on + SURELY_OVER < at.date()
    if row.revoked_at is None and not over:
        raise PinStillLives(pin_id)
    spent = {
        "digest": row.digest,
        "key_version": row.key_version,
        "params_version": row.params_version,
    }
    connection.execute(insert(spent_pins), spent)
    connection.execute(delete(pins).where(pins.c.id == pin_id))
    _forget_reminders(connection, at, pin_id, actor)
    audit.record(connection, actor, at, "pin.purge", f"pin:{pin_id}")


def _remind(connection: Connection, at: datetime, pin_id: int, expires: date) -> None:
    """Have the admins told before it ends. Due as the day begins in UTC; the door picks the hour."""
    for days in REMINDERS:
        due_at = datetime.combine(expires - timedelta(days=days), time(), UTC)
        if due_at > at:
            key = f"pin:{pin_id}:{days}"
            due.add(connection, at, ENDS, key, due_at, {"pin": pin_id, "days": days})


def _forget_reminders(connection: Connection, at: datetime, pin_id: int, by: str) -> None:
    for days in REMINDERS:
        due.cancel(connection, at, ENDS, f"pin:{pin_id}:{days}", by)


# -- found and listed -----------------------------------------------------------------------------


def all_pins(connection: Connection, code: str | None = None) -> list[PinRecord]:
    """Every PIN ever issued, or those of one customer, oldest first."""
    query = select(pins, customers.c.code).join(customers, customers.c.id == pins.c.customer_id)
    if code is not None:
        query = query.where(pins.c.customer_id == customer(connection, code).id)
    return [record_of(row) for row in connection.execute(query.order_by(pins.c.id))]


def pin(connection: Connection, pin_id: int) -> PinRecord:
    """One PIN's record. Raises UnknownPin."""
    query = select(pins, customers.c.code).join(customers, customers.c.id == pins.c.customer_id)
    row = connection.execute(query.where(pins.c.id == pin_id)).first()
    if row is None:
        raise UnknownPin(pin_id)
    return record_of(row)


def replaced_by(connection: Connection, pin_id: int, today: date) -> PinRecord | None:
    """The live PIN in whose place this one was issued; None if there is none, or it has ended."""
    query = select(pins.c.id).where(pins.c.replaced_by == pin_id, live(today))
    old = connection.execute(query).scalar()
    return None if old is None else pin(connection, old)


def record_of(row: Row[tuple[object, ...]]) -> PinRecord:
    """The record in a row of `pins` with its customer's code."""
    return PinRecord(
        id=row.id,
        customer_id=row.customer_id,
        customer=row.code,
        label=row.label,
        digits=row.length,
        expires=row.expires_on,
        issued_at=row.issued_at,
        issued_by=row.issued_by,
        reason=row.reason,
        replaced_by=row.replaced_by,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        revoke_reason=row.revoke_reason,
        last_used=row.last_used_at,
    )


def ending_on(connection: Connection, day: date) -> int:
    """How many PINs have this as their last day and no other in their place."""
    ending = and_(pins.c.expires_on == day, pins.c.revoked_at.is_(None), pins.c.replaced_by.is_(None))
    return connection.execute(select(func.count()).select_from(pins).where(ending)).scalar_one()


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
_USED = Prepared(update(pins).where(pins.c.id == bindparam("pin_id")).values(last_used_at=bindparam("used")))


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
    _USED.count(connection, {"pin_id": pin_id, "used": at})
