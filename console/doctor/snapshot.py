"""What calls are served from when the database is gone. The worker writes it, so it tells that one works."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.processes.standing_by import EVERY, OVERDUE, last_snapshot
from ivr.standby import standby
from storage.snapshot import SnapshotRefused

# The worker writes one every minute. Twice that may pass while it starts anew.
LATE = 3 * EVERY
_WORKER = "See that `ivr serve` runs on this machine and that its worker does (the log of `ivr.worker`)."
_WHY = {
    "missing": _WORKER,
    "damaged": "Remove the file and see that the disk is sound; the worker writes a new one within a minute.",
    "unsigned": "See that `[service] signing_key` is the one the service runs with, and restart `ivr "
    "serve`; if it is, somebody else wrote the file.",
}


def check(look: Look) -> Iterator[Finding]:
    if not look.configuration.service.signing_key.get_secret_value():
        return  # no snapshot is kept: the configuration's subject says so
    try:
        known = last_snapshot(look.configuration)
    except SnapshotRefused as refused:
        yield red(
            f"snapshot-{refused.why}",
            f"The local snapshot is {refused.why}: if the database fails tonight, no PIN can be checked "
            "here.",
            _WHY[refused.why],
        )
        return
    age = look.at - known.at
    told = f"The local snapshot is {int(age.total_seconds() // 60)} minutes old"
    if not standby.trusted(known.at, look.at):
        yield red("snapshot-old", f"{told}, which is too old to be trusted.", _WORKER)
    elif age > OVERDUE:
        yield red("snapshot-late", f"{told}: no worker works on this machine, or it cannot write.", _WORKER)
    elif age > LATE:
        yield yellow("snapshot-late", f"{told}; the worker writes one every minute.", _WORKER)
    else:
        yield green("snapshot", "The local snapshot is fresh and signed, so a worker works on this machine.")
