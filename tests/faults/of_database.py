"""Faults of the database: stopped, frozen, replaced, locked, full, overwritten."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

from faults.cluster import NUMBERS
from faults.emergency import STEPS
from faults.fault import Fault, Stage
from faults.journal import completed
from faults.phones import Caller

FROZEN_SECONDS = 30.0
LOCKED_SECONDS = 10.0
RUBBISH = b"\x00\xffrubbish\n"
SERVED = "every answer within 4 s, a technician reached, the journal complete afterwards"


def stopped_at(step: str) -> Callable[[Stage], list[str]]:
    """The database refuses every connection from just before this request to the end of the call."""
    return _away_at(step, "refuse")


def frozen_at(step: str) -> Callable[[Stage], list[str]]:
    """The database's network lets everybody in and passes nothing, from this request to the end of the
    call.
    """
    return _away_at(step, "freeze")


def _away_at(step: str, order: str) -> Callable[[Stage], list[str]]:
    def happens(stage: Stage) -> list[str]:
        wires = stage.load.cluster.tell_wires
        try:
            calls = stage.emergency.calls_at_once(step, lambda: wires(order))
        finally:
            wires("open")
        return _judged(stage, *calls)

    return happens


def _judged(stage: Stage, *calls: Caller) -> list[str]:
    found = stage.emergency.complaints(*calls)
    return found + [missing for call in calls if (missing := completed(stage.load.cluster, call))]


MISSES = "SELECT count(*) FROM pin_tries"


def frozen_mid_pin(stage: Stage) -> list[str]:
    """Frozen for 30 s as a wrong PIN is keyed; the right one follows while it still is."""
    cluster = stage.load.cluster
    before = cluster.ask(MISSES)[0][0]
    thaws = threading.Timer(FROZEN_SECONDS, lambda: cluster.tell_wires("open"))

    def freeze() -> None:
        cluster.tell_wires("freeze")
        thaws.start()

    calls = stage.emergency.calls_at_once("PIN", freeze, kind="wrong then right")
    thaws.join()
    found = _judged(stage, *calls)
    if (counted := cluster.ask(MISSES)[0][0] - before) != len(calls):
        found.append(f"{len(calls)} wrong PINs, counted {counted} times")
    return found


def fails_over(stage: Stage) -> list[str]:
    """PostgreSQL dies while a technician's phone rings; its successor is there a moment later."""
    server = stage.load.cluster.server
    assert server is not None
    moment = threading.Thread(target=server.fails_over)
    call = stage.emergency.call({"end of ring": moment.start})
    moment.join()
    return _judged(stage, call)


def locked(stage: Stage) -> list[str]:
    """Somebody's backup holds SQLite's only writer for 10 s, from the PIN on."""
    file = stage.load.cluster.nodes[0].folder / "ivr.db"
    begun = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun.set()
            time.sleep(LOCKED_SECONDS)  # the fault itself: nothing waits for it
            other.execute("ROLLBACK")

    holder = threading.Thread(target=hold)

    def lock() -> None:
        holder.start()
        begun.wait()

    call = stage.emergency.call({"PIN": lock})
    holder.join()
    return _judged(stage, call)


def disk_full(stage: Stage) -> list[str]:
    """Nothing can be written below the node's folder, from the urgency on."""
    cluster = stage.load.cluster
    try:
        call = stage.emergency.call({"key": cluster.full.touch})
    finally:
        cluster.full.unlink(missing_ok=True)
    found = _judged(stage, call)
    with closing(sqlite3.connect(cluster.nodes[0].folder / "ivr.db")) as other:
        if (state := other.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            found.append(f"the database is damaged: {state}")
    return found


def overwritten(stage: Stage) -> list[str]:
    """SQLite's file is overwritten with rubbish under open connections; put back after the call."""
    cluster = stage.load.cluster
    folder = cluster.nodes[0].folder
    file = folder / "ivr.db"
    copy = folder / "kept.db"
    # A whole copy, as a backup would be; nothing stands in the log beside it then.
    with closing(sqlite3.connect(file, isolation_level=None)) as here:
        here.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(sqlite3.connect(copy)) as there:
            here.backup(there)

    def overwrite() -> None:
        for each in (file, folder / "ivr.db-wal"):
            if each.exists():
                with each.open("r+b") as raw:
                    raw.write(RUBBISH * (max(each.stat().st_size, 8192) // len(RUBBISH)))

    call = stage.emergency.call({"first": overwrite})
    found = stage.emergency.complaints(call)
    # As an operator would: the machine is stopped, the copy put in its place.
    node = cluster.nodes[0]
    cluster.house.close()
    node.kill()
    for name in ("ivr.db", "ivr.db-wal", "ivr.db-shm"):
        (folder / name).unlink(missing_ok=True)
    copy.rename(file)
    node.start()
    node.wait()
    if missing := completed(cluster, call):
        found.append(missing)
    return found


# These befall a call on each number at once.
ALL = NUMBERS
FAULTS = [
    Fault(1, "database stopped before the first request", SERVED, stopped_at("first"), calls=ALL),
    Fault(1, "SQLite's file overwritten with rubbish", SERVED, overwritten, "one"),
    Fault(
        2,
        "database frozen for 30 s mid-PIN",
        f"{SERVED}; the wrong PIN counted once",
        frozen_mid_pin,
        calls=ALL,
    ),
    Fault(3, "fail-over during a ring", SERVED, fails_over),
    Fault(4, "SQLite locked for 10 s", SERVED, locked, "one", freezes=True),
    Fault(5, "disk full", f"{SERVED}; the database undamaged", disk_full, "one"),
    *(Fault(1, f"database stopped at: {step}", SERVED, stopped_at(step), calls=ALL) for step in STEPS[1:]),
    *(
        Fault(2, f"database frozen at: {step}", SERVED, frozen_at(step), calls=ALL, freezes=True)
        for step in STEPS
    ),
]
