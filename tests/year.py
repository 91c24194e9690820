"""A year of nights, purged each night by the shipped policy: nothing is kept beyond its time, reports count
the same, and what is added once the first calls have grown old is no more than what these leave.

    make year            (tests/year.py --calls 30000 --seed 1)
    make year FIGURES=183

The second form looks at what the first cannot in a year: `privacy.figures` and `privacy.audit` are so many
days, and once they have passed as much goes each night as comes. The file must be as large at the end as it
was then.

The nights are rows written through the journal's verbs (tests/many_nights.py), no conversations. Ends with 1
if anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from making import SECRETS, configuration, fresh_database, utc
from many_nights import Nights, too_old
from sqlalchemy import Connection, func, select

from console import outside, verification
from console.house import House
from console.privacy import purging
from console.processes.worker import tick
from ivr.records import figures, reports
from oncall.reports import period
from storage import due, trace
from storage.engine import Database
from storage.tables import audit

DAYS = 365
BEGINS = utc("2026-01-01 00:00")
DAY = timedelta(days=1)
# After which days what is kept is weighed: by the first of them as much goes each night as comes.
WEIGHED = (120, 240, DAYS)
# Bytes with all indexes: what a call may leave behind for its years, with all that is about it; and an act in
# the audit log, which goes after `privacy.audit` days.
BARE, ACT = 1400, 350
# By how much the file may be larger at the end when as much goes as comes: nights differ.
LEVEL = 0.03
# Each index rounds up to whole pages: so much may stand for nothing, which matters in a short year alone.
ROUNDED = 2**18
LOG = "audit"
SIGNED = {**SECRETS, "IVR_SERVICE_SIGNING_KEY": bytes(range(60, 92)).hex()}


def counted(house: House, first: date, last: date) -> object:
    """What reports and accounts count of a stretch that is over."""
    whole = house.configuration
    span = period(first, last, whole.zone)
    wanted = figures.Wanted(span)
    at = BEGINS + 3 * DAYS * DAY
    sources = reports.Sources(whole.zone, whole.hours, whole.number, whole.reports)
    with house.database.read() as connection:
        return (
            figures.slots(connection, wanted, whole.zone),
            sorted(figures.taken(connection, at, wanted), key=repr),
            figures.worked(connection, wanted, 50),
            figures.rings(connection, wanted),
            reports.lines(connection, sources, span),
        )


def files_removed(house: House, work: due.Work, at: datetime) -> None:
    """As the worker removes files; that it writes the database's file anew is not waited for each night."""
    trace.remove_files(house.configuration.folder / "state", work.payload["files"])


# -- what is kept weighs ---------------------------------------------------------------------------


def weights(connection: Connection, column: str = "pgsize") -> dict[str, int]:
    """Bytes of each table on SQLite, its indexes among them: of whole pages, or only what is in them
    ("payload"). What the audit keeps of its acts is one.
    """
    found: dict[str, int] = {}
    rows = connection.exec_driver_sql(
        f"SELECT coalesce(m.tbl_name, s.name), sum(s.{column}) FROM dbstat s"
        " LEFT JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
    )
    for table, size in rows:
        name = LOG if table == "audit_details" else table
        found[name] = found.get(name, 0) + size
    return found


def weighed(database: Database) -> dict[str, int]:
    """The same when the file was written anew and its log emptied, as the worker does after a purge."""
    assert trace.remove_traces(database)
    with database.read() as connection:
        return weights(connection)


def shown(sizes: Mapping[int, Mapping[str, int]]) -> list[str]:
    """A line for each table that matters, in MB, the heaviest first; and one for all."""
    last = sizes[WEIGHED[-1]]
    names = sorted(last, key=lambda name: -last[name])
    rows = [(name, [sizes[day].get(name, 0) for day in WEIGHED]) for name in names if last[name] > 2**18]
    rows.append(("all", [sum(sizes[day].values()) for day in WEIGHED]))
    head = f"{'after day':20}" + "".join(f"{day:>9}" for day in WEIGHED)
    return [head] + [f"{name:20}" + "".join(f"{size / 2**20:9.1f}" for size in each) for name, each in rows]


def too_heavy(sizes: Mapping[int, Mapping[str, int]], calls: float, acts: float) -> list[str]:
    """What grew by more than its budget between the first and the last weighing, while so many calls grew
    old a day and so many acts were written.
    """
    first, last = (sizes[day] for day in (WEIGHED[0], WEIGHED[-1]))
    days = WEIGHED[-1] - WEIGHED[0]
    grown = sum(last.values()) - last[LOG] - sum(first.values()) + first[LOG]
    bare, act = grown / (calls * days), (last[LOG] - first[LOG]) / (acts * days)
    print(
        f"an old call leaves {bare:.0f} bytes (may: {BARE}), an act in the audit log {act:.0f} (may: {ACT})"
    )
    heavy, heavy_log = bare - ROUNDED / (calls * days) > BARE, act - ROUNDED / (acts * days) > ACT
    faults = [f"the database grows by {bare:.0f} bytes a call"] if heavy else []
    return faults + ([f"the audit log grows by {act:.0f} bytes an act"] if heavy_log else [])


