"""What issuing PINs needs of the house, whoever asks for it: commands and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from console.house import House, numbers, pin_index
from console.outbound import letter_facts, letter_mail
from console.settings import Configuration
from pins import batches, customers, keyring, letters, registry
from pins.batches import Render, Workshop
from pins.customers import RegistryRefusal
from pins.index import PinIndex
from pins.letter_folder import LetterFolder, opened
from pins.letters import Letter
from pins.registry import NewPin, PinUsedBefore


class KeysUnfit(Exception):
    """The configured keys are missing, or are not those of the PINs in the database. The text says why."""


class NotThisPin(RegistryRefusal):
    """What was given is not the PIN it was said to be."""

    def __init__(self, pin_id: int) -> None:
        super().__init__(f"what was read is not PIN {pin_id}")


class PinIsDead(RegistryRefusal):
    """The PIN opens nothing any more: no letter should bring it."""

    def __init__(self, pin_id: int, status: str) -> None:
        super().__init__(f"PIN {pin_id} is {status}: it opens nothing any more")
        self.status = status


def today(configuration: Configuration, at: datetime) -> date:
    return at.astimezone(configuration.zone).date()


def last_opening(configuration: Configuration, at: datetime) -> date:
    """The day on which the office last opened. Numbers may differ in their local holidays: a PIN counts
    as expired once it is so on any of them.
    """
    return max(number.hours.last_opening(at) for number in numbers(configuration).values())


def last_day_by_age(configuration: Configuration, at: datetime) -> date | None:
    """The last day of a PIN issued now, if nobody says another; None: it does not end by its age."""
    return registry.last_day(today(configuration, at), configuration.pins.max_age_months)


def index_of(house: House, at: datetime) -> PinIndex:
    """The index PINs are issued under. Raises KeysUnfit if its keys are not those of the PINs in the
    database: the running service would not find a PIN issued under others, or would know none but this.
    """
    settings = house.configuration.pins
    try:
        index = pin_index(house.configuration)
    except ValueError as missing:
        raise KeysUnfit(str(missing)) from None
    with house.database.write() as connection:
        keyring.remember(connection, at, settings)
        faults = keyring.faults(connection, settings)
    if faults:
        raise KeysUnfit("; ".join(faults))
    return index


def drawn_and_taken(index: PinIndex, length: int, take: Callable[[NewPin], int]) -> tuple[int, NewPin]:
    """Draw a PIN until `take` issues one; returns its id and the PIN itself, to be shown once.

    Each draw costs a slow hash, outside any transaction. Raises what `take` raises but PinUsedBefore.
    """
    while True:
        new = registry.draw(index, length)
        try:
            return take(new), new
        except PinUsedBefore:
            continue


def render(configuration: Configuration) -> Render:
    """What lays letters out."""
    service = letter_facts.service(configuration)
    return lambda written: letters.render(written, service, configuration.letters, configuration.folder)


def letter_of(house: House, at: datetime, pin_id: int, keyed: str) -> Letter:
    """The letter of a live PIN, if `keyed` is that PIN; writes nothing. Costs one slow hash.

    Raises UnknownPin, NotThisPin, PinIsDead, KeysUnfit.
    """
    configuration = house.configuration
    if not re.fullmatch(r"[0-9]{8,16}", keyed):
        raise NotThisPin(pin_id)
    digests = index_of(house, at).digests(keyed)
    with house.database.read() as connection:
        record = registry.pin(connection, pin_id)
        found = registry.find_pin(connection, digests)
        if found is None or found.pin_id != pin_id:
            raise NotThisPin(pin_id)
        status = record.status(last_opening(configuration, at))
        if status not in ("active", "overlap"):
            raise PinIsDead(pin_id, status)
        owner = customers.customer(connection, record.customer)
        old = registry.replaced_by(connection, pin_id, today(configuration, at))
    return Letter(
        keyed,
        pin_id,
        owner,
        record.label,
        owner.language or configuration.service.languages[0],
        record.issued_at.astimezone(configuration.zone).date(),
        record.expires,
        old.expires if old else None,
    )


# -- many at once --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A workshop with the folder its letters go to, and what an interrupted run had left there."""

    shop: Workshop
    folder: LetterFolder
    found: list[Path]


@contextmanager
def workshop(
    house: House,
    actor: str,
    at: datetime,
    place: Path,
    *,
    email: bool,
    overlap: int = 0,
    seal: Callable[[bytes], bytes] = bytes,
) -> Iterator[Run]:
    """Everything a run needs; the folder is this run's alone, and nothing half done is left in it. What is
    written there has gone through `seal`.

    Raises KeysUnfit, FolderRefused, LetterRefused.
    """
    configuration = house.configuration
    lay_out = render(configuration)
    with opened(place) as folder:
        shop = Workshop(
            house.database,
            index_of(house, at),
            lambda written: seal(lay_out(written)),
            actor,
            at,
            today(configuration, at),
            last_opening(configuration, at),
            configuration.service.languages[0],
            hands=configuration.pins.slots,
            overlap_days=overlap,
            post=letter_mail.post(configuration, at) if email else None,
        )
        yield Run(shop, folder, batches.recover(house.database, folder))
