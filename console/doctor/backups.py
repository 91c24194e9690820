"""What would bring everything back: backups, and what vouches for the log outside the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select

from console import verification
from console.backups.daily import STALE_AFTER, newest
from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.outside import waiting_for_ledger
from storage import anchors, audit, due, ledger
from storage.tables import due_work

# Older than this, restoring it would lose more than a week: as good as none.
AS_GOOD_AS_NONE = timedelta(days=7)
_WRITTEN = select(due_work.c.id).where(due_work.c.kind == ledger.KIND, due_work.c.state == due.DONE).limit(1)


def check(look: Look) -> Iterator[Finding]:
    yield _backup(look)
    if look.configuration.service.signing_key.get_secret_value():
        yield from _outside(look)


def _backup(look: Look) -> Finding:
    settings = look.configuration.backup
    if not settings.folder:
        return yellow(
            "not-configured",
            "No backup is written by the service: if the disk fails, everything is lost.",
            "Name a folder in `[backup] folder`, best on another disk, and `sealing_keys`.",
        )
    last = newest(look.configuration.folder / settings.folder)
    remedy = (
        "See that the folder can be written and that `ivr serve` runs; `ivr backup FILE` writes one at once."
    )
    if last is None:
        return yellow("none", f"There is no backup in {settings.folder} yet.", remedy)
    told = f"The newest backup is of {last.astimezone(look.zone):%Y-%m-%d %H:%M}"
    if look.at - last > AS_GOOD_AS_NONE:
        return red("too-old", f"{told}: if the disk fails tonight, more than a week is lost.", remedy)
    if look.at - last > STALE_AFTER:
        return yellow("old", f"{told}.", remedy)
    return green("backup", f"{told}.")


def _outside(look: Look) -> Iterator[Finding]:
    if not look.state.is_dir():  # reading would make it
        return
    known = verification.outside(look.configuration)
    with look.house.database.read() as connection:
        rows = audit.head(connection).id
        waiting = waiting_for_ledger(connection)
        written = connection.execute(_WRITTEN).first() is not None
    if known.faults:
        where = "; ".join(f"{each.file}, line {each.line} {each.what}" for each in known.faults[:3])
        yield red(
            "tampered",
            f"What vouches for the log outside the database is damaged: {where}.",
            "Change nothing, keep a copy of the state folder, and run `ivr audit verify`.",
        )
    if rows and not known.anchors.heads:
        yield yellow(
            "no-anchor",
            f"{anchors.FILE} is missing or empty: that rows of the audit log are gone could not be seen.",
            "See that the state folder can be written and that `ivr serve` runs.",
        )
    if written and not known.ledger.entries:
        # Not red: of two machines the other one may have written it.
        yield yellow(
            "no-ledger",
            f"{ledger.FILE} on this machine is missing or empty, though PINs or customers are gone: a "
            "backup restored here would bring them back.",
            "Copy the file from the other machine, or from your copy of the state folder.",
        )
    if waiting:
        yield yellow(
            "ledger-waits",
            f"{waiting} revocations or erasures wait to be written into {ledger.FILE}.",
            "See that `ivr serve` runs and that the state folder can be written.",
        )
    if not known.faults and (known.anchors.heads or not rows):
        yield green("outside", "The anchors of the audit log and the ledger hold.")
