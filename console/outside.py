"""What is kept outside the database and vouches for it: the anchors of the audit log, the ledger.

Both are files of the state folder, signed with service.signing_key. They follow a commit; whatever keeps
them from it is made up for by the worker, and nothing is lost from the database meanwhile.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from console.house import House, state_folder
from console.settings import Configuration
from storage import anchors, audit, due, ledger
from storage.alarms import raise_alarm
from storage.due import Work
from storage.signed_log import LogBusy
from storage.tables import due_work

log = logging.getLogger("ivr.outside")

CHANGED, UNANCHORED = "audit-changed", "audit-unanchored"
# How many entries go into the ledger at once. With fewer, other work would wait behind a mass revocation;
# with more, a call might wait for the transaction that claims them.
TOGETHER = 1000
LEASE = timedelta(minutes=2)


def signing_key(configuration: Configuration) -> bytes | None:
    """The key of both files; None if there is none, which is said in the log once."""
    key = bytes.fromhex(configuration.service.signing_key.get_secret_value())
    if not key:
        _warn_of_no_key()
        return None
    return key


@cache
def _warn_of_no_key() -> None:
    log.warning("service.signing_key is missing: the audit log is not anchored, no ledger is kept")


def ledger_file(configuration: Configuration) -> Path:
    return state_folder(configuration) / ledger.FILE


# -- anchors -----------------------------------------------------------------------------------


def keep_anchor(house: House, at: datetime) -> None:
    """Anchor the newest row of the audit log if it is another than the one anchored last, and raise an
    alarm if that one is not there as it was, or if no anchor can be written. Raises SQLAlchemyError.
    """
    key = signing_key(house.configuration)
    if key is None:
        return
    try:
        file = anchors.anchors_in(state_folder(house.configuration), key)
        # Before the database is asked: what is anchored is committed, so it must be found there.
        known = anchors.last(file)
        with house.database.read() as connection:
            newest = audit.head(connection)
            found = audit.chain_at(connection, known.id) if known else None
        if known is not None and found != known.chain:
            _alarm(house, at, CHANGED, {"row": known.id})
        if newest.id > (known.id if known else 0):
            anchors.add(file, at, newest)
    except LogBusy:
        return  # by somebody who anchors, too; the next tick sees to the rest
    except OSError as error:
        _alarm(house, at, UNANCHORED, {"why": type(error).__name__})


def _alarm(house: House, at: datetime, what: str, details: dict[str, object]) -> None:
    with house.database.write() as connection:
        if raise_alarm(connection, at, what, details=details):
            log.error("%s: %s; run `ivr audit verify`", what, details)


# -- the ledger --------------------------------------------------------------------------------


def into_ledger(house: House, work: Work | None, at: datetime) -> bool:
    """Append to the ledger what is due, and `work`, if it was claimed before. False if there is no key
    or somebody else is writing: then it stays pending, as it does when OSError is raised.
    """
    key = signing_key(house.configuration)
    if key is None:
        return False
    with house.database.write() as connection:
        others = due.claim(connection, at, (ledger.KIND,), limit=TOGETHER, lease=LEASE)
    wanted = [*([work] if work else []), *others]
    written = False
    try:
        ledger.append(ledger_file(house.configuration), key, map(ledger.entry_of, wanted))
        written = True
    except LogBusy:
        return False
    finally:
        if others:
            with house.database.write() as connection:
                if written:
                    due.finish_claim(connection, at, others[0].lease)
                else:
                    due.give_back(connection, others[0].lease)
    return True


def waiting_for_ledger(connection: Connection) -> int:
    """How many revocations and erasures are not in the ledger yet."""
    waiting = select(func.count()).where(due_work.c.kind == ledger.KIND, due_work.c.state == due.PENDING)
    return connection.execute(waiting).scalar_one()


# -- after a commit ----------------------------------------------------------------------------


def follow(house: House, at: datetime) -> None:
    """Let both files follow a command's commit at once. Fails for nothing: the command has done its
    work, and the worker does what could not be done here.
    """
    if not house.configuration.service.signing_key.get_secret_value():
        return  # the worker says so
    try:
        keep_anchor(house, at)
        with house.database.read() as connection:
            waiting = waiting_for_ledger(connection)
        if waiting:
            into_ledger(house, None, at)
    except (OSError, SQLAlchemyError) as error:
        log.warning("anchors and ledger are left to the worker: %s", type(error).__name__)
