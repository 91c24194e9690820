"""A year of nights, purged each night by the shipped policy: nothing is kept beyond its time, reports count
the same, and the database does not grow with what was said.

    make year            (tests/year.py --calls 30000 --seed 1)

The nights are rows written through the journal's verbs (tests/nights.py), no conversations. Ends with 1 if
anything is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

from making import configuration, fresh_database, utc
from many_nights import Nights, too_old

from console.house import House
from console.privacy import purging
from console.worker import tick
from ivr import figures
from oncall.reports import period
from storage import audit, due, trace

DAYS = 365
BEGINS = utc("2026-01-01 00:00")
DAY = timedelta(days=1)


def counted(house: House, first: date, last: date) -> object:
    """What reports count of a stretch that is over."""
    span = period(first, last, house.configuration.zone)
    wanted = figures.Wanted(span)
    at = BEGINS + 3 * DAYS * DAY
    with house.database.read() as connection:
        return (
            figures.slots(connection, wanted, house.configuration.zone),
            sorted(figures.taken(connection, at, wanted), key=repr),
            figures.worked(connection, wanted, 50),
            figures.rings(connection, wanted),
        )


def files_removed(house: House, work: due.Work, at: datetime) -> None:
    """As the worker removes files; that it writes the database's file anew is not waited for each night."""
    trace.remove_files(house.configuration.folder / "state", work.payload["files"])


def size(house: House) -> int:
    """Bytes of the database that hold anything: what was freed is written again."""
    with house.database.read() as connection:
        pages, free, page = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began, faults = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name, fresh_database(Path(name)) as database:
        house = House(configuration(Path(name)), database)
        settings = house.configuration.privacy
        nights = Nights(house, random.Random(asked.seed))
        nights.begin(BEGINS)
        at, sizes, longest, purged, spent = BEGINS, [], 0.0, 0, 0.0
        months: dict[date, object] = {}
        for day in range(DAYS):
            nights.day(at, (asked.calls * (day + 1)) // DAYS - (asked.calls * day) // DAYS)
            at += DAY
            nights.done(at + timedelta(hours=1))
            now = at + timedelta(hours=4)
            started = time.monotonic()
            purged += sum(purging.purge(house, "year", now).counts.values())
            took = time.monotonic() - started
            tick(house, now, {trace.TRACES: files_removed}, 1000)
            longest, spent = max(longest, took), spent + took
            if day % 30 == 29:
                first = (at - 32 * DAY).date()
                # A month's figures, when none of it is too old yet.
                months[first] = counted(house, first, first + 20 * DAY)
                sizes.append(size(house))
                print(f"day {day + 1:3}: {len(nights.left):6} calls, {sizes[-1] / 2**20:6.1f} MB", flush=True)
        days = (settings.caller_numbers, settings.calls, settings.messages)
        faults += too_old(nights, now, *(timedelta(each) for each in days))
        changed = [first for first, told in months.items() if counted(house, first, first + 20 * DAY) != told]
        faults += [f"figures of {first} changed" for first in changed]
        with database.read() as connection:
            faults += [str(fault) for fault in audit.verify(connection)[1]]
        # From the fourth month on only bare facts are added.
        bare = (sizes[-1] - sizes[3]) / (len(nights.left) * (DAYS - 120) / DAYS)
        whole = sizes[2] / (len(nights.left) * 90 / DAYS)
    print(
        f"{len(nights.left)} calls in {time.monotonic() - began:.0f} s, {purged} rows purged in {spent:.0f} s"
    )
    print(f"longest nightly purge {longest:.1f} s; {len(months)} months of figures compared")
    print(f"a call takes {whole / 1024:.1f} kB while its story is kept, {bare / 1024:.2f} kB afterwards")
    if bare > whole * 2 / 3:
        faults.append(f"the database grows by {bare:.0f} bytes a call")
    for fault in faults[:20]:
        print(f"FAULT {fault}")
    print("nothing is kept beyond its time" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
