"""What the commands that write letters share: the workshop, and what is told of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import click

from console import issuing
from console.commands.common import Context, Refused, print_json, refusing
from console.issuing import KeysUnfit, Run
from pins import batches, registry
from pins.batches import Batch, Order
from pins.customers import RegistryRefusal
from pins.index import PinIndex
from pins.letter_folder import FolderRefused
from pins.letters import LetterRefused
from storage import audit


@contextmanager
def refusing_pins() -> Iterator[None]:
    """What the verbs refuse is refused by the command, in their words."""
    try:
        yield
    except (RegistryRefusal, FolderRefused, LetterRefused, KeysUnfit) as refused:
        raise Refused(str(refused)) from None
    except OSError as error:
        raise Refused(f"{error.filename or 'the letters'}: {error.strerror}") from None


def today(context: Context) -> date:
    return issuing.today(context.configuration, context.at)


def last_opening(context: Context) -> date:
    return issuing.last_opening(context.configuration, context.at)


@contextmanager
def workshop(context: Context, place: Path, *, email: bool, overlap: int = 0) -> Iterator[Run]:
    """Everything a run needs; the folder is this run's alone, and nothing half done is left in it."""
    with (
        context.house() as house,
        refusing(),
        issuing.workshop(house, context.actor, context.at, place, email=email, overlap=overlap) as run,
    ):
        yield run


def write_one(run: Run, order: Order, to: Path, digits: int | None = None, *, as_json: bool) -> None:
    """One PIN and its letter. After an interrupted run only its letter is told of: perhaps it is this."""
    if run.found:
        raise Refused(
            f"an interrupted run had issued what is in {', '.join(map(str, run.found))}; nothing else was"
            " done now: give the command again if that is not what you want"
        )
    with run.shop.database.read() as connection:
        length = digits or registry.length_of_next(connection, run.shop.opened)
    while True:
        try:
            batch = batches.write(run.shop, run.folder, [order], length, to)
            break
        except registry.PinUsedBefore:
            continue
    ((pin_id, code),) = batch.issued
    if as_json:
        print_json({"id": pin_id, "customer": code, "letter": str(batch.file), "emails": batch.sent})
    else:
        click.echo(f"PIN {pin_id} of {code}: its letter is {batch.file}{_sent(batch)}.")


def tell(run: Run, done: Iterator[Batch], *, as_json: bool) -> None:
    """Carry a run of batches out and tell of each as it is done."""
    told: list[Batch] = []
    for file in run.found:
        if not as_json:
            click.echo(f"{file}: letters of a run that was interrupted; its PINs are issued.")
    for batch in done:
        told.append(batch)
        if not as_json:
            click.echo(f"{batch.file}: {len(batch.issued)} letters{_sent(batch)}.")
    issued = [{"id": pin_id, "customer": code} for batch in told for pin_id, code in batch.issued]
    if as_json:
        document = {
            "issued": issued,
            "letters": [str(batch.file) for batch in told],
            "recovered": [str(file) for file in run.found],
            "emails": sum(batch.sent for batch in told),
        }
        print_json(document)
    elif not issued:
        click.echo("There was nothing left to do.")


def again(context: Context, pin_id: int, keyed: str, to: Path) -> None:
    """Write the letter of a PIN again, if `keyed` is that PIN. Costs one slow hash."""
    if not re.fullmatch(r"[0-9]{8,16}", keyed):
        raise Refused("expected the digits of the PIN on standard input")
    with refusing_pins():
        with context.house() as house, refusing():
            letter = issuing.letter_of(house, context.at, pin_id, keyed)
        _write_new(to, issuing.render(context.configuration)([letter]))
        with context.writing() as connection:
            audit.record(connection, context.actor, context.at, "pin.letter", f"pin:{pin_id}")


# -- small parts ----------------------------------------------------------------------------------


def index_of(context: Context) -> PinIndex:
    """The index PINs are issued under. Refused if its keys are not those of the PINs in the database."""
    with context.house() as house, refusing(), refusing_pins():
        return issuing.index_of(house, context.at)


def _sent(batch: Batch) -> str:
    return f", {batch.sent} by e-mail too" if batch.sent else ""


def _write_new(to: Path, content: bytes) -> None:
    """Readable by its owner alone; a file that is there already is never written over."""
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
