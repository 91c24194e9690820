"""PINs issued by the hundred as long work, and their letters: sealed on the disk until they are printed.

What a run has done is read off its folder and the database, never remembered beside them: a run that dies is
taken up where it stopped (`pins.batches`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from console import issuing
from console.house import House
from console.issuing import KeysUnfit, Run
from console.web import work_files
from console.web.jobs import Job, JobFailed, Later, Progress
from pins import batches, customers, registry
from pins.batches import Batch, Order
from pins.customers import Customer, RegistryRefusal
from pins.letter_folder import FolderBusy, FolderRefused, LetterFolder, batch_of
from pins.letters import LetterRefused


@dataclass(frozen=True)
class Wanted:
    """What a run is to do, as it stands in its row. Ids only: they say nothing of anybody.

    `what` is "issue" (to these customers), "missing" (to all who have none), or "rotate" (these PINs, or all
    of them).
    """

    what: str
    customers: tuple[int, ...] = ()
    pins: tuple[int, ...] | None = None
    shorter_than: int | None = None
    overlap: int = 0
    reason: str = ""
    expires: date | None = None
    email: bool = False

    def written(self, folder: str, key: str) -> dict[str, Any]:
        """As the input of its job; the letters are sealed in `folder` with `key`."""
        return {
            "what": self.what,
            "customers": list(self.customers),
            "pins": None if self.pins is None else list(self.pins),
            "shorter_than": self.shorter_than,
            "overlap": self.overlap,
            "reason": self.reason,
            "expires": self.expires.isoformat() if self.expires else None,
            "email": self.email,
            "folder": folder,
            "key": key,
        }

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Wanted:
        return cls(
            given["what"],
            tuple(given["customers"]),
            None if given["pins"] is None else tuple(given["pins"]),
            given["shorter_than"],
            given["overlap"],
            given["reason"],
            date.fromisoformat(given["expires"]) if given["expires"] else None,
            given["email"],
        )


def write_letters(house: House, at: datetime, job: Job, progress: Progress) -> Mapping[str, Any]:
    """Do a run, or what is left of it."""
    wanted, key = Wanted.read(job.input), job.input["key"]
    place = work_files.folder(house, job.input["folder"])
    if not key or not place.is_dir():
        raise JobFailed({"why": "gone"})
    seal = partial(work_files.sealed, key)
    try:
        with issuing.workshop(
            house, job.actor, at, place, email=wanted.email, overlap=wanted.overlap, seal=seal
        ) as run:
            with house.database.read() as connection:
                done = sum(batches.counted(connection, run.folder.files()).values())
                total = done + _left(connection, run, wanted)
            progress(done, total)
            for batch in _batches(run, wanted):
                done += len(batch.issued)
                progress(done, max(done, total))
    except FolderBusy:
        raise Later from None
    except KeysUnfit:
        raise JobFailed({"why": "keys"}) from None
    except LetterRefused:
        raise JobFailed({"why": "letters"}) from None
    except registry.TooManyOfThisLength:
        raise JobFailed({"why": "length"}) from None
    except (RegistryRefusal, FolderRefused):
        raise JobFailed({"why": "moving"}) from None
    except OSError:
        raise JobFailed({"why": "disk"}) from None
    return {"letters": done}


# -- the letters ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """Letters in one PDF."""

    name: str
    letters: int


def files(house: House, connection: Connection, job: Job) -> list[File]:
    """The letters of a run that are on this machine; none once they were deleted."""
    place = work_files.folder(house, job.input["folder"])
    if not job.input.get("key") or not place.is_dir():
        return []
    found = batches.counted(connection, LetterFolder(place).files())
    return [File(name, letters) for name, letters in found.items()]


def content(house: House, job: Job, name: str) -> bytes | None:
    """One file of a run, unsealed; None if there is none of this name."""
    place = work_files.folder(house, job.input["folder"])
    if batch_of(name) is None or not (place / name).is_file():
        return None
    return work_files.unsealed(job.input["key"], (place / name).read_bytes())


# -- small parts -------------------------------------------------------------------------------


def _batches(run: Run, wanted: Wanted) -> Iterator[Batch]:
    def order(customer: Customer) -> Order:
        return Order(customer, reason=wanted.reason, expires=wanted.expires)

    def complete(found: Order) -> Order:
        return replace(found, reason=wanted.reason, expires=wanted.expires)

    match wanted.what:
        case "missing":
            return batches.issue_missing(run.shop, run.folder, order)
        case "issue":
            with run.shop.database.read() as connection:
                found = _customers(connection, wanted)
            return batches.issue_to(run.shop, run.folder, found, order)
        case _:
            return batches.rotate_all(run.shop, run.folder, complete, wanted.shorter_than, _only(wanted))


def _left(connection: Connection, run: Run, wanted: Wanted) -> int:
    """How many are to be issued, when none is yet; for the bar."""
    match wanted.what:
        case "missing":
            return len(batches.missing(connection, run.shop.day))
        case "issue":
            return len(_customers(connection, wanted)) - sum(
                batches.counted(connection, run.folder.files()).values()
            )
        case _:
            only = _only(wanted)
            found = batches.to_rotate(
                connection, run.shop.day, run.shop.overlap_days, shorter_than=wanted.shorter_than
            )
            return sum(only is None or order.replaces in only for order in found)


def _customers(connection: Connection, wanted: Wanted) -> list[Customer]:
    these = set(wanted.customers)
    return [each for each in customers.all_customers(connection) if each.id in these]


def _only(wanted: Wanted) -> frozenset[int] | None:
    return None if wanted.pins is None else frozenset(wanted.pins)