def grown(sizes: Mapping[int, Mapping[str, int]]) -> list[str]:
    """Whether the file went on growing after everything had reached its time."""
    middle, last = (sum(sizes[day].values()) for day in WEIGHED[1:])
    print(f"the file at the end: {last / middle:.3f} of what it was on day {WEIGHED[1]} (may: {1 + LEVEL})")
    return [] if last - middle <= LEVEL * middle + ROUNDED else ["the file goes on growing"]


# -- the year --------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--figures", type=int, help="days, in place of the shipped ones")
    asked = parser.parse_args()
    began, faults = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name, fresh_database(Path(name)) as database:
        whole = configuration(Path(name), SIGNED)
        settings = whole.privacy
        if asked.figures:
            settings = type(settings).model_validate(
                {**settings.model_dump(), "figures": asked.figures, "audit": asked.figures}
            )
        house = House(whole.model_copy(update={"privacy": settings}), database)
        nights = Nights(house, random.Random(asked.seed))
        nights.begin(BEGINS)
        at, longest, purged, spent = BEGINS, 0.0, 0, 0.0
        sizes: dict[int, dict[str, int]] = {}
        months: dict[date, object] = {}
        for day in range(1, DAYS + 1):
            nights.day(at, asked.calls * day // DAYS - asked.calls * (day - 1) // DAYS)
            at += DAY
            nights.done(at + timedelta(hours=1))
            now = at + timedelta(hours=4)
            started = time.monotonic()
            purged += sum(purging.purge(house, "year", now).counts.values())
            took = time.monotonic() - started
            tick(house, now, {trace.TRACES: files_removed}, 1000)
            outside.keep_anchor(house, now)
            longest, spent = max(longest, took), spent + took
            if day in WEIGHED:
                sizes[day] = weighed(database)
                print(f"day {day:3}: {sum(sizes[day].values()) / 2**20:.1f} MB", flush=True)
            if day % 30 == 0:
                first = (at - 32 * DAY).date()
                # A month's figures, when none of it is too old yet.
                months[first] = counted(house, first, first + 20 * DAY)
                print(
                    f"day {day:3}: {len(nights.left):6} calls, {time.monotonic() - began:5.0f} s", flush=True
                )
        with database.read() as connection:
            acts = connection.execute(select(func.count()).select_from(audit)).scalar_one()
        print(*shown(sizes), sep="\n")
        if asked.figures:
            faults += grown(sizes)
        else:
            faults += too_heavy(sizes, len(nights.left) / DAYS, acts / DAYS)
        kept = (now - settings.figures * DAY).date()
        months = {first: told for first, told in months.items() if first > kept}
        sys.stdout.flush()
        days = (settings.caller_numbers, settings.calls, settings.messages)
        faults += too_old(nights, now, *(timedelta(each) for each in days))
        faults += unchanged(house, months)
        # When the last of it is as old as that, the acts are gone, and the figures still the same.
        gone = purging.purge(house, "year", now + settings.audit * DAY).counts.get("audit", 0)
        print(f"{gone} of {acts} acts go when they are {settings.audit} days old")
        faults += [] if gone > acts / 2 else ["the acts of the year do not go"]
        faults += unchanged(house, months if settings.figures > settings.audit + DAYS else {})
    print(
        f"{len(nights.left)} calls in {time.monotonic() - began:.0f} s, {purged} rows purged in {spent:.0f} s"
    )
    print(f"longest nightly purge {longest:.1f} s; {len(months)} months of figures compared twice")
    for fault in faults[:20]:
        print(f"FAULT {fault}")
    print("nothing is kept beyond its time" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def unchanged(house: House, months: Mapping[date, object]) -> list[str]:
    """What is counted otherwise than before it was purged; and what is wrong with the audit log."""
    faults = [
        f"figures of {first} changed"
        for first, told in months.items()
        if counted(house, first, first + 20 * DAY) != told
    ]
    with house.database.read() as connection:
        told = verification.verify(connection, verification.outside(house.configuration))
    return faults + [str(fault) for fault in told.faults] + ([] if told.holds else ["the log does not hold"])


if __name__ == "__main__":
    sys.exit(main())
