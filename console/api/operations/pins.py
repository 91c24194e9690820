"""PINs: seen without their digits, issued and rotated (the answer holds the PIN, once), revoked."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from console import issuing
from console.access.scopes import Scope
from console.api import cursor
from console.api.asked import Asked
from console.api.operation import Area
from console.api.shapes import pins as shapes
from console.api.shapes.common import Code, Id, Pages, Why
from console.api.shapes.pins import IssuedPin, PinPage, PinPages, PinShown
from pins import customers, pin_list, registry
from pins.registry import NewPin, PinRecord

# Issues a drawn PIN; returns its id.
Take = Callable[[Connection, NewPin], int]

area = Area(
    "pins",
    "PINs. A PIN is drawn by the service and answered once, when it is issued; it is stored nowhere and "
    "cannot be asked for again.",
)


@area.get("/pins", Scope.PINS_READ)
def list_pins(asked: Asked, connection: Connection, query: PinPages) -> PinPage:
    """PINs without their digits, the newest first."""
    after = cursor.read("pins", query.cursor, int)
    page = pin_list.page(
        connection,
        pin_list.Which(query.status),
        asked.today,
        issuing.last_opening(asked.configuration, asked.at),
        after=after[0] if after else 0,  # type: ignore[arg-type]
        limit=query.limit,
    )
    return PinPage(
        pins=_shown(asked, [listed.pin for listed in page.rows]),
        next=cursor.write("pins", page.after) if page.after else None,
    )


@area.get("/customers/{code}/pins", Scope.PINS_READ)
def list_pins_of_customer(asked: Asked, connection: Connection, code: Code, query: Pages) -> PinPage:
    """A customer's PINs without their digits, the newest first."""
    after = cursor.read("customer-pins", query.cursor, int)
    found = registry.all_pins(connection, code)[::-1]
    if after:
        found = [each for each in found if each.id < after[0]]  # type: ignore[operator]
    rows, more = found[: query.limit], len(found) > query.limit
    return PinPage(
        pins=_shown(asked, rows), next=cursor.write("customer-pins", rows[-1].id) if more else None
    )


@area.get("/pins/{pin_id}", Scope.PINS_READ)
def read_pin(asked: Asked, connection: Connection, pin_id: Id) -> PinShown:
    """What is known of one PIN: who issued it and why, when it was last used, how it ended."""
    return _shown(asked, [registry.pin(connection, pin_id)])[0]


@area.post("/pins", Scope.PINS_ISSUE, 201)
def issue_pin(asked: Asked, body: shapes.NewPin) -> IssuedPin:
    """Issue a PIN to a customer. The answer holds it, this once. Sent again with the same Idempotency-Key it
    issues none and shows none.
    """
    opened = issuing.last_opening(asked.configuration, asked.at)
    expires = body.expires or issuing.last_day_by_age(asked.configuration, asked.at)
    asked.check_once()
    with asked.house.database.read() as connection:
        owner = customers.customer(connection, body.customer)
        length = registry.length_of_next(connection, opened)

    def take(connection: Connection, new: NewPin) -> int:
        return registry.issue(
            connection,
            asked.actor,
            asked.at,
            owner.code,
            new,
            label=body.label,
            expires=expires,
            reason=body.reason,
            opened=opened,
        )

    return _issued(asked, owner.code, length, take)


@area.post("/pins/{pin_id}/rotate", Scope.PINS_ISSUE, 201)
def rotate_pin(asked: Asked, pin_id: Id, body: shapes.Rotation) -> IssuedPin:
    """Issue a new PIN in the place of this one, which still works for some days. The answer holds the new
    one, this once; `id` is the new one's.
    """
    opened = issuing.last_opening(asked.configuration, asked.at)
    days = asked.configuration.pins.overlap_days if body.overlap is None else body.overlap
    asked.check_once()
    with asked.house.database.read() as connection:
        old = registry.rotatable(connection, pin_id, asked.today)
        length = registry.length_of_next(connection, opened)

    def take(connection: Connection, new: NewPin) -> int:
        return registry.rotate(
            connection,
            asked.actor,
            asked.at,
            pin_id,
            new,
            days,
            asked.today,
            body.reason,
            expires=issuing.last_day_by_age(asked.configuration, asked.at),
            opened=opened,
        )

    return _issued(asked, old.customer, length, take)


@area.post("/pins/{pin_id}/revoke", Scope.PINS_REVOKE)
def revoke_pin(asked: Asked, connection: Connection, pin_id: Id, body: Why) -> PinShown:
    """Revoke a PIN at once and for ever."""
    registry.revoke(connection, asked.actor, asked.at, pin_id, body.reason or None)
    return _shown(asked, [registry.pin(connection, pin_id)])[0]


def _issued(asked: Asked, code: str, length: int, take: Take) -> IssuedPin:
    """Draw until one was never used before, and have it taken with the answer that is kept."""

    def taken(new: NewPin) -> int:
        def act(connection: Connection) -> IssuedPin:
            return IssuedPin(id=take(connection, new), customer=code, pin=None, shown_before=True)

        return asked.write(act).id

    index = issuing.index_of(asked.house, asked.at)
    pin_id, new = issuing.drawn_and_taken(index, length, taken)
    return IssuedPin(id=pin_id, customer=code, pin=new.pin, shown_before=False)


def _shown(asked: Asked, records: list[PinRecord]) -> list[PinShown]:
    opened = issuing.last_opening(asked.configuration, asked.at)
    return [
        PinShown(
            id=each.id,
            customer=each.customer,
            label=each.label,
            status=each.status(opened),
            expires=each.expires,
            last_used=asked.moment(each.last_used),
            digits=each.digits,
            issued_at=asked.moment(each.issued_at),
            issued_by=each.issued_by,
            reason=each.reason,
            replaced_by=each.replaced_by,
            revoked_at=asked.moment(each.revoked_at),
            revoked_by=each.revoked_by,
            revoke_reason=each.revoke_reason,
        )
        for each in records
    ]
