"""PINs with their letters, by the hundred: a run that dies loses none and issues none twice.

A batch is drawn and hashed and its letters are laid out outside any transaction; the letters are on disk
before its PINs are issued, and get their name after (pins/letter_folder.py). One transaction issues the
whole batch and says so in `pin_batches`. Nothing but the letter holds a PIN: no record of a run, no
message, no error.

Unlike the verbs, this opens its own transactions: the door hands it a Database, and all it reads of the
clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select

from pins import drawing, registry
from pins.customers import Customer, RegistryRefusal, all_customers, customer
from pins.index import PinIndex
from pins.letter_folder import FolderRefused, LetterFolder, batch_of, new_batch
from pins.letters import Letter
from pins.registry import NewPin, PinHasEnded, PinReplacedAlready, PinRevokedAlready, PinUsedBefore
from pins.tables import pin_batches, pins
from storage.engine import Database

# One PDF, one transaction. To rotate so many holds SQLite's one writer for about 0.4 s, which calls wait
# for; they give up after 2 s.
BATCH = 100
# A batch whose PINs or customers changed while it was prepared is prepared again, so often in a row.
PATIENCE = 5
# PostgreSQL's advisory lock of whoever issues a batch, or asks whether one was issued: a transaction
# whose client died while it committed has ended once it is had.
_ISSUING = 4_771_007

# Lays out one file for all letters.
Render = Callable[[Sequence[Letter]], bytes]
# Makes the e-mail that brings a letter, outside any transaction, and returns what puts it into the outbox
# in the transaction that issues its PIN; None: this customer gets no e-mail.
Post = Callable[[Letter], Callable[[Connection], None] | None]


class _Overtaken(RegistryRefusal):
    """Somebody else issued one meanwhile."""


@dataclass(frozen=True)
class Order:
    """A PIN to be issued: to whom, and in whose place. `old_until` is the last day of the one it
    replaces, None if that one ends at once.
    """

    customer: Customer
    label: str = ""
    reason: str = ""
    expires: date | None = None
    replaces: int | None = None
    old_until: date | None = None
    # Only to a customer who has no live PIN.
    if_missing: bool = False


@dataclass(frozen=True)
class Workshop:
    """What a run works with. `day` is the local date, `opened` the day the office last opened,
    `language` that of a customer who has none of his own, `hands` how many hash at once.
    """

    database: Database
    index: PinIndex
    render: Render
    actor: str
    at: datetime
    day: date
    opened: date
    language: str
    hands: int = 1
    overlap_days: int = 0
    post: Post | None = None


@dataclass(frozen=True)
class Batch:
    """What was issued, and where its letters are. `sent` of them are in the outbox too."""

    file: Path
    issued: tuple[tuple[int, str], ...]
    sent: int


# -- who is to have one ---------------------------------------------------------------------------


def missing(connection: Connection, today: date) -> list[Customer]:
    """Every customer whose contract runs and who has no live PIN, by code."""
    served = set(
        connection.execute(
            select(pins.c.customer_id).where(registry.live(today), pins.c.replaced_by.is_(None))
        ).scalars()
    )
    return [
        each
        for each in all_customers(connection)
        if each.id not in served and each.contract.covers(today, prepaid_counts=True)
    ]


def to_rotate(
    connection: Connection,
    today: date,
    overlap_days: int,
    *,
    shorter_than: int | None = None,
    up_to: int | None = None,
) -> list[Order]:
    """Every live PIN that no other has replaced, oldest first; only those shorter than so many digits,
    and with an id of at most `up_to`.
    """
    query = select(pins.c.id, pins.c.customer_id, pins.c.label, pins.c.expires_on).where(
        registry.live(today), pins.c.replaced_by.is_(None)
    )
    if shorter_than is not None:
        query = query.where(pins.c.length < shorter_than)
    if up_to is not None:
        query = query.where(pins.c.id <= up_to)
    owners = {each.id: each for each in all_customers(connection)}
    return [
        Order(
            owners[row.customer_id],
            row.label,
            replaces=row.id,
            old_until=registry.last_day_of_old(row.expires_on, today, overlap_days),
        )
        for row in connection.execute(query.order_by(pins.c.id))
    ]


def to_rotate_one(connection: Connection, today: date, overlap_days: int, pin_id: int) -> Order:
    """The same of one PIN. Raises what `registry.rotate` raises for a PIN that cannot be rotated."""
    old = registry.rotatable(connection, pin_id, today)
    until = registry.last_day_of_old(old.expires, today, overlap_days)
    return Order(customer(connection, old.customer), old.label, replaces=old.id, old_until=until)


def length_of_rotation(connection: Connection, opened: date, orders: int, shorter_than: int | None) -> int:
    """Digits of the new PINs of a mass rotation: long enough for twice the PINs that stand, for in the
    overlap old and new ones live together. The same when it is taken up again.
    """
    standing = select(func.count()).select_from(pins).where(registry.live(opened))
    base = connection.execute(standing.where(pins.c.replaced_by.is_(None))).scalar_one()
    by_rule = registry.length_of_next(connection, opened, more=max(orders, 1))
    return max(drawing.length_for(2 * base), by_rule, shorter_than or 0)


# -- a run ----------------------------------------------------------------------------------------


def recover(database: Database, folder: LetterFolder) -> list[Path]:
    """Finish what an interrupted run has left in the folder; returns the letters that got their name."""

    def issued(batch: str) -> bool:
        with database.write() as connection:
            _alone(connection)
            row = connection.execute(select(pin_batches.c.id).where(pin_batches.c.id == batch)).first()
        return row is not None

    return folder.recover(issued)


def issue_to(
    shop: Workshop,
    folder: LetterFolder,
    customers: Sequence[Customer],
    order: Callable[[Customer], Order],
    digits: int | None = None,
) -> Iterator[Batch]:
    """Issue each of these customers one PIN as `order` says, in batches; of so many digits, or as the
    rule has it for all of them. Taken up again in the same folder for the same customers, it goes on
    with those who had none.
    """
    wanted = [each.code for each in customers]
    task = _task(shop, folder, "issue", hashlib.sha256(json.dumps(sorted(wanted)).encode()).hexdigest())
    by_code = {each.code: each for each in customers}

    def left(connection: Connection) -> list[Order]:
        since = select(pins.c.customer_id).where(pins.c.id > task["after"])
        served = set(connection.execute(since).scalars())
        return [order(each) for each in by_code.values() if each.id not in served]

    yield from _run(shop, folder, left, _by_rule(shop, digits))
    folder.end()


def issue_missing(
    shop: Workshop, folder: LetterFolder, order: Callable[[Customer], Order], digits: int | None = None
) -> Iterator[Batch]:
    """Issue a PIN to every customer whose contract runs and who has none."""

    def left(connection: Connection) -> list[Order]:
        return [replace(order(each), if_missing=True) for each in missing(connection, shop.day)]

    yield from _run(shop, folder, left, _by_rule(shop, digits))


def rotate_all(
    shop: Workshop,
    folder: LetterFolder,
    order: Callable[[Order], Order],
    shorter_than: int | None = None,
    only: Collection[int] | None = None,
) -> Iterator[Batch]:
    """Rotate every PIN that is live and not replaced, in batches, or of these `only` those with such an id;
    `order` completes what is ordered. Taken up again in the same folder it goes on where it stopped: no new
    PIN is replaced again.
    """
    these = "" if only is None else hashlib.sha256(json.dumps(sorted(only)).encode()).hexdigest()
    task = _task(shop, folder, "rotate", these or str(shorter_than))

    def left(connection: Connection) -> list[Order]:
        found = to_rotate(
            connection, shop.day, shop.overlap_days, shorter_than=shorter_than, up_to=task["after"]
        )
        return [order(each) for each in found if only is None or each.replaces in only]

    def long_enough(connection: Connection, count: int) -> int:
        if only is not None:
            return registry.length_of_next(connection, shop.opened, more=count)
        return length_of_rotation(connection, shop.opened, count, shorter_than)

    yield from _run(shop, folder, left, long_enough)
    folder.end()


def write(
    shop: Workshop, folder: LetterFolder, orders: Sequence[Order], digits: int, to: Path | None = None
) -> Batch:
    """Issue these PINs, their letters in one file: `to`, in that folder, or the next number's.

    Raises what `registry.issue` and `registry.rotate` raise; then nothing was issued and no file is left.
    """
    batch = new_batch()
    with ThreadPoolExecutor(max(shop.hands, 1)) as hands:  # the slow hash lets other threads run
        drawn = list(hands.map(lambda _: registry.draw(shop.index, digits), orders))
    with shop.database.write() as connection:
        ids = registry.reserve(connection, len(orders))
    letters = [
        _letter(shop, order, new, pin_id) for order, new, pin_id in zip(orders, drawn, ids, strict=True)
    ]
    sending = [] if shop.post is None else [send for each in letters if (send := shop.post(each))]
    folder.put(batch, shop.render(letters))
    try:
        with shop.database.write() as connection:
            _alone(connection)
            registry.check_length(connection, digits, shop.opened, more=len(orders))
            for order, new, letter in zip(orders, drawn, letters, strict=True):
                _issue(connection, shop, order, new, letter)
            for send in sending:
                send(connection)
            connection.execute(
                insert(pin_batches).values(id=batch, at=shop.at, actor=shop.actor, pins=len(orders))
            )
    except RegistryRefusal:
        folder.drop(batch)
        raise
    # Whatever else fails leaves the file: only the database knows whether the batch was issued.
    issued = tuple((letter.pin_id, letter.customer.code) for letter in letters)
    return Batch(folder.name(batch, to), issued, len(sending))


def counted(connection: Connection, files: Sequence[Path]) -> dict[str, int]:
    """How many letters are in each of these files of a folder, by their names."""
    found = {file.name: batch for file in files if (batch := batch_of(file.name))}
    query = select(pin_batches.c.id, pin_batches.c.pins).where(pin_batches.c.id.in_(found.values()))
    many = {row.id: row.pins for row in connection.execute(query)}
    return {name: many.get(batch, 0) for name, batch in sorted(found.items())}


# -- small parts ----------------------------------------------------------------------------------


def _by_rule(shop: Workshop, digits: int | None) -> Callable[[Connection, int], int]:
    return lambda connection, count: digits or registry.length_of_next(connection, shop.opened, more=count)


def _run(
    shop: Workshop,
    folder: LetterFolder,
    left: Callable[[Connection], list[Order]],
    length: Callable[[Connection, int], int],
) -> Iterator[Batch]:
    digits = tries = 0
    while True:
        with shop.database.read() as connection:
            orders = left(connection)
            if not orders:
                return
            if not digits:  # for all of them: the same for the last as for the first
                digits = length(connection, len(orders))
                registry.check_length(connection, digits, shop.opened, more=len(orders))
        try:
            batch = write(shop, folder, orders[:BATCH], digits)
        except (PinUsedBefore, PinReplacedAlready, PinRevokedAlready, PinHasEnded, _Overtaken):
            tries += 1
            if tries == PATIENCE:
                raise
            continue
        tries = 0
        yield batch


def _task(shop: Workshop, folder: LetterFolder, what: str, of: str) -> dict[str, Any]:
    """The task this run has in the folder: the one that was interrupted, or a new one.

    `after` is the newest PIN when it began: what was issued since is done. Raises FolderRefused for an
    interrupted task of another kind.
    """
    found = folder.task
    if found is None:
        with shop.database.read() as connection:
            newest = connection.execute(select(func.max(pins.c.id))).scalar() or 0
        found = {"what": what, "of": of, "after": newest}
        folder.begin(found)
    elif (found.get("what"), found.get("of")) != (what, of) or not isinstance(found.get("after"), int):
        raise FolderRefused(
            f"{folder.path}: another run was interrupted here: give its command again, or use another folder"
        )
    return found


def _letter(shop: Workshop, order: Order, new: NewPin, pin_id: int) -> Letter:
    return Letter(
        new.pin,
        pin_id,
        order.customer,
        order.label,
        order.customer.language or shop.language,
        shop.day,
        order.expires,
        order.old_until,
    )


def _issue(connection: Connection, shop: Workshop, order: Order, new: NewPin, letter: Letter) -> None:
    if order.replaces is not None:
        registry.rotate(
            connection,
            shop.actor,
            shop.at,
            order.replaces,
            new,
            shop.overlap_days,
            shop.day,
            order.reason,
            expires=order.expires,
            pin_id_of_new=letter.pin_id,
            counted=True,
        )
        return
    if order.if_missing and _has_one(connection, order.customer.id, shop.day):
        raise _Overtaken
    registry.issue(
        connection,
        shop.actor,
        shop.at,
        order.customer.code,
        new,
        label=order.label,
        expires=order.expires,
        reason=order.reason,
        pin_id=letter.pin_id,
        counted=True,
    )


def _has_one(connection: Connection, customer_id: int, today: date) -> bool:
    of_his = select(pins.c.id).where(
        pins.c.customer_id == customer_id, registry.live(today), pins.c.replaced_by.is_(None)
    )
    return connection.execute(of_his.limit(1)).first() is not None


def _alone(connection: Connection) -> None:
    """Wait for every batch that is being issued. On SQLite a writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ISSUING)))
